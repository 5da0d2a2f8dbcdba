import t from 'tap'
import { Counters } from '../../../lib/util/counters.js'

t.test('counts begin at 0 and are kept apart, in the order of their names', async t => {
  const counters = new Counters(['late', 'early'])
  t.strictSame(Object.entries(counters.all), [['late', 0], ['early', 0]])
  counters.count('early')
  counters.count('early')
  t.equal(counters.of('early'), 2)
  t.equal(counters.of('late'), 0)
  t.strictSame(counters.all, { late: 0, early: 2 })
})

t.test('a name that is not one of them is ignored, and a copy of all stays as it is', async t => {
  const counters = new Counters(['late'])
  const before = counters.all
  counters.count('constructor' as 'late')
  counters.count('late')
  t.strictSame(before, { late: 0 })
  t.strictSame(counters.all, { late: 1 })
})
