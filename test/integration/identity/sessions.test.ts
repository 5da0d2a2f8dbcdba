import t from 'tap'
import { FileAdapter, Store } from '../../../lib/exports/store.js'
import { ADMIN_SECRET, PASSWORD, serveAccounts } from '../../support/identity.js'
import { TestClient } from '../../support/client.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { logText } from '../../support/log-into.js'

const rightPassword = { password: PASSWORD }

t.test('[G-B1] the first login is that of the admin secret, on the store as it comes', async t => {
  const { connect, url } = await serveAccounts(t)
  t.match(await TestClient.raw(t, url).next(), { requiresAuth: true })
  const client = await connect()
  t.match(await client.request('identity.loginWithSecret', { secret: 'wrong' }), {
    code: 'UNAUTHORIZED',
    message: 'Invalid credentials'
  })
  const result = await client.ask('identity.loginWithSecret', { secret: ADMIN_SECRET })
  t.match(result, {
    token: /^[\w-]{43}$/,
    expiresAt: Number,
    user: { id: '__superadmin__', username: '__superadmin__', roles: ['superadmin'] }
  })
  t.same(await client.ask('identity.whoami'), {
    authenticated: true,
    userId: '__superadmin__',
    roles: ['superadmin'],
    expiresAt: result.expiresAt
  })
  t.match(await client.ask('identity.createUser', { username: 'alice', password: 'long enough' }), {
    username: 'alice',
    enabled: true,
    id: String
  })
})

t.test('login by name and password', async t => {
  const { connect, user, store } = await serveAccounts(t)
  const id = await user('alice', 'writer')
  const client = await connect()
  t.match(await client.request('identity.login', { username: 'alice', password: 'wrong' }), {
    code: 'UNAUTHORIZED',
    message: 'Invalid credentials'
  })
  t.match(await client.request('identity.login', { username: 'unknown', password: PASSWORD }), {
    code: 'UNAUTHORIZED',
    message: 'Invalid credentials'
  })
  const before = (await store.bucket('_users').get(id))?.['passwordHash'] as string
  t.match(await client.ask('identity.login', { username: 'alice', ...rightPassword }), {
    user: { id, username: 'alice', roles: ['writer'] }
  })
  const after = (await store.bucket('_users').get(id))?.['passwordHash'] as string
  t.match(before, /^\$scrypt\$16384\$8\$1\$/)
  t.match(after, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/, 'a hash of the original is renewed')
  const again = await connect()
  t.match(
    await again.ask('identity.login', { username: 'alice', ...rightPassword }),
    { user: { id } },
    'and the new one is as good'
  )
  t.equal((await store.bucket('_users').get(id))?.['passwordHash'], after)
})

t.test('[G-B14] a disabled account is told so only with the right password', async t => {
  const { connect, user, store } = await serveAccounts(t)
  const id = await user('alice')
  await store.bucket('_users').update(id, { enabled: false })
  const client = await connect()
  t.match(await client.request('identity.login', { username: 'alice', password: 'wrong' }), {
    code: 'UNAUTHORIZED',
    message: 'Invalid credentials'
  })
  t.match(await client.request('identity.login', { username: 'alice', ...rightPassword }), {
    code: 'UNAUTHORIZED',
    message: 'Account disabled'
  })
  t.equal(await store.bucket('_sessions').count(), 0)
})

t.test('[G-B8] a token login knows its token: refresh and both logouts work', async t => {
  const { connect, user, token, store } = await serveAccounts(t)
  const id = await user('alice', 'reader')
  const first = await token(id)
  const client = await connect()
  await client.ask('auth.login', { token: first })
  const { token: second } = await client.ask('identity.refreshSession')
  t.not(second, first)
  t.equal(
    await (await connect()).code('auth.login', { token: first }),
    'UNAUTHORIZED',
    'the old token is dead'
  )
  const other = await connect()
  t.match(await other.ask('auth.login', { token: second }), { userId: id, roles: ['reader'] })
  t.same(await other.ask('identity.logout'), { loggedOut: true })
  t.same(
    await client.ask('auth.whoami'),
    { authenticated: false },
    'the session has ended on every connection'
  )
  t.equal(await client.code('auth.login', { token: second }), 'UNAUTHORIZED')
  const third = await token(id)
  await client.ask('auth.login', { token: third })
  await client.ask('auth.logout')
  t.equal(await client.code('auth.login', { token: third }), 'UNAUTHORIZED')
  t.equal(await store.bucket('_sessions').count(), 0)
})

t.test('[G-B13] tokens are kept as hashes only', async t => {
  const { superadmin, store, connect } = await serveAccounts(t)
  await superadmin()
  const client = await connect()
  const { token } = await client.ask('identity.loginWithSecret', { secret: ADMIN_SECRET })
  const records = await store.bucket('_sessions').all()
  t.equal(records.length, 2)
  t.notMatch(JSON.stringify(records), new RegExp(token))
  for (const { id } of records) {
    t.match(id, /^[0-9a-f]{64}$/)
    t.equal(
      await (await connect()).code('auth.login', { token: id }),
      'UNAUTHORIZED',
      'what is stored is no token'
    )
  }
})

t.test('[G-B21] a session knows where it comes from, a refreshed one too', async t => {
  const { url, store } = await serveAccounts(t)
  const client = await TestClient.open(t, url, { headers: { 'user-agent': `desk ${'x'.repeat(500)}` } })
  await client.ask('identity.loginWithSecret', { secret: ADMIN_SECRET })
  await client.ask('identity.refreshSession')
  const [session, ...others] = await store.bucket('_sessions').all()
  t.same(others, [])
  t.equal(session?.['ip'], '127.0.0.1')
  t.equal(String(session?.['userAgent']).length, 256)
})

t.test('[G-B10] the oldest of too many sessions ends', async t => {
  const { connect } = await serveAccounts(t, { maxSessionsPerUser: 2 })
  const clients = [await connect(), await connect(), await connect()]
  const tokens: string[] = []
  for (const client of clients) {
    tokens.push((await client.ask('identity.loginWithSecret', { secret: ADMIN_SECRET })).token)
  }
  t.same(await clients[0]?.ask('auth.whoami'), { authenticated: false })
  t.match(await clients[1]?.ask('auth.whoami'), { authenticated: true })
  const other = await connect()
  t.equal(await other.code('auth.login', { token: tokens[0] }), 'UNAUTHORIZED')
  t.match(await other.ask('auth.login', { token: tokens[1] }), { userId: '__superadmin__' })
})

t.test('[G-B10] with one session each, refreshing works', async t => {
  const { connect } = await serveAccounts(t, { maxSessionsPerUser: 1 })
  const client = await connect()
  await client.ask('identity.loginWithSecret', { secret: ADMIN_SECRET })
  const { token } = await client.ask('identity.refreshSession')
  t.match(await client.ask('auth.whoami'), { authenticated: true })
  t.match(await (await connect()).ask('auth.login', { token }), { userId: '__superadmin__' })
})

t.test('[G-B12] sessionTtl counts, above a day too', async t => {
  const month = 30 * 86_400_000
  const { connect, store } = await serveAccounts(t, { sessionTtl: month })
  const client = await connect()
  const { expiresAt } = await client.ask('identity.loginWithSecret', { secret: ADMIN_SECRET })
  t.ok(Math.abs(expiresAt - Date.now() - month) < 10_000)
  t.equal(store.getBucketSchema('_sessions')?.ttl, undefined, 'the store does not end it earlier')
  t.match(await client.ask('auth.whoami'), { authenticated: true, expiresAt })
})

t.test('[G-B3] a session ends at its moment', async t => {
  const { user, token, connect, store } = await serveAccounts(t)
  store.defineDeclarativeQuery('all', { bucket: 'items' })
  const client = await connect()
  await client.ask('auth.login', {
    token: await token(await user('alice', 'reader'), { expiresAt: Date.now() + 300 })
  })
  await client.ask('store.subscribe', { query: 'all' })
  await new Promise<void>(resolve => {
    const timer = setInterval(() => {
      client.ask('auth.whoami').then(({ authenticated }) => {
        if (authenticated === true) return
        clearInterval(timer)
        resolve()
      }, () => {})
    }, 20)
  })
  await store.bucket('items').insert({})
  t.match(await client.request('store.count', { bucket: 'items' }), {
    code: 'UNAUTHORIZED',
    message: 'Session expired'
  })
  t.same(client.waiting, [])
})

t.test('[G-B7] a revoked user can log in neither by token nor by password', async t => {
  const { user, token, connect, app, as, store } = await serveAccounts(
    t,
    {},
    { revocation: { blacklistTtlMs: 60_000 } }
  )
  const id = await user('alice', 'writer')
  const live = await as(id)
  const spare = await token(id)
  t.equal(app.noex.revokeSession(id), 1)
  t.same(await live.closed, { code: 4002, reason: 'session_revoked' })
  const client = await connect()
  t.equal(await client.code('auth.login', { token: spare }), 'UNAUTHORIZED', 'its sessions have ended')
  t.equal(await client.code('identity.login', { username: 'alice', ...rightPassword }), 'SESSION_REVOKED')
  t.equal(await store.bucket('_sessions').count(), 0, 'also in the store')
  t.equal(app.noex.revokeSession('__superadmin__'), 0)
  t.equal(await client.code('identity.loginWithSecret', { secret: ADMIN_SECRET }), 'SESSION_REVOKED')
})

t.test('[G-B7] a login that is on its way when its user is revoked begins no session', async t => {
  const { connect, user, app, store } = await serveAccounts(t)
  const id = await user('alice', 'writer')
  const transaction = store.transaction.bind(store)
  for (const [userId, type, fields] of [
    [id, 'identity.login', { username: 'alice', ...rightPassword }],
    ['__superadmin__', 'identity.loginWithSecret', { secret: ADMIN_SECRET }]
  ] as const) {
    const client = await connect()
    store.transaction = async work => await transaction(async tx => {
      const result = await work(tx)
      store.transaction = transaction
      app.noex.revokeSession(userId)
      return result
    })
    t.equal(await client.code(type, fields), 'SESSION_REVOKED', type)
    t.same(await client.ask('auth.whoami'), { authenticated: false })
  }
})

t.test('[G-B7] revoking a role ends sessions of users who are not connected, too', async t => {
  const { user, token, connect, app } = await serveAccounts(t)
  const [writer, reader] = [await user('walt', 'writer'), await user('rita', 'reader')]
  const [away, present] = [await token(writer), await token(reader)]
  t.equal(app.noex.revokeSessions({ role: 'writer' }), 0)
  const client = await connect()
  t.equal(await client.code('auth.login', { token: away }), 'UNAUTHORIZED')
  t.match(await client.ask('auth.login', { token: present }), { userId: reader })
})

t.test('[G-B19] anonymous clients are answered as the protocol says', async t => {
  const { connect } = await serveAccounts(t)
  const client = await connect()
  for (const type of [
    'identity.whoami',
    'identity.logout',
    'identity.refreshSession',
    'identity.listUsers',
    'store.buckets',
    'nonsense'
  ]) {
    t.equal(await client.code(type), 'UNAUTHORIZED', type)
  }
  t.same(await client.ask('auth.whoami'), { authenticated: false })
  t.same(await client.ask('auth.logout'), { loggedOut: true })
})

t.test('login limits', async t => {
  const loginRateLimit = { maxAttempts: 3, windowMs: 60_000 }

  t.test('[G-B16] parallel guesses are counted before they are computed', async t => {
    const { connect, user } = await serveAccounts(t, { loginRateLimit })
    await user('alice')
    const clients = await Promise.all(Array.from({ length: 30 }, async () => await connect()))
    const replies = await Promise.all(
      clients.map(
        async (client, i) =>
          await client.request('identity.login', {
            username: 'alice',
            password: i === 29 ? PASSWORD : `guess ${i}`
          })
      )
    )
    t.equal(replies.filter(({ code }) => code === 'UNAUTHORIZED').length, 3)
    const limited = replies.filter(({ code }) => code === 'RATE_LIMITED')
    t.equal(limited.length, 27, 'the right one among them')
    for (const { details } of limited) t.ok(details.retryAfterMs > 0 && details.retryAfterMs <= 60_000)
  })

  t.test('[G-B17] failures of one account lock neither others nor the admin secret', async t => {
    const { connect, user } = await serveAccounts(t, { loginRateLimit })
    await user('alice')
    await user('bob')
    const client = await connect()
    for (let i = 0; i < 4; i++) await client.request('identity.login', { username: 'bob', password: 'wrong' })
    t.equal(await client.code('identity.login', { username: 'bob', ...rightPassword }), 'RATE_LIMITED')
    t.match(await client.ask('identity.login', { username: 'alice', ...rightPassword }), {
      user: { username: 'alice' }
    })
    t.match(await client.ask('identity.loginWithSecret', { secret: ADMIN_SECRET }), { token: String })
  })

  t.test('[G-B17] guesses at the secret lock the secret for their address only', async t => {
    const { url, user } = await serveAccounts(
      t,
      { loginRateLimit },
      { realIpHeader: 'X-Real-IP', trustedProxies: ['127.0.0.1'] }
    )
    await user('alice')
    const from = async (address: string): Promise<TestClient> =>
      await TestClient.open(t, url, { headers: { 'x-real-ip': address } })
    const guesser = await from('203.0.113.1')
    for (let i = 0; i < 3; i++) {
      t.equal(await guesser.code('identity.loginWithSecret', { secret: `guess ${i}` }), 'UNAUTHORIZED')
    }
    t.equal(await guesser.code('identity.loginWithSecret', { secret: ADMIN_SECRET }), 'RATE_LIMITED')
    t.match(await guesser.ask('identity.login', { username: 'alice', ...rightPassword }), {
      user: { username: 'alice' }
    })
    t.match(await (await from('203.0.113.2')).ask('identity.loginWithSecret', { secret: ADMIN_SECRET }), {
      token: String
    })
  })

  t.test('[G-B22] wrong current passwords count', async t => {
    const { user, as } = await serveAccounts(t, { loginRateLimit })
    const id = await user('alice', 'reader')
    const client = await as(id)
    const change = { userId: id, currentPassword: 'wrong', newPassword: 'another password' }
    for (let i = 0; i < 3; i++) t.equal(await client.code('identity.changePassword', change), 'UNAUTHORIZED')
    t.equal(
      await client.code('identity.changePassword', { ...change, currentPassword: PASSWORD }),
      'RATE_LIMITED'
    )
  })
})

t.test('[G-B13] with a persistent store users and sessions survive a restart', async t => {
  const directory = temporaryDirectory(t)
  const open = async (): Promise<Store> =>
    await Store.start({ name: 'accounts', persistence: { adapter: new FileAdapter({ directory }) } })
  const first = await open()
  const before = await serveAccounts(t, {}, {}, { store: first })
  await before.user('alice', 'writer')
  const client = await before.connect()
  const { token } = await client.ask('identity.login', { username: 'alice', ...rightPassword })
  await before.app.close()
  await first.stop()

  const second = await open()
  t.teardown(async () => { await second.stop() })
  const after = await serveAccounts(t, {}, {}, { store: second })
  t.teardown(async () => { await after.app.close() })
  const returning = await after.connect()
  t.match(await returning.ask('auth.login', { token }), { roles: ['writer'] })
  t.equal(await returning.ask('store.count', { bucket: 'items' }), 0)
  t.match(await returning.ask('identity.refreshSession'), { token: String })
})

t.test('without one they do not', async t => {
  const before = await serveAccounts(t)
  const client = await before.connect()
  const { token } = await client.ask('identity.loginWithSecret', { secret: ADMIN_SECRET })
  const after = await serveAccounts(t)
  t.equal(await (await after.connect()).code('auth.login', { token }), 'UNAUTHORIZED')
})

t.test('a short admin secret is warned of at boot', async t => {
  const { logger, logged } = logText()
  await serveAccounts(t, { adminSecret: 'short' }, {}, { fastify: { logger } })
  t.match(logged(), /the admin secret is shorter than 16 characters/)
  t.notMatch(logged(), /"short"/)
})

t.test('/stats takes a session token', async t => {
  const { app, user, token } = await serveAccounts(t)
  const status = async (bearer: string): Promise<number> =>
    (await app.inject({ url: '/stats', headers: { authorization: `Bearer ${bearer}` } })).statusCode
  t.equal((await app.inject('/stats')).statusCode, 401)
  t.equal(await status(await token(await user('rita', 'reader'))), 403)
  const admin = await app.inject({
    url: '/stats',
    headers: { authorization: `Bearer ${await token(await user('anna', 'admin'))}` }
  })
  t.equal(admin.statusCode, 200)
  t.same(
    admin.json<{ store: { buckets: { names: string[] } } }>().store.buckets.names,
    ['items'],
    'without system buckets'
  )
  const root = await app.inject({
    url: '/stats',
    headers: { authorization: `Bearer ${await token('__superadmin__')}` }
  })
  t.ok(root.json<{ store: { buckets: { names: string[] } } }>().store.buckets.names.includes('_users'))
  const id = await user('dora', 'admin')
  const bearer = await token(id)
  app.noex.revokeSession(id)
  t.equal(await status(bearer), 401)
})
