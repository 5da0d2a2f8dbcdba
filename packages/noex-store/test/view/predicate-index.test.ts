import fc from 'fast-check'
import { test } from 'tap'
import type { StoreRecord, WhereFilter } from '../../src/index.js'
import { compileFilter } from '../../src/filter/filter.js'
import { instantOf } from '../../src/schema/instant.js'
import { PredicateIndex } from '../../src/view/predicate-index.js'
import { filters, records } from './arbitraries.js'

const normalizeOf = (field: string): typeof instantOf | undefined => field === 'd' ? instantOf : undefined

interface Item {
  readonly filter: ReturnType<typeof compileFilter>
}

function itemOf (filter: WhereFilter): Item | undefined {
  try {
    return { filter: compileFilter(filter, { normalizeOf }) }
  } catch {
    return undefined
  }
}

test('the index finds all filters that a record matches', async t => {
  fc.assert(fc.property(
    fc.array(filters, { maxLength: 30 }), fc.array(records, { minLength: 2, maxLength: 12 }), fc.nat(),
    (filters, records, removed) => {
      const index = new PredicateIndex<Item>(normalizeOf)
      const items = filters.map(itemOf).filter(item => item !== undefined)
      for (const item of items) index.add(item)
      const [gone] = items.splice(removed % Math.max(1, items.length), 1)
      if (gone !== undefined) index.remove(gone)
      for (const [i, record] of records.entries()) {
        const before = records[i - 1] as StoreRecord | undefined
        const after = record as StoreRecord
        const found = index.find(before, after)
        if (new Set(found).size !== found.length) throw new Error('found twice')
        if (gone !== undefined && found.includes(gone)) throw new Error('found after it was removed')
        const missing = items.find(item => !found.includes(item) &&
          (item.filter.test(after) || (before !== undefined && item.filter.test(before))))
        if (missing !== undefined) throw new Error('not found')
      }
    }
  ), { numRuns: 300 })
  t.pass('each of them')
})

/** Counts the filters that the index finds for one record among many. */
function countFound (filterOf: (i: number) => WhereFilter, record: Record<string, unknown>): number {
  const index = new PredicateIndex<Item>(normalizeOf)
  for (let i = 0; i < 1_000; i++) index.add({ filter: compileFilter(filterOf(i), { normalizeOf }) })
  return index.find(undefined, record as StoreRecord).length
}

test('the index tries few filters on a record', async t => {
  t.equal(countFound(i => ({ role: i }), { role: 5 }), 1, 'a value')
  const open = { state: 'open', owner: 5 }
  t.ok(countFound(i => ({ state: 'open', owner: i }), open) <= 2, 'the value that differs')
  t.ok(countFound(i => ({ $and: [{ state: 'open' }, { owner: i }] }), open) <= 2, '$and')
  t.equal(countFound(i => ({ id: { $in: [i, i + 1] } }), { id: 5 }), 2, '$in')
  t.equal(countFound(i => ({ $or: [{ a: i }, { b: i }] }), { a: 5, b: 6 }), 2, '$or')
  t.equal(countFound(i => ({ n: { $gte: i, $lt: i + 1 } }), { n: 5.5 }), 1, 'a range')
  t.equal(countFound(i => ({ n: { $gt: 1_000 - i } }), { n: 5 }), 5, 'an open range')
  const seconds = (i: number): WhereFilter => ({ d: { $between: [i * 1_000, i * 1_000 + 1] } })
  t.equal(countFound(seconds, { d: '1970-01-01T00:00:05Z' }), 1, 'a date')
  t.equal(countFound(i => ({ s: { $startsWith: `n${i}-` } }), { s: 'n5-x' }), 1, 'a beginning')
  t.equal(countFound(() => ({ a: NaN }), { a: NaN }), 0, 'one that nothing matches')
  t.equal(countFound(() => ({ $or: [] }), { a: 1 }), 0, 'an empty $or')
  t.equal(countFound(i => ({ n: { $gt: i } }), { n: '5' }), 1_000, 'a text that is converted')
  t.equal(countFound(i => ({ n: { $gt: i } }), { n: null }), 0, 'null is in no range')
  t.equal(countFound(i => ({ s: { $contains: `${i}` } }), { s: '5' }), 1_000, 'texts are looked through')
})
