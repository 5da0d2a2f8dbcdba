import t from 'tap'
import { backoff } from '../../../lib/client/backoff.js'
import { withoutChance } from '../../support/chance.js'

t.test('the delays double up to the longest', async t => {
  withoutChance(t, 1)
  const next = backoff(500, 3_000)
  t.same(Array.from({ length: 6 }, () => next()), [500, 1_000, 2_000, 3_000, 3_000, 3_000])
})

t.test('a delay is any part of its bound', async t => {
  withoutChance(t, 0)
  t.equal(backoff(500, 3_000)(), 0)
})

t.test('a connection that was open for as long as the bound begins anew', async t => {
  withoutChance(t, 1)
  const next = backoff(500, 30_000)
  for (const expected of [500, 1_000, 2_000]) t.equal(next(), expected)
  t.equal(next(4_000), 500)
  t.equal(next(), 1_000)
})

t.test('one that is lost at once, again and again, does not', async t => {
  withoutChance(t, 1)
  const next = backoff(500, 30_000)
  t.same(Array.from({ length: 4 }, () => next(20)), [500, 1_000, 2_000, 4_000])
})

t.test('a longest delay below the shortest holds', async t => {
  withoutChance(t, 1)
  const next = backoff(500, 100)
  t.same([next(), next()], [100, 100])
})
