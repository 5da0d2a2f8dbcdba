import assert from 'node:assert/strict'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  matchesFilter, Store, type BucketDefinition, type WhereFilter
} from '@hamicek/noex-store'
import { NoexServerError } from '../../lib/errors.js'
import { nextTurn } from '../../lib/slice.js'
import { compileFilter } from '../../lib/store/compiled-filter.js'
import { withSets } from '../../lib/store/list-sets.js'
import type { Reach } from '../../lib/store/reach.js'
import { sortInSlices } from '../../lib/store/sort.js'
import { StoreAccess } from '../../lib/store/store-access.js'
import { runTransaction, type TransactionEntry } from '../../lib/store/transaction.js'
import { Writes } from '../../lib/store/writes.js'
import { Work } from '../../lib/store/work.js'

async function open (
  t: Test | undefined, buckets: Readonly<Record<string, BucketDefinition>>
): Promise<{ store: Store, access: StoreAccess, close: () => Promise<void> }> {
  const store = await Store.start()
  for (const [name, definition] of Object.entries(buckets)) await store.defineBucket(name, definition)
  const access = StoreAccess.open(store)
  const close = async (): Promise<void> => {
    access.close()
    await store.stop()
  }
  t?.teardown(close)
  return { store, access, close }
}

const unlimited = (): Work => new Work(Infinity)
const reach = (work = unlimited()): Reach => ({ rows: () => undefined, ensure () {}, work, maxChanges: Infinity })

const value = fc.oneof(
  fc.constantFrom(null, undefined, 0, -0, 1, 2, 10, NaN, '', 'a', 'A', 'ab', 'b', 'ba', '1', true, false),
  fc.constantFrom([1], {}, new Date(0)))
const FIELDS = ['plain', 'indexed', 'other', 'code', 'absent', '_version']
const field = fc.constantFrom(...FIELDS)
const comparable = fc.constantFrom(0, 1, 2, 10, 'a', 'b', '1')
const text = fc.constantFrom('', 'a', 'A', 'b', 'ab')
const list = fc.array(value, { maxLength: 20 })
const operators = fc.record({
  $eq: value,
  $neq: value,
  $gt: comparable,
  $gte: comparable,
  $lt: comparable,
  $lte: comparable,
  $in: list,
  $nin: list,
  $contains: text,
  $startsWith: text,
  $endsWith: text,
  $exists: fc.boolean(),
  $between: fc.tuple(comparable, comparable),
  $unknown: value
}, { requiredKeys: [] }).map(all => Object.fromEntries(Object.entries(all).slice(0, 3)))

const conditions = fc.dictionary(
  field, fc.oneof({ weight: 2, arbitrary: value }, { weight: 3, arbitrary: operators }), { maxKeys: 3 }
)

function combined (part: fc.Arbitrary<WhereFilter>): fc.Arbitrary<WhereFilter> {
  const parts = fc.option(fc.array(part, { maxLength: 3 }), { nil: undefined, freq: 1 })
  return fc.tuple(conditions, parts, parts).map(
    ([fields, $or, $and]) => ({ ...($or && { $or }), ...fields, ...($and && { $and }) }) as WhereFilter
  )
}

const filter = combined(combined(conditions as fc.Arbitrary<WhereFilter>))

const indexed = fc.constantFrom(null, undefined, 0, 1, 2, '', 'a', '1')
/** What is no number that JSON can hold does not count in aggregates; in those of the store it does. */
const stored = value.filter(value => !Number.isNaN(value))
const record = fc.record({ plain: stored, indexed, other: stored }, { requiredKeys: [] })

t.test('A compiled filter says of each record what the store says', async t => {
  await t.resolves(fc.assert(fc.asyncProperty(record, filter, async (data, filter) => {
    const stored = { ...data, _version: 1, _createdAt: 0, _updatedAt: 0 }
    const expected = matchesFilter(stored, filter)
    assert.equal(compileFilter(filter).matches(stored), expected)
    assert.equal(matchesFilter(stored, withSets(filter)), expected)
  }), { numRuns: 1_000 }))
})

t.test('A search in slices takes what others change meanwhile into account', async t => {
  const { store, access } = await open(t, { things: { key: 'id', schema: { id: { type: 'number' } } } })
  const handle = store.bucket('things')
  await handle.insertMany(Array.from({ length: 20_000 }, (_, id) => ({ id, group: id % 2 })))
  const conditions = Array.from({ length: 240 }, (_, i) => ({ group: { $gte: 1 - i } }))
  const changing = new Writes(access, reach()).updateMany(
    'things', { group: 1, $and: conditions }, { done: true }
  )
  await nextTurn()
  // The search has begun, and has had its first pause.
  await handle.update(0, { group: 1 })
  await handle.update(1, { group: 0 })
  await handle.delete(3)
  await handle.insert({ id: 50_000, group: 1 })
  await handle.delete(7)
  await handle.insert({ id: 7, group: 1 })
  t.equal(await changing, 10_000, 'two came, and two went, one of which came back')
  t.same(await handle.where({ done: true }), await handle.where({ group: 1, $and: conditions }))
})

t.test('sortInSlices', async t => {
  const lists = fc.array(fc.nat(300), { maxLength: 3_000, size: 'max' })
  await t.resolves(fc.assert(fc.asyncProperty(lists, async numbers => {
    const items = numbers.map((n, i) => ({ n, i }))
    assert.deepStrictEqual(
      await sortInSlices(items, (a, b) => a.n - b.n, unlimited()), [...items].sort((a, b) => a.n - b.n)
    )
  }), { numRuns: 40 }))
})

t.test('A request has a budget of work', async t => {
  const buckets: Record<string, BucketDefinition> = {
    things: {
      key: 'id',
      schema: {
        id: { type: 'number' }, group: { type: 'number' }, parent: { type: 'number', ref: 'parents' }
      },
      indexes: ['group']
    },
    parents: { key: 'id', schema: { id: { type: 'number' } } },
    full: { key: 'id', schema: { id: { type: 'number' } }, maxSize: 5 }
  }
  const { store, access } = await open(t, buckets)
  await store.bucket('parents').insertMany(Array.from({ length: 100 }, (_, id) => ({ id })))
  await store.bucket('things').insertMany(
    Array.from({ length: 1_000 }, (_, id) => ({ id, group: id % 10, n: id }))
  )
  const isTooMuch = (budget: number) => (error: unknown): boolean =>
    error instanceof NoexServerError && error.code === 'VALIDATION_ERROR' && error.message.includes(
      `workBudget of ${budget} `
    ) &&
    (error.details as { workBudget: number }).workBudget === budget
  const takes = async (name: string, units: number, run: (work: Work) => Promise<unknown>): Promise<void> => {
    const work = new Work(units)
    await run(work)
    t.equal(work.spent, units, name)
    await assert.rejects(run(new Work(units - 1)), isTooMuch(units - 1), name)
  }
  await takes(
    'each entry of a transaction adds up',
    3_000,
    async work => await runTransaction(
      access,
      Array.from({ length: 3 }, () => ({ op: 'count', bucket: 'things', filter: { n: { $gt: 5 } } })),
      reach(work)
    )
  )
  await takes('insertMany', 200, async work => {
    const ensure = (): void => { throw new NoexServerError('FORBIDDEN', 'nothing is written') }
    const entry: TransactionEntry = { op: 'insertMany', bucket: 'full', data: [{ id: 1 }, { id: 2 }] }
    await runTransaction(access, [entry], { ...reach(work), ensure }).catch((error: NoexServerError) => {
      if (error.code !== 'FORBIDDEN') throw error
    })
  })
  await takes(
    'a delete',
    100,
    async work => await runTransaction(access, [{ op: 'delete', bucket: 'parents', key: 1 }], reach(work))
  )
  await assert.rejects(
    new Writes(access, reach(new Work(99_999))).updateMany('things', {}, { n: 1 }),
    isTooMuch(99_999),
    'each record that is written counts'
  )
  await assert.rejects(
    new Writes(access, reach(new Work(999))).deleteMany('things', { n: { $gte: 0 } }), isTooMuch(999)
  )
  t.equal(await store.bucket('things').count({ n: 1 }), 1, 'and nothing was')
})

t.test('An equality is found by an index in both spellings, in a transaction too', async t => {
  const definition: BucketDefinition = {
    key: 'id',
    schema: { id: { type: 'number' }, g: { type: 'string' }, n: { type: 'number' } },
    indexes: ['g']
  }
  const { store, access } = await open(t, { things: definition })
  const bucket = 'things'
  const records = Array.from({ length: 3_000 }, (_, id) => ({ id, g: `g${id % 1_000}` }))
  await store.bucket(bucket).insertMany(records)
  const spent = async (run: (work: Work) => Promise<unknown>): Promise<number> => {
    const work = unlimited()
    await run(work)
    return work.spent
  }
  const filters: readonly WhereFilter[] = [
    { g: 'g5' },
    { g: { $eq: 'g5' } },
    { g: { $eq: 'g5', $gte: 'a' } },
    { g: { $eq: 'g5' }, $and: [{ id: { $gt: 0 } }] }
  ]
  for (const filter of filters) {
    const title = JSON.stringify(filter)
    const read = await spent(async work => await access.read(bucket, undefined, work).where(filter))
    t.ok(read <= 9, `where ${title}`)
    t.ok(
      await spent(async work => await access.read(bucket, { g: { $eq: 'g5' } }, work).where({ id: 5 })) <= 9,
      'a row rule'
    )
    for (const change of [
      { op: 'updateMany', bucket, filter, data: { n: 1 } }, { op: 'deleteMany', bucket, filter }
    ] as const) {
      const entries: TransactionEntry[] = [
        { op: 'update', bucket, key: 5, data: { n: 0 } },
        { op: 'where', bucket, filter },
        { op: 'findOne', bucket, filter },
        { op: 'count', bucket, filter }
      ]
      const all = await spent(async work => {
        await t.rejects(runTransaction(access, [
          ...entries, change, ...entries.slice(1), { op: 'get', bucket: 'nowhere', key: 1 }
        ], reach(work)))
      })
      t.equal(all, 0, 'a bucket that is not there is noticed at once')
      const taken = await spent(async work => {
        await t.rejects(runTransaction(access, [
          ...entries, change, ...entries.slice(1), { op: 'update', bucket, key: -1, data: {} }
        ], reach(work)), { code: 'NOT_FOUND' })
      })
      t.ok(taken < 500, `${change.op} ${title}: ${taken} units`)
    }
    const narrow = await spent(async work => {
      await new Writes(access, reach(work)).updateMany(bucket, filter, { n: 2 })
    })
    t.ok(narrow < 500, `updateMany ${title}: ${narrow} units`)
  }
})
