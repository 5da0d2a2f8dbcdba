import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { SignJWT } from 'jose'
import { jwtAuth, type JwtAuthOptions } from '../../../lib/index.js'
import { TestClient } from '../../support/client.js'
import { FakeClock } from '../../support/fake-clock.js'
import { serve, startStore } from '../../support/service.js'
import { InProcessClient } from '../../support/in-process-client.js'
import { NoexService } from '../../../lib/service/service.js'
import { resolveOptions } from '../../../lib/options/options.js'
import { logInto } from '../../support/log-into.js'
import { Barrier } from '../../support/barrier.js'
import { serveTokens } from '../../support/external-auth.js'
import { until } from '../../support/until.js'
import { silentLog } from '../../support/silent-log.js'

/** Serves with `jwtAuth`; `refusals` are the lines of the log about tokens. */
async function serveJwt (t: Test, options: Partial<JwtAuthOptions> = {}) {
  const secret = 'a secret that two programs share, for tests and nothing else'
  const refusals: Array<{ readonly msg: string }> = []
  const write = (line: string): void => {
    const entry = JSON.parse(line) as { readonly msg: string }
    if (entry.msg === 'token refused') refusals.push(entry)
  }
  const auth = jwtAuth({ secret, algorithms: ['HS256'], issuer: 'me', audience: 'us', ...options })
  const served = await serve(t, { auth }, { fastify: { logger: { level: 'info', stream: { write } } } })
  const token = async (claims: object): Promise<string> =>
    await new SignJWT({ iss: 'me', aud: 'us', sub: 'alice', roles: ['reader'], ...claims })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(secret))
  return { ...served, refusals, token }
}

t.test('login', async t => {
  t.test('the welcome says whether to log in, and nothing works before', async t => {
    const { url, connect } = await serveTokens(t)
    t.match(await TestClient.raw(t, url).next(), { type: 'welcome', requiresAuth: true })
    const client = await connect()
    t.match(await client.request('store.count', { bucket: 'items' }), {
      code: 'UNAUTHORIZED',
      message: 'Authentication required'
    })
    t.equal(await client.code('store.nonsense'), 'UNAUTHORIZED', 'what does not exist, neither')
    t.equal(await client.code('identity.whoami'), 'UNAUTHORIZED')
    t.match(await client.request('identity.login', { username: 'a', password: 'b' }), {
      code: 'UNKNOWN_OPERATION',
      message: 'Identity management is not configured'
    })
    t.equal(await client.code('auth.nonsense'), 'UNKNOWN_OPERATION')
    t.same(await client.ask('auth.whoami'), { authenticated: false })
    t.same(await client.ask('auth.logout'), { loggedOut: true })
    t.same(await client.ask('auth.login', { token: 'writer' }), {
      userId: 'walt',
      roles: ['writer'],
      expiresAt: null
    })
    t.same(await client.ask('auth.whoami'), {
      authenticated: true,
      userId: 'walt',
      roles: ['writer'],
      expiresAt: null
    })
    t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
  })

  t.test('a bad token leaves the present session alone', async t => {
    const { as, tokens } = await serveTokens(t)
    const client = await as('writer')
    tokens['old'] = { userId: 'olga', roles: [], expiresAt: Date.now() - 1 }
    t.match(await client.request('auth.login', { token: 'wrong' }), {
      code: 'UNAUTHORIZED',
      message: 'Invalid token'
    })
    t.match(await client.request('auth.login', { token: 'old' }), {
      code: 'UNAUTHORIZED',
      message: 'Token has expired'
    })
    for (const token of [undefined, null, '', 5, {}, ['x'], 'x'.repeat(100_000)]) {
      t.equal(await client.code('auth.login', { token }), 'VALIDATION_ERROR')
    }
    t.match(await client.ask('auth.whoami'), { userId: 'walt' })
  })

  t.test('validate is told where the client comes from, without what a browser adds by itself', async t => {
    const { url, asked } = await serveTokens(t)
    const client = await TestClient.open(t, url, {
      headers: { cookie: 'sid=1', authorization: 'Basic eA==', 'x-device': 'desk-7' }
    })
    await client.ask('auth.login', { token: 'writer' })
    const origin = asked[0]?.origin
    t.equal(origin?.remoteAddress, '127.0.0.1')
    t.match(origin?.connectionId, /^conn-\d+$/)
    t.equal(origin?.headers['x-device'], 'desk-7')
    t.notOk('cookie' in (origin?.headers ?? {}), 'a page of any site could send it')
    t.notOk('authorization' in (origin?.headers ?? {}))
  })

  t.test('with allowedOrigins, validate is told of the cookie too', async t => {
    const { url, asked } = await serveTokens(t, {}, { allowedOrigins: ['https://desk.example'] })
    const client = await TestClient.open(t, url, {
      headers: { cookie: 'sid=1', origin: 'https://desk.example' }
    })
    await client.ask('auth.login', { token: 'writer' })
    t.equal(asked[0]?.origin.headers['cookie'], 'sid=1')
  })

  t.test('a validate that fails, or returns anything but a session, is an error of the server', async t => {
    const holey: string[] = []
    holey[1] = 'a'
    const answers: unknown[] = [
      new Error('database away'), undefined, {}, { userId: '' }, { userId: 5, roles: [] },
      { userId: 'a', roles: 'admin' }, { userId: 'a', roles: [5] },
      { userId: 'a', roles: [], expiresAt: 'soon' }, { userId: 'a', roles: [], expiresAt: Infinity },
      true, 'a', 5,
      { userId: 'a', roles: holey }, { userId: 'a', roles: Array(3) }, { userId: 'a', roles: ['a', null] },
      { userId: 'a'.repeat(257), roles: [] }, { userId: 'a'.repeat(100_000), roles: [] },
      { userId: 'a\ud800', roles: [] },
      { userId: 'a', roles: Array(101).fill('a') }, { userId: 'a', roles: ['a'.repeat(257)] },
      { userId: 'a', roles: ['\udc00'] }, { userId: 'a', roles: Array(4_294_967_295) }
    ]
    const { connect } = await serveTokens(t, {
      async validate (token) {
        const answer = answers[Number(token)]
        if (answer instanceof Error) throw answer
        return answer as never
      }
    })
    const client = await connect()
    for (const [i, answer] of answers.entries()) {
      t.equal(
        await client.code('auth.login', { token: String(i) }),
        answer === undefined ? 'UNAUTHORIZED' : 'INTERNAL_ERROR',
        `answer ${i}`
      )
    }
    t.same(await client.ask('auth.whoami'), { authenticated: false })
  })

  t.test('what is as long as it may be is a session, and null is as good as absent', async t => {
    const userId = 'a'.repeat(256)
    const roles = Array<string>(100).fill('r'.repeat(256))
    const { connect } = await serveTokens(t, {
      validate: token => token === 'good' ? { userId, roles, metadata: null, expiresAt: null } : undefined
    })
    const client = await connect()
    t.same(await client.ask('auth.login', { token: 'good' }), { userId, roles, expiresAt: null })
    t.equal(await client.code('auth.login', { token: 'bad' }), 'UNAUTHORIZED')
  })

  t.test('a client that has gone while its token was checked is logged in nowhere', async t => {
    const barrier = new Barrier()
    const { connect, app } = await serveTokens(t, {
      async validate () {
        await barrier.pass()
        return { userId: 'slow', roles: [] }
      }
    })
    const client = await connect()
    client.send({ id: 1, type: 'auth.login', token: 'x' })
    await barrier.held()
    client.ws.terminate()
    await client.closed
    barrier.open()
    const other = await connect()
    await other.ask('auth.login', { token: 'y' })
    t.equal((await app.noex.getStats()).connections.authenticated, 1)
  })

  t.test('sessions show in the statistics and the list of connections', async t => {
    const { as, app, connect } = await serveTokens(t)
    await connect()
    const client = await as('admin')
    t.match(await client.ask('server.connections'), [
      { authenticated: false, userId: null, roles: [] },
      { authenticated: true, userId: 'anna', roles: ['admin'] }
    ])
    t.match(await app.noex.getStats(), { authEnabled: true, connections: { active: 2, authenticated: 1 } })
    await client.ask('auth.logout')
    t.match(await app.noex.getStats(), { connections: { authenticated: 0 } })
  })
})

t.test('moments in another unit', async t => {
  t.test(
    'expiresAt in seconds, or more than ten years ahead, is an error of the application, which the log names',
    async t => {
      const log: Array<{ readonly err?: { readonly message: string } }> = []
      const now = Date.now()
      const year = 365.25 * 86_400_000
      const { connect } = await serve(
        t,
        { auth: { validate: token => ({ userId: 'u', roles: [], expiresAt: Number(token) }) } },
        {
          fastify: {
            logger: logInto(log, 'error')
          }
        }
      )
      const client = await connect()
      const expiring = async (expiresAt: number): Promise<unknown> =>
        await client.code('auth.login', { token: String(expiresAt) })
      for (const expiresAt of [
        Math.floor(now / 1_000) + 600,
        Math.floor(now / 1_000) - 600,
        now + 10.1 * year,
        now * 1_000,
        now * 1e6,
        8.64e15,
        Number.MAX_SAFE_INTEGER
      ]) {
        t.equal(await expiring(expiresAt), 'INTERNAL_ERROR', String(expiresAt))
      }
      t.match(log, [
        {
          err: {
            message:
              /^auth\.validate has answered wrongly: expiresAt must be in milliseconds .* in seconds$/
          }
        }
      ])
      t.equal(log.length, 1)
      for (const expiresAt of [0, 1, now - 86_400_000, now - 40 * year]) {
        t.equal(await expiring(expiresAt), 'UNAUTHORIZED', String(expiresAt))
      }
      await client.ask('auth.login', { token: String(now + 9.9 * year) })
    }
  )

  t.test('a JWT whose exp is in milliseconds is refused, and the log says why, not the client', async t => {
    const { connect, refusals, token } = await serveJwt(t)
    const client = await connect()
    const seconds = Math.floor(Date.now() / 1_000)
    for (const [claims, reason] of [
      [{ exp: Date.now() + 600_000 }, '"exp" is more than ten years ahead; it is to be in seconds'],
      [{ exp: seconds + 600, iat: Date.now() }, '"iat" is more than ten years ahead; it is to be in seconds'],
      [{ exp: seconds + 600, nbf: Date.now() }, '"nbf" claim timestamp check failed'],
      [{ exp: seconds - 600 }, '"exp" claim timestamp check failed'],
      [{ exp: seconds + 600, aud: 'other' }, 'unexpected "aud" claim value']
    ] as const) {
      t.match(await client.request('auth.login', { token: await token(claims) }), {
        code: 'UNAUTHORIZED',
        message: 'Invalid token'
      })
      t.match(refusals.at(-1), { level: 30, msg: 'token refused', reason, connectionId: /^conn-/ })
    }
    t.equal(refusals.length, 5)
    t.notMatch(JSON.stringify(refusals), /eyJ/, 'the token itself is not logged')
  })

  t.test(
    'clockToleranceMs holds for exp: a token is good for as long after it, at login and afterwards',
    async t => {
      const { connect, token, app } = await serveJwt(t, { clockToleranceMs: 2_000 })
      const client = await connect()
      const exp = Math.floor(Date.now() / 1_000)
      t.match(await client.ask('auth.login', { token: await token({ exp }) }), {
        userId: 'alice',
        expiresAt: exp * 1_000
      })
      t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
      await until(() => app.noex.getConnections()[0]?.authenticated === false)
      t.ok(Date.now() > exp * 1_000 + 2_000, 'and not longer')
      t.match(await client.request('store.count', { bucket: 'items' }), {
        code: 'UNAUTHORIZED',
        message: 'Session expired'
      })
    }
  )
})

t.test('optional login', async t => {
  t.test('[G-C8] an anonymous client is not stronger than one that is logged in', async t => {
    const { connect, store } = await serveTokens(t, {
      required: false,
      permissions: {
        default: 'deny',
        rules: [
          { role: 'anonymous', allow: ['store.get', 'store.subscribe'] },
          { role: 'writer', allow: 'store.*' }
        ]
      }
    })
    const client = await connect()
    t.equal(await client.ask('store.get', { bucket: 'items', key: 'x' }), null)
    t.equal(await client.code('store.insert', { bucket: 'items', data: {} }), 'FORBIDDEN')
    t.equal(await client.code('store.dropBucket', { name: 'items' }), 'FORBIDDEN')
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'all-items' })
    await client.ask('auth.login', { token: 'writer' })
    await client.ask('store.insert', { bucket: 'items', data: { name: 'a' } })
    await client.push(subscriptionId)
    await client.ask('auth.logout')
    await store.bucket('items').insert({ name: 'b' })
    t.match(
      await client.push(subscriptionId),
      { data: [{ name: 'a' }, { name: 'b' }] },
      'what an anonymous client may watch goes on'
    )
    t.equal(await client.code('store.dropBucket', { name: 'items' }), 'FORBIDDEN')
  })

  t.test('[G-C8] without permissions it may read and write, but not administer', async t => {
    const { connect, url } = await serveTokens(t, { required: false })
    t.match(await TestClient.raw(t, url).next(), { requiresAuth: false })
    const client = await connect()
    await client.ask('store.insert', { bucket: 'items', data: {} })
    t.equal(await client.code('store.dropBucket', { name: 'items' }), 'FORBIDDEN')
    t.equal(await client.code('server.connections'), 'FORBIDDEN')
    t.equal(await client.code('store.nonsense'), 'UNKNOWN_OPERATION')
  })
})

t.test(
  '[G-B3] a session that runs out while the server is busy is pushed nothing, though no timer has told of it',
  async t => {
    const clock = new FakeClock()
    let late = 0
    const store = await startStore(t)
    await store.defineBucket('items', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } })
    store.defineDeclarativeQuery('all-items', { bucket: 'items' })
    const service = await NoexService.start(
      resolveOptions({
        store,
        auth: { validate: () => ({ userId: 'sam', roles: ['reader'], expiresAt: clock.now() + 100 }) }
      }),
      {
        log: silentLog,
        address: () => null,
        clock: {
          now: () => clock.now() + late,
          ticks: () => clock.ticks(),
          after: (ms, callback) => clock.after(ms, callback)
        }
      }
    )
    t.teardown(async () => { await service.close() })
    const client = new InProcessClient(service)
    await client.request('auth.login', { token: 'x' })
    await client.request('store.subscribe', { query: 'all-items' })
    await store.bucket('items').insert({})
    while (client.pushes === 0) await setImmediate()
    late = 500
    await store.bucket('items').insert({})
    // The turns in which the push would leave.
    for (let turn = 0; turn < 5; turn++) await setImmediate()
    t.equal(client.pushes, 1)
    t.match(await client.request('store.count', { bucket: 'items' }), {
      code: 'UNAUTHORIZED',
      message: 'Session expired'
    })
  }
)
