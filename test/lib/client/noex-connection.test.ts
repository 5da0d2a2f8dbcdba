import t, { type Test } from 'tap'
import { DisconnectedError, TimeoutError } from '../../../lib/client/index.js'
import type { NoexClientOptions } from '../../../lib/client/noex-types.js'
import { ADMIN_SECRET, PASSWORD, serveAccounts } from '../../support/identity.js'
import { noexClient, quick, servePlainly, type HeardClient } from '../../support/noex-client.js'
import { serve } from '../../support/service.js'
import { shownErrors } from '../../support/shown-errors.js'
import { until } from '../../support/until.js'

async function connected (t: Test, url: string, options?: NoexClientOptions): Promise<HeardClient> {
  const heard = noexClient(t, url, options)
  await heard.client.connect()
  return heard
}

t.test('after a reconnect: welcome, login, subscriptions, reconnected', async t => {
  const served = await serve(t, {
    auth: { validate: token => token === 'good' ? { userId: 'a', roles: ['writer'] } : null }
  })
  served.store.defineDeclarativeQuery('all', { bucket: 'items', fields: ['id'] })
  const { client, cut, events, names } = await connected(t, served.url, { auth: { token: 'good' } })
  await client.store.subscribe('all', rows => { events.push(['rows', rows]) })
  t.same(names(), ['welcome', 'connected', 'rows'])
  events.length = 0
  cut()
  await until(() => names().includes('reconnected'))
  t.same(names(), ['disconnected', 'reconnecting', 'welcome', 'rows', 'reconnected'])
  t.match(events, [['disconnected', '1006'], ['reconnecting', 1], ['welcome', { requiresAuth: true }]])
  await served.store.bucket('items').insert({ id: 'a' })
  await until(() => names().filter(name => name === 'rows').length === 2)
  t.same(events.at(-1), ['rows', [{ id: 'a' }]])
})

t.test('requests that wait when the link breaks are rejected, and not repeated', async t => {
  const server = await servePlainly(t, (message, socket) => {
    if (message['type'] === 'store.insert') socket.terminate()
    return undefined
  })
  const { client, names } = await connected(t, server.url)
  const insert = client.store.bucket('items').insert({ id: 'a' })
  await t.rejects(insert, { code: 'DISCONNECTED', outcome: 'unknown' })
  await t.rejects(insert, DisconnectedError)
  const early = client.store.bucket('items').get('a')
  await t.rejects(early, { code: 'DISCONNECTED', outcome: 'not-done' }, 'nor is one sent later')
  await until(() => names().includes('reconnected'))
  t.equal(server.received.length, 1)
})

t.test('a request that asks for it is repeated over a reconnect', async t => {
  const served = await serve(t)
  const { client, cut, names } = await connected(t, served.url)
  cut()
  await until(() => client.state === 'reconnecting')
  const data = { id: 'a' }
  t.match(await client.request('store.insert', { bucket: 'items', data }, { retry: true }), data)
  t.ok(names().includes('reconnected'))
})

t.test('closed with 1003, 4002 or 4003, a client does not come back', async t => {
  for (const code of [1_003, 4_002, 4_003]) {
    const server = await servePlainly(t, (_message, socket) => { socket.close(code, 'why') })
    const { client, events } = await connected(t, server.url)
    await t.rejects(client.store.stats(), DisconnectedError)
    await until(() => client.state === 'disconnected')
    const expected = code === 4_002 ? 'SESSION_REVOKED' : 'REFUSED'
    t.match(events.slice(2), [['disconnected', 'why'], ['error', { code: expected }]])
    t.equal(events.length, 4)
  }
})

t.test('a revoked user is told, and does not come back', async t => {
  const served = await serve(t, { auth: { validate: () => ({ userId: 'a', roles: ['reader'] }) } })
  const { client, events } = await connected(t, served.url, { auth: { token: 'good' } })
  await served.app.noex.revokeSession('a')
  await until(() => client.state === 'disconnected')
  t.match(events[2], ['session_revoked', /revoked/])
})

t.test('a session that ends keeps the connection, and says that the subscriptions rest', async t => {
  let ttlMs = 1_500
  const validate = (token: string): object | null => token === 'bad'
    ? null
    : { userId: token, roles: ['reader'], expiresAt: Date.now() + ttlMs }
  const served = await serve(t, { auth: { validate: validate as never } })
  served.store.defineDeclarativeQuery('all', { bucket: 'items', fields: ['id'] })
  const { client, events, names } = await connected(t, served.url, { auth: { token: 'ann' } })
  let shown: unknown
  await client.store.subscribe('all', rows => { shown = rows })
  await until(() => names().includes('error'))
  t.match(events.at(-1), ['error', { code: 'SESSION_ENDED', message: /rest until the next login/ }])
  await served.store.bucket('items').insert({ id: 'a' })
  ttlMs = 60_000
  await client.auth.login('bob')
  await until(() => (shown as unknown[]).length === 1)
  events.length = 0
  await client.auth.logout()
  t.match(events, [['error', { code: 'LOGGED_OUT' }]])
  t.equal(client.state, 'connected')
})

t.test('a logout of a client without subscriptions is no error', async t => {
  const served = await serve(t, { auth: { validate: () => ({ userId: 'a', roles: ['reader'] }) } })
  const { client, names } = await connected(t, served.url, { auth: { token: 'good' } })
  await client.auth.logout()
  t.same(names(), ['welcome', 'connected'])
})

t.test('a login that is refused fails connect', async t => {
  const { url } = await serve(t, { auth: { validate: () => null } })
  const { client, events } = noexClient(t, url, { auth: { token: 'bad' } })
  await t.rejects(client.connect(), { code: 'UNAUTHORIZED' })
  t.match([client.state, events], ['disconnected', [['welcome', {}]]])
})

t.test('a login that a server cannot check at the moment is tried again after a reconnect', async t => {
  let answers = 0
  const served = await serve(t, {
    auth: {
      validate: () => {
        if (++answers === 2) throw new Error('the directory is away')
        return { userId: 'a', roles: ['reader'] }
      }
    }
  })
  const { client, cut, events, names } = await connected(t, served.url, { auth: { token: 'good' } })
  cut()
  await until(() => names().includes('reconnected'))
  t.match(events.find(([name]) => name === 'error'), ['error', { code: 'INTERNAL_ERROR' }])
  t.match(await client.auth.whoami(), { userId: 'a' })
})

t.test('a name and a password log in once; later connections use the token', async t => {
  const served = await serveAccounts(t)
  const userId = await served.user('alice', 'reader')
  const credentials = { username: 'alice', password: PASSWORD }
  const { client, cut, names } = await connected(t, served.url, { auth: { credentials } })
  t.match(await client.identity.whoami(), { userId })
  // Only a token can log in now.
  const admin = await served.superadmin()
  await admin.ask('identity.disableUser', { userId })
  await until(() => client.state === 'disconnected')
  await t.rejects(client.connect(), { code: /UNAUTHORIZED|SESSION_REVOKED/ })
  await admin.ask('identity.enableUser', { userId })
  await client.connect()
  cut()
  await until(() => names().includes('reconnected'))
  t.match(await client.identity.whoami(), { userId })
})

t.test('a later login counts for the next connections, a logout too', async t => {
  const served = await serveAccounts(t)
  const userId = await served.user('alice', 'reader')
  const { client, cut, names } = await connected(t, served.url)
  const reconnects = (): number => names().filter(name => name === 'reconnected').length
  t.equal(await client.auth.whoami(), null, 'a client without a login may log in itself')
  await client.identity.loginWithSecret(ADMIN_SECRET)
  cut()
  await until(() => reconnects() === 1)
  t.match(await client.auth.whoami(), { roles: ['superadmin'] })
  await client.auth.logout()
  await client.auth.login(await served.token(userId))
  cut()
  await until(() => reconnects() === 2)
  t.match(await client.auth.whoami(), { roles: ['reader'] })
  await client.auth.logout()
  cut()
  await until(() => reconnects() === 3)
  t.equal(await client.auth.whoami(), null)
})

t.test('a server that is not there fails connect', async t => {
  const served = await serve(t)
  await served.app.close()
  const { client, names } = noexClient(t, served.url)
  await t.rejects(client.connect(), { code: 'DISCONNECTED', message: /check URL, server/ })
  t.match([client.state, names()], ['disconnected', []])
})

t.test('a welcome that does not come is a timeout', async t => {
  const { url } = await servePlainly(t, () => undefined, null)
  const { client } = noexClient(t, url, { connectTimeoutMs: 20 })
  const connecting = client.connect()
  await t.rejects(connecting, { code: 'TIMEOUT' })
  await t.rejects(connecting, TimeoutError)
})

t.test('a reply that does not come is a timeout', async t => {
  const { url } = await servePlainly(t, () => undefined)
  const { client } = await connected(t, url, { requestTimeoutMs: 20 })
  await t.rejects(client.store.stats(), TimeoutError)
  await t.rejects(client.store.subscribe('all', () => {}), { code: 'TIMEOUT' })
})

t.test('reconnect: false gives up at once, maxRetries after so many attempts', async t => {
  const served = await serve(t)
  const never = await connected(t, served.url, { reconnect: false })
  const thrice = await connected(t, served.url, { reconnect: { ...quick, maxRetries: 3 } })
  never.cut()
  thrice.cut()
  await served.app.close()
  await until(() => [never, thrice].every(({ client }) => client.state === 'disconnected'))
  t.same(never.names().slice(2), ['disconnected', 'error'])
  const attempts = thrice.events.filter(([name]) => name === 'reconnecting').map(([, attempt]) => attempt)
  t.same(attempts, [1, 2, 3])
  t.equal(thrice.names().at(-1), 'error')
})

t.test('a server that knows plain pushes alone is served as well', async t => {
  const { url, sockets } = await servePlainly(t, ({ type }) => {
    return type === 'store.subscribe' ? { subscriptionId: 's1', data: [1] } : null
  })
  const { client } = await connected(t, url)
  const heard: unknown[] = []
  const end = await client.store.subscribe('all', data => { heard.push(data) })
  const push = { type: 'push', channel: 'subscription', subscriptionId: 's1', data: [1, 2] }
  const [socket] = sockets()
  for (const message of [{ ...push, subscriptionId: 's2' }, { ...push, subscriptionId: null }, push]) {
    socket?.send(JSON.stringify(message))
  }
  await until(() => heard.length === 2)
  t.same(heard, [[1], [1, 2]])
  end()
  t.equal(await client.store.bucket('a').get('b'), null)
})

t.test('a subscription that the server ends, or refuses later, is an error that is told', async t => {
  const served = await serve(t)
  served.store.defineDeclarativeQuery('all', { bucket: 'items' })
  const { client, cut, events, names } = await connected(t, served.url)
  const results: unknown[] = []
  await client.store.subscribe('all', data => { results.push(data) })
  await client.store.undefineQuery('all')
  await until(() => names().includes('error'))
  t.match(events.at(-1), ['error', { code: 'query_undefined' }])
  cut()
  await until(() => names().includes('reconnected'))
  t.match(events.at(-2), ['error', { code: 'QUERY_NOT_DEFINED' }])
  served.store.defineDeclarativeQuery('all', { bucket: 'items' })
  cut()
  await until(() => results.length === 2)
})

t.test('functions of the program that throw harm nothing, and their errors are shown', async t => {
  const shown = shownErrors(t)
  const { url, store } = await serve(t)
  store.defineDeclarativeQuery('all', { bucket: 'items', aggregate: { function: 'count' } })
  const { client } = noexClient(t, url)
  client.on('connected', () => { throw new Error('handler') })
  const off = client.on('welcome', () => { throw new Error('not called') })
  off()
  await client.connect()
  const counts: number[] = []
  await client.store.subscribe<number>('all', count => {
    counts.push(count)
    throw new Error('callback')
  })
  await store.bucket('items').insert({})
  await until(() => counts.length === 2)
  t.match(shown, [{ message: 'handler' }, { message: 'callback' }, { message: 'callback' }])
})

t.test('a handler may end the client, or connect it again', async t => {
  const served = await serve(t)
  const { client, cut, names } = await connected(t, served.url)
  client.on('disconnected', () => { client.disconnect() })
  cut()
  await until(() => client.state === 'disconnected')
  t.same(names(), ['welcome', 'connected', 'disconnected'])
})

t.test('without a heartbeat a silent connection is left alone', async t => {
  const { url, received } = await servePlainly(t, () => null, { requiresAuth: false, heartbeatMs: 1_000 })
  await connected(t, url, { heartbeat: false })
  const tested = await connected(t, url)
  await until(() => received.length > 0)
  t.match(received, [{ type: 'ping' }])
  t.equal(tested.client.state, 'connected')
})
