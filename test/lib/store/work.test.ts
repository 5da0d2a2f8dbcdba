import assert from 'node:assert/strict'
import t, { type Test } from 'tap'
import { Store, type BucketDefinition, type WhereFilter } from '@hamicek/noex-store'
import { NoexServerError } from '../../../lib/protocol/errors.js'
import { nextTurn } from '../../../lib/util/slice.js'
import type { RowScope } from '../../../lib/store/row-scope.js'
import { SharedStore } from '../../../lib/store/shared-store.js'
import type { TransactionEntry } from '../../../lib/store/transaction-entry.js'
import { runTransaction } from '../../../lib/store/transaction.js'
import { Writes } from '../../../lib/store/writes.js'
import { Work } from '../../../lib/store/work.js'

async function open (
  t: Test | undefined, buckets: Readonly<Record<string, BucketDefinition>>
): Promise<{ store: Store, sharedStore: SharedStore, close: () => Promise<void> }> {
  const store = await Store.start()
  for (const [name, definition] of Object.entries(buckets)) await store.defineBucket(name, definition)
  const sharedStore = SharedStore.of(store)
  const close = async (): Promise<void> => {
    await store.stop()
  }
  t?.teardown(close)
  return { store, sharedStore, close }
}

const unlimited = (): Work => new Work(Infinity)
const reach = (work = unlimited()): RowScope => ({
  rows: () => undefined, assertStillAllowed () {}, work, maxChanges: Infinity
})

t.test('A search in slices takes what others change meanwhile into account', async t => {
  const { store, sharedStore } = await open(t, { things: { key: 'id', schema: { id: { type: 'number' } } } })
  const handle = store.bucket('things')
  await handle.insertMany(Array.from({ length: 20_000 }, (_, id) => ({ id, group: id % 2 })))
  const conditions = Array.from({ length: 240 }, (_, i) => ({ group: { $gte: 1 - i } }))
  const changing = new Writes(sharedStore, reach()).updateMany(
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
  const { store, sharedStore } = await open(t, buckets)
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
      sharedStore,
      Array.from({ length: 3 }, () => ({ op: 'count', bucket: 'things', filter: { n: { $gt: 5 } } })),
      reach(work)
    )
  )
  await takes('insertMany', 200, async work => {
    const assertStillAllowed = (): void => { throw new NoexServerError('FORBIDDEN', 'nothing is written') }
    const entry: TransactionEntry = { op: 'insertMany', bucket: 'full', data: [{ id: 1 }, { id: 2 }] }
    await runTransaction(sharedStore, [entry], { ...reach(work), assertStillAllowed }).catch(
      (error: NoexServerError) => {
        if (error.code !== 'FORBIDDEN') throw error
      }
    )
  })
  let parent = 0
  await takes(
    'a delete',
    100,
    async work => await runTransaction(
      sharedStore,
      [{ op: 'delete', bucket: 'parents', key: parent++ }],
      reach(work)
    )
  )
  await assert.rejects(
    new Writes(sharedStore, reach(new Work(99_999))).updateMany('things', {}, { n: 1 }),
    isTooMuch(99_999),
    'each record that is written counts'
  )
  await assert.rejects(
    new Writes(sharedStore, reach(new Work(999))).deleteMany('things', { n: { $gte: 0 } }), isTooMuch(999)
  )
  t.equal(await store.bucket('things').count({ n: 1 }), 1, 'and nothing was')
})

t.test('An equality is found by an index in both spellings, in a transaction too', async t => {
  const definition: BucketDefinition = {
    key: 'id',
    schema: { id: { type: 'number' }, g: { type: 'string' }, n: { type: 'number' } },
    indexes: ['g']
  }
  const { store, sharedStore } = await open(t, { things: definition })
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
    const read = await spent(async work => await sharedStore.bucket(bucket, { work }).where(filter))
    t.ok(read <= 9, `where ${title}`)
    t.ok(
      await spent(async work => {
        return await sharedStore.bucket(bucket, { scope: { g: { $eq: 'g5' } }, work }).where({ id: 5 })
      }) <= 9,
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
        await t.rejects(runTransaction(sharedStore, [
          ...entries, change, ...entries.slice(1), { op: 'get', bucket: 'nowhere', key: 1 }
        ], reach(work)))
      })
      t.equal(all, 0, 'a bucket that is not there is noticed at once')
      const taken = await spent(async work => {
        await t.rejects(runTransaction(sharedStore, [
          ...entries, change, ...entries.slice(1), { op: 'update', bucket, key: -1, data: {} }
        ], reach(work)), { code: 'NOT_FOUND' })
      })
      t.ok(taken < 500, `${change.op} ${title}: ${taken} units`)
    }
    const narrow = await spent(async work => {
      await new Writes(sharedStore, reach(work)).updateMany(bucket, filter, { n: 2 })
    })
    t.ok(narrow < 500, `updateMany ${title}: ${narrow} units`)
  }
})
