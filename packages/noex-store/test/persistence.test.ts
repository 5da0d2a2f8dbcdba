import { test } from 'tap'
import { setTimeout as delay } from 'node:timers/promises'
import {
  BackupNotFoundError, PersistenceRequiredError, runMigrations, type Commit, type PersistedState,
  type StorageAdapter, type Store
} from '../src/index.js'
import { bridgeStoreToRules } from '../src/index.js'
import { startStore, users } from './support/store.js'

class Adapter implements StorageAdapter {
  readonly states = new Map<string, PersistedState<unknown>>()
  failures = 0
  isClosed = false

  async save (key: string, data: PersistedState<unknown>): Promise<void> {
    if (this.failures-- > 0) throw new Error('disk full')
    this.states.set(key, structuredClone(data))
  }

  async load<T> (key: string): Promise<PersistedState<T> | undefined> {
    if (this.failures-- > 0) throw new Error('unreadable')
    return this.states.get(key) as PersistedState<T> | undefined
  }

  async delete (key: string): Promise<boolean> { return this.states.delete(key) }
  async exists (key: string): Promise<boolean> { return this.states.has(key) }
  async listKeys (prefix = ''): Promise<string[]> {
    return [...this.states.keys()].filter(key => key.startsWith(prefix))
  }

  async close (): Promise<void> { this.isClosed = true }
}

test('a store with an adapter', async t => {
  t.test('has its records, versions and numbers again after a restart', async t => {
    const adapter = new Adapter()
    const definition = { key: 'id', schema: { id: { type: 'number', generated: 'autoincrement' } } } as const
    const first = await startStore(t, { name: 'shop', persistence: { adapter, debounceMs: 1 } })
    await first.defineBucket('orders', definition)
    const orders = await first.bucket('orders').insertMany([{ n: 1 }, { n: 2 }])
    await first.defineBucket('cache', { ...definition, persistent: false })
    await first.bucket('cache').insert({})
    await first.stop()
    t.ok(adapter.isClosed)
    t.same([...adapter.states.keys()], ['shop:bucket:orders'])
    t.match(
      adapter.states.get('shop:bucket:orders'),
      { state: { records: [[1, { n: 1 }], [2, { n: 2 }]], autoincrementCounter: 2 } }
    )
    const second = await startStore(t, { name: 'shop', persistence: { adapter } })
    await second.defineBucket('orders', definition)
    t.same(await second.bucket('orders').all(), orders)
    t.match(await second.bucket('orders').insert({}), { id: 3 })
  })

  t.test('gives no version twice after a restart, nor after a restore elsewhere', async t => {
    const adapter = new Adapter()
    const definition = { key: 'id', schema: { id: { type: 'number' } } } as const
    const open = async (maxDeletedKeys = 100): Promise<Store> => {
      const store = await startStore(t, { name: 'shop', persistence: { adapter }, maxDeletedKeys })
      await store.defineBucket('a', definition)
      return store
    }
    let store = await open()
    const remembered = store.bucket('a')
    await remembered.insertMany([{ id: 1 }, { id: 2 }, { id: 3 }])
    await remembered.update(2, { n: 1 })
    await remembered.update(2, { n: 2 })
    await remembered.deleteMany({ id: { $in: [1, 2] } })
    await store.createBackup('b')
    await store.stop()
    t.match(adapter.states.get('shop:bucket:a'), {
      state: { records: [[3, { id: 3 }]], remembered: { floor: 0, deleted: [[1, 1, 0], [2, 3, 0]] } }
    })

    store = await open()
    const commits: Commit[] = []
    const follower = await startStore(t, { name: 'follower' })
    await store.bucket('a').insert({ id: 1 })
    t.match(await store.bucket('a').get(1), { _version: 2 })
    await t.rejects(
      store.bucket('a').update(1, { n: 1 }, { expectedVersion: 1 }), { name: 'TransactionConflictError' }
    )
    t.match(await store.bucket('a').insert({ id: 2 }), { _version: 4 })
    t.match(await store.bucket('a').insert({ id: 9 }), { _version: 1 }, 'a key that is new')
    await store.stop()

    adapter.states.delete('shop:bucket:a')
    store = await startStore(t, { name: 'shop', persistence: { adapter } })
    store.onCommit(commit => { commits.push(commit) })
    await store.defineBucket('a', definition)
    await store.restoreBackup('b')
    for (const commit of commits) follower.apply(JSON.parse(JSON.stringify(commit)) as Commit)
    for (const each of [store, follower]) {
      t.match(await each.bucket('a').insert({ id: 2 }), { _version: 4 }, 'of the backup')
      t.match(await each.bucket('a').insert({ id: 10 }), { _version: 1 })
    }
    await store.stop()

    store = await open(0)
    t.match(
      await store.bucket('a').insert({ id: 1 }),
      { _version: 2 },
      'the floor, where no key is remembered'
    )
    await store.bucket('a').delete(2)
    await store.stop()
    store = await open(0)
    t.match(await store.bucket('a').insert({ id: 2 }), { _version: 5 }, 'the floor is saved')
    await store.stop()

    const old = adapter.states.get('shop:bucket:a') as PersistedState<{ remembered?: unknown }>
    delete old.state.remembered
    store = await open()
    t.match(
      await store.bucket('a').insert({ id: 77 }),
      { _version: 6 },
      'a state of 0.2.0: above all versions'
    )
  })

  t.test('saves again what could not be saved, and says so', async t => {
    const adapter = new Adapter()
    const errors: string[] = []
    const store = await startStore(
      t,
      {
        name: 'shop',
        persistence: { adapter, debounceMs: 1, onError: ({ message }) => { errors.push(message) } }
      }
    )
    await store.defineBucket('users', users)
    adapter.failures = 2
    await store.bucket('users').insert({ id: 'a' })
    while (adapter.states.size === 0) await delay(1)
    t.same(errors, ['disk full', 'disk full'])
    await store.bucket('users').insert({ id: 'b' })
    adapter.failures = 1
    await t.rejects(store.stop(), /disk full/)
  })

  t.test('does not start a bucket empty because it cannot be read', async t => {
    const adapter = new Adapter()
    const store = await startStore(t, { persistence: { adapter } })
    adapter.failures = 1
    await t.rejects(store.defineBucket('users', users), /unreadable/)
    t.equal(store.hasBucket('users'), false)
    await store.defineBucket('users', users)
  })

  t.test('gives a dropped bucket no record back', async t => {
    const adapter = new Adapter()
    const store = await startStore(t, { persistence: { adapter, debounceMs: 1 } })
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'a' })
    await store.createBackup('safe')
    await store.dropBucket('users')
    await store.defineBucket('users', users)
    t.equal(await store.bucket('users').count(), 0)
    await store.restoreBackup('safe')
    t.equal(await store.bucket('users').count(), 1)
  })

  t.test('makes, lists, restores and deletes backups; a restore is a commit', async t => {
    const adapter = new Adapter()
    const store = await startStore(t, { persistence: { adapter } })
    await store.defineBucket('users', users)
    store.defineQuery('count', async ctx => await ctx.bucket('users').count())
    const counts: unknown[] = []
    await store.subscribe('count', count => { counts.push(count) })
    await store.bucket('users').insert({ id: 'a' })
    t.match(await store.createBackup('one'), { id: 'one', totalRecords: 1, bucketNames: ['users'] })
    await store.bucket('users').insertMany([{ id: 'b' }, { id: 'c' }])
    await store.settle()
    const types: string[] = []
    store.onCommit(({ changes }) => { types.push(...changes.map(({ type }) => type)) })
    await store.restoreBackup('one')
    await store.settle()
    t.same(types, ['redefine'])
    t.equal(counts.at(-1), 1)
    t.match(await store.listBackups(), [{ name: 'one' }])
    t.equal(await store.deleteBackup('one'), true)
    await t.rejects(store.restoreBackup('one'), BackupNotFoundError)
    t.match(await store.bucket('users').insert({ id: 'b' }), { id: 'b' })
  })

  t.test('is needed for backups', async t => {
    const store = await startStore(t)
    await t.rejects(store.createBackup(), PersistenceRequiredError)
    await t.rejects(store.listBackups(), PersistenceRequiredError)
  })
})

test('migrations', async t => {
  t.test('run once each, in the order of their versions', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insertMany([{ id: 'a', name: 'A', age: 1 }, { id: 'b', name: 'B' }])
    const migrations = [
      {
        version: 2,
        name: 'types',
        up: async (ctx: Parameters<Parameters<typeof runMigrations>[1][number]['up']>[0]) => {
          const bucket = ctx.bucket('users')
          await bucket.changeFieldType('age', 'string', age => `${String(age)} years`)
          await bucket.addIndex('title')
          await bucket.transformAll(record => ({ ...record, both: `${String(record['title'])}!` }))
          await bucket.removeIndex('role')
        }
      },
      {
        version: 1,
        name: 'fields',
        up: async (ctx: Parameters<Parameters<typeof runMigrations>[1][number]['up']>[0]) => {
          const bucket = ctx.bucket('users')
          await bucket.renameField('name', 'title')
          await bucket.addField('score', { type: 'number' }, 5)
          await bucket.removeField('email')
          await ctx.createBucket('other', { key: 'id', schema: { id: { type: 'string' } } })
          await ctx.dropBucket('other')
        }
      }
    ]
    t.same(await runMigrations(store, migrations), { applied: 2, currentVersion: 2 })
    t.same(await runMigrations(store, migrations), { applied: 0, currentVersion: 2 })
    t.match(
      await store.bucket('users').all(),
      [{ title: 'A', age: '1 years', both: 'A!', score: 5 }, { title: 'B', both: 'B!' }]
    )
    t.match(await store.bucket('users').where({ title: 'B' }), [{ id: 'b' }])
    t.notOk(Object.hasOwn(store.getBucketSchema('users')?.schema ?? {}, 'email'))
  })

  t.test('leave the bucket as it was when they cannot be done', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insertMany([{ id: 'a', code: 1 }, { id: 'b', code: 1 }])
    const before = store.revision
    await t.rejects(
      store.updateBucket('users', { addFields: { code: { type: 'number', unique: true } } }),
      { name: 'UniqueConstraintError' }
    )
    await t.rejects(
      store.rebuildBucket(
        'users', users, records => records.map(([key, record]) => [key, { ...record, id: 'a' }])
      ),
      /Duplicate key/
    )
    await t.rejects(
      store.updateBucket('users', { addFields: { name: { type: 'number' } } }), /already exists/
    )
    await t.rejects(store.updateBucket('users', { addIndexes: ['nothing'] }), /does not exist/)
    t.equal(store.revision, before)
    t.equal(await store.bucket('users').count(), 2)
    await t.rejects(runMigrations(store, [{ version: 0, name: 'x', up: async () => {} }]), /positive integer/)
  })
})

test('a bridge', async t => {
  const store = await startStore(t)
  await store.defineBucket('users', users)
  const emitted: unknown[] = []
  const receiver = {
    async emit (topic: string, data: Record<string, unknown>): Promise<void> {
      emitted.push([topic, data['key']])
      throw new Error('rules')
    }
  }
  const end = await bridgeStoreToRules(store, receiver, {
    filter: ({ type }) => type !== 'updated', mapTopic: topic => topic.replaceAll('.', ':')
  })
  await store.bucket('users').insert({ id: 'a' })
  await store.bucket('users').update('a', { name: 'x' })
  await end()
  await store.bucket('users').delete('a')
  t.same(emitted, [['bucket:users:inserted', 'a']])
})
