import fc from 'fast-check'
import { test } from 'tap'
import type { BucketHandle, FindOptions, Store, StoreRecord, WhereFilter } from '../src/index.js'
import { definition, filters, records } from './support/filters.js'
import { startStore, users } from './support/store.js'

const ids = (found: readonly StoreRecord[]): unknown[] => found.map(({ id }) => id)

/** Values of a field that is not in the schema, so that they may be of any type. */
const mixed = fc.oneof(
  fc.integer({ min: -2, max: 12 }), fc.constantFrom<unknown>(
    -0, '10', '9', '', 'a', true, false, null, undefined, [2], {}, { valueOf: 1, toString: 1 }
  ),
  fc.integer({ min: 0, max: 5 }).map(ms => new Date(ms))
)

/** Tells where a value belongs: by size, by text, last. */
function placeOf (value: unknown, field: string): readonly [rank: number, value: number | string] {
  const seen = field === 'd' && typeof value === 'string' ? new Date(value) : value
  if (seen instanceof Date) return [0, seen.getTime()]
  if (typeof seen === 'boolean' || (typeof seen === 'number' && !Number.isNaN(seen))) return [0, Number(seen)]
  return typeof seen === 'string' ? [1, seen] : [2, 0]
}

function read (record: StoreRecord, field: string): unknown {
  return field === 'o.k' ? (record['o'] as { k: number } | null | undefined)?.k : record[field]
}

/** Sorts by hand, one field after the other from the last one on. */
function sorted (all: readonly StoreRecord[], sort: NonNullable<FindOptions['sort']>): StoreRecord[] {
  let result = [...all]
  for (const [field, direction] of Object.entries(sort).reverse()) {
    result = result.sort((a, b) => {
      const [rankA, from] = placeOf(read(a, field), field)
      const [rankB, to] = placeOf(read(b, field), field)
      const sign = direction === 'desc' && rankA < 2 && rankB < 2 ? -1 : 1
      if (rankA !== rankB) return sign * (rankA - rankB)
      return from === to ? 0 : from < to ? -sign : sign
    })
  }
  return result
}

/** The first lowest and the first highest finite number. */
function extremes (values: readonly unknown[]): readonly [number | undefined, number | undefined] {
  let least: number | undefined
  let greatest: number | undefined
  for (const value of values) {
    if (typeof value !== 'number' || !Number.isFinite(value)) continue
    if (least === undefined || value < least) least = value
    if (greatest === undefined || value > greatest) greatest = value
  }
  return [least, greatest]
}

const fieldNames = fc.constantFrom('n', 's', 'd', 'x', 'o.k', 'u', 'm', 'id')
const sorts = fc.uniqueArray(fieldNames, { minLength: 1, maxLength: 3 }).chain(fields => fc.tuple(
  ...fields.map(field => fc.tuple(fc.constant(field), fc.constantFrom('asc' as const, 'desc' as const)))
)).map(keys => Object.fromEntries(keys))
const parts = fc.record({
  filter: fc.option(filters, { nil: undefined }),
  sort: fc.option(sorts, { nil: undefined, freq: 8 }),
  offset: fc.integer({ min: 0, max: 6 }),
  limit: fc.option(fc.oneof(fc.integer({ min: 0, max: 12 }), fc.constant(1_150)), { nil: undefined, freq: 5 })
})

const names = ['indexed', 'plain', 'sorted', 'sorted plain'] as const
type Buckets = Readonly<Record<typeof names[number], BucketHandle>>

/** The same records with all indexes and with none, in a plain bucket and one that is sorted by key. */
async function fill (
  store: Store, rows: ReadonlyArray<Record<string, unknown>>, padding: number
): Promise<Buckets> {
  const { u, ...schema } = definition.schema
  const indexes = ['n', 's', 'd', 'x', 'o.k']
  await store.defineBucket('indexed', { ...definition, indexes })
  await store.defineBucket('plain', { ...definition, schema })
  await store.defineBucket('sorted', { ...definition, indexes, etsType: 'ordered_set' })
  await store.defineBucket('sorted plain', { ...definition, schema, etsType: 'ordered_set' })
  const buckets = Object.fromEntries(names.map(name => [name, store.bucket(name)])) as unknown as Buckets
  const pad = Array.from({ length: padding }, (_, i) =>
    ({ id: `p${(i * 7) % padding}`, n: 100 + (i * 3) % 500, s: 'zzz', d: 100, x: 9 }))
  const input = rows.map((row, i) => ({ ...row, id: `${i}`, u: `u${i}` }))
  for (const bucket of Object.values(buckets)) {
    await bucket.insertMany([...input.slice(0, 9), ...pad, ...input.slice(9)])
    for (let i = 0; i < rows.length; i += 3) await bucket.update(`${i}`, { ...rows[(i + 1) % rows.length] })
    for (let i = 0; i < rows.length; i += 5) await bucket.delete(`${i}`)
    await bucket.insert({ id: '0', n: 3, s: 'ab' })
  }
  if (padding === 0) return buckets
  // Lets the ordered indexes be built, and changed.
  for (const field of indexes) {
    for (const bucket of Object.values(buckets)) await bucket.find({ sort: { [field]: 'asc' }, limit: 1 })
  }
  await store.settle()
  for (const bucket of Object.values(buckets)) await bucket.update('0', { n: -0, d: 2, x: 9 })
  return buckets
}

test('an answer is the same by an index and without one', async t => {
  const inputs = fc.tuple(records, fc.array(mixed, { minLength: 1, maxLength: 40 }))
    .map(([rows, values]) => rows.map((row, i) => ({ ...row, m: values[i % values.length] })))

  const compare = async (padding: number, numRuns: number): Promise<void> => {
    const wanted = fc.array(parts, { minLength: 1, maxLength: 10 })
    await fc.assert(fc.asyncProperty(inputs, wanted, async (rows, options) => {
      const store = await startStore(t)
      const buckets = await fill(store, rows, padding)
      for (const { filter, sort, offset, limit } of options) {
        const matches = await buckets.plain.where({ $and: [filter ?? {}, { $or: [{}] }] })
        const all = sort === undefined ? matches : sorted(matches, sort)
        const expected = all.slice(offset, limit === undefined ? undefined : offset + limit)
        store.defineDeclarativeQuery('found', {
          bucket: 'indexed',
          offset,
          ...(filter && { filter }),
          ...(sort && { sort }),
          ...(limit !== undefined && { limit })
        })
        t.same(ids(await store.runQuery('found')), ids(expected))
        store.undefineQuery('found')
        const byKey = [...matches].sort((a, b) => String(a['id']).localeCompare(String(b['id'])))
        for (const name of names) {
          const bucket = buckets[name]
          const inBucket = name.startsWith('sorted') ? byKey : matches
          t.same(ids(await bucket.find({ filter, sort, offset, limit })), ids(expected), name)
          t.equal(await bucket.count(filter), matches.length)
          for (const field of ['n', 'x', 'd', 'm']) {
            const [least, greatest] = extremes(matches.map(record => record[field]))
            // Of 0 and -0, which are equal, the answer is 0.
            t.ok(Object.is(await bucket.min(field, filter), least === 0 ? 0 : least))
            t.ok(Object.is(await bucket.max(field, filter), greatest === 0 ? 0 : greatest))
          }
          const pageSize = limit ?? 5
          const scoped = store.bucket(name, filter === undefined ? {} : { scope: filter })
          for (const [reader, given] of [[bucket, filter], [scoped, undefined]] as const) {
            t.same(ids(await reader.first(pageSize, given)), ids(inBucket.slice(0, pageSize)))
            const from = Math.max(0, inBucket.length - pageSize)
            t.same(ids(await reader.last(pageSize, given)), ids(inBucket.slice(from)))
            const cursor = inBucket[offset]
            if (cursor === undefined) continue
            const page = await reader.paginate({ after: cursor['id'], limit: pageSize, filter: given })
            t.same(ids(page.records), ids(inBucket.slice(offset + 1, offset + 1 + pageSize)))
            t.equal(page.hasMore, inBucket.length > offset + 1 + pageSize)
          }
        }
      }
      await store.stop()
    }), { numRuns })
  }

  t.test('in a small bucket', async () => { await compare(0, 80) })

  t.test('with ordered indexes', async () => { await compare(1_100, 15) })
})

test('what takes more than some thousand rows', async t => {
  const SIZE = 12_000
  const store = await startStore(t)
  await store.defineBucket('users', users)
  await store.defineBucket('sorted', { ...users, etsType: 'ordered_set' })
  const inputs = Array.from({ length: SIZE }, (_, i) => ({
    id: String((i * 7) % SIZE).padStart(5, '0'),
    age: (i * 11) % SIZE,
    name: i % 4_000 === 0 ? 'rare' : 'common'
  }))
  for (const name of ['users', 'sorted']) {
    await store.bucket(name).insertMany(inputs)
    await store.bucket(name).min('age')
  }
  await store.settle()
  const rare = inputs.filter(({ name }) => name === 'rare')
  const filter: WhereFilter = { name: 'rare' }
  const byAge = [...rare].sort((a, b) => a.age - b.age)
  const byKey = [...rare].sort((a, b) => a.id < b.id ? -1 : 1)

  for (const limit of [1, 2, 5, 3_000]) {
    const found = await store.bucket('users').find({ filter, sort: { age: 'asc' }, limit })
    t.same(ids(found), ids(byAge.slice(0, limit) as unknown as StoreRecord[]))
    const sortedByKey = store.bucket('sorted', { scope: filter })
    t.same(ids(await sortedByKey.first(limit)), byKey.slice(0, limit).map(({ id }) => id))
    t.same(ids(await sortedByKey.last(limit)), byKey.slice(-limit).map(({ id }) => id))
    const unsorted = store.bucket('users', { scope: filter })
    t.same(ids(await unsorted.last(limit)), rare.slice(-limit).map(({ id }) => id))
  }
  t.equal(await store.bucket('users').max('age', filter), byAge.at(-1)?.age)
  t.equal(await store.bucket('users').min('age', { name: 'none' }), undefined)
  t.equal(await store.bucket('users').count({ age: { $gt: 9_000, $lt: 500 } }), 0)
  t.equal(await store.bucket('users').count({ age: { $gt: 500, $lte: 9_000 } }), 8_500)
  const nothing: WhereFilter = { age: { $gt: 9_000, $lt: 500 } }
  t.same(await store.bucket('users').find({ filter: nothing, sort: { age: 'desc' } }), [])

  t.test('is read as it was at the moment of the call, also backward', async t => {
    const bucket = store.bucket('users')
    const slow: WhereFilter[] = Array.from({ length: 300 }, (_, i) => ({ name: { $endsWith: `x${i}` } }))
    const either: WhereFilter = { $or: [...slow, filter] }
    const state = { isDone: false }
    const reading = Promise.all([
      bucket.last(3, either), bucket.find({ filter: either, sort: { email: 'asc', age: 'desc' }, limit: 2 }),
      bucket.find({ filter: either, offset: 1, limit: 5 })
    ]).finally(() => { state.isDone = true })
    let turns = 0
    for (const { id } of [...rare, ...rare]) {
      await new Promise(resolve => { setImmediate(resolve) })
      if (state.isDone) break
      turns++
      if (turns <= rare.length) await bucket.update(id, { name: 'common', age: -1 })
      else await bucket.delete(id)
    }
    t.ok(turns > 3)
    const [last, oldest, behind] = await reading
    t.same(ids(last), ids(rare as unknown as StoreRecord[]))
    t.same(ids(oldest), [...byAge].reverse().slice(0, 2).map(({ id }) => id))
    t.same(ids(behind), rare.slice(1).map(({ id }) => id))
    t.equal(await bucket.count(filter), 0)
  })
})

test('a page or a sort costs what it goes along', async t => {
  const SIZE = 4_000
  const store = await startStore(t)
  await store.defineBucket('users', users)
  await store.defineBucket('sorted', { ...users, etsType: 'ordered_set' })
  for (const name of ['users', 'sorted']) {
    const bucket = store.bucket(name)
    await bucket.insertMany(Array.from({ length: SIZE }, (_, i) =>
      ({ id: `${10_000 + i}`, age: (i * 7) % SIZE, name: `${i % 2}`, role: `${i % 400}` })))
    await bucket.find({ sort: { age: 'asc' }, limit: 1 })
  }
  await store.settle()
  for (const name of ['users', 'sorted']) {
    const cost = async (
      run: (bucket: BucketHandle) => Promise<unknown>, scope?: WhereFilter
    ): Promise<number> => {
      let spent = 0
      const work = { take (units: number) { spent += units } }
      await run(store.bucket(name, { work, ...(scope && { scope }) }))
      return spent
    }
    const half = { name: '1' }
    for (const scope of [undefined, half, { role: '7' }]) {
      t.ok(await cost(bucket => bucket.first(10), scope) < 400)
      t.ok(await cost(bucket => bucket.last(10), scope) < 400)
      t.ok(await cost(bucket => bucket.paginate({ after: '10007', limit: 10 }), scope) < 400)
      t.ok(await cost(bucket => bucket.find({ sort: { age: 'desc' }, limit: 10 }), scope) < 400)
      t.ok(await cost(bucket => bucket.max('age'), scope) < 400)
      t.ok(await cost(bucket => bucket.findOne({ name: '1' }), scope) < 400)
    }
    t.ok(await cost(bucket => bucket.count({ age: { $gte: 5, $lt: 3_000 } })) < 10)
    t.ok(await cost(bucket => bucket.where({ name: '1' })) >= SIZE)
    t.ok(await cost(bucket => bucket.first(10), { name: 'none' }) >= SIZE)
  }
})
