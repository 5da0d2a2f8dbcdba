import fc from 'fast-check'
import t from 'tap'
import { applyDelta, isKeyed, reuse } from '../../../lib/client/delta.js'
import { deltaBetween } from '../../support/deltas.js'
import { applyDelta as applyStrictly, type Row } from '../../support/live-list.js'

const keys = fc.uniqueArray(fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom('1', '2', 'a', 'b')))

/** Two lists whose rows are equal, different, or in one of them only. */
const lists = fc.tuple(keys, keys, fc.infiniteStream(fc.boolean())).map(([before, after, isChanged]) => [
  before.map(id => ({ id, n: 0 })),
  after.map(id => ({ id, n: isChanged.next().value === true ? 1 : 0 }))
] as const)

/** Whether rows that are equal are the same objects. */
function keepsRows (before: readonly Row[], after: readonly Row[]): boolean {
  const texts = before.map(row => JSON.stringify(row))
  return after.every(row => before.includes(row) || !texts.includes(JSON.stringify(row)))
}

/** Returns the list that a client shows. */
function apply (rows: readonly Row[], delta: unknown): readonly Row[] {
  return reuse(rows, applyDelta(rows, 'id', delta)) as readonly Row[]
}

t.test('a delta makes any list any other one, and what has not changed stays the same object', async () => {
  fc.assert(fc.property(lists, ([before, after]) => {
    const frozen: readonly Row[] = Object.freeze(before.map(row => Object.freeze(row)))
    const delta = deltaBetween(before, after)
    const shown = apply(frozen, delta)
    const isSame = JSON.stringify(before) === JSON.stringify(after)
    return JSON.stringify(shown) === JSON.stringify(after) &&
      JSON.stringify(shown) === JSON.stringify(applyStrictly(before, 'id', delta)) &&
      keepsRows(frozen, shown) &&
      (shown === frozen) === isSame &&
      apply(shown, delta) === shown
  }), { numRuns: 1_000, verbose: 1 })
})

t.test('rows that take part in "at" without a change stay the same objects, wherever they go', async t => {
  const rows = [{ id: 1 }, { id: 2 }, { id: 3 }]
  const delta = { remove: [3, 1], upsert: [{ id: 3 }, { id: 1 }], at: [[3, 0], [1, 2]] }
  const moved = apply(rows, delta)
  t.equal(moved[0], rows[2])
  t.equal(moved[1], rows[1])
  t.equal(moved[2], rows[0])
  const placed = applyDelta(rows, 'id', { remove: [], upsert: [], at: [[3, 1], [1, 2]] })
  t.same(placed, [{ id: 2 }, { id: 3 }, { id: 1 }])
})

t.test('a delta that does not fit is refused, and changes nothing', async t => {
  const rows = Object.freeze([Object.freeze({ id: 'a' }), Object.freeze({ id: 'b' })])
  const misfits: unknown[] = [
    null,
    'text',
    {},
    { upsert: [] },
    { remove: [] },
    { remove: 'ab', upsert: [] },
    { remove: [], upsert: {} },
    { remove: [], upsert: [], at: {} },
    { remove: [], upsert: [null] },
    { remove: [], upsert: [{}] },
    { remove: [], upsert: [{ id: null }] },
    { remove: [], upsert: [{ id: {} }] },
    { remove: [], upsert: [{ id: 'c' }, { id: 'c' }] },
    { remove: [], upsert: [], at: [null] },
    { remove: [], upsert: [], at: [['c', 0]] },
    { remove: ['a'], upsert: [], at: [['a', 0]] },
    { remove: [], upsert: [], at: [['a', 2]] },
    { remove: [], upsert: [], at: [['a', -1]] },
    { remove: [], upsert: [], at: [['a', 0.5]] },
    { remove: [], upsert: [], at: [['a', '1']] },
    { remove: [], upsert: [], at: [['a', null], ['b', 1]] },
    { remove: [], upsert: [], at: [['a']] },
    { remove: [], upsert: [], at: [['a', NaN]] },
    { remove: [], upsert: [], at: [['a', Infinity]] },
    { remove: [], upsert: [], at: [['a', 1], ['b', 0]] },
    { remove: [], upsert: [], at: [['a', 0], ['a', 1]] }
  ]
  for (const misfit of misfits) {
    t.throws(() => applyDelta(rows, 'id', misfit), JSON.stringify(misfit))
  }
  t.same(rows, [{ id: 'a' }, { id: 'b' }])
  t.throws(() => applyDelta(rows, 'toString', { remove: [], upsert: [{ id: 'c' }] }))
})

t.test('a delta of a long list takes no more than one look at each row', async t => {
  const rows = Array.from({ length: 50_000 }, (_, id) => ({ id }))
  const at = rows.map(({ id }) => [49_999 - id, id])
  const shown = applyDelta(rows, 'id', { remove: rows.map(({ id }) => id), upsert: [...rows].reverse(), at })
  t.equal(shown[0], rows[49_999])
  t.equal(shown.length, 50_000)
})

t.test('a complete result keeps the rows that it has in common with the former one', async t => {
  fc.assert(fc.property(lists, ([before, after]) => {
    const shown = reuse(before, after) as readonly Row[]
    const isSame = JSON.stringify(before) === JSON.stringify(after)
    return JSON.stringify(shown) === JSON.stringify(after) && keepsRows(before, shown) &&
      (shown === before) === isSame
  }), { numRuns: 500, verbose: 1 })
  const group = { key: 'a', sum: 1 }
  t.equal(reuse(group, { key: 'a', sum: 1 }), group)
  t.same(reuse(group, { key: 'a', sum: 2 }), { key: 'a', sum: 2 })
  t.equal(reuse(undefined, null), null)
  t.equal(reuse([1], null), null)
  t.same(reuse(null, [1]), [1])
  t.same(reuse([null, 1, 1], [1, null, 1]), [1, null, 1])
})

t.test('the rows of a list have a key when each has one of its own', async t => {
  t.equal(isKeyed([], 'id'), true)
  t.equal(isKeyed([{ id: 1 }, { id: '1' }, { id: true }], 'id'), true)
  for (const data of [null, {}, 5, [null], [{}], [{ id: null }], [{ id: 1 }, { id: 1 }], [{ id: [] }]]) {
    t.equal(isKeyed(data, 'id'), false, JSON.stringify(data))
  }
  t.equal(isKeyed([{ id: 1 }], null), false)
  t.equal(isKeyed([{ id: 1 }], undefined), false)
  t.equal(isKeyed([{ id: 1 }], 'toString'), false)
})
