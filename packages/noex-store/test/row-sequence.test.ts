import fc from 'fast-check'
import { test } from 'tap'
import { Row } from '../src/rows/row.js'
import { RowSequence } from '../src/rows/row-sequence.js'
import { Store } from '../src/index.js'
import type { StoreRecord } from '../src/types/record.js'

const record = Object.freeze({ _version: 1, _createdAt: 0, _updatedAt: 0 }) as StoreRecord

/** Appends this many rows, removes some of the oldest or a share anywhere, puts some removed ones back. */
const step = fc.oneof(
  fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ kind: fc.constant('shift' as const), count: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ kind: fc.constant('thin' as const), count: fc.integer({ min: 2, max: 30 }), at: fc.nat(99) }),
  fc.record({ kind: fc.constant('restore' as const), count: fc.integer({ min: 1, max: 5 }) })
)

test('rows come in the order of their places, however many are appended, removed and put back', t => {
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), steps => {
    const sequence = new RowSequence()
    let rows: Row[] = []
    const removed: Row[] = []
    const remove = (gone: readonly Row[]): void => {
      for (const row of gone) {
        sequence.remove(row)
        removed.push(row)
      }
      rows = rows.filter(row => !gone.includes(row))
    }
    for (const change of steps) {
      if (change.kind === 'append') {
        for (let i = 0; i < change.count; i++) {
          const row = new Row(sequence.nextPlace, record)
          sequence.append(row)
          rows.push(row)
        }
      } else if (change.kind === 'shift') {
        remove(rows.slice(0, change.count))
      } else if (change.kind === 'thin') {
        remove(rows.filter((_row, i) => i % change.count !== change.at % change.count))
      } else {
        for (const row of removed.splice(-change.count).reverse()) {
          sequence.restore(row)
          rows.push(row)
        }
        rows.sort((a, b) => a.place - b.place)
      }
      const places = rows.map(({ place }) => place)
      const middle = places[Math.floor(places.length / 2)] ?? 0
      if (
        [...sequence.from(0)].some((row, i) => row !== rows[i]) ||
        [...sequence.from(0)].length !== rows.length ||
        [...sequence.backwards()].some((row, i) => row !== rows[rows.length - 1 - i]) ||
        [...sequence.from(middle)].length !== places.filter(place => place >= middle).length ||
        rows.some(row => sequence.at(row.place) !== row) ||
        removed.some(row => sequence.at(row.place) !== undefined)
      ) {
        const found = [...sequence.from(0)].map(({ place }) => place)
        throw new Error(`places ${places.join()} became ${found.join()}`)
      }
    }
  }), { numRuns: 500 })
  t.end()
})

test('a full bucket goes on taking records', async t => {
  for (const maxSize of [1, 2, 7, 20, 63, 64, 65, 200]) {
    const store = await Store.start()
    await store.defineBucket('b', {
      key: 'id', schema: { id: { type: 'number', generated: 'autoincrement' } }, maxSize
    })
    const bucket = store.bucket('b')
    for (let i = 0; i < 1_000; i++) await bucket.insert({})
    t.same(
      (await bucket.all()).map(({ id }) => id), Array.from({ length: maxSize }, (_, i) => 1_001 - maxSize + i)
    )
    await store.stop()
  }
})
