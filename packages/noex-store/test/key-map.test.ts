import fc from 'fast-check'
import { test } from 'tap'
import { KeyMap } from '../src/rows/key-map.js'

/** More keys than the first map of a `KeyMap` has. */
const MANY = 140_000

/** Keys of all kinds that a record may have, some of which a `Map` takes for the same. */
const key = fc.oneof(
  fc.string(), fc.integer({ min: -3, max: 3 }), fc.double(), fc.boolean(),
  fc.constantFrom(0, -0, NaN, null, '')
)
const step = fc.record({ kind: fc.constantFrom('set' as const, 'delete' as const), key })

test('a map of many keys has what a Map has', t => {
  const full = new KeyMap<number>()
  const model = new Map<unknown, number>()
  const set = (key: unknown, value: number): void => {
    full.set(key, value)
    model.set(key, value)
  }
  for (let i = 0; i < MANY; i++) set(`k${i}`, i)
  for (let i = 0; i < MANY; i++) set(i / 4, i)
  const check = (keys: Iterable<unknown>): void => {
    for (const key of keys) {
      const [found, expected] = [full.get(key), model.get(key)]
      if (found !== expected) t.fail(`of ${String(key)} ${found}, not ${expected}`)
      if (full.has(key) !== model.has(key)) t.fail(`${String(key)} is there: ${full.has(key)}`)
    }
  }
  check(model.keys())
  t.equal(full.size, model.size)
  t.strictSame(new Set(full.keys()), new Set(model.keys()))

  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), steps => {
    for (const [value, { kind, key }] of steps.entries()) {
      if (kind === 'set') {
        set(key, value)
      } else {
        full.delete(key)
        model.delete(key)
      }
      check([key, 'k1', `k${MANY - 1}`])
      if (full.size !== model.size) t.fail(`size ${full.size}, not ${model.size}`)
    }
  }))
  t.strictSame(new Set(full.keys()), new Set(model.keys()))

  // Keys that are in the first map, and others, go and come again.
  for (const key of ['k0', `k${MANY - 1}`, 0, (MANY - 1) / 4]) {
    full.delete(key)
    model.delete(key)
    check([key])
    set(key, 1)
    set(key, 2)
    check([key])
  }
  for (const key of [...model.keys()]) full.delete(key)
  t.equal(full.size, 0)
  t.strictSame([...full.keys()], [])
  t.end()
})
