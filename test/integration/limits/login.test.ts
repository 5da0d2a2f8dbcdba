import t from 'tap'
import type { NoexOptions } from '../../../lib/index.js'
import { serve } from '../../support/service.js'
import { Barrier } from '../../support/barrier.js'
import { untilConnections, upgradeStatus, userTokens } from '../../support/limits.js'

t.test('a client that has to log in', t => {
  t.test('has loginTimeoutMs for it, and is closed with 1008', async t => {
    const { connect } = await serve(t, { auth: userTokens, loginTimeoutMs: 1_000 })
    const [silent, chatty, user] = [await connect(), await connect(), await connect()]
    await user.ask('auth.login', { token: 'ann' })
    await chatty.request('auth.whoami')
    t.same(await silent.closed, { code: 1008, reason: 'login_timeout' })
    t.same(await chatty.closed, { code: 1008, reason: 'login_timeout' }, 'to talk is not to log in')
    t.ok(await user.ask('auth.whoami'))
    t.equal(user.ws.readyState, user.ws.OPEN)
    await user.ask('auth.logout')
    t.same(await user.closed, { code: 1008, reason: 'login_timeout' }, 'again after a logout')
  })

  t.test('has it also when the session has run out', async t => {
    const { connect } = await serve(t, {
      auth: { validate: async token => ({ userId: token, roles: [], expiresAt: Date.now() + 1_000 }) },
      loginTimeoutMs: 1_000
    })
    const client = await connect()
    await client.ask('auth.login', { token: 'ann' })
    t.same(await client.closed, { code: 1008, reason: 'login_timeout' })
  })

  t.test('has no longer for a login that hangs', async t => {
    const barrier = new Barrier()
    t.teardown(() => { barrier.open() })
    const { connect, app } = await serve(t, {
      auth: {
        async validate (token) {
          await barrier.pass()
          return { userId: token, roles: [] }
        }
      },
      loginTimeoutMs: 100
    })
    const client = await connect()
    client.send({ id: 1, type: 'auth.login', token: 'ann' })
    t.same(await client.closed, { code: 1008, reason: 'login_timeout' })
    barrier.open()
    await untilConnections(app, 0)
    t.match(await app.noex.getStats(), { connections: { active: 0, authenticated: 0 } })
  })

  t.test('is not closed where no login is required', async t => {
    for (const auth of [undefined, { ...userTokens, required: false }] as const) {
      const { connect } = await serve(t, {
        ...(auth && { auth: auth as NonNullable<NoexOptions['auth']> }),
        loginTimeoutMs: 50,
        heartbeat: { intervalMs: 60 }
      })
      const client = await connect()
      for (let i = 0; i < 3; i++) await client.next(frame => frame['type'] === 'ping')
      t.equal(client.ws.readyState, client.ws.OPEN)
    }
  })

  t.test(
    'are no more than maxUnauthenticatedConnections: the next gets 503 until one has logged in',
    async t => {
      const { connect, port, app } = await serve(t, {
        auth: userTokens,
        connectionLimits: { maxUnauthenticatedConnections: 2 }
      })
      const [first, second] = [await connect(), await connect()]
      t.equal(await upgradeStatus(t, port), 503)
      await first.ask('auth.login', { token: 'ann' })
      const third = await connect()
      t.equal(await upgradeStatus(t, port), 503)
      second.ws.terminate()
      await untilConnections(app, 2)
      await connect()
      third.ws.terminate()
      await untilConnections(app, 2)
      await first.ask('auth.logout')
      t.equal(await upgradeStatus(t, port), 503, 'who has logged out is one of them')
    }
  )
  t.end()
})
