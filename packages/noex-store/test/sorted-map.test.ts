import fc from 'fast-check'
import { test } from 'tap'
import { SortedMap } from '../src/index/sorted-map.js'

test('a sorted map is that of a plain one, sorted, while it grows and shrinks', async t => {
  const plan = fc.record({
    count: fc.integer({ min: 1, max: 4_000 }),
    spread: fc.constantFrom(1, 7, 1_000, 100_003),
    step: fc.constantFrom(1, 7_919, 4_099),
    kept: fc.double({ min: 0, max: 1, noNaN: true })
  })
  fc.assert(fc.property(plan, ({ count, spread, step, kept }) => {
    const map = new SortedMap<number>()
    const plain = new Map<number, number>()
    const keys = Array.from({ length: count }, (_, i) => (i * step) % spread - spread / 2)
    keys.forEach((key, i) => {
      map.set(key, i)
      plain.set(key, i)
    })
    const checkAll = (): void => {
      const sorted = [...plain].sort(([a], [b]) => a - b)
      t.strictSame([...map.values()], sorted.map(([, value]) => value))
      t.strictSame([map.size, map.first], [sorted.length, sorted[0]?.[1]])
      t.strictSame([map.firstKey, map.lastKey], [sorted[0]?.[0], sorted.at(-1)?.[0]])
    }
    checkAll()
    for (const key of keys.filter((_, i) => (i * 31) % count >= count * kept)) {
      map.delete(key)
      plain.delete(key)
    }
    map.delete(0.25)
    checkAll()
    for (const key of keys) if (map.get(key) !== plain.get(key)) throw new Error(`${key} is another`)
    const size = map.bytes
    for (const key of keys) map.delete(key)
    t.ok(map.size === 0 && map.first === undefined && map.bytes <= size)
  }), { numRuns: 40 })
})
