import t from 'tap'
import { applyDelta, type Row } from './live-list.js'

const rows = (...ids: unknown[]): Row[] => ids.map(id => ({ id, n: 0 }))
const ids = (list: readonly Row[]): unknown[] => list.map(({ id }) => id)
const apply = (list: readonly Row[], delta: object): readonly Row[] =>
  applyDelta(list, 'id', { upsert: [], remove: [], ...delta })

t.test('known rows are changed in their place, unknown ones come to the end', async t => {
  const delta = { upsert: [{ id: 'd', n: 1 }, { id: 'b', n: 2 }], remove: ['a'] }
  t.same(apply(rows('a', 'b', 'c'), delta), [{ id: 'b', n: 2 }, { id: 'c', n: 0 }, { id: 'd', n: 1 }])
})

t.test('1 and "1" are two keys', async t => {
  t.same(ids(apply(rows(1, '1', '2'), { upsert: [{ id: '1', n: 1 }], remove: [1] })), ['1', '2'])
  t.same(ids(apply(rows('1'), { upsert: [{ id: 1 }], at: [[1, 0]] })), [1, '1'])
})

t.test('a key that is not there is removed without an error', async t => {
  t.same(ids(apply(rows('a'), { remove: ['x', 'a'] })), [])
})

t.test('at gives rows their index, in its order', async t => {
  const delta = { upsert: rows('x', 'y'), at: [['x', 0], ['y', 2]] }
  t.same(ids(apply(rows('a', 'b', 'c'), delta)), ['x', 'a', 'y', 'b', 'c'])
})

t.test('one known row may move; several are in remove as well', async t => {
  t.same(ids(apply(rows('a', 'b', 'c'), { upsert: rows('a'), at: [['a', 2]] })), ['b', 'c', 'a'])
  const moved = { upsert: rows('a', 'b'), remove: ['a', 'b'], at: [['b', 0], ['a', 3]] }
  t.same(ids(apply(rows('a', 'b', 'c', 'd'), moved)), ['b', 'c', 'd', 'a'])
})

t.test('a delta that depends on how, or how often, it is applied is a violation', async t => {
  const several = { upsert: rows('x', 'y'), at: [['x', 1], ['y', 2]] }
  t.same(ids(apply(rows('a', 'b'), several)), ['a', 'x', 'y', 'b'], 'two that are new')
  t.throws(() => apply(rows('y', 'x', 'a', 'b'), several), { message: /differ/ }, 'two that have moved')
})

for (const [problem, delta] of Object.entries({
  'a row without its key': { upsert: [{ n: 1 }] },
  'a row that is no object': { upsert: ['a'] },
  'a key twice': { upsert: rows('a', 'a') },
  'a key that is an object': { upsert: [{ id: {} }] },
  'an index beyond the list': { upsert: rows('x'), at: [['x', 3]] },
  'a negative index': { upsert: rows('x'), at: [['x', -1]] },
  'an index that is no integer': { upsert: rows('x'), at: [['x', 0.5]] },
  'indexes that do not ascend': { upsert: rows('x', 'y'), at: [['x', 1], ['y', 0]] },
  'an unknown key in at': { at: [['x', 0]] },
  'a key twice in at': { upsert: rows('x'), at: [['x', 0], ['x', 1]] },
  'a key twice in remove': { remove: ['a', 'a'] },
  'no list in remove': { remove: 'a' },
  'an unknown member': { moved: [] }
})) {
  t.test(`${problem} is a violation`, async t => {
    t.throws(() => apply(rows('a', 'b'), delta), { name: 'WireViolation' })
  })
}
