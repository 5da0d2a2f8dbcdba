import fc from 'fast-check'
import { test } from 'tap'
import { Row } from '../src/rows/row.js'
import type { StoreRecord } from '../src/index.js'
import { OrderedIndex } from '../src/index/ordered-index.js'

interface Entry {
  readonly value: number
  readonly row: Row
}

function entriesOf (count: number, spread: number, seed: number): Entry[] {
  return Array.from({ length: count }, (_, i) => {
    const row = new Row(i, {} as StoreRecord)
    row.place = i
    return { value: (i * 7_919 + seed) % spread, row }
  })
}

const inOrder = (a: Entry, b: Entry): number => a.value - b.value || a.row.place - b.row.place

test('an ordered index finds what a sorted list has, while it grows and shrinks', async t => {
  const plan = fc.record({
    count: fc.integer({ min: 1, max: 3_000 }),
    spread: fc.constantFrom(1, 5, 97, 2_999, 100_003),
    seed: fc.nat(999),
    built: fc.double({ min: 0, max: 1, noNaN: true }),
    kept: fc.double({ min: 0, max: 1, noNaN: true }),
    bounds: fc.array(fc.tuple(fc.nat(1_200), fc.nat(1_200), fc.boolean(), fc.boolean()), { maxLength: 6 })
  })
  fc.assert(fc.property(plan, ({ count, spread, seed, built, kept, bounds }) => {
    const entries = entriesOf(count, spread, seed)
    const first = entries.slice(0, Math.floor(count * built)).sort(inOrder)
    const index = new OrderedIndex()
    for (let i = 0; i < first.length; i += 200) index.appendSorted(first.slice(i, i + 200))
    for (const { value, row } of entries.slice(first.length)) index.add(value, row)
    const gone = new Set(entries.filter((_, i) => (i * 31 + seed) % count >= count * kept))
    for (const { value, row } of gone) index.remove(value, row)
    const left = entries.filter(entry => !gone.has(entry)).sort(inOrder)
    const same = (rows: Iterable<Row>, expected: readonly Entry[]): void => {
      const found = [...rows]
      t.ok(found.length === expected.length && found.every((row, i) => row === expected[i]?.row))
    }
    t.equal(index.size, left.length)
    same(index.range({}), left)
    same(index.backwards(), [...left].reverse())
    for (const [from, to, isLowerExcluded, isUpperExcluded] of bounds) {
      const [lower, upper] = [from, to].map(bound => Math.floor(bound * spread / 1_000)) as [number, number]
      const range = { lower, upper, isLowerExcluded, isUpperExcluded }
      const expected = left.filter(({ value }) =>
        (isLowerExcluded ? value > lower : value >= lower) &&
        (isUpperExcluded ? value < upper : value <= upper))
      same(index.range(range), expected)
      same(index.rowsOf(range), expected)
      t.equal(index.count(range), expected.length)
      const descending = [...expected].sort((a, b) => b.value - a.value || a.row.place - b.row.place)
      same(index.descending(range), descending)
      const isAfter = ({ value, row }: Entry): boolean =>
        value > lower || (value === lower && row.place > from)
      same(index.after(lower, from), left.filter(isAfter))
    }
  }), { numRuns: 150 })
})
