import { cp, mkdtemp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { Store as RegistryStore } from 'registry-noex-store'
import { MemoryAdapter, Store, type QueryContext, type StoreOptions } from '@hamicek/noex-store'
import { noexPlugin } from '../../lib/index.js'
import type { TestClient } from '../support/client.js'
import { serve, startStore } from '../support/service.js'
import { ADMIN_SECRET } from '../support/identity.js'
import { Barrier } from '../support/barrier.js'

/** Three records that count to 3, in a bucket that expires and evicts. */
const definition = {
  key: 'id',
  schema: { id: { type: 'string' as const }, n: { type: 'number' as const } },
  ttl: '1h',
  maxSize: 4
}

/**
 * A store with a clock that is set by hand, and a client that watches the number and the sum of its records.
 */
async function watched (t: Test, options: StoreOptions = {}) {
  const clock = { now: Date.now() }
  const store = await startStore(t, { now: () => clock.now, ttlCheckIntervalMs: 0, ...options })
  await store.defineBucket('watched', definition)
  await store.bucket('watched').insertMany([{ id: 'a', n: 1 }, { id: 'b', n: 2 }, { id: 'c', n: 4 }])
  const runs = { count: 0 }
  store.defineQuery('sum', async (ctx: QueryContext) => {
    runs.count++
    const bucket = ctx.bucket('watched')
    return [await bucket.count(), await bucket.sum('n')]
  })
  const { connect, app } = await serve(t, {}, { store })
  const client = await connect()
  t.same((await client.ask('store.subscribe', { query: 'sum' })).data, [3, 7])
  return { store, client, clock, runs, app, connect }
}

type Watched = Awaited<ReturnType<typeof watched>>

const changes: ReadonlyArray<readonly [
  title: string,
  expected: unknown,
  change: (to: Watched) => Promise<unknown>
]> = [
  ['clear', [0, 0], async ({ store }) => { await store.bucket('watched').clear() }],
  ['insertMany', [4, 15], async ({ store }) => await store.bucket('watched').insertMany([{ id: 'd', n: 8 }])],
  ['updateMany', [3, 3], async ({ store }) => await store.bucket('watched').updateMany({}, { n: 1 })],
  ['deleteMany', [1, 1], async ({ store }) => await store.bucket('watched').deleteMany({ n: { $gt: 1 } })],
  ['a transaction', [3, 10], async ({ store }) => {
    await store.transaction(async tx => {
      const bucket = await tx.bucket('watched')
      await bucket.delete('a')
      await bucket.update('b', { n: 3 })
      await bucket.insert({ id: 'd', n: 3 })
    })
  }],
  ['rebuildBucket', [3, 14], async ({ store }) => {
    await store.rebuildBucket('watched', definition, records =>
      records.map(([key, record]) => [key, { ...record, n: 2 * (record['n'] as number) }]))
  }],
  ['expiry', [0, 0], async ({ store, clock }) => {
    clock.now += 3_600_001
    await store.purgeTtl()
  }],
  ['eviction', [4, 62], async ({ store }) =>
    await store.bucket('watched').insertMany([8, 16, 32].map(n => ({ id: `${n}`, n: n === 32 ? 34 : n })))],
  ['apply', [4, 107], async ({ store }) => {
    store.apply({
      revision: store.revision + 1,
      time: Date.now(),
      changes: [{
        type: 'insert',
        bucket: 'watched',
        key: 'x',
        before: undefined,
        after: { id: 'x', n: 100, _version: 1, _createdAt: 0, _updatedAt: 0 }
      }]
    })
  }]
]

t.test('what the application does to the store itself reaches a live query, once per commit', async t => {
  for (const [title, expected, change] of changes) {
    await t.test(title, async t => {
      const setting = await watched(t)
      await change(setting)
      t.same((await setting.client.push())['data'], expected)
      await setting.client.settled()
      t.same(setting.client.waiting, [])
      t.equal(setting.runs.count, 2)
    })
  }

  t.test('restoreBackup', async t => {
    const { store, client, runs } = await watched(t, { persistence: { adapter: new MemoryAdapter() } })
    const { id } = await store.createBackup()
    await store.bucket('watched').clear()
    t.same((await client.push())['data'], [0, 0])
    await store.restoreBackup(id)
    t.same((await client.push())['data'], [3, 7])
    await client.settled()
    t.equal(runs.count, 3)
  })

  t.test('updateBucket, after which it goes on', async t => {
    const { store, client } = await watched(t)
    await store.updateBucket('watched', { addFields: { more: { type: 'string' } } })
    await client.settled()
    t.same(client.waiting, [], 'its result is the same')
    await store.bucket('watched').insert({ id: 'd', n: 1, more: 'x' })
    t.same((await client.push())['data'], [4, 8])
  })

  t.test('a bucket that comes, to a query that has failed for want of it', async t => {
    const { store, client } = await watched(t)
    store.defineQuery('other', async (ctx: QueryContext) => {
      if (await ctx.bucket('watched').get('a') !== undefined) return 'none'
      return await ctx.bucket('other').count()
    })
    t.equal((await client.ask('store.subscribe', { query: 'other' })).data, 'none')
    await store.bucket('watched').delete('a')
    t.same((await client.push())['data'], [2, 6])
    await store.defineBucket('other', definition)
    t.equal((await client.push())['data'], 0)
  })
})

t.test('a live query never shows half of a commit that comes between its reads', async t => {
  const store = await startStore(t)
  const barrier = new Barrier()
  await store.defineBucket('accounts', {
    key: 'id', schema: { id: { type: 'string' }, n: { type: 'number' } }
  })
  await store.bucket('accounts').insertMany([{ id: 'a', n: 10 }, { id: 'b', n: 0 }])
  store.defineQuery('both', async (ctx: QueryContext) => {
    const a = await ctx.bucket('accounts').get('a')
    await barrier.pass()
    const b = await ctx.bucket('accounts').get('b')
    return [a?.['n'], b?.['n']]
  })
  const move = async (n: number) => {
    await store.transaction(async tx => {
      const bucket = await tx.bucket('accounts')
      await bucket.update('a', { n: 10 - n })
      await bucket.update('b', { n })
    })
  }
  const { connect } = await serve(t, {}, { store })
  const client = await connect()
  const subscribing = client.ask('store.subscribe', { query: 'both' })
  await barrier.held()
  await move(1)
  // The evaluation that has seen half, and the next one.
  await barrier.release()
  await barrier.release()
  t.same((await subscribing).data, [9, 1], 'neither the first result')
  await move(2)
  await barrier.held()
  await move(3)
  barrier.open()
  t.same((await client.push())['data'], [7, 3], 'nor a push')
})

t.test('a live query of one record follows a date by its instant, and no other record', async t => {
  const store = await startStore(t)
  await store.defineBucket('days', { key: 'day', schema: { day: { type: 'date' }, n: { type: 'number' } } })
  let runs = 0
  store.defineQuery('day', async (ctx: QueryContext) => {
    runs++
    return (await ctx.bucket('days').get(new Date(0)))?.['n'] ?? null
  })
  const { connect } = await serve(t, {}, { store })
  const client = await connect()
  t.equal((await client.ask('store.subscribe', { query: 'day' })).data, null)
  await store.bucket('days').insert({ day: '1971-01-01T00:00:00Z', n: 1 })
  await client.settled()
  t.equal(runs, 1)
  await store.bucket('days').insert({ day: '1970-01-01T00:00:00Z', n: 2 })
  t.equal((await client.push())['data'], 2)
  await store.bucket('days').update(0, { n: 3 })
  t.equal((await client.push())['data'], 3)
  t.equal(runs, 3)
})

t.test('the first evaluation of a declarative live query is bounded by workBudget', async t => {
  const { connect, store } = await serve(t, { workBudget: 1_000 })
  const count = { bucket: 'items', filter: { n: { $gte: 0 } }, aggregate: { function: 'count' } } as const
  store.defineDeclarativeQuery('some', count)
  store.defineDeclarativeQuery('others', { ...count, filter: { n: { $gte: 1 } } })
  const insert = async (count: number) => await store.bucket('items').insertMany(
    Array.from({ length: count }, (_, n) => ({ n }))
  )
  await insert(900)
  const client = await connect()
  t.equal((await client.ask('store.subscribe', { query: 'some' })).data, 900)
  await insert(200)
  t.equal((await client.push())['data'], 1_100, 'a change is put in, and takes nothing of it')
  t.match(await (await connect()).request('store.subscribe', { query: 'others' }), {
    code: 'VALIDATION_ERROR', details: { workBudget: 1_000 }
  })
  await store.bucket('items').deleteMany({ n: { $gte: 100 } })
  t.equal((await client.push())['data'], 200)
})

/** A store of another copy of the package in this process. */
async function startCopy (t: Test): Promise<Store> {
  const source = dirname(fileURLToPath(import.meta.resolve('@hamicek/noex-store')))
  const directory = await mkdtemp(join(source, '..', 'copy-'))
  t.teardown(async () => { await rm(directory, { recursive: true }) })
  await cp(source, directory, { recursive: true })
  const copy = await import(pathToFileURL(join(directory, 'index.js')).href) as { Store: typeof Store }
  t.not(copy.Store, Store)
  const store = await copy.Store.start()
  t.teardown(async () => { await store.stop() })
  return store
}

t.test('a store of another copy of the package is served like any other', async t => {
  const store = await startCopy(t)
  t.notOk(store instanceof Store)
  const { connect } = await serve(t, { auth: { builtIn: true, adminSecret: ADMIN_SECRET } }, { store })
  const client: TestClient = await connect()
  await client.ask('identity.loginWithSecret', { secret: ADMIN_SECRET })
  await client.ask('store.defineQuery', {
    name: 'count', config: { bucket: 'items', aggregate: { function: 'count' } }
  })
  await client.ask('store.subscribe', { query: 'count' })
  await client.ask('store.insert', { bucket: 'items', data: { id: 'a', n: 1 } })
  t.equal((await client.push())['data'], 1)
  await client.ask('store.transaction', {
    operations: [
      { op: 'insert', bucket: 'items', data: { n: 2 } }, { op: 'delete', bucket: 'items', key: 'a' }
    ]
  })
  t.equal(await client.code('store.insert', { bucket: 'nowhere', data: {} }), 'BUCKET_NOT_DEFINED')
  t.equal(await client.code('store.update', { bucket: 'items', key: 'a', data: {} }), 'NOT_FOUND')
  t.equal(await client.code('store.insert', { bucket: 'items', data: { n: 'x' } }), 'VALIDATION_ERROR')
  await client.ask('store.clear', { bucket: 'items' })
  t.equal((await client.push())['data'], 0)
})

t.test('a Store of the registry\'s package is refused at boot, with the import to change', async t => {
  const store = await RegistryStore.start()
  t.teardown(async () => { await store.stop() })
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await t.rejects(async () => await app.register(noexPlugin, { store: store as unknown as Store }).ready(), {
    code: 'NOEX_ERR_INVALID_OPTION', path: 'store', message: /import \{ Store \} from 'fastify-noex\/store'/
  })
})
