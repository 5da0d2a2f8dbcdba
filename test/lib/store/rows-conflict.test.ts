import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import {
  Store, type AccessOptions, type BucketDefinition, type StoreRecord, type TransactionBucketHandle,
  type TransactionContext
} from '@hamicek/noex-store'
import type { RowScope } from '../../../lib/store/row-scope.js'
import { defineBucket, dropBucket, updateBucket } from '../../../lib/store/schema-change.js'
import { SharedStore } from '../../../lib/store/shared-store.js'
import type { TransactionEntry } from '../../../lib/store/transaction-entry.js'
import { runTransaction } from '../../../lib/store/transaction.js'
import { Writes } from '../../../lib/store/writes.js'
import { sampled } from '../../support/sampled.js'
import {
  everything, mine, refusal, untouched, withNotes, within, work
} from '../../support/rows.js'

/** Lets `interfere` run in transactions after a call of `method`, as another writer would. */
function interfering (
  store: Store, method: keyof TransactionBucketHandle, interfere: () => Promise<unknown>
): void {
  const transaction = store.transaction.bind(store)
  store.transaction = async (work, options) => await transaction(async tx => await work(new Proxy(tx, {
    get: (target, name) => name !== 'open'
      ? (target[name as keyof TransactionContext] as () => unknown).bind(target)
      : (bucket: string, access?: AccessOptions) => new Proxy(target.open(bucket, access), {
          get (handle, member) {
            const value = handle[member as keyof TransactionBucketHandle] as unknown
            if (typeof value !== 'function') return value
            return async (...args: unknown[]) => {
              const result: unknown = await value.apply(handle, args)
              if (member === method || member === `${method}Soon`) await interfere()
              return result
            }
          }
        })
  })), options)
}

/** Runs one entry as a transaction, limited to the records of mine. */
const alone = (entry: TransactionEntry) => async (sharedStore: SharedStore): Promise<unknown> =>
  await runTransaction(sharedStore, [entry], within(mine))

t.test('A record that another writer takes away meanwhile is not changed', async t => {
  const table: ReadonlyArray<
    readonly [title: string, write: (sharedStore: SharedStore) => Promise<unknown>, code: string]
  > = [
    ['update', alone({ op: 'update', bucket: 'notes', key: 'm1', data: { text: 'z' } }), 'FORBIDDEN'],
    [
      'update that takes it back',
      alone({ op: 'update', bucket: 'notes', key: 'm1', data: { owner: 'me' } }),
      'FORBIDDEN'
    ],
    ['upsert', alone({ op: 'upsert', bucket: 'notes', data: { id: 'm1', text: 'z' } }), 'FORBIDDEN'],
    ['delete', alone({ op: 'delete', bucket: 'notes', key: 'm1' }), 'FORBIDDEN'],
    [
      'updateMany',
      alone({ op: 'updateMany', bucket: 'notes', filter: { text: 'a' }, data: { owner: 'me' } }),
      'none'
    ],
    ['deleteMany', alone({ op: 'deleteMany', bucket: 'notes', filter: { text: 'a' } }), 'none']
  ]
  for (const [title, write, code] of table) {
    for (const method of ['update', 'upsert', 'updateMany', 'delete', 'deleteMany'] as const) {
      const { store, sharedStore, state } = await withNotes(t, {
        replies: { key: 'id', schema: { id: { type: 'string' }, note: { type: 'string', ref: 'notes' } } }
      })
      let taken = 0
      const handle = store.bucket('notes')
      interfering(
        store,
        method,
        async () => { if (taken++ === 0) await handle.update('m1', { owner: 'you' }) }
      )
      const refused = await refusal(write(sharedStore))
      if (taken === 0) {
        t.equal(refused.code, 'none', `${title} has no ${method}`)
        continue
      }
      t.equal(refused.code, code, `${title}, after ${method}`)
      t.same(await state(), ['m1 you a', ...untouched.slice(1)])
    }
  }
})

t.test('A record that another writer puts in the place of the one that was found is not changed', async t => {
  const { store, sharedStore, state } = await withNotes(t)
  const handle = store.bucket('notes')
  let replaced = false
  interfering(store, 'update', async () => {
    if (replaced) return
    replaced = true
    await handle.delete('m1')
    // Its version is that of the record which was found.
    await handle.insert({ id: 'm1', owner: 'you', text: 'new' })
  })
  const update = alone({ op: 'update', bucket: 'notes', key: 'm1', data: { owner: 'me' } })
  t.equal((await refusal(update(sharedStore))).code, 'FORBIDDEN')
  t.same(await state(), [...untouched.slice(1), 'm1 you new'])
})

t.test(
  'A write that is not confined to some records, but expects a version, notices another writer too [G-F7]',
  async t => {
    const { store, sharedStore } = await withNotes(t)
    let done = false
    interfering(store, 'update', async () => {
      if (done) return
      done = true
      await store.bucket('notes').update('m1', { text: 'first' })
    })
    const entry: TransactionEntry = {
      op: 'update',
      bucket: 'notes',
      key: 'm1',
      data: { text: 'stale' },
      expectedVersion: 1
    }
    t.equal((await refusal(runTransaction(sharedStore, [entry], everything))).code, 'CONFLICT')
    t.match(await store.bucket('notes').get('m1'), { text: 'first', _version: 2 })
  }
)

t.test('A key that another writer takes meanwhile', async t => {
  const insert = (owner: string) => async (store: Store) => {
    await store.bucket('notes').insert({ id: 'n', owner, text: 'x' })
  }
  const table: ReadonlyArray<
    readonly [
      title: string,
      write: (sharedStore: SharedStore) => Promise<unknown>,
      owner: string,
      code: string,
      state: string
    ]
  > = [
    [
      'insert',
      alone({ op: 'insert', bucket: 'notes', data: { id: 'n', owner: 'me' } }),
      'me',
      'CONFLICT',
      'n me x'
    ],
    [
      'upsert of what is visible',
      alone({ op: 'upsert', bucket: 'notes', data: { id: 'n', owner: 'me', text: 'y' } }),
      'me',
      'none',
      'n me y'
    ],
    [
      'upsert of what is not',
      alone({ op: 'upsert', bucket: 'notes', data: { id: 'n', owner: 'me', text: 'y' } }),
      'you',
      'FORBIDDEN',
      'n you x'
    ]
  ]
  for (const [title, write, owner, code, expected] of table) {
    for (const method of ['insert', 'upsert'] as const) {
      if (!title.startsWith(method)) continue
      const { store, sharedStore, state } = await withNotes(t)
      let taken = false
      interfering(store, method, async () => {
        if (taken) return
        taken = true
        await insert(owner)(store)
      })
      t.equal((await refusal(write(sharedStore))).code, code, `${title}, after ${method}`)
      t.ok(taken)
      t.same(await state(), [...untouched, expected])
    }
  }
})

t.test('A transaction that always conflicts is refused with CONFLICT', async t => {
  const { store, sharedStore } = await withNotes(t)
  let tries = 0
  interfering(
    store,
    'update',
    async () => { await store.bucket('notes').update('m1', { text: `t${++tries}` }) }
  )
  const update = alone({ op: 'update', bucket: 'notes', key: 'm1', data: { text: 'z' } })
  t.equal((await refusal(update(sharedStore))).code, 'CONFLICT')
  t.equal(tries, 10)
  t.match(await store.bucket('notes').get('m1'), { text: 't10' })
})

t.test('Writers that race never change a record that one of them does not see', async t => {
  const owner = fc.constantFrom('me', 'you')
  const key = fc.constantFrom('m1', 'm2', 'o1', 'o2', 'n1')
  type Act = (sharedStore: SharedStore, rowScope: RowScope, by: string) => Promise<unknown>
  const act: fc.Arbitrary<Act> = fc.oneof(
    fc.tuple(key, owner).map(([id, owner]): Act => (sharedStore, rowScope, text) =>
      new Writes(sharedStore, rowScope).upsert('notes', { id, owner, text })),
    fc.tuple(key, owner).map(([id, owner]): Act => (sharedStore, rowScope, text) =>
      new Writes(sharedStore, rowScope).insert('notes', { id, owner, text })),
    fc.tuple(key, fc.option(owner)).map(([id, owner]): Act => (sharedStore, rowScope, text) =>
      new Writes(sharedStore, rowScope).update('notes', id, { text, ...(owner !== null && { owner }) })),
    fc.option(owner).map((owner): Act => (sharedStore, rowScope, text) =>
      new Writes(sharedStore, rowScope).updateMany('notes', {}, { text, ...(owner !== null && { owner }) })),
    key.map((id): Act => (sharedStore, rowScope, text) => runTransaction(sharedStore, [
      { op: 'update', bucket: 'notes', key: id, data: { text } },
      { op: 'updateMany', bucket: 'notes', filter: {}, data: { text } }
    ], rowScope))
  )
  let changes = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(act, fc.boolean(), fc.nat({ max: 12 })), { minLength: 2, maxLength: 12 }),
      async acts => {
        const { store, sharedStore } = await withNotes(t)
        const seen: Array<{ oldRecord?: StoreRecord, newRecord?: StoreRecord, record?: StoreRecord }> = []
        const stop = await store.on('bucket.*', event => { seen.push(event as never) })
        await Promise.all(acts.map(async ([act, confined, delay]) => {
          for (let turn = 0; turn < delay; turn++) await Promise.resolve()
          await refusal(
            act(sharedStore, confined ? within(mine) : everything, confined ? 'confined' : 'free')
          )
        }))
        await store.settle()
        await stop()
        for (const { oldRecord, newRecord, record = newRecord } of seen) {
          if (record?.['text'] !== 'confined') continue
          changes++
          if (record['owner'] !== 'me' || (oldRecord !== undefined && oldRecord['owner'] !== 'me')) {
            assert.fail(JSON.stringify([oldRecord, record]))
          }
        }
      }
    ),
    { numRuns: sampled(300) }
  )
  t.ok(changes > sampled(200), `${changes} confined changes were seen`)
})

t.test('A right that is lost while a write waits', async t => {
  const plain: BucketDefinition = {
    key: 'id',
    schema: { id: { type: 'string' }, owner: { type: 'string' }, text: { type: 'string' } }
  }
  const referred: Readonly<Record<string, BucketDefinition>> = {
    replies: {
      key: 'id',
      schema: { id: { type: 'string' }, note: { type: 'string', ref: 'notes', onDelete: 'cascade' } }
    }
  }
  const numbered: BucketDefinition = {
    key: 'id',
    schema: { id: { type: 'number', generated: 'autoincrement' }, owner: { type: 'string' } }
  }
  const small: BucketDefinition = { ...plain, maxSize: 4 }
  const random: BucketDefinition = {
    ...plain,
    schema: { ...plain.schema, id: { type: 'string', generated: 'uuid' } }
  }
  type Case = readonly [
    title: string,
    write: (sharedStore: SharedStore, rowScope: RowScope) => Promise<unknown>,
    definition?: BucketDefinition,
    more?: Readonly<Record<string, BucketDefinition>>
  ]
  const table: readonly Case[] = [
    ['insert', (a, r) => new Writes(a, r).insert('notes', { id: 'n', owner: 'me' })],
    [
      'insert with a random key and a reference that was added later',
      (a, r) => new Writes(a, r).insert('notes', { owner: 'me' }),
      random
    ],
    ['insertMany', (a, r) => new Writes(a, r).insertMany('notes', [{ id: 'n', owner: 'me' }])],
    ['upsert', (a, r) => new Writes(a, r).upsert('notes', { id: 'm1', text: 'z' })],
    ['upsert of a new record', (a, r) => new Writes(a, r).upsert('notes', { id: 'n', owner: 'me' })],
    [
      'upsert into a full bucket',
      (a, r) => new Writes(a, r).upsert('notes', { id: 'n', owner: 'me' }),
      small
    ],
    ['update', (a, r) => new Writes(a, r).update('notes', 'm1', { text: 'z' })],
    ['updateMany', (a, r) => new Writes(a, r).updateMany('notes', {}, { text: 'z' })],
    [
      'updateMany of the filter\'s field',
      (a, r) => new Writes(a, r).updateMany('notes', {}, { owner: 'me' })
    ],
    ['delete', (a, r) => new Writes(a, r).delete('notes', 'm1')],
    ['delete of what others refer to', (a, r) => new Writes(a, r).delete('notes', 'm1'), plain, referred],
    ['deleteMany', (a, r) => new Writes(a, r).deleteMany('notes', {})],
    [
      'deleteMany of what others refer to',
      (a, r) => new Writes(a, r).deleteMany('notes', {}),
      plain,
      referred
    ],
    ['clear', (a, r) => new Writes(a, r).clear('notes')],
    ['clear of what others refer to', (a, r) => new Writes(a, r).clear('notes'), plain, referred],
    [
      'transaction',
      (a, r) => runTransaction(a, [
        { op: 'insert', bucket: 'notes', data: { id: 'n', owner: 'me' } },
        { op: 'update', bucket: 'notes', key: 'm1', data: { text: 'z' } }
      ], r)
    ],
    [
      'a number in the place of one that is taken',
      (a, r) => new Writes(a, r).insert('numbers', { owner: 'me' })
    ],
    ['defineBucket', (a, r) => defineBucket(a, 'new', { key: 'id', schema: { id: { type: 'string' } } }, r)],
    [
      'updateBucket',
      (a, r) => updateBucket(a, 'notes', { addFields: { late: { type: 'string', unique: true } } }, r)
    ],
    ['dropBucket', (a, r) => dropBucket(a, 'notes', r)]
  ]
  for (const [title, write, definition = plain, more = {}] of table) {
    for (const rows of [undefined, mine]) {
      // Stops at the first call, then at the second, until there are none left.
      for (let allowed = 0, stopped = true; stopped; allowed++) {
        const { store, sharedStore } = await withNotes(t, { ...more, numbers: numbered }, definition)
        await store.bucket('numbers').insert({ id: 2 })
        await updateBucket(
          sharedStore,
          'notes',
          { addFields: { parent: { type: 'string', ref: 'notes' } } },
          everything
        )
        const state = async () => [
          await store.getStats(),
          store.hasBucket('notes') && store.getBucketSchema('notes'),
          store.hasBucket('notes') && (await store.bucket('notes').all())
        ]
        const before = await state()
        let calls = 0
        const assertStillAllowed = (): void => { if (calls++ === allowed) throw new Error('lost') }
        const refused = await refusal(
          write(sharedStore, { rows: () => rows, assertStillAllowed, work, maxChanges: Infinity })
        )
        stopped = calls > allowed
        if (allowed === 0 && !(rows !== undefined && title.startsWith('clear'))) {
          t.ok(stopped, `${title} asks`)
        }
        if (stopped) {
          t.match(refused, { code: undefined, message: 'Error: lost' }, title)
          t.same(await state(), before, `${title} has written nothing`)
        }
      }
    }
  }
})
