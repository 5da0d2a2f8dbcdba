import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type BucketDefinition, Store, type StoreOptions, TransactionConflictError, UniqueConstraintError
} from '@hamicek/noex-store'
import { test, type Test } from 'tap'
import {
  AlreadyRegisteredError, FileAdapter, MemoryAdapter, Registry, ServerNotRunningError, type StorageAdapter
} from '@hamicek/noex'

const users: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string', required: true },
    name: { type: 'string' },
    email: { type: 'string', unique: true },
    born: { type: 'date' },
    extra: { type: 'object' }
  }
}

async function started (t: Test, options: StoreOptions = {}): Promise<Store> {
  const store = await Store.start({ ttlCheckIntervalMs: 0, ...options })
  t.teardown(() => store.stop().catch(() => {}))
  return store
}

test('A noex-store', async t => {
  t.test('delivers every event of insertMany before its promise resolves', async t => {
    const store = await started(t)
    await store.defineBucket('users', users)
    const keys: unknown[] = []
    await store.on<{ key: unknown }>('bucket.users.inserted', ({ key }) => { keys.push(key) })
    const records = Array.from({ length: 50 }, (_, i) => ({ id: `u${i}` }))
    await store.bucket('users').insertMany(records)
    t.same(keys, records.map(({ id }) => id))
  })

  t.test('delivers every event of a transaction before its promise resolves', async t => {
    const store = await started(t)
    await store.defineBucket('users', users)
    await store.defineBucket('orders', { ...users, schema: { id: { type: 'string' } } })
    const topics: string[] = []
    await store.on('*', (_event, topic) => { topics.push(topic) })
    await store.transaction(async tx => {
      await (await tx.bucket('users')).insert({ id: 'u' })
      await (await tx.bucket('orders')).insert({ id: 'o' })
    })
    t.same(topics, ['bucket.users.inserted', 'bucket.orders.inserted'])
  })

  t.test('gets the errors of a bucket with their class and fields', async t => {
    const store = await started(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'a', email: 'a@example.com' })
    const error: unknown = await store.bucket('users').insert({ id: 'b', email: 'a@example.com' })
      .catch((thrown: unknown) => thrown)
    t.ok(error instanceof UniqueConstraintError)
    t.match(error, { bucket: 'users', field: 'email', value: 'a@example.com' })
    t.equal(await store.bucket('users').get('b'), undefined)
  })

  t.test('can drop a bucket and define it again, over and over', async t => {
    const store = await started(t, { name: 'shop' })
    for (let i = 0; i < 5; i++) {
      await store.defineBucket('users', users)
      const dropped = store.bucket('users')
      await dropped.insert({ id: `${i}` })
      t.equal(await store.bucket('users').count(), 1)
      t.equal(await store.dropBucket('users'), true)
      t.notOk(Registry.isRegistered('shop:bucket:users'))
      await t.rejects(dropped.get('0'), ServerNotRunningError)
    }
    t.equal(await store.dropBucket('users'), false)
    // Long enough for a supervisor that polls its children.
    await delay(200)
    t.same(Registry.getNames(), ['shop:events'])
  })

  t.test('can update a bucket over and over, and keeps its records', async t => {
    const store = await started(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'a' })
    for (let i = 0; i < 5; i++) {
      await store.updateBucket('users', { addFields: { [`field${i}`]: { type: 'number', default: i } } })
    }
    await store.bucket('users').insert({ id: 'b' })
    t.match(await store.bucket('users').get('b'), { field0: 0, field4: 4 })
    t.equal(await store.bucket('users').count(), 2)
  })

  t.test('rejects the younger of two conflicting transactions, and keeps the older one', async t => {
    const store = await started(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'a', name: 'first' })
    const conflict: unknown = await store.transaction(async tx => {
      await (await tx.bucket('users')).update('a', { name: 'mine' })
      await store.bucket('users').update('a', { name: 'theirs' })
    }).catch((error: unknown) => error)
    t.ok(conflict instanceof TransactionConflictError)
    t.match(conflict, { bucket: 'users', key: 'a' })
    t.match(await store.bucket('users').get('a'), { name: 'theirs' })
  })

  t.test('purges what has outlived its time, and says so', async t => {
    const store = await started(t)
    await store.defineBucket('sessions', { ...users, ttl: 1 })
    await store.defineBucket('dropped', { ...users, ttl: 1 })
    await store.dropBucket('dropped')
    const { _createdAt: createdAt } = await store.bucket('sessions').insert({ id: 'a' })
    const deleted: string[] = []
    await store.on('bucket.*.deleted', (_event, topic) => { deleted.push(topic) })
    while (Date.now() <= createdAt + 1) await delay(1)
    t.equal(await store.purgeTtl(), 1)
    t.same(deleted, ['bucket.sessions.deleted'])
    t.equal(await store.bucket('sessions').count(), 0)
  })

  t.test('updates a live query, of a bucket with a dot in its name too', async t => {
    const store = await started(t)
    for (const bucket of ['users', 'eu.users']) {
      await store.defineBucket(bucket, users)
      store.defineQuery(`count ${bucket}`, async ctx => ctx.bucket(bucket).count())
      const counts: unknown[] = []
      await store.subscribe(`count ${bucket}`, count => { counts.push(count) })
      await store.bucket(bucket).insertMany([{ id: 'a' }, { id: 'b' }])
      await store.settle()
      t.equal(counts.at(-1), 2)
    }
  })

  t.test('holds its name until it has stopped', async t => {
    const store = await started(t, { name: 'taken' })
    await t.rejects(Store.start({ name: 'taken' }), new AlreadyRegisteredError('taken:events'))
    await store.stop()
    await started(t, { name: 'taken' })
  })
})

const adapters: ReadonlyArray<readonly [name: string, make: (t: Test) => (() => StorageAdapter)]> = [
  ['MemoryAdapter', () => {
    const adapter = new MemoryAdapter()
    return () => adapter
  }],
  ['FileAdapter', t => {
    const directory = t.testdir()
    return () => new FileAdapter({ directory, fsync: false })
  }]
]

for (const [name, make] of adapters) {
  test(`A noex-store on a ${name}`, async t => {
    /** Starts a store with everything that it reports going to `errors`. */
    const open = (t: Test, adapter: StorageAdapter, errors: Error[]) =>
      started(t, { name: 'shop', persistence: { adapter, debounceMs: 1, onError: error => { errors.push(error) } } })

    t.test('has its records again after a restart', async t => {
      const adapterOf = make(t)
      const errors: Error[] = []
      const first = await open(t, adapterOf(), errors)
      await first.defineBucket('users', users)
      const records = [
        { id: 'date', born: new Date(86_400_000) },
        { id: 'map', extra: new Map<unknown, unknown>([['a', { deep: [new Set([1]), 2n] }]]) },
        { id: 'nested', extra: { list: [{ x: null, y: undefined }, 'ž\ud800'] } },
        { id: 'tags', extra: { $noex: 'date', value: 'never', __type: 'Date', __value: 1, nested: { $noex: 'map' } } },
        { id: 'proto', extra: JSON.parse('{"__proto__":{"polluted":true},"constructor":1}') as object }
      ]
      const shared = { country: 'CZ' }
      const inserted = await first.bucket('users').insertMany(
        [...records, { id: 's1', extra: shared }, { id: 's2', extra: shared }])
      await first.stop()

      const second = await open(t, adapterOf(), errors)
      await second.defineBucket('users', users)
      t.strictSame(await second.bucket('users').all(), inserted)
      for (const record of records) t.match(await second.bucket('users').get(record.id), record)
      t.same(errors, [])
    })

    t.test('saves what has changed, without being stopped', async t => {
      const adapterOf = make(t)
      const saved: string[] = []
      const adapter = adapterOf()
      const observed: StorageAdapter = {
        load: key => adapter.load(key),
        delete: key => adapter.delete(key),
        exists: key => adapter.exists(key),
        listKeys: prefix => adapter.listKeys(prefix),
        async save (key, data) {
          await adapter.save(key, data)
          saved.push(key)
        }
      }
      const store = await open(t, observed, [])
      await store.defineBucket('eu.users', users)
      await store.bucket('eu.users').insert({ id: 'a' })
      while (saved.length === 0) await delay(1)
      t.same(saved, ['shop:bucket:eu.users'])
      t.match(await adapterOf().load('shop:bucket:eu.users'), { state: { records: [['a', { id: 'a' }]] } })
    })

    t.test('makes, lists, restores and deletes backups', async t => {
      const store = await open(t, make(t)(), [])
      await store.defineBucket('users', users)
      await store.bucket('users').insert({ id: 'a', born: new Date(0) })
      await store.createBackup('monday')
      await store.bucket('users').insert({ id: 'b' })
      await store.createBackup('tuesday: late')
      await store.bucket('users').deleteMany({})
      t.match(await store.listBackups(), [
        { name: 'monday', totalRecords: 1 }, { name: 'tuesday: late', totalRecords: 2 }
      ])

      await store.restoreBackup('tuesday: late')
      t.equal(await store.bucket('users').count(), 2)
      await store.restoreBackup('monday')
      t.match(await store.bucket('users').all(), [{ id: 'a', born: new Date(0) }])
      t.equal(await store.deleteBackup('monday'), true)
      t.equal(await store.deleteBackup('monday'), false)
      t.equal((await store.listBackups()).length, 1)
    })

    t.test('can be restarted while the bucket is dropped and defined again', async t => {
      const adapterOf = make(t)
      for (let i = 0; i < 3; i++) {
        const errors: Error[] = []
        const store = await open(t, adapterOf(), errors)
        await store.defineBucket('users', users)
        await store.bucket('users').insert({ id: `${i}` })
        await store.createBackup('safe')
        await store.dropBucket('users')
        await store.defineBucket('users', users)
        t.equal(await store.bucket('users').count(), i + 1)
        await store.stop()
        t.same(errors, [])
        t.same(Registry.getNames(), [])
      }
    })
  })
}

test('A noex-store on a damaged file', async t => {
  t.test('is told, and what is left of the file is kept', async t => {
    const directory = t.testdir()
    const errors: string[] = []
    const onError = (error: Error) => { errors.push(error.name) }
    const start = () => started(t, {
      name: 'shop', persistence: { adapter: new FileAdapter({ directory, fsync: false }), onError }
    })
    const first = await start()
    await first.defineBucket('users', users)
    await first.bucket('users').insert({ id: 'a', name: 'Jana' })
    await first.stop()
    const path = join(directory, 'shop%3abucket%3ausers.json')
    const damaged = (await readFile(path, 'utf8')).replace('Jana', 'Jane')
    await writeFile(path, damaged)

    const second = await start()
    await second.defineBucket('users', users)
    t.same(errors, ['ChecksumMismatchError'])
    await second.stop()
    const [aside = ''] = (await readdir(directory)).filter(name => name.includes('.corrupt-'))
    t.equal(await readFile(join(directory, aside), 'utf8'), damaged)
  })
})
