import t from 'tap'
import { serve, type Served } from '../../support/service.js'
import { Barrier } from '../../support/barrier.js'
import { serveTokens } from '../../support/external-auth.js'
import { until } from '../../support/until.js'

t.test('expiry', async t => {
  t.test('[G-B3] ends pushes at its moment, and the next request says so once', async t => {
    const { as, tokens, store, app } = await serveTokens(t)
    const expiresAt = Date.now() + 400
    tokens['short'] = { userId: 'sam', roles: ['reader'], expiresAt }
    const client = await as('short')
    await client.ask('store.subscribe', { query: 'all-items' })
    await store.bucket('items').insert({ name: 'before' })
    await client.push()
    await until(() => app.noex.getConnections()[0]?.authenticated === false)
    t.ok(Date.now() > expiresAt, 'not before its time')
    await store.bucket('items').insert({ name: 'after' })
    t.match(await client.request('store.count', { bucket: 'items' }), {
      code: 'UNAUTHORIZED',
      message: 'Session expired'
    })
    t.match(await client.request('store.count', { bucket: 'items' }), {
      code: 'UNAUTHORIZED',
      message: 'Authentication required'
    })
    t.same(await client.ask('auth.whoami'), { authenticated: false })
    t.same(client.waiting, [], 'no push')
  })

  t.test('a subscription that was suspended goes on after the next login, with what is new', async t => {
    const { as, tokens, store, app } = await serveTokens(t)
    tokens['short'] = { userId: 'sam', roles: ['reader'], expiresAt: Date.now() + 200 }
    const client = await as('short')
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'all-items' })
    await until(() => app.noex.getConnections()[0]?.authenticated === false)
    await store.bucket('items').insert({ name: 'meanwhile' })
    t.match(app.noex.getConnections(), [{ storeSubscriptionCount: 1 }], 'it still counts')
    await client.ask('auth.login', { token: 'reader' })
    t.match(await client.push(subscriptionId), { data: [{ name: 'meanwhile' }] })
    await store.bucket('items').insert({ name: 'later' })
    t.match(await client.push(subscriptionId), { data: [{}, { name: 'later' }] })
    t.same(await client.ask('store.unsubscribe', { subscriptionId }), { unsubscribed: true })
  })
})

t.test('logout and change of user', async t => {
  t.test('[G-B4] a subscription does not outlive the session', async t => {
    const { as, store } = await serveTokens(t, {
      permissions: {
        default: 'deny',
        rules: [
          { role: 'writer', allow: ['store.subscribe', 'store.buckets'] },
          { role: 'clerk', allow: 'store.buckets' }
        ]
      }
    })
    const client = await as('writer')
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'all-items' })
    await client.ask('auth.logout')
    await store.bucket('items').insert({ name: 'a' })
    t.equal(await client.code('store.unsubscribe', { subscriptionId }), 'UNAUTHORIZED')
    t.same(client.waiting, [], 'nothing after the logout')
    await client.ask('auth.login', { token: 'custom' })
    t.same(
      await client.next(),
      { type: 'system', event: 'subscription_closed', subscriptionId, reason: 'forbidden' },
      'the next user may not watch it'
    )
    await store.bucket('items').insert({ name: 'b' })
    await client.settled()
    t.same(client.waiting, [])
    t.same(await client.ask('store.unsubscribe', { subscriptionId }), { unsubscribed: true })
    t.equal(await client.code('store.unsubscribe', { subscriptionId }), 'NOT_FOUND')
  })

  t.test('[G-B4] without a logout in between, the next user gets what that user may see', async t => {
    const { as, store } = await serveTokens(t, {
      permissions: {
        default: 'deny',
        rules: [
          { role: 'writer', allow: '*' },
          { role: 'clerk', allow: '*', where: { name: 'public' } }
        ]
      }
    })
    await store.bucket('items').insertMany([{ name: 'public' }, { name: 'secret' }])
    const client = await as('writer')
    const { subscriptionId, data } = await client.ask('store.subscribe', { query: 'all-items' })
    t.equal(data.length, 2)
    await client.ask('auth.login', { token: 'custom' })
    t.match(await client.push(subscriptionId), { data: [{ name: 'public' }] })
  })

  t.test('the same user logging in again sees no repetition', async t => {
    const { as, store } = await serveTokens(t)
    await store.bucket('items').insert({ name: 'a' })
    const client = await as('writer')
    await client.ask('store.subscribe', { query: 'all-items' })
    await client.ask('auth.logout')
    await client.ask('auth.login', { token: 'writer' })
    await client.settled()
    t.same(client.waiting, [])
  })
})

t.test('[G-B2] revalidation', async t => {
  t.test('by default a token is checked at login only', async t => {
    const { as, asked } = await serveTokens(t)
    const client = await as('writer')
    for (let i = 0; i < 10; i++) await client.ask('store.count', { bucket: 'items' })
    t.equal(asked.length, 1)
  })

  t.test('with 0 it is checked before every request, so that a revoked token does nothing more', async t => {
    const { as, asked, tokens } = await serveTokens(t, { revalidateMs: 0 })
    const client = await as('writer')
    await client.ask('store.insert', { bucket: 'items', data: {} })
    await client.ask('store.insert', { bucket: 'items', data: {} })
    t.equal(asked.length, 3)
    tokens['writer'] = null
    t.equal(await client.code('store.insert', { bucket: 'items', data: {} }), 'UNAUTHORIZED')
    t.same(await client.ask('auth.whoami'), { authenticated: false })
  })

  t.test('new roles of a token count', async t => {
    const { as, tokens } = await serveTokens(t, { revalidateMs: 0 })
    const client = await as('writer')
    tokens['writer'] = { userId: 'walt', roles: ['reader'] }
    t.equal(await client.code('store.insert', { bucket: 'items', data: {} }), 'FORBIDDEN')
    tokens['writer'] = { userId: 'another user', roles: ['writer'] }
    t.equal(
      await client.code('store.insert', { bucket: 'items', data: {} }),
      'UNAUTHORIZED',
      'a token does not change its user'
    )
  })

  t.test('pushes wait for the confirmation and end with the token', async t => {
    const { as, tokens, store, asked } = await serveTokens(t, { revalidateMs: 0 })
    const client = await as('reader')
    await client.ask('store.subscribe', { query: 'all-items' })
    const before = asked.length
    await store.bucket('items').insert({ name: 'a' })
    t.match(await client.push(), { data: [{ name: 'a' }] })
    t.ok(asked.length > before, 'the push was confirmed first')
    tokens['reader'] = null
    await store.bucket('items').insert({ name: 'b' })
    t.equal(await client.code('store.count', { bucket: 'items' }), 'UNAUTHORIZED')
    t.same(client.waiting, [], 'no push')
  })

  t.test(
    'a check that fails refuses the request and holds the pushes, and neither ends the session',
    async t => {
      let fails = false
      const { connect, store } = await serveTokens(t, {
        revalidateMs: 0,
        async validate () {
          if (fails) throw new Error('away')
          return { userId: 'u', roles: ['writer'] }
        }
      })
      const client = await connect()
      await client.ask('auth.login', { token: 'x' })
      await client.ask('store.subscribe', { query: 'all-items' })
      fails = true
      t.equal(await client.code('store.insert', { bucket: 'items', data: {} }), 'INTERNAL_ERROR')
      await store.bucket('items').insert({ name: 'a' })
      t.equal(await client.code('store.count', { bucket: 'items' }), 'INTERNAL_ERROR')
      t.same(client.waiting, [])
      fails = false
      await store.bucket('items').insert({ name: 'b' })
      t.match(await client.push(), { data: [{ name: 'a' }, { name: 'b' }] })
    }
  )
})

t.test('a client whose token cannot be checked may still leave, or log in anew', async t => {
  let fails = false
  const { connect } = await serveTokens(t, {
    revalidateMs: 0,
    async validate (token) {
      if (fails && token === 'old') throw new Error('away')
      return { userId: token, roles: [] }
    }
  })
  const client = await connect()
  await client.ask('auth.login', { token: 'old' })
  fails = true
  t.equal(await client.code('store.buckets'), 'INTERNAL_ERROR')
  t.match(await client.ask('auth.login', { token: 'new' }), { userId: 'new' })
  t.match(await client.ask('store.buckets'), { count: 1 })
  t.same(await client.ask('auth.logout'), { loggedOut: true })
})

t.test('revocation', async t => {
  t.test('[G-B6] nothing that arrives later is executed, and the connection has no user', async t => {
    const { as, app, store } = await serveTokens(t)
    const client = await as('writer')
    await client.ask('store.subscribe', { query: 'all-items' })
    client.ws.pause()
    t.equal(app.noex.revokeSession('walt'), 1)
    t.notMatch(app.noex.getConnections(), [{ authenticated: true }])
    for (let i = 0; i < 3; i++) {
      client.send({ id: 100 + i, type: 'store.insert', bucket: 'items', data: { name: 'late' } })
    }
    await store.bucket('items').insert({ name: 'by the application' })
    client.ws.resume()
    t.match(await client.next(), { type: 'system', event: 'session_revoked', reason: String })
    t.same(await client.closed, { code: 4002, reason: 'session_revoked' })
    t.same(client.waiting, [], 'no push, no reply')
    t.equal(await store.bucket('items').count(), 1)
  })

  t.test('[G-B7] who is revoked cannot log in for a while', async t => {
    const { as, app, connect } = await serveTokens(t, {}, { revocation: { blacklistTtlMs: 300 } })
    t.equal(app.noex.revokeSession('rita'), 0, 'also when the user has no session')
    const client = await as('writer')
    t.equal(await client.code('auth.login', { token: 'reader' }), 'SESSION_REVOKED')
    t.same(await client.ask('auth.whoami'), { authenticated: false }, 'and has no user then')
    await until(async () => (await client.request('auth.login', { token: 'reader' }))['type'] === 'result')
    await connect()
  })

  t.test('by role, by both, or of all users', async t => {
    const { as, app } = await serveTokens(t)
    const [reader, writer, second] = [await as('reader'), await as('writer'), await as('writer')]
    t.equal(app.noex.revokeSessions({ userId: 'rita', role: 'writer' }), 0)
    t.equal(app.noex.revokeSessions({ role: 'writer' }), 2)
    t.same((await Promise.all([writer.closed, second.closed])).map(({ code }) => code), [4002, 4002])
    t.equal(app.noex.revokeSessions({}), 1)
    t.equal((await reader.closed).code, 4002)
    t.throws(() => app.noex.revokeSession(''), TypeError)
    for (const filter of [{ userId: undefined }, { role: '' }, { users: 'x' }]) {
      t.throws(
        () => app.noex.revokeSessions(filter as unknown as { userId: string }),
        TypeError,
        'a member without a value is a mistake, not all users'
      )
    }
  })

  t.test('ends with the confirmation of a token that was being checked', async t => {
    const barrier = new Barrier()
    const { connect, app } = await serveTokens(t, {
      async validate () {
        await barrier.pass()
        return { userId: 'slow', roles: [] }
      }
    })
    const client = await connect()
    const login = client.request('auth.login', { token: 'x' })
    await barrier.held()
    app.noex.revokeSession('slow')
    barrier.open()
    t.match(await login, { code: 'SESSION_REVOKED' })
  })
})

t.test('/stats', async t => {
  const get = async (app: Served['app'], authorization?: string): Promise<number> =>
    (await app.inject({ url: '/stats', headers: authorization === undefined ? {} : { authorization } }))
      .statusCode

  t.test('asks for the right to server.stats', async t => {
    const { app, tokens } = await serveTokens(t)
    tokens['old'] = { userId: 'olga', roles: ['admin'], expiresAt: Date.now() - 1 }
    const anonymous = await app.inject('/stats')
    t.equal(anonymous.statusCode, 401)
    t.equal(anonymous.headers['www-authenticate'], 'Bearer')
    t.equal(await get(app, 'Bearer nonsense'), 401)
    t.equal(await get(app, 'Bearer old'), 401)
    t.equal(await get(app, 'Basic admin'), 401)
    t.equal(await get(app, 'Bearer writer'), 403)
    t.equal(await get(app, 'bearer admin'), 200)
    app.noex.revokeSession('anna')
    t.equal(await get(app, 'Bearer admin'), 401)
  })

  t.test('goes by the anonymous right where login is optional', async t => {
    const closed = await serveTokens(t, { required: false })
    t.equal(await get(closed.app), 403)
    t.equal(await get(closed.app, 'Bearer nonsense'), 401, 'a bad token is no anonymous client')
    const open = await serveTokens(t, {
      required: false,
      permissions: { default: 'deny', rules: [{ role: 'anonymous', allow: 'server.stats' }] }
    })
    t.equal(await get(open.app), 200)
  })

  t.test('says that a token cannot be checked, and no more', async t => {
    const { app } = await serveTokens(t, { async validate () { throw new Error('secret place') } })
    const answer = await app.inject({ url: '/stats', headers: { authorization: 'Bearer x' } })
    t.equal(answer.statusCode, 503)
    t.notMatch(answer.body, /secret place/)
  })

  t.test('is open where there is no auth', async t => {
    const { app } = await serve(t)
    t.equal(await get(app), 200)
    t.equal(await get(app, 'Bearer any'), 200)
  })
})
