import t, { type Test } from 'tap'
import { NoexServerError, type AuthSession, type NoexOptions, type Origin } from '../../../lib/index.js'
import { ADMIN_SECRET, PASSWORD, serveAccounts } from '../../support/identity.js'
import { poster, serveRpc, type ServedRpc } from '../../support/rpc.js'
import { startStore } from '../../support/service.js'

const count = { type: 'store.count', bucket: 'items' }
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

const users: Readonly<Record<string, AuthSession>> = {
  reader: { userId: 'rita', roles: ['reader'] },
  writer: { userId: 'walt', roles: ['writer'] },
  old: { userId: 'olga', roles: ['writer'], expiresAt: 1_000 }
}

async function serveTokens (
  t: Test, options: Omit<NoexOptions, 'store' | 'auth'> = {}, required = true
): Promise<ServedRpc & { readonly asked: Origin[] }> {
  const asked: Origin[] = []
  const validate = async (token: string, origin: Origin): Promise<AuthSession | null> => {
    asked.push(origin)
    if (token === 'broken') throw new Error('the issuer is away')
    if (token === 'busy') throw new NoexServerError('RATE_LIMITED', 'Later', { retryAfterMs: 2_000 })
    return users[token] ?? null
  }
  return { ...await serveRpc(t, { ...options, auth: { validate, required } }), asked }
}

t.test('a token in the header Authorization says who asks', async t => {
  const { app, post } = await serveTokens(t)
  const anonymous = await post(count)
  t.equal(anonymous.status, 401)
  t.equal(anonymous.headers.get('www-authenticate'), 'Bearer')
  t.match(anonymous.body, { code: 'UNAUTHORIZED', message: 'Authentication required' })
  t.match((await post({ type: 'auth.whoami' })).body, { data: { authenticated: false } })
  t.same((await post({ type: 'auth.whoami' }, bearer('reader'))).body.data, {
    authenticated: true, userId: 'rita', roles: ['reader'], expiresAt: null
  })
  t.match(await post(count, bearer('reader')), { status: 200, body: { data: 0 } })
  const insert = { type: 'store.insert', bucket: 'items', data: {} }
  t.match(await post(insert, bearer('reader')), { status: 403, body: { code: 'FORBIDDEN' } })
  t.match(await post(insert, bearer('writer')), { status: 200 })
  t.match((await post([count, insert, count], bearer('reader'))).body, [
    { data: 1 }, { code: 'FORBIDDEN' }, { data: 1 }
  ])
  t.equal(app.noex.connectionCount, 0)
})

t.test('a token that is not taken is refused as a whole, in the words of a login', async t => {
  const { app, post } = await serveTokens(t)
  t.equal((await post(count, bearer('writer'))).status, 200)
  app.noex.revokeSession('walt')
  const cases = [
    ['none', 401, 'UNAUTHORIZED', 'Invalid token'],
    ['old', 401, 'UNAUTHORIZED', 'Token has expired'],
    ['writer', 403, 'SESSION_REVOKED', 'This user cannot log in at the moment'],
    ['broken', 503, 'INTERNAL_ERROR', /cannot be found out/],
    ['busy', 429, 'RATE_LIMITED', 'Later']
  ] as const
  for (const [token, status, code, message] of cases) {
    const answer = await post({ type: 'auth.whoami' }, bearer(token))
    t.equal(answer.status, status, token)
    t.match(answer.body, { id: 0, code, message })
    t.equal((await post([count], bearer(token))).status, status, 'no array of replies either')
  }
  t.equal((await post(count, bearer('none'))).headers.get('www-authenticate'), 'Bearer')
  t.equal((await post(count, bearer('busy'))).headers.get('retry-after'), '2')
})

t.test('a token counts nowhere else than in the header', async t => {
  const { port, asked } = await serveTokens(t)
  const post = poster(`http://127.0.0.1:${port}/rpc?token=writer&access_token=writer`)
  const others = [{}, { authorization: 'Basic d3JpdGVy' }, { cookie: 'token=writer' }, { token: 'writer' }]
  for (const headers of others) {
    t.equal((await post({ ...count, token: 'writer' }, headers)).status, 401)
  }
  t.equal(asked.length, 0)
})

t.test('an address that guesses tokens is held up, and one that knows them is not', async t => {
  const { post } = await serveTokens(t, { rateLimit: { maxRequests: 5, windowMs: 60_000 } })
  for (let i = 0; i < 5; i++) t.equal((await post(count, bearer('writer'))).status, 200)
  t.equal((await post(count, bearer('writer'))).status, 429, 'the limit of the user')
  t.equal((await post(count, bearer('reader'))).status, 200, 'is not that of another one')
  for (let i = 0; i < 5; i++) t.equal((await post(count, bearer(`guess-${i}`))).status, 401)
  const { status, headers, body } = await post(count, bearer('reader'))
  t.match([status, body.message, headers.get('retry-after')], [429, 'Too many wrong tokens', '60'])
})

t.test('cookies reach the application only from a page that may connect', async t => {
  const page = 'https://app.example.com'
  const { post, asked } = await serveTokens(t, { allowedOrigins: [page] })
  const headers = { ...bearer('reader'), cookie: 'sid=1' }
  t.equal((await post(count, { ...headers, origin: page })).status, 200)
  t.equal((await post(count, headers)).status, 200, 'no browser')
  t.equal((await post(count, { ...headers, origin: 'https://evil.example' })).status, 403)
  t.equal((await post(count, { ...headers, origin: 'null' })).status, 403)
  t.match(asked, [{ connectionId: null, headers: { cookie: 'sid=1' } }, { connectionId: null }])
  t.equal(asked.length, 2)
  t.notOk('cookie' in (asked[1]?.headers ?? {}))
  const anywhere = await serveTokens(t)
  t.equal((await anywhere.post(count, { ...headers, origin: page })).status, 200)
  t.notOk('cookie' in (anywhere.asked[0]?.headers ?? {}), 'without a list of origins no page is allowed')
})

t.test('behind a gateway its header says who asks, and a page must be named', async t => {
  const page = 'https://desk.example'
  const { post } = await serveRpc(t, {
    allowedOrigins: [page],
    auth: {
      gateway: { userHeader: 'X-User', rolesHeader: 'X-Roles', trustedProxies: ['127.0.0.1', '::1'] },
      permissions: { default: 'deny', rules: [{ role: 'user', allow: 'store.count' }] }
    }
  })
  const good = { origin: page, 'x-user': 'ann', 'x-roles': 'user' }
  t.match(await post(count, good), { status: 200, body: { data: 0 } })
  t.match((await post({ type: 'auth.whoami' }, good)).body.data, { userId: 'ann', roles: ['user'] })
  const all = await post({ type: 'store.all', bucket: 'items' }, good)
  t.match(all, { status: 403, body: { code: 'FORBIDDEN' } })
  const { origin: _origin, ...withoutOrigin } = good
  t.match(await post(count, withoutOrigin), { status: 403, body: { message: 'The origin is not allowed' } })
  t.equal((await post(count, { ...good, origin: 'https://evil.example' })).status, 403)
  t.equal((await post(count, { origin: page })).status, 401)
  t.equal((await post(count, { ...good, x_user: 'root' })).status, 400)
})

t.test('an account logs in by a request, and works with the token it is given', async t => {
  const { user, port } = await serveAccounts(t, {}, { routes: { rpc: '/rpc' } })
  const post = poster(`http://127.0.0.1:${port}/rpc`)
  const userId = await user('alice', 'writer')
  t.equal((await post(count)).status, 401)
  const login = await post({ type: 'identity.login', username: 'alice', password: PASSWORD })
  t.match(login.body.data, { token: String, user: { id: userId, username: 'alice', roles: ['writer'] } })
  const { token } = login.body.data
  t.match(await post(count, bearer(token)), { status: 200, body: { data: 0 } })
  t.match((await post({ type: 'identity.whoami' }, bearer(token))).body.data, { userId })
  const both = await post([{ type: 'identity.login', username: 'alice', password: PASSWORD }, count])
  t.equal(both.body[1].code, 'UNAUTHORIZED', 'a login is nothing for the next request of an array')
  const renewed = (await post({ type: 'identity.refreshSession' }, bearer(token))).body.data
  t.equal((await post(count, bearer(token))).status, 401, 'the former token has ended')
  t.equal((await post(count, bearer(renewed.token))).status, 200)
  t.match((await post({ type: 'identity.logout' }, bearer(renewed.token))).body.data, { loggedOut: true })
  t.equal((await post(count, bearer(renewed.token))).status, 401)
  t.equal((await post({ type: 'identity.login', username: 'alice', password: 'wrong password' })).status, 401)
})

t.test('a disabled account is refused, and the one that disables itself is told so first', async t => {
  const { user, token, port } = await serveAccounts(t, {}, { routes: { rpc: '/rpc' } })
  const post = poster(`http://127.0.0.1:${port}/rpc`)
  const secret = await post({ type: 'identity.loginWithSecret', secret: ADMIN_SECRET })
  const admin = bearer(secret.body.data.token)
  const userId = await user('alice', 'writer')
  const alice = bearer(await token(userId))
  t.equal((await post(count, alice)).status, 200)
  t.equal((await post({ type: 'identity.disableUser', userId }, admin)).status, 200)
  t.equal((await post(count, alice)).status, 401)
  const bossId = await user('boss', 'admin')
  const boss = bearer(await token(bossId))
  const own = await post({ type: 'identity.disableUser', userId: bossId }, boss)
  t.match(own, { status: 200, body: { data: { enabled: false } } })
  t.equal((await post(count, boss)).status, 401)
})

t.test('without auth everyone may ask, with a token or without', async t => {
  const { post } = await serveRpc(t, {}, { store: await startStore(t) })
  for (const headers of [{}, bearer('x')]) t.equal((await post(count, headers)).status, 200)
})
