import t, { type Test } from 'tap'
import type { NoexOptions } from '../../lib/index.js'
import type { TestClient } from '../support/client.js'
import { serveAccounts } from '../support/identity.js'
import { scrape, routes } from '../support/prometheus-text.js'
import { serve, type Served } from '../support/service.js'

interface Listed {
  readonly queries: ReadonlyArray<Record<string, any>>
  readonly more: boolean
  readonly total: number
}

interface Desk extends Served {
  readonly client: TestClient
  readonly list: (fields?: object) => Promise<Listed>
}

/** Serves 1,500 orders, a query as data and one in code. */
async function serveOrders (t: Test, options: Omit<NoexOptions, 'store'> = {}): Promise<Desk> {
  const served = await serve(t, options)
  const { store } = served
  const schema = {
    id: { type: 'number' }, status: { type: 'string' }, total: { type: 'number' }, note: { type: 'string' }
  } as const
  await store.defineBucket('orders', { key: 'id', schema, indexes: ['total'] })
  await store.bucket('orders').insertMany(Array.from({ length: 1_500 }, (_, id) =>
    ({ id, status: `s${id % 100}`, total: id, note: 'x' })))
  store.defineDeclarativeQuery('by-status', { bucket: 'orders', filter: { status: '{{ params.status }}' } })
  store.defineQuery('in-code', async (ctx, params) => {
    const { least } = params as unknown as { least: number }
    return await ctx.bucket('orders').where({ total: { $gte: least } })
  })
  const client = await served.connect()
  const list = async (fields = {}): Promise<Listed> => await client.ask('server.queries', fields) as Listed
  return { ...served, client, list }
}

t.test('the cost of queries is listed by their shape: names of parameters, and no values', async t => {
  const { client, list } = await serveOrders(t)
  t.same(await list(), { queries: [], more: false, total: 0 })
  for (const status of ['secret-1', 'secret-2', 's3']) {
    await client.ask('store.subscribe', { query: 'by-status', params: { status } })
  }
  await client.ask('store.subscribe', { query: 'in-code', params: { least: 1_490 } })
  await client.ask('store.query', { query: 'in-code', params: { least: 1_495 } })
  const filter = { note: 'secret-3', total: { $gt: 7 } }
  await client.ask('store.subscribe', { find: { bucket: 'orders', filter } })
  await client.ask('store.subscribe', {
    find: { bucket: 'orders', sort: { total: 'asc' } }, page: { limit: 5 }, delta: true
  })
  const listed = await list()
  t.equal(listed.total, 4)
  t.notMatch(JSON.stringify(listed), /secret/)
  const named = new Map(listed.queries.map(query => [query['query'], query]))
  t.match(named.get('by-status'), {
    kind: 'declarative',
    bucket: 'orders',
    params: ['status'],
    watchers: 3,
    liveQueries: 3,
    evaluations: 3,
    rows: 15
  })
  t.match(named.get('in-code'), { kind: 'code', params: ['least'], watchers: 1, evaluations: 2, rows: 5 })
  const found = named.get('find in orders by note, total $gt')
  t.match(found, { kind: 'find', params: ['note', 'total'], watchers: 1, slow: 0 })
  t.match(named.get('find in orders sorted by total'), { kind: 'page', watchers: 1, rows: 5 })
  for (const query of listed.queries) {
    t.ok(query['bytes'] > 1_000, 'what it keeps')
    t.ok(query['seconds'] > 0 && query['lastMs'] > 0 && query['maxMs'] >= query['lastMs'], query['query'])
  }
  const costs = listed.queries.map(({ seconds, updateSeconds }) => seconds + updateSeconds)
  t.same(costs, [...costs].sort((a, b) => b - a), 'the costly first')
})

t.test('a changed result counts as an update, and one without subscribers keeps its cost', async t => {
  const { client, list, store } = await serveOrders(t)
  const { subscriptionId } = await client.ask('store.subscribe', {
    query: 'by-status', params: { status: 's3' }
  }) as { subscriptionId: string }
  await store.bucket('orders').update(3, { note: 'y' })
  await client.next(({ type }) => type === 'push')
  await client.ask('store.unsubscribe', { subscriptionId })
  const [query] = (await list()).queries
  t.match(query, { watchers: 0, liveQueries: 0, bytes: 0, evaluations: 1, updates: 1 })
  t.ok(query?.['updateSeconds'] > 0 && query?.['bytesOut'] > 15 * 40, 'a push of fifteen rows')
})

t.test('an index that would help is named, where one would', async t => {
  const { client, list, store } = await serveOrders(t)
  await client.ask('store.subscribe', { query: 'by-status', params: { status: 's1' } })
  const filter = { total: { $gt: 1_400 }, note: 'x' }
  await client.ask('store.subscribe', { find: { bucket: 'orders', filter } })
  const advice = ({ queries }: Listed): Record<string, unknown> =>
    Object.fromEntries(queries.map(({ query, advice }) => [query, advice]))
  t.same(advice(await list()), {
    'by-status': 'bucket "orders" needs an index on "status": ' +
      'without, an evaluation looks at all of its 1500 records',
    'find in orders by note, total $gt': undefined
  })
  await store.updateBucket('orders', { addIndexes: ['status'] })
  t.equal(advice(await list())['by-status'], undefined)
})

t.test('the list comes in parts, by a part of a name', async t => {
  const { client, list } = await serveOrders(t)
  for (const field of ['id', 'status', 'total', 'note']) {
    await client.ask('store.subscribe', { find: { bucket: 'orders', filter: { [field]: 1 } } })
  }
  await client.ask('store.subscribe', { find: { bucket: 'items' } })
  const first = await list({ filter: 'ORDERS', limit: 3 })
  t.match(first, { more: true, total: 4 })
  const rest = await list({ filter: 'ORDERS', limit: 3, after: first.queries[2]?.['id'] })
  t.match(rest, { more: false, total: 4 })
  t.equal(new Set([...first.queries, ...rest.queries].map(({ id }) => id)).size, 4)
  t.same((await list({ filter: 'nothing' })).queries, [])
  t.equal(await client.code('server.queries', { after: 'query-99' }), 'NOT_FOUND')
  const limits = [0, 1_001, '1'].map(limit => ({ limit }))
  const bad = [...limits, { after: '' }, { filter: 7 }, { filter: 'x'.repeat(257) }]
  for (const fields of bad) {
    t.equal(await client.code('server.queries', fields), 'VALIDATION_ERROR', Object.keys(fields).join())
  }
})

t.test('of 1,200 searches 1,000 are told apart, and the metrics have one label', async t => {
  const { app, client, list, store } = await serveOrders(t, {
    routes, connectionLimits: { maxSubscriptionsPerConnection: 5_000 }
  })
  await store.defineBucket('loose', { key: 'id', schema: { id: { type: 'number' } } })
  await client.ask('store.subscribe', { query: 'by-status', params: { status: 's1' } })
  for (let i = 0; i < 12; i++) {
    const fields = Array.from({ length: 100 }, (_, j) => [`f${i * 100 + j}`, 1])
    await store.bucket('loose').insert({ id: i, ...Object.fromEntries(fields) })
  }
  const ids: string[] = []
  for (let i = 0; i < 1_200; i++) {
    const find = { bucket: 'loose', filter: { [`f${i}`]: 1 } }
    const reply = await client.ask('store.subscribe', { find }) as { subscriptionId: string }
    ids.push((reply as { subscriptionId: string }).subscriptionId)
  }
  const full = await list({ limit: 1_000 })
  t.equal(full.total, 1_001)
  t.match(full.queries.find(({ query }) => query === '(other)'), { watchers: 201, evaluations: 201 })
  for (const subscriptionId of ids) await client.ask('store.unsubscribe', { subscriptionId })
  await client.ask('store.subscribe', { find: { bucket: 'loose', filter: { f1: 1, f2: 1 } } })
  const later = await list({ filter: 'f1, f2' })
  t.equal(later.total, 1, 'one that is not watched has made room')
  t.equal((await list({ filter: 'by-status' })).total, 1, 'a query with a name stays')
  const labels = (await scrape(app)).labels('noex_evaluation_seconds_count', 'query')
  t.same(labels, new Set(['by-status', '(find)']))
})

t.test('only an administrator may ask', async t => {
  const { superadmin, login } = await serveAccounts(t)
  const writer = await login('walt', 'writer')
  t.equal(await writer.code('server.queries'), 'FORBIDDEN')
  t.match(await (await superadmin()).ask('server.queries'), { queries: [], more: false, total: 0 })
})
