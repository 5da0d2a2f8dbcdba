import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Store } from '@hamicek/noex-store'
import WebSocket from 'ws'
import type { ClientOptions, LiveQuery, QueryState } from '../../../lib/client/types.js'
import { clientFor, type TestedClient } from '../../support/client-parts.js'
import { serveTokens, type ServedTokens } from '../../support/external-auth.js'
import { PASSWORD, serveAccounts } from '../../support/identity.js'
import { serve } from '../../support/service.js'
import { until } from '../../support/until.js'

const HOUR = 3_600_000

interface Watching {
  readonly client: TestedClient
  readonly query: LiveQuery<Array<{ n: number }>>
  /** The states that the query has told of. */
  readonly states: Array<QueryState<any>>
}

/** Ends all sessions of accounts, as the application can. */
async function endSessions (store: Store): Promise<void> {
  for (const { id } of await store.bucket('_sessions').all()) await store.bucket('_sessions').delete(id)
}

/** Opens a client that watches all items. */
function watching (t: Test, url: string, options: ClientOptions): Watching {
  const client = clientFor(t, url, options)
  const query = client.query({ bucket: 'items', sort: { n: 'asc' } })
  const states: Watching['states'] = []
  t.teardown(query.subscribe(() => { states.push(query.state) }))
  return { client, query, states }
}

/** Serves tokens and one item, and watches it as the user of the token that `token` returns. */
async function watched (t: Test, token: () => string): Promise<ServedTokens & Watching> {
  const served = await serveTokens(t, {}, { revocation: {} })
  await served.store.bucket('items').insert({ n: 1 })
  const parts = watching(t, served.url, { getToken: token })
  await until(() => parts.query.status === 'live')
  return { ...served, ...parts }
}

t.test('a logout ends the work of the client, and what it shows is gone until the next', async t => {
  const { client, query, asked } = await watched(t, () => 'writer')
  t.same(await client.request('auth.logout'), { loggedOut: true })
  t.match(client.state, { value: 'refused', error: { code: 'LOGGED_OUT', message: /reconnect\(\)/ } })
  t.match(query.state, { data: undefined, status: 'error', error: { code: 'LOGGED_OUT' } })
  const later = client.query('all-items')
  t.match(later.state, { data: undefined, status: 'error', error: { code: 'LOGGED_OUT' } })
  const request = client.request('store.all', { bucket: 'items' })
  await t.rejects(request, { code: 'DISCONNECTED', outcome: 'not-done' })
  t.equal(asked.length, 1, 'it does not come back by itself')
  client.reconnect()
  t.match(query.state, { status: 'loading', error: undefined })
  await until(() => query.status === 'live')
  t.match(query.getSnapshot(), [{ n: 1 }])
  t.equal(asked.length, 2)
})

t.test('a logout whose answer is given up is one all the same', async t => {
  const { client, query, asked, store } = await watched(t, () => 'writer')
  const controller = new AbortController()
  const aborted = client.request('auth.logout', {}, { signal: controller.signal })
  controller.abort()
  await t.rejects(aborted, { code: 'ABORTED' })
  await until(() => client.state.value === 'refused')
  t.match(client.state.error, { code: 'LOGGED_OUT' })
  t.match(query.state, { data: undefined, status: 'error' })
  await store.bucket('items').insert({ n: 2 })
  t.equal(query.getSnapshot(), undefined)
  t.equal(asked.length, 1)
})

t.test('so is one whose connection is lost', async t => {
  const { url } = await serveTokens(t)
  const sockets: WebSocket[] = []
  class KeptWebSocket extends WebSocket {
    constructor (address: string) {
      super(address)
      sockets.push(this)
    }
  }
  const { client, query } = watching(t, url, { getToken: () => 'writer', WebSocket: KeptWebSocket })
  await until(() => query.status === 'live')
  const lost = t.rejects(client.request('auth.logout'), { code: 'DISCONNECTED', outcome: 'unknown' })
  for (const socket of sockets) socket.terminate()
  await lost
  await until(() => client.state.value === 'refused')
  t.match(client.state.error, { code: 'LOGGED_OUT' })
  t.equal(query.getSnapshot(), undefined)
})

t.test('after another login whose answer is given up, it is found out who is logged in', async t => {
  const { client, query, asked } = await watched(t, () => 'writer')
  const controller = new AbortController()
  const aborted = client.request('auth.login', { token: 'other' }, { signal: controller.signal })
  controller.abort()
  await t.rejects(aborted, { code: 'ABORTED' })
  await until(() => asked.filter(({ token }) => token === 'writer').length === 2)
  await until(() => client.state.value === 'open' && query.status === 'live')
  t.match(await client.request('auth.whoami'), { userId: 'walt' })
})

t.test('a logout of an account does the same', async t => {
  const { url, user, store } = await serveAccounts(t)
  await user('alice', 'writer')
  await store.bucket('items').insert({ n: 1 })
  const { client, query } = watching(t, url, { getToken: () => ({ username: 'alice', password: PASSWORD }) })
  await until(() => query.status === 'live')
  await client.request('identity.logout')
  t.match(client.state, { value: 'refused', error: { code: 'LOGGED_OUT' } })
  t.equal(query.getSnapshot(), undefined)
})

t.test('a login that is refused is an error of all that is watched, until the next', async t => {
  const { url } = await serveTokens(t)
  let token = 'unknown'
  const { client, query, states } = watching(t, url, { getToken: () => token })
  await client.reached('refused')
  t.match(query.state, { data: undefined, status: 'error', error: { code: 'UNAUTHORIZED', message: /log in anew/ } })
  t.match(states, [{ status: 'error' }], 'its listeners are told')
  token = 'writer'
  client.reconnect()
  await until(() => query.status === 'live')
  t.same(states.map(({ status }) => status), ['error', 'loading', 'live'])
})

t.test('of a user who is revoked nothing is shown any more', async t => {
  const { app, client, query } = await watched(t, () => 'writer')
  const lingering = client.query('all-items')
  lingering.subscribe(() => {})()
  await until(() => lingering.status === 'live')
  app.noex.revokeSession('walt')
  await client.reached('refused')
  for (const { state } of [query, lingering]) {
    t.match(state, { data: undefined, status: 'error', error: { code: 'SESSION_REVOKED', message: /reconnect\(\)/ } })
  }
  t.match(client.state.error?.message, /revoked.*log in anew, then call reconnect\(\)/)
})

t.test('another user after a reconnect sees nothing of the one before', async t => {
  let token = 'writer'
  const { client, query, states } = await watched(t, () => token)
  const before = states.length
  token = 'reader'
  client.reconnect()
  await until(() => query.status === 'live' && states.length > before)
  const statuses = states.slice(before).map(({ status, data }) => `${status} ${data?.length ?? 'nothing'}`)
  t.same(statuses, ['stale 1', 'loading nothing', 'live 1'])
})

t.test('the same user after a reconnect keeps the data, and nothing flashes', async t => {
  const { client, states } = await watched(t, () => 'writer')
  const before = states.length
  client.reconnect()
  await client.reached('open')
  t.ok(states.slice(before).every(({ data }) => data?.length === 1))
})

t.test('a renewal that brings another user begins all queries anew', async t => {
  const { url, tokens, store, asked } = await serveTokens(t)
  await store.bucket('items').insert({ n: 1 })
  const { client, query, states } = watching(t, url, {
    getToken: () => {
      const token = asked.length === 0 ? 'first' : 'second'
      tokens['first'] = { userId: 'walt', roles: ['writer'], expiresAt: Date.now() + 3_000 }
      tokens['second'] = { userId: 'rita', roles: ['reader'], expiresAt: Date.now() + HOUR }
      return token
    }
  })
  await until(() => query.status === 'live')
  const before = states.length
  await until(() => asked.length === 2 && states.length > before && query.status === 'live')
  t.same(states.slice(before).map(({ status }) => status), ['loading', 'live'])
  t.same(client.states, ['connecting', 'open'])
  t.match(await client.request('auth.whoami'), { userId: 'rita' })
})

t.test('a renewal of the same user changes nothing that is shown', async t => {
  const { url, tokens, store, asked } = await serveTokens(t)
  await store.bucket('items').insert({ n: 1 })
  const { query, states } = watching(t, url, {
    getToken: () => {
      const ttlMs = asked.length === 0 ? 3_000 : HOUR
      tokens['walt'] = { userId: 'walt', roles: ['writer'], expiresAt: Date.now() + ttlMs }
      return 'walt'
    }
  })
  await until(() => query.status === 'live' && asked.length === 2)
  t.same(states.map(({ status }) => status), ['live'])
})

t.test('a login by the application as another user begins all queries anew', async t => {
  const { url, store } = await serveTokens(t, { required: false })
  await store.bucket('items').insert({ n: 1 })
  const { client, query, states } = watching(t, url, {})
  await client.request('auth.login', { token: 'writer' })
  await until(() => query.status !== 'loading')
  await client.request('auth.login', { token: 'admin' })
  t.equal(query.getSnapshot(), undefined)
  await until(() => query.status === 'live')
  t.match(await client.request('auth.whoami'), { userId: 'anna' })
  t.ok(states.length > 1)
})

t.test('a session that the server ends is told at once: the same user goes on, after a moment', async t => {
  const { url, user, store } = await serveAccounts(t)
  await user('alice', 'writer')
  await store.bucket('items').insert({ n: 1 })
  const getToken = (): { username: string, password: string } => ({ username: 'alice', password: PASSWORD })
  const { client, query, states } = watching(t, url, { getToken })
  await until(() => query.status === 'live')
  await endSessions(store)
  await until(() => states.length > 1 && query.status === 'live')
  t.same(states.map(({ status }) => status), ['live', 'stale', 'live'])
  t.ok(states.every(({ data }) => data?.length === 1), 'nothing flashes')
  await client.reached('open')
  t.same(client.states, ['connecting', 'open', 'leaving', 'waiting', 'connecting', 'open'])
})

t.test('a new password, set elsewhere, ends what is shown here', async t => {
  const { url, user, store, connect } = await serveAccounts(t)
  const userId = await user('alice', 'writer')
  await store.bucket('items').insert({ n: 1 })
  const getToken = (): { username: string, password: string } => ({ username: 'alice', password: PASSWORD })
  const { client, query } = watching(t, url, { getToken })
  await until(() => query.status === 'live')
  const elsewhere = await connect()
  await elsewhere.ask('identity.login', { username: 'alice', password: PASSWORD })
  const newPassword = `${PASSWORD} and more`
  await elsewhere.ask('identity.changePassword', { userId, currentPassword: PASSWORD, newPassword })
  await client.reached('refused')
  t.match(query.state, { data: undefined, status: 'error', error: { code: 'UNAUTHORIZED' } })
})

t.test('a request that is under way when the session ends gets its answer', async t => {
  const { url, user, store } = await serveAccounts(t)
  await user('alice', 'writer')
  store.defineQuery('slow', async () => await new Promise(resolve => setTimeout(resolve, 300, 'done')))
  const getToken = (): { username: string, password: string } => ({ username: 'alice', password: PASSWORD })
  const { client } = watching(t, url, { getToken })
  await client.reached('open')
  const answer = client.request('store.query', { query: 'slow' })
  await sleep(100)
  await endSessions(store)
  await client.reached('leaving')
  await t.rejects(answer, { code: 'UNAUTHORIZED' })
  await client.reached('open')
})

t.test('a login by the application that ends on the server leaves nothing of its user', async t => {
  const { url, tokens, store } = await serveTokens(t, {
    required: false,
    permissions: { default: 'deny', rules: [{ role: 'reader', allow: '*' }] }
  })
  await store.bucket('items').insert({ n: 1 })
  tokens['short'] = { userId: 'sam', roles: ['reader'], expiresAt: Date.now() + 1_500 }
  const client = clientFor(t, url)
  await client.request('auth.login', { token: 'short' })
  const query = client.query('all-items')
  t.teardown(query.subscribe(() => {}))
  await until(() => query.status === 'live')
  await until(() => query.status === 'error')
  t.match(query.state, { data: undefined, error: { code: /FORBIDDEN|UNAUTHORIZED/ } })
})

t.test('another user of a gateway sees nothing of the one before, and the same one keeps all', async t => {
  const { url, store, app } = await serve(t, {
    allowedOrigins: ['https://desk.example'],
    auth: {
      gateway: { userHeader: 'x-user', rolesHeader: 'x-roles', trustedProxies: ['127.0.0.1'] },
      permissions: { default: 'deny', rules: [{ role: 'reader', allow: '*' }] }
    }
  })
  await store.bucket('items').insert({ n: 1 })
  let name = 'ann'
  class GatewaySocket extends WebSocket {
    constructor (address: string) {
      super(address, { origin: 'https://desk.example', headers: { 'x-user': name, 'x-roles': 'reader' } })
    }
  }
  const { client, query, states } = watching(t, url, { WebSocket: GatewaySocket as never })
  const shownAfter = async (next: string): Promise<unknown[]> => {
    states.length = 0
    name = next
    client.reconnect()
    await until(() => states.at(-1)?.status === 'live')
    return states.map(({ status, data }) => `${status} ${data?.length ?? 'nothing'}`)
  }
  await until(() => query.status === 'live')
  t.same(await shownAfter('ann'), ['stale 1', 'live 1'])
  t.same(await shownAfter('bob'), ['stale 1', 'loading nothing', 'live 1'])
  const users = app.noex.getConnections().map(({ userId }) => userId)
  t.ok(users.includes('bob'))
})
