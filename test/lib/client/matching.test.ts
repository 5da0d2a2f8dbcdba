import { matchesFilter, type WhereFilter } from '@hamicek/noex-store'
import fc from 'fast-check'
import t from 'tap'
import { compare, matches } from '../../../lib/client/matching.js'

const scalar = fc.oneof(
  fc.integer({ min: -2, max: 3 }), fc.constantFrom('', 'a', 'B', 'ž', '2'), fc.boolean(), fc.constant(null)
)
const record = fc.record({ a: scalar, b: scalar, c: scalar }, { requiredKeys: [] })
const bound = fc.oneof(fc.integer({ min: -2, max: 3 }), fc.constantFrom('', 'a', 'B', 'ž'))
const operators = fc.oneof(
  ...['$gt', '$gte', '$lt', '$lte'].map(name => bound.map(operand => ({ [name]: operand }))),
  ...['$eq', '$neq'].map(name => scalar.map(operand => ({ [name]: operand }))),
  ...['$in', '$nin'].map(name => fc.array(scalar, { maxLength: 3 }).map(operand => ({ [name]: operand }))),
  fc.constantFrom<object>({ $exists: true }, { $contains: 'a' }, { $between: [0, 2] }, {}, [])
)
const condition = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.oneof(scalar, operators), { maxKeys: 2 })
const filter = fc.oneof(
  condition,
  fc.array(condition, { maxLength: 2 }).map($or => ({ $or })),
  fc.tuple(condition, condition).map($and => ({ $and }))
)

/** The answer of the store, for a whole record. */
function answerOfStore (filter: object, record: object): boolean {
  return matchesFilter({ _version: 1, _createdAt: 1, _updatedAt: 1, ...record }, filter as WhereFilter)
}

t.test('an answer of the client is that of the store', async t => {
  const counts = { yes: 0, no: 0, unknown: 0 }
  fc.assert(fc.property(filter, record, (filter, record) => {
    const answer = matches(filter, record, true)
    counts[answer === undefined ? 'unknown' : answer ? 'yes' : 'no']++
    return answer === undefined || answer === answerOfStore(filter, record)
  }), { numRuns: 5_000, verbose: 1 })
  t.ok(counts.yes > 200 && counts.no > 200 && counts.unknown > 200, JSON.stringify(counts))
})

t.test('of a part of a record, the client does not say more than it sees', async () => {
  fc.assert(fc.property(filter, record, record, (filter, part, rest) => {
    const answer = matches(filter, part, false)
    return answer === undefined || answer === answerOfStore(filter, { ...rest, ...part })
  }), { numRuns: 5_000, verbose: 1 })
})

t.test('a filter is evaluated as far as the client can', async t => {
  const order = { status: 'new', total: 5, due: '2026-01-01' }
  t.equal(matches({}, order, true), true)
  t.equal(matches({ status: 'new', total: { $gt: 4, $lte: 5 } }, order, true), true)
  t.equal(matches({ status: { $in: ['new', 'paid'] } }, order, true), true)
  t.equal(matches({ status: { $neq: 'new' } }, order, true), false)
  t.equal(matches({ note: { $gt: 1 } }, order, true), false)
  t.equal(matches({ note: 1 }, order, false), undefined, 'a part may have any note')
  t.equal(matches({ due: { $lt: 1_764_000_000_000 } }, order, true), undefined, 'it may be a date')
  t.equal(matches({ due: 1_764_000_000_000 }, order, true), undefined)
  t.equal(matches({ status: { $contains: 'e' } }, order, true), undefined)
  t.equal(matches({ status: { $contains: 'e' }, total: 6 }, order, true), false, 'one condition is enough')
  t.equal(matches({ $or: [{ status: 'new' }] }, order, true), undefined)
})

t.test('records are ordered as the server orders them', async t => {
  const values = [true, 3, 'a', null, undefined, 'B', -1, {}, false]
  const sorted = (direction: string): unknown[] => values.map(v => ({ v }))
    .sort((a, b) => compare({ v: direction }, a, b)).map(({ v }) => v)
  t.same(sorted('asc'), [-1, false, true, 3, 'B', 'a', null, undefined, {}])
  t.same(sorted('desc'), ['a', 'B', 3, true, false, -1, null, undefined, {}])
  t.equal(compare({}, { v: 1 }, { v: 2 }), 0)
  t.ok(compare({ v: 'asc', w: 'desc' }, { v: 1, w: 1 }, { v: 1, w: 2 }) > 0)
})
