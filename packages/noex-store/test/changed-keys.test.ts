import fc from 'fast-check'
import t from 'tap'
import { Store } from '../src/index.js'

type Step = readonly ['insert' | 'update' | 'delete', number] | readonly ['clear']

const changes = fc.tuple(fc.constantFrom('insert', 'update', 'delete'), fc.integer({ min: 0, max: 6 }))
const steps = fc.array(fc.oneof(
  { weight: 20, arbitrary: changes },
  { weight: 1, arbitrary: fc.constant(['clear'] as const) }
), { maxLength: 40 }) as fc.Arbitrary<readonly Step[]>

t.test('the keys that have changed since a revision, with the records that they had', async t => {
  await fc.assert(fc.asyncProperty(steps, fc.integer({ min: 1, max: 50 }), async (steps, maxKeys) => {
    const store = await Store.start()
    const schema = { id: { type: 'number' }, n: { type: 'number' } } as const
    await store.defineBucket('items', { key: 'id', schema })
    const items = store.bucket('items')
    store.changedKeys.bound({ maxKeys, maxBytes: 1e9 })
    const states = [{ revision: store.revision, rows: new Map<unknown, object>() }]
    let clearedAt = -1
    for (const [type, key] of steps) {
      const before = store.revision
      if (type === 'clear') await items.clear()
      else if (type === 'insert') await items.insert({ id: key, n: 0 }).catch(() => {})
      else if (type === 'update') await items.update(key, { n: states.length }).catch(() => {})
      else await items.delete(key)
      // A clear of an empty bucket is no commit.
      if (type === 'clear' && store.revision > before) clearedAt = store.revision
      states.push({
        revision: store.revision,
        rows: new Map((await items.all()).map(record => [record['id'], record]))
      })
    }
    const last = states.at(-1)?.rows
    let isKnown = true
    for (const { revision, rows } of states.reverse()) {
      const changed = store.changedKeys.since('items', revision)
      // As far back as it reaches, and never in part.
      if (changed === undefined) isKnown = false
      else t.ok(isKnown && revision >= clearedAt)
      if (changed === undefined) continue
      for (const key of new Set([...rows.keys(), ...last?.keys() ?? []])) {
        if (!changed.has(key)) t.equal(rows.get(key), last?.get(key))
      }
      for (const [key, { before }] of changed) t.equal(before, rows.get(key))
    }
    t.ok(store.changedKeys.size <= maxKeys)
    await store.stop()
  }), { numRuns: 60 })
})

t.test('none are told where there are too many, or of the future', async t => {
  const store = await Store.start()
  t.teardown(async () => { await store.stop() })
  await store.defineBucket('items', { key: 'id', schema: { id: { type: 'number' } } })
  const { revision } = store
  for (let id = 0; id < 10; id++) await store.bucket('items').insert({ id })
  t.equal(store.changedKeys.since('items', revision)?.size, 10)
  t.equal(store.changedKeys.since('items', revision, 10)?.size, 10)
  t.equal(store.changedKeys.since('items', revision, 9), undefined)
  t.equal(store.changedKeys.since('items', revision + 1, 9)?.size, 9)
  t.equal(store.changedKeys.since('items', store.revision, 0)?.size, 0)
  t.equal(store.changedKeys.since('items', store.revision + 1), undefined)
  t.equal(store.changedKeys.since('others', revision)?.size, 0)
  store.changedKeys.bound({ maxKeys: 10, maxBytes: 300 })
  t.ok(store.changedKeys.bytes <= 300)
  t.equal(store.changedKeys.since('items', revision), undefined)
  store.changedKeys.bound({ maxKeys: 0, maxBytes: 300 })
  t.equal(store.changedKeys.size, 0)
  t.equal(store.changedKeys.bytes, 0)
})
