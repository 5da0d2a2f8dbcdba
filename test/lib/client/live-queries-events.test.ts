import t from 'tap'
import type { FakeLink } from '../../support/fake-link.js'
import { reports, startQueries } from '../../support/watched.js'

function pushEvent (link: FakeLink, subscriptionId: string, data: unknown): void {
  link.listener?.onPush({ type: 'push', channel: 'event', subscriptionId, data })
}

t.test('events come to all listeners of their pattern, over one subscription', async t => {
  const { link, queries } = startQueries(t)
  const seen: unknown[] = []
  const stops = [1, 2].map(i => queries.events('stock.*', (event, topic) => { seen.push([i, topic, event]) }))
  const ready = link.connect()
  link.next('rules.subscribe').reply({ subscriptionId: 's' })
  await ready
  t.same(link.open, [])
  pushEvent(link, 's', { topic: 'stock.low', event: { id: 'e1' } })
  t.same(seen, [[1, 'stock.low', { id: 'e1' }], [2, 'stock.low', { id: 'e1' }]])
  stops[0]?.()
  stops[0]?.()
  pushEvent(link, 's', { topic: 'stock.low', event: { id: 'e2' } })
  pushEvent(link, 'unknown', { topic: 'stock.low', event: { id: 'e3' } })
  t.same(seen.slice(2), [[2, 'stock.low', { id: 'e2' }]])
  link.lose()
  link.connect()
  link.next('rules.subscribe').reply({ subscriptionId: 's2' })
  pushEvent(link, 's2', null)
  t.same(seen.slice(3), [[2, undefined, undefined]])
  stops[1]?.()
  t.same(link.next('rules.unsubscribe').members, { subscriptionId: 's2' })
})

t.test('an event in the middle of a group is told at once, and is no part of it', async t => {
  const { link, queries } = startQueries(t)
  await link.connect()
  const seen: unknown[] = []
  queries.events('a', event => { seen.push(event) })
  link.next('rules.subscribe').reply({ subscriptionId: 's' })
  const query = queries.query('q')
  query.subscribe(() => { seen.push(query.getSnapshot()) })
  link.next('store.subscribe').reply({ subscriptionId: 'q', data: 1 })
  link.push('q', { data: 2, more: true })
  pushEvent(link, 's', { topic: 'a', event: 'event' })
  t.same(seen, [1, 'event'])
  link.push('q', { data: 3 })
  t.same(seen, [1, 'event', 3])
  pushEvent(link, 'q', { topic: 'a', event: 'event' })
  link.push('s', { data: 5 })
  t.equal(query.getSnapshot(), 3)
})

t.test('a refusal and a listener that fails are reported', async t => {
  const reported = reports(t)
  const { link, queries } = startQueries(t)
  await link.connect()
  const fault = new Error('of the application')
  const seen: unknown[] = []
  queries.events('a', () => { throw fault })
  const stop = queries.events('a', () => { stop() })
  queries.events('a', event => { seen.push(event) })
  link.next('rules.subscribe').refuse('RULES_NOT_AVAILABLE')
  t.match(reported, [{ code: 'RULES_NOT_AVAILABLE' }])
  link.lose()
  link.connect()
  link.next('rules.subscribe').reply({ subscriptionId: 's' })
  pushEvent(link, 's', { topic: 'a', event: 1 })
  t.equal(reported[1], fault)
  t.same(seen, [1])
  link.system('subscription_closed', { subscriptionId: 's', reason: 'forbidden' })
  t.match(reported[2], { code: 'forbidden' })
})
