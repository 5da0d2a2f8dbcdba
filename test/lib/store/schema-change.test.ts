import t from 'tap'
import type { QueryContext } from '@hamicek/noex-store'
import { NoexServerError } from '../../../lib/protocol/errors.js'
import { defineBucket, dropBucket, updateBucket } from '../../../lib/store/schema-change.js'
import { SharedStore } from '../../../lib/store/shared-store.js'
import { Work } from '../../../lib/store/work.js'
import { startStore } from '../../support/service.js'

t.test('SharedStore', async t => {
  t.test('is shared by all who serve a store, and remembers what earlier ones did', async t => {
    const store = await startStore(t)
    const first = SharedStore.of(store)
    const second = SharedStore.of(store)
    t.equal(first, second)
  })

  t.test('leaves the methods of the store alone', async t => {
    const store = await startStore(t)
    const own = Reflect.ownKeys(store)
    SharedStore.of(store)
    t.same(Reflect.ownKeys(store), own)
  })

  t.test('counts a declarative query against the budget, and one in code beside it', async t => {
    const store = await startStore(t)
    await store.defineBucket('a', { key: 'id', schema: { id: { type: 'number' } } })
    await store.bucket('a').insertMany(Array.from({ length: 100 }, (_, id) => ({ id })))
    store.defineDeclarativeQuery('data', { bucket: 'a', sort: { id: 'desc' }, fields: ['id'] })
    store.defineQuery('code', async (ctx: QueryContext) => await ctx.bucket('a').count({ n: 1 }))
    const sharedStore = SharedStore.of(store)
    const all = (): boolean => true
    const work = new Work(900)
    t.equal((await sharedStore.runQuery('data', undefined, all, { work }) as unknown[]).length, 100)
    t.equal(work.spent, 100 + 100 * 7 + 100, 'records, their order, and a field of each')
    await t.rejects(sharedStore.runQuery('data', undefined, all, { work: new Work(899) }), {
      code: 'VALIDATION_ERROR'
    })
    const little = new Work(10)
    t.equal(await sharedStore.runQuery('code', undefined, all, { work: little }), 0)
    t.equal(little.spent, 100)
  })
})

t.test('A right that is taken away while a bucket is rebuilt counts in the step that commits', async t => {
  const store = await startStore(t)
  await store.defineBucket('a', { key: 'id', schema: { id: { type: 'number' } } })
  await store.bucket('a').insertMany(Array.from({ length: 20_000 }, (_, id) => ({ id })))
  const sharedStore = SharedStore.of(store)
  const { revision } = store
  let mayWrite = true
  const reach = {
    assertStillAllowed () {
      if (!mayWrite) throw new NoexServerError('FORBIDDEN', 'No more')
    }
  }
  const updating = updateBucket(sharedStore, 'a', { addFields: { n: { type: 'string' } } }, reach)
  mayWrite = false
  await t.rejects(updating, { code: 'FORBIDDEN' })
  await t.rejects(
    defineBucket(sharedStore, 'b', { key: 'id', schema: { id: { type: 'string' } } }, reach),
    { code: 'FORBIDDEN' }
  )
  await t.rejects(dropBucket(sharedStore, 'a', reach), { code: 'FORBIDDEN' })
  t.equal(store.revision, revision)
  mayWrite = true
  await updateBucket(sharedStore, 'a', { addFields: { n: { type: 'string' } } }, reach)
  t.equal(store.revision, revision + 1)
})
