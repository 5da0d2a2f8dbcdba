import fc from 'fast-check'
import t from 'tap'
import type { NetChanges } from '../../../lib/subscriptions/change-history.js'
import { deltaOf } from '../../../lib/subscriptions/delta.js'
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
    // Those that have kept their order: any rows that stand in the same one in both.
    let last = -1
    const still = new Set<unknown>()
    for (const id of after) {
      const index = before.indexOf(id)
      if (index > last) {
        still.add(id)
        last = index
      }
    }
    const touches: NetChanges = new Map([...new Set([...before, ...after])].flatMap(id => {
      const wasIn = before.includes(id)
      const now = present.find(row => row['id'] === id)
      if (wasIn && now !== undefined && still.has(id) && rows.includes(now)) return []
      return [[id, { wasIn, hasMoved: wasIn && now !== undefined && !still.has(id) }] as const]
    }))
    const shown = applyDelta(rows, 'id', JSON.parse(deltaOf(rowsOf(present), touches)))
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
