import t, { type Test } from 'tap'
import type { Client, ClientOptions, LiveQuery } from '../../../lib/client/types.js'
import type { NoexOptions } from '../../../lib/index.js'
import { serve, type Served } from '../../support/service.js'
import { openTab, Origin, type ClientTab } from '../../support/tabs.js'
import { until } from '../../support/until.js'

interface Tabs extends Served {
  readonly origin: Origin
  readonly tabs: ClientTab[]
  readonly open: (options?: ClientOptions) => ClientTab
  readonly connections: () => number
}

/** Serves, and opens so many tabs. */
async function openTabs (
  t: Test, count: number, options: ClientOptions = {}, serverOptions: Omit<NoexOptions, 'store'> = {}
): Promise<Tabs> {
  const served = await serve(t, serverOptions)
  served.store.defineDeclarativeQuery('all', { bucket: 'items', sort: { n: 'asc' } })
  served.store.defineDeclarativeQuery('some', {
    bucket: 'items', filter: { n: { $gt: 1 } }, sort: { n: 'asc' }
  })
  const origin = new Origin()
  const open = (own: ClientOptions = options): ClientTab => openTab(t, origin, served.url, own)
  const tabs = Array.from({ length: count }, () => open())
  await areOpen(tabs)
  return { ...served, origin, tabs, open, connections: () => served.app.noex.connectionCount }
}

async function areOpen (tabs: ClientTab[]): Promise<void> {
  await until(() => tabs.every(({ client }) => client.state.value === 'open'))
}

function watch (t: Test, client: Client, name = 'all'): LiveQuery<Array<{ n: number }>> {
  const query = client.query(name)
  t.teardown(query.subscribe(() => {}))
  return query
}

const numbers = (query: LiveQuery<Array<{ n: number }>>): number[] =>
  (query.getSnapshot() ?? []).map(({ n }) => n)

function leaderOf (tabs: ClientTab[]): ClientTab {
  return tabs.find(({ tab }) => tab.isLeader) as ClientTab
}

t.test('ten tabs have one connection, and all show the same', async t => {
  const { tabs, connections, store } = await openTabs(t, 10)
  t.equal(connections(), 1)
  t.same(tabs.map(({ client }) => client.state.transport).sort(), [...Array(9).fill('tab'), 'websocket'])
  const queries = tabs.flatMap(({ client }) => [watch(t, client), watch(t, client, 'some')])
  await until(() => queries.every(({ status }) => status === 'live'))
  const rows = await Promise.all(tabs.map(async ({ client }, n) =>
    await client.request('store.insert', { bucket: 'items', data: { n } })))
  t.same(rows.map(({ n }) => n), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 'each has the reply to its own request')
  await until(() => queries.every((query, i) => numbers(query).length === (i % 2 === 0 ? 10 : 8)))
  await store.bucket('items').clear()
  await until(() => queries.every(query => numbers(query).length === 0))
  t.equal(connections(), 1)
})

t.test('a tab shows all its queries at one moment', async t => {
  const { tabs, store } = await openTabs(t, 3)
  const seen: string[] = []
  for (const { client } of tabs) {
    const [all, some] = [watch(t, client), watch(t, client, 'some')]
    const check = (): void => { seen.push(`${numbers(all).filter(n => n > 1)}|${numbers(some)}`) }
    await until(() => all.status === 'live' && some.status === 'live')
    all.subscribe(check)
    some.subscribe(check)
  }
  for (let n = 2; n < 12; n++) await store.bucket('items').insert({ n })
  await until(() => seen.filter(text => text.endsWith('11')).length >= 6)
  for (const text of seen) t.equal(text.split('|')[0], text.split('|')[1])
})

t.test('an optimistic change goes when its answer is shown, in each tab', async t => {
  const { tabs } = await openTabs(t, 3)
  const queries = tabs.map(({ client }) => client.query({ bucket: 'items', sort: { n: 'asc' } }))
  for (const query of queries) t.teardown(query.subscribe(() => {}))
  await until(() => queries.every(({ status }) => status === 'live'))
  for (const [n, { client }] of tabs.entries()) {
    await client.optimistic(tx => { tx.bucket('items').insert({ n }) })
  }
  await until(() => queries.every(query => query.getSnapshot()?.length === 3))
  for (const query of queries) t.same(query.getSnapshot(), queries[0]?.getSnapshot())
})

const deaths: Record<string, (leader: ClientTab) => void> = {
  'is closed by its client': ({ client }) => { client.close() },
  'is left': ({ tab }) => {
    tab.hidePage()
    tab.kill()
  },
  'is killed': ({ tab }) => { tab.kill() },
  'is frozen': ({ tab }) => { tab.freeze() }
}

for (const [death, end] of Object.entries(deaths)) {
  t.test(`when the tab with the connection ${death}, another takes over, and writes happen once`, async t => {
    const { tabs, connections, store } = await openTabs(t, 4, { heartbeatMs: 100 })
    const leader = leaderOf(tabs)
    const others = tabs.filter(tab => tab !== leader)
    const queries = others.map(({ client }) => watch(t, client))
    await until(() => queries.every(({ status }) => status === 'live'))
    const write = async (n: number): Promise<unknown> => await Promise.all(others.map(async ({ client }, i) =>
      await client.request('store.insert', { bucket: 'items', data: { n: n + i } }, { retry: true })))
    const written = write(0)
    end(leader)
    await Promise.all([written, write(10)])
    await until(() => queries.every(query => query.status === 'live' && numbers(query).length === 6))
    for (const query of queries) t.same(numbers(query), [0, 1, 2, 10, 11, 12])
    t.equal(await store.bucket('items').count(), 6)
    t.notOk(leader.tab.isLeader)
    leader.tab.thaw()
    await until(() => connections() === 1)
    if (death === 'is frozen') {
      await until(() => leader.client.state.value === 'open' && leader.client.state.transport === 'tab')
      t.equal(await leader.client.request('store.count', { bucket: 'items' }), 6)
    }
    t.equal(connections(), 1)
  })
}

t.test('a tab that goes takes its subscriptions along', async t => {
  const { tabs, app, open } = await openTabs(t, 2)
  const third = open()
  await areOpen([third])
  for (const { client } of [...tabs, third]) await until(() => watch(t, client).status === 'live')
  const count = async (): Promise<number> =>
    (await app.noex.getStats()).connections.totalStoreSubscriptions
  t.equal(await count(), 3)
  third.client.close()
  await until(async () => await count() === 2)
  const follower = tabs.find(({ tab }) => !tab.isLeader) as ClientTab
  follower.tab.hidePage()
  follower.tab.kill()
  await until(async () => await count() === 1)
})
