import { RuleEngine } from '@hamicek/noex-rules'
import t from 'tap'
import { TestClient } from '../../support/client.js'
import { serve } from '../../support/service.js'
import { serveAccounts } from '../../support/identity.js'
import { serveTokens } from '../../support/external-auth.js'
import { poster } from '../../support/rpc.js'
import { until } from '../../support/until.js'

const idsOf = ({ connections }: { connections: Array<{ connectionId: string }> }): string[] =>
  connections.map(({ connectionId }) => connectionId)

t.test('without fields the list is that of all, with names, waiting bytes and requests', async t => {
  const { superadmin, login, app } = await serveAccounts(t)
  const operator = await superadmin()
  await login('alice', 'reader')
  const list = await operator.ask('server.connections')
  t.match(list, [
    { userId: '__superadmin__', userName: null, bytesQueued: 0, requests: 2 },
    { userId: String, userName: 'alice', bytesQueued: 0, requests: 1, connectedAt: Number }
  ])
  t.same(list, app.noex.getConnections())
})

t.test('pages and filters', async t => {
  const { superadmin, login, store } = await serveAccounts(t)
  store.defineDeclarativeQuery('all-items', { bucket: 'items' })
  const operator = await superadmin()
  const alice = await login('alice', 'reader')
  const alfred = await login('Alfred', 'reader')
  const { userId } = await alfred.ask('identity.whoami')
  await alice.ask('store.subscribe', { query: 'all-items' })
  await alfred.ask('store.subscribe', { find: { bucket: 'items' } })
  const all = await operator.ask('server.connections', { limit: 1_000 })
  t.match(all, { total: 3, more: false })
  const [first, second, third] = idsOf(all)
  const start = await operator.ask('server.connections', { limit: 2 })
  t.match(start, { total: 3, more: true })
  t.same(idsOf(start), [first, second])
  const rest = await operator.ask('server.connections', { limit: 2, after: second })
  t.match(rest, { total: 3, more: false })
  t.same(idsOf(rest), [third])
  const found = async (fields: object): Promise<string[]> =>
    idsOf(await operator.ask('server.connections', fields))
  t.same(await found({ user: 'AL' }), [second, third], 'the beginning of a name, in any case')
  t.same(await found({ user: 'alf' }), [third])
  t.same(await found({ user: userId }), [third], 'an id')
  t.same(await found({ user: userId.slice(0, 8) }), [], 'the beginning of an id is none')
  t.same(await found({ address: '127.' }), [first, second, third])
  t.same(await found({ address: '10.' }), [])
  t.same(await found({ query: 'all-items' }), [second])
  t.same(await found({ query: 'find in items', user: 'a' }), [third])
  t.same(await found({ query: 'all-items', user: 'alf' }), [])
  alice.ws.close()
  await until(async () => (await found({ limit: 9 })).length === 2)
  t.same(await found({ after: second, limit: 9 }), [third], 'after one that has ended')
})

t.test('wrong fields are refused', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  const wrong = [
    { limit: 0 }, { limit: 1_001 }, { limit: '1' }, { after: 'x' }, { after: '' }, { user: '' }, { user: 5 },
    { address: null }, { query: 'x'.repeat(257) }, { after: 'conn-1 ' }
  ]
  for (const fields of wrong) {
    t.equal(await client.code('server.connections', fields), 'VALIDATION_ERROR', JSON.stringify(fields))
  }
  t.match(await client.ask('server.connections', { after: 'conn-999999999' }), { connections: [], total: 1 })
  t.match(await client.request('server.connection', { connectionId: 'conn-0' }), { code: 'NOT_FOUND' })
})

t.test('server.connection shows subscriptions, what waits, and the rate of requests', async t => {
  const rules = await RuleEngine.start()
  t.teardown(async () => { await rules.stop() })
  const { connect, store } = await serve(t, { rules })
  store.defineDeclarativeQuery('all-items', { bucket: 'items' })
  const [operator, client] = [await connect(), await connect()]
  const began = Date.now()
  const query = await client.ask('store.subscribe', { query: 'all-items' })
  const search = await client.ask('store.subscribe', { find: { bucket: 'items' } })
  const events = await client.ask('rules.subscribe', { pattern: 'order.*' })
  const connectionId = idsOf(await operator.ask('server.connections', { limit: 2 }))[1]
  const shown = await operator.ask('server.connection', { connectionId })
  t.match(shown, {
    connectionId,
    storeSubscriptionCount: 2,
    rulesSubscriptionCount: 1,
    requests: 3,
    queued: { frames: 0, bytes: 0, requests: 0 },
    refusals: []
  })
  t.same(shown.subscriptions.map(({ since, ...others }: { since: number }) => others), [
    { subscriptionId: query.subscriptionId, kind: 'store', query: 'all-items' },
    { subscriptionId: search.subscriptionId, kind: 'store', bucket: 'items' },
    { subscriptionId: events.subscriptionId, kind: 'rules', topic: 'order.*' }
  ])
  for (const { since } of shown.subscriptions) t.ok(since >= began && since <= Date.now())
  t.ok(shown.requestsPerSecond > 0 && shown.requestsPerSecond <= 3, `${shown.requestsPerSecond} per second`)
})

t.test('what waits for a client that does not read, and what it asks meanwhile, is shown', async t => {
  const { connect, store } = await serve(t)
  await store.bucket('items').insert({ id: 'big', name: 'x'.repeat(200_000) })
  const [operator, client] = [await connect(), await connect()]
  client.ws.pause()
  // More than the system keeps for a socket, and than the server lets wait.
  for (let id = 1; id <= 200; id++) client.send({ id, type: 'store.get', bucket: 'items', key: 'big' })
  const connectionId = idsOf(await operator.ask('server.connections', { limit: 2 }))[1]
  await until(async () => (await operator.ask('server.connection', { connectionId })).queued.requests > 0)
  const { queued, bytesQueued } = await operator.ask('server.connection', { connectionId })
  t.ok(queued.bytes > 200_000, `${queued.bytes} bytes`)
  t.equal(bytesQueued, queued.bytes)
  t.ok(queued.requests > 0, `${queued.requests} requests`)
  t.same(await operator.ask('server.close', { connectionId }), { closed: true }, 'it is closed nevertheless')
  await until(async () => (await operator.ask('server.connections')).length === 1)
})

t.test('refusals: of a connection the last 20, of the process the last 200, newest first', async t => {
  const { as, port } = await serveTokens(t, {}, {
    allowedOrigins: ['https://a.example'], routes: { rpc: '/rpc' }
  })
  const operator = await as('admin')
  const reader = await as('reader')
  for (let i = 0; i < 25; i++) await reader.code('store.insert', { bucket: 'items', data: {} })
  await reader.code('x'.repeat(5_000))
  reader.send('no JSON')
  await reader.next()
  const connectionId = idsOf(await operator.ask('server.connections', { user: 'rita' }))[0]
  const { refusals: own } = await operator.ask('server.connection', { connectionId })
  t.equal(own.length, 20)
  t.match(own.slice(0, 3), [
    { at: Number, operation: null, code: 'PARSE_ERROR', message: String },
    { operation: 'x'.repeat(64), code: 'UNKNOWN_OPERATION' },
    { operation: 'store.insert', code: 'FORBIDDEN', message: 'store.insert requires write access' }
  ])
  t.ok(own.every(({ message }: { message: string }) => message.length <= 256))
  const { refusals } = await operator.ask('server.refusals', { limit: 3 })
  t.match(refusals, [
    { connectionId, address: '127.0.0.1', userId: 'rita', userName: null, operation: null },
    { operation: 'x'.repeat(64) }, { operation: 'store.insert' }
  ])
  const page = TestClient.raw(t, `ws://127.0.0.1:${port}`, { origin: 'https://evil.example' })
  await page.closed
  const post = poster(`http://127.0.0.1:${port}/rpc`)
  t.match(await post({ type: 'store.count' }, { authorization: 'Bearer no' }), { status: 401 })
  t.match((await operator.ask('server.refusals')).refusals.slice(0, 2), [
    { connectionId: null, operation: null, userId: null, code: 'UNAUTHORIZED', message: String },
    { connectionId: null, operation: null, userId: null, code: '403', message: 'the origin is not allowed' }
  ])
  for (let i = 0; i < 250; i++) await reader.code('store.insert', { bucket: 'items', data: {} })
  t.equal((await operator.ask('server.refusals', { limit: 200 })).refusals.length, 200)
  t.equal((await operator.ask('server.refusals')).refusals.length, 100)
  t.equal(await operator.code('server.refusals', { limit: 201 }), 'VALIDATION_ERROR')
  reader.ws.close()
  await until(async () => (await operator.ask('server.connections')).length === 1)
  t.equal(await operator.code('server.connection', { connectionId }), 'NOT_FOUND')
})
