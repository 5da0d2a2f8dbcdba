import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { preload } from '../../../lib/client/preload.js'
import type { LiveQuery, QueryState } from '../../../lib/client/types.js'
import { clientFor, type TestedClient } from '../../support/client-parts.js'
import { Relay } from '../../support/relay.js'
import { serve, type Served } from '../../support/service.js'
import { until } from '../../support/until.js'

interface Desk extends Served {
  readonly relay: Relay
  readonly client: TestedClient
}

/** Serves items of which each has a number, and opens a client behind a network that can fail. */
async function startDesk (t: Test): Promise<Desk> {
  const served = await serve(t, { routes: { rpc: '/rpc' } })
  const { store } = served
  store.defineDeclarativeQuery('all', { bucket: 'items', sort: { n: 'asc' } })
  store.defineDeclarativeQuery('sum', { bucket: 'items', aggregate: { function: 'sum', field: 'n' } })
  await store.bucket('items').insertMany([1, 2, 3, 4].map(n => ({ id: `i${n}`, n, name: 'a' })))
  const relay = await Relay.start(served.port)
  t.teardown(async () => { await relay.stop() })
  const client = clientFor(t, `ws://127.0.0.1:${relay.port}`)
  return { ...served, relay, client }
}

/** Watches a query; returns the states that it has shown. */
function statesOf (t: Test, query: LiveQuery<any>): Array<QueryState<any>> {
  const states = [query.state]
  t.teardown(query.subscribe(() => { states.push(query.state) }))
  return states
}

t.test('a query shows what others change, row by row', async t => {
  const { client, store } = await startDesk(t)
  const all = client.query('all')
  const states = statesOf(t, all)
  await until(() => all.status === 'live')
  const [one, two] = all.getSnapshot()
  await store.bucket('items').update('i2', { n: 9 })
  await until(() => all.getSnapshot()[3].n === 9)
  t.equal(all.getSnapshot()[0], one)
  t.same(all.getSnapshot().map(({ id }: any) => id), ['i1', 'i3', 'i4', 'i2'])
  await store.bucket('items').update('i2', { n: 2 })
  await until(() => all.getSnapshot()[1].n === 2)
  t.equal(two.n, 2)
  await store.bucket('items').clear()
  await until(() => all.getSnapshot().length === 0)
  t.equal(states.length, 5)
})

t.test('finds, pages and aggregates are live, and a wrong request says what is wrong', async t => {
  const { client, store } = await startDesk(t)
  const find = { bucket: 'items', filter: { n: { $gte: 2 } }, sort: { n: 'desc' }, fields: ['id', 'n'] }
  const found = client.query(find)
  const page = client.query({ bucket: 'items', sort: { n: 'asc' } }, undefined, { page: { limit: 2 } })
  const sum = client.query('sum')
  const wrong = client.query({ bucket: 'itmes' })
  const none = client.query('none')
  for (const query of [found, page, sum, wrong, none]) statesOf(t, query)
  await client.reached('open')
  t.same(found.getSnapshot().map(({ n }: any) => n), [4, 3, 2])
  t.match(page.state, { data: [{ n: 1 }, { n: 2 }], hasMore: true, nextCursor: String })
  t.equal(sum.getSnapshot(), 10)
  t.match(wrong.error, { code: 'BUCKET_NOT_DEFINED', message: /did you mean "items"/ })
  t.match(none, { status: 'error', error: { code: 'QUERY_NOT_DEFINED' } })
  const rest = client.query({ bucket: 'items', sort: { n: 'asc' } }, undefined, {
    page: { limit: 5, after: String(page.state.nextCursor) }
  })
  statesOf(t, rest)
  await until(() => rest.status === 'live')
  t.match(rest.state, { data: [{ n: 3 }, { n: 4 }], hasMore: false })
  await store.bucket('items').insert({ id: 'new', n: 2.5 })
  await until(() => sum.getSnapshot() === 12.5)
  await until(() => rest.getSnapshot().length === 3)
})

t.test('a query that is removed is an error, and comes back with the next connection', async t => {
  const { client, store } = await startDesk(t)
  const all = client.query('all')
  statesOf(t, all)
  await client.reached('open')
  store.undefineQuery('all')
  await until(() => all.status === 'error')
  t.match(all, { error: { code: 'query_undefined', message: /define/ } })
  store.defineDeclarativeQuery('all', { bucket: 'items' })
  client.reconnect()
  await until(() => all.status === 'live')
  t.equal(all.getSnapshot().length, 4)
})

t.test('over a lost connection, rows that have not changed stay the same objects', async t => {
  const { client, store, relay } = await startDesk(t)
  const all = client.query('all')
  const states = statesOf(t, all)
  await client.reached('open')
  const former = all.getSnapshot()
  relay.isDown = true
  relay.fail('cut')
  await until(() => all.status === 'stale')
  t.equal(all.getSnapshot(), former)
  await store.bucket('items').update('i3', { name: 'b' })
  relay.isDown = false
  await client.reached('open')
  t.same(all.getSnapshot().map((row: any, i: number) => row === former[i]), [true, true, false, true])
  t.same(states.map(({ status }) => status), ['loading', 'live', 'stale', 'live'])
})

t.test('all queries show one moment, while money moves and links fail', async t => {
  const { client, store, relay } = await startDesk(t)
  const halves = ['i1', 'i2'].map(id => client.query({ bucket: 'items', filter: { id } }))
  let looks = 0
  const totals = new Set<number>()
  const look = (): void => {
    if (client.state.value !== 'open' || halves.some(({ status }) => status !== 'live')) return
    looks++
    totals.add(halves.reduce((sum, half) => sum + half.getSnapshot()[0].n, 0))
  }
  for (const half of halves) t.teardown(half.subscribe(look))
  await client.reached('open')
  for (let i = 0; i < 300; i++) {
    await setImmediate()
    await store.transaction(async tx => {
      await (await tx.bucket('items')).update('i1', { n: 1 + i })
      await (await tx.bucket('items')).update('i2', { n: 2 - i })
    })
    if (i % 60 === 30) {
      await client.reached('open')
      relay.fail('cut')
    }
  }
  await until(() => halves[0]?.getSnapshot()?.[0].n === 300)
  t.same([...totals], [3])
  t.ok(looks > 50, `${looks} looks`)
})

t.test('results are preloaded over HTTP as in the process', async t => {
  const { app, port } = await startDesk(t)
  const page = { page: { limit: 2 } }
  const queries = [['all'], ['all', undefined, page], [{ bucket: 'items', fields: ['n'] }], ['none']] as const
  const [here, there] = await Promise.all([
    preload(app.noex, queries), preload(`http://127.0.0.1:${port}/rpc`, queries)
  ])
  t.same(there, here)
  t.match(there.queries[1]?.[1], { data: [{ n: 1 }, { n: 2 }], hasMore: true, revision: Number })
  await t.rejects(preload(`http://127.0.0.1:${port}/`, queries), { code: 'REFUSED' })
})

t.test('what a server has preloaded is shown at once, and goes on from there without a flash', async t => {
  const { app, client, store } = await startDesk(t)
  const preloaded = await preload(app.noex, [['all'], ['sum'], ['none']])
  client.hydrate(JSON.parse(JSON.stringify(preloaded)))
  const [all, sum, none] = ['all', 'sum', 'none'].map(name => client.query(name)) as [any, any, any]
  t.match(all.state, { data: [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }], status: 'stale' })
  t.equal(sum.getSnapshot(), 10)
  t.match(none.state, { status: 'error', error: { code: 'QUERY_NOT_DEFINED' } })
  await store.bucket('items').update('i1', { name: 'b' })
  const former = all.getSnapshot()
  const states = statesOf(t, all)
  await client.reached('open')
  t.same(states.map(({ status }) => status), ['stale', 'live'])
  t.same(all.getSnapshot().map((row: any, i: number) => row === former[i]), [false, true, true, true])
})
