import t from 'tap'
import { rejectionReasons } from '../../../lib/limits/rejections.js'
import { LiveMemory } from '../../../lib/subscriptions/live-memory.js'
import type { LiveQuery } from '../../../lib/subscriptions/live-query.js'
import { Counters } from '../../../lib/util/counters.js'

/** Stands for a live query that keeps so many bytes. */
function held (account: string, bytes: number) {
  const dropped: boolean[] = []
  const liveQuery = { request: { account }, bytes, encoded: { drop () { dropped.push(true) } } }
  return { liveQuery: liveQuery as unknown as LiveQuery, grow (to: number) { liveQuery.bytes = to }, dropped }
}

function memory (maxBytesPerUser: number, maxBytes: number) {
  const rejections = new Counters(rejectionReasons)
  return { memory: new LiveMemory({ maxBytesPerUser, maxBytes }, rejections), rejections }
}

t.test('counts what each user and all together keep', async t => {
  const { memory: live } = memory(100, 150)
  const [a, b, c] = [held('ann', 60), held('ann', 41), held('bob', 50)]
  t.equal(live.count(a.liveQuery), undefined)
  t.equal(live.count(a.liveQuery), undefined, 'once each')
  t.equal(live.count(b.liveQuery), 'maxBytesPerUser')
  b.grow(40)
  t.equal(live.count(b.liveQuery), undefined)
  t.equal(live.count(c.liveQuery), undefined)
  t.equal(live.total, 150)
  c.grow(51)
  t.equal(live.count(c.liveQuery), 'maxBytes')
  live.release(a.liveQuery)
  t.equal(live.count(c.liveQuery), undefined)
  for (const { liveQuery } of [b, c, c]) live.release(liveQuery)
  t.equal(live.total, 0)
})

t.test('refuses by name', async t => {
  const { memory: live } = memory(100, 150)
  t.match(live.refusal('maxBytesPerUser'), {
    code: 'RATE_LIMITED',
    message: /your live queries .* liveQueries\.maxBytesPerUser of 100 bytes/,
    details: { limit: 'liveQueries.maxBytesPerUser' }
  })
  t.match(live.refusal('maxBytes'), { message: /all live queries .* liveQueries\.maxBytes of 150 bytes/ })
})

t.test('keeps the newest texts, and lets the oldest go', async t => {
  const { memory: live } = memory(100, 150)
  const [a, b, c] = [held('ann', 1), held('ann', 1), held('bob', 1)]
  live.countText(a.liveQuery, 8_000_000)
  live.countText(b.liveQuery, 8_000_000)
  live.countText(a.liveQuery, 8_000_001)
  live.countText(c.liveQuery, 2_000_000)
  t.same([a, b, c].map(({ dropped }) => dropped.length), [0, 1, 0])
  live.release(a.liveQuery)
  live.countText(b.liveQuery, 14_000_000)
  t.same([a, b, c].map(({ dropped }) => dropped.length), [0, 1, 0])
  live.countText(a.liveQuery, 17_000_000)
  t.same([a, b, c].map(({ dropped }) => dropped.length), [0, 2, 1], 'the one that is new stays')
})
