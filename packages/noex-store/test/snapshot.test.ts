import fc from 'fast-check'
import { test } from 'tap'
import { Bucket } from '../src/bucket/bucket.js'
import type { Row } from '../src/rows/row.js'
import { Snapshot } from '../src/bucket/snapshot.js'
import type { StoreRecord } from '../src/index.js'

const limits = { maxDeletedKeys: 1_000, maxRecordBytes: 1_000_000 }

const changes = fc.array(fc.tuple(fc.nat(149), fc.boolean()), { maxLength: 12 })
const turns = fc.array(fc.tuple(fc.integer({ min: 1, max: 40 }), changes), { minLength: 1, maxLength: 12 })

test('a snapshot shows all records as they were, in steps between which they change', async t => {
  const read = fc.record({ place: fc.nat(160), isBackward: fc.boolean(), gone: fc.array(fc.nat(149)), turns })
  fc.assert(fc.property(read, ({ place, isBackward, gone, turns }) => {
    const bucket = new Bucket('b', { key: 'id', schema: { id: { type: 'number' } } }, limits)
    const rows: Row[] = []
    for (let id = 0; id < 150; id++) rows.push(bucket.insert(id, bucket.maker.insert({ id }, 0)))
    const remove = (id: number): void => {
      const row = rows[id] as Row
      if (row.record !== undefined) bucket.delete(row)
    }
    gone.forEach(remove)
    const expected = rows.filter(row => row.record !== undefined && row.place >= place).map(row => row.record)
    const snapshot = new Snapshot(bucket.contents, place, isBackward)
    const seen: StoreRecord[] = []
    const see = (record: StoreRecord): undefined => { seen.push(record) }
    let isDone = false
    for (const [steps, changes] of turns) {
      if (!isDone) isDone = snapshot.step(see, steps)
      for (const [id, isDeleted] of changes) {
        const row = rows[id] as Row
        if (isDeleted) remove(id)
        else if (row.record !== undefined) bucket.update(row, bucket.maker.update(row.record, { n: id }, 1))
      }
      const id = 1_000 + seen.length * 20 + steps
      if (bucket.row(id) === undefined) bucket.insert(id, bucket.maker.insert({ id }, 0))
    }
    while (!isDone) isDone = snapshot.step(see, 7)
    const inOrder = isBackward ? expected.reverse() : expected
    t.equal(seen.length, inOrder.length)
    t.ok(seen.every((record, i) => record === inOrder[i]))
    t.equal(bucket.contents.snapshots.size, 0)
  }), { numRuns: 1_000 })
})
