import fc from 'fast-check'
import t from 'tap'
import { deltaOf } from '../../../lib/subscriptions/delta.js'
import { deltaBetween } from '../../support/deltas.js'
import { applyDelta, type Row } from '../../support/live-list.js'
import { rowsOf } from '../../support/row-changes.js'

const keys = fc.uniqueArray(fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constantFrom('1', '2', 'a', 'b')))

t.test('a delta makes any list any other one, in each way in which it may be applied', async () => {
  fc.assert(fc.property(keys, keys, fc.infiniteStream(fc.boolean()), (before, after, isChanged) => {
    const rows: Row[] = before.map(id => ({ id, n: 0 }))
    const present: Row[] = after.map(id => {
      const known = rows.find(row => row['id'] === id)
      return known !== undefined && isChanged.next().value === false ? known : { id, n: 1 }
    })
    const shown = applyDelta(rows, 'id', deltaBetween(rows, present))
    return JSON.stringify(shown) === JSON.stringify(present)
  }), { numRuns: 1_000 })
})

t.test('keys of the same look are different, and what comes to the end needs no place', async t => {
  const rows = rowsOf([{ id: 1 }, { id: '1' }, { id: 2 }])
  const delta = deltaOf(rows, new Map<unknown, { wasIn: boolean, hasMoved: boolean }>([
    ['1', { wasIn: true, hasMoved: false }],
    [2, { wasIn: false, hasMoved: false }],
    ['2', { wasIn: true, hasMoved: false }],
    [3, { wasIn: false, hasMoved: false }]
  ]))
  t.equal(delta, '{"upsert":[{"id":"1"},{"id":2}],"remove":["2"]}')
})
