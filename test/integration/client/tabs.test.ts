import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { LiveQuery } from '../../../lib/client/types.js'
import { serve } from '../../support/service.js'
import { openTab, Origin, type ClientTab } from '../../support/tabs.js'
import { until } from '../../support/until.js'

const TABS = 6
const TURNS = 24

interface Watching extends ClientTab {
  readonly query: LiveQuery<Array<{ n: number }>>
}

t.test('tabs come and go in every way, and each write of a tab that stays happens once', async t => {
  const { app, store, url } = await serve(t)
  const origin = new Origin()
  const open = (): Watching => {
    const opened = openTab(t, origin, url, { heartbeatMs: 100, timeoutMs: 60_000 })
    const query = opened.client.query({ bucket: 'items', sort: { n: 'asc' } })
    t.teardown(query.subscribe(() => {}))
    return { ...opened, query }
  }
  const tabs = Array.from({ length: TABS }, open)
  const frozen: Watching[] = []
  /** The numbers whose writes were answered, and those of tabs that have died before. */
  const answered: number[] = []
  const lost: number[] = []
  let last = 0
  const writes: Array<Promise<void>> = []
  const write = ({ tab, client }: Watching): void => {
    const n = ++last
    const written = client.request('store.insert', { bucket: 'items', data: { n } }, { retry: true })
    writes.push(Promise.race([written, tab.died]).then(row => {
      (row === undefined ? lost : answered).push(n)
    }, error => {
      t.ok(tab.isDead, error.message)
      lost.push(n)
    }))
  }
  const ends = [
    ({ client, tab }: Watching) => {
      client.close()
      tab.kill()
    },
    ({ tab }: Watching) => {
      tab.hidePage()
      tab.kill()
    },
    ({ tab }: Watching) => { tab.kill() }
  ]
  for (let turn = 0; turn < TURNS; turn++) {
    await until(() => tabs.some(({ client }) => client.state.value === 'open'))
    for (const tab of tabs) write(tab)
    // The tab with the connection every other time, and any other in between.
    const leading = tabs.findIndex(({ tab }) => tab.isLeader)
    const index = turn % 2 === 0 && leading >= 0 ? leading : turn % tabs.length
    const [chosen] = tabs.splice(index, 1) as [Watching]
    if (turn % 4 === 1 || turn % 8 === 2) {
      chosen.tab.freeze()
      frozen.push(chosen)
    } else {
      ends[turn % ends.length]?.(chosen)
      tabs.push(open())
    }
    if (frozen.length > 1 || turn % 5 === 4) {
      const woken = frozen.shift()
      woken?.tab.thaw()
      if (woken !== undefined) tabs.push(woken)
    }
    await sleep(turn * 7 % 40)
  }
  for (const woken of frozen) {
    woken.tab.thaw()
    tabs.push(woken)
  }
  await Promise.all(writes)
  await until(() => tabs.every(({ client }) => client.state.value === 'open'))
  await until(() => app.noex.connectionCount === 1)
  const rows = await store.bucket('items').all()
  const numbers = rows.map(row => Number(row['n'])).sort((a, b) => a - b)
  t.same(numbers, [...new Set(numbers)], 'none twice')
  t.same(answered.filter(n => !numbers.includes(n)), [], 'none that was answered is missing')
  t.same(numbers.filter(n => !answered.includes(n) && !lost.includes(n)), [])
  t.comment(`${answered.length} writes answered, ${lost.length} given up with their tabs`)
  t.equal(answered.length + lost.length, last)
  for (const { query } of tabs) {
    await until(() => query.status === 'live' && query.getSnapshot()?.length === numbers.length)
    t.same(query.getSnapshot()?.map(({ n }) => n), numbers)
  }
})
