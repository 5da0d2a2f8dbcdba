import t from 'tap'
import { FilterRange, type Bound } from '../../../lib/store/filter-range.js'

const isBound = (value: unknown): value is Bound => typeof value === 'number' || typeof value === 'string'
const isEmpty = (operators: Readonly<Record<string, unknown>>): boolean =>
  new FilterRange().narrow(operators, isBound)

t.test('A range is empty when no value lies in it', async t => {
  for (const range of [
    { $gt: 5, $lt: 3 }, { $gt: 5, $lte: 5 }, { $between: [10, 2] }, { $gte: 'b', $lt: 'a' },
    { $eq: 'a', $gt: 'a' }, { $gt: '2026-01-02', $lt: '2026-01-01' },
    { $gte: '2026-01-01T12:00:00Z', $lt: '2026-01-01' }
  ]) t.ok(isEmpty(range), JSON.stringify(range))
  for (const range of [{ $gte: 5, $lte: 5 }, { $gt: 5, $lt: 'a' }, { $between: ['a', 'b'] }, { $in: [] }]) {
    t.notOk(isEmpty(range), JSON.stringify(range))
  }
})

t.test('Dates are compared as texts and as points in time: the field may hold either', async t => {
  const range = { $gte: '2026-01-01T01:00:00+02:00', $lte: '2026-01-01T00:30:00Z' }
  t.notOk(isEmpty(range), 'from 23:00 to 0:30, though the texts are the other way round')
  t.notOk(isEmpty({ $between: ['2026-01-01T00:00:00Z', '2026-01-01T01:00:00+02:00'] }), 'of texts')
  t.ok(isEmpty({ $gt: '2026-01-01T02:00:00+01:00', $lt: '2026-01-01T00:30:00Z' }), 'neither')
})
