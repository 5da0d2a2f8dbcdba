import fc from 'fast-check'
import { test } from 'tap'
import {
  isStoreError, type AccessOptions, type BucketDefinition, type BucketHandle, type Store, type StoreRecord,
  type WhereFilter
} from '../src/index.js'
import { rejection, startStore } from './support/store.js'

const notes: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string' },
    owner: { type: 'string' },
    n: { type: 'number', min: 0 },
    code: { type: 'string', unique: true }
  },
  indexes: ['owner', 'n']
}
const mine: WhereFilter = { owner: 'me' }

async function withNotes (t: Parameters<typeof startStore>[0]): Promise<Store> {
  const store = await startStore(t)
  await store.defineBucket('notes', notes)
  await store.bucket('notes').insertMany([
    { id: 'm1', owner: 'me', n: 1 }, { id: 'o1', owner: 'you', n: 1 }, { id: 'm2', owner: 'me', n: 2 }
  ])
  return store
}

const state = async (store: Store): Promise<unknown[]> =>
  (await store.bucket('notes').all()).map(({ id, owner, n }) => [id, owner, n])

/** The writes that a bucket has, and one of a transaction. */
interface Writer {
  insert (data: Record<string, unknown>): Promise<unknown>
  insertMany (data: Array<Record<string, unknown>>): Promise<unknown>
  update (key: unknown, changes: Record<string, unknown>): Promise<unknown>
  upsert (data: Record<string, unknown>): Promise<unknown>
  updateMany (filter: WhereFilter, changes: Record<string, unknown>): Promise<unknown>
  delete (key: unknown): Promise<unknown>
  deleteMany (filter: WhereFilter): Promise<unknown>
}

/** Does a write by a handle of a bucket, or by one of a transaction. */
const by: ReadonlyArray<readonly [
  name: string, run: <T>(store: Store, access: AccessOptions, write: (to: Writer) => Promise<T>) => Promise<T>
]> = [
  ['a bucket', async (store, access, write) => await write(store.bucket('notes', access))],
  ['a transaction', async (store, access, write) => await store.transaction(
    async tx => await write(await tx.bucket('notes', access))
  )]
]

test('a scope', async t => {
  type Outside = readonly [title: string, write: (to: Writer) => Promise<unknown>, key: string]
  const outside: readonly Outside[] = [
    ['insert', async to => await to.insert({ id: 'x', owner: 'you' }), 'x'],
    ['insertMany', async to => await to.insertMany([{ id: 'y', owner: 'me' }, { id: 'x' }]), 'x'],
    ['update of one outside', async to => await to.update('o1', { owner: 'me' }), 'o1'],
    ['update that leads outside', async to => await to.update('m1', { owner: 'you' }), 'm1'],
    ['upsert of one outside', async to => await to.upsert({ id: 'o1', owner: 'me' }), 'o1'],
    ['upsert of a new one outside', async to => await to.upsert({ id: 'x', owner: 'you' }), 'x'],
    ['updateMany that leads outside', async to => await to.updateMany({ n: 2 }, { owner: 'you' }), 'm2'],
    ['delete', async to => await to.delete('o1'), 'o1']
  ]
  for (const [name, run] of by) {
    t.test(`is kept by the writes of ${name}`, async t => {
      for (const [title, write, key] of outside) {
        const store = await withNotes(t)
        const { revision } = store
        const error = await rejection(run(store, { scope: mine }, write))
        t.match(error, { name: 'OutOfScopeError', code: 'OUT_OF_SCOPE', bucket: 'notes', key }, title)
        t.equal(store.revision, revision, 'nothing is written')
      }
    })

    t.test(`is what the filters of ${name} look at`, async t => {
      const store = await withNotes(t)
      t.equal(await run(store, { scope: mine }, async to => await to.updateMany({ n: 1 }, { n: 5 })), 1)
      const others = async (to: Writer): Promise<unknown> => await to.updateMany({ owner: 'you' }, { n: 9 })
      t.equal(await run(store, { scope: mine }, others), 0)
      t.same(await state(store), [['m1', 'me', 5], ['o1', 'you', 1], ['m2', 'me', 2]])
      t.equal(await run(store, { scope: mine }, async to => await to.deleteMany({})), 2)
      t.same(await state(store), [['o1', 'you', 1]])
    })
  }

  t.test('hides the rest from a transaction, which may open a bucket several times', async t => {
    const store = await withNotes(t)
    await store.transaction(async tx => {
      const [all, own] = [await tx.bucket('notes'), await tx.bucket('notes', { scope: mine })]
      t.equal(await own.get('o1'), undefined)
      t.match(await all.get('o1'), { owner: 'you' })
      await all.update('o1', { owner: 'me' })
      t.match(await own.get('o1'), { owner: 'me' }, 'all handles see the same writes')
      t.equal(await own.count(), 3)
      const groups = await own.groupBy('owner', { function: 'sum', field: 'n' })
      t.match(groups, [{ key: { owner: 'me' }, value: 4 }])
    })
  })

  t.test('refuses to clear, and does not confine what the schema says of references', async t => {
    const store = await withNotes(t)
    await store.defineBucket('replies', {
      key: 'id',
      schema: { id: { type: 'string' }, note: { type: 'string', ref: 'notes', onDelete: 'cascade' } }
    })
    await store.bucket('replies').insert({ id: 'r', note: 'm1' })
    await t.rejects(store.bucket('notes', { scope: mine }).clear(), { code: 'OUT_OF_SCOPE', key: undefined })
    await store.bucket('notes', { scope: mine }).delete('m1')
    t.equal(await store.bucket('replies').count(), 0)
  })
})

test('the work of writes is counted before it is done', async t => {
  const store = await withNotes(t)
  const spent = async (run: (access: AccessOptions) => Promise<unknown>): Promise<number> => {
    let units = 0
    await run({ work: { take (more) { units += more } } })
    return units
  }
  const bucket = (access: AccessOptions): BucketHandle => store.bucket('notes', access)
  t.equal(await spent(async access => await bucket(access).insert({ id: 'a' })), 100)
  t.equal(await spent(async access => await bucket(access).insertMany([{ id: 'b' }, { id: 'c' }])), 200)
  t.equal(await spent(async access => await bucket(access).updateMany({ owner: 'me' }, { n: 3 })), 202)
  t.equal(await spent(async access => await store.transaction(async tx => {
    await (await tx.bucket('notes', access)).update('a', { n: 3 })
  })), 100)
  const { revision } = store
  const tooMuch = { work: { take () { throw new Error('too much') } } }
  for (const [, run] of by) {
    await t.rejects(run(store, tooMuch, async to => await to.insert({ id: 'z' })), /too much/)
    await t.rejects(run(store, tooMuch, async to => await to.deleteMany({})), /too much/)
  }
  t.equal(store.revision, revision)
})

test('changes given as a function', async t => {
  t.test('are made of the record of that moment: nothing is lost', async t => {
    const store = await withNotes(t)
    const add = (record: StoreRecord) => ({ n: (record['n'] as number) + 1 })
    const adding = Array.from({ length: 50 }, async () => await store.bucket('notes').update('m1', add))
    await Promise.all(adding)
    await store.transaction(async tx => { await (await tx.bucket('notes')).update('m1', add) })
    t.match(await store.bucket('notes').upsert({ id: 'm1', n: 0 }, { update: add }), { n: 53 })
    t.match(await store.bucket('notes').upsert({ id: 'new', n: 0 }, { update: add }), { n: 0 })
  })

  t.test('are an object, at once', async t => {
    const store = await withNotes(t)
    const wrong = [undefined, null, 5, 'x', [], () => {}, Promise.resolve({}), Promise.reject(new Error())]
    for (const made of wrong) {
      for (const [, run] of by) {
        const update = (() => made) as never
        await t.rejects(run(store, {}, async to => await to.update('m1', update)), {
          name: 'TypeError',
          message: /function of an update of bucket "notes" returned .*must return an object/
        })
      }
    }
    const frozen = ((record: { n: number }) => { record.n = 9 }) as never
    await t.rejects(store.bucket('notes').update('m1', frozen), { name: 'TypeError' })
    await t.rejects(store.bucket('notes').update('m1', () => ({ n: -1 })), { code: 'VALIDATION' })
    t.same(await state(store), [['m1', 'me', 1], ['o1', 'you', 1], ['m2', 'me', 2]])
  })

  t.test('may write themselves: the record is looked at again', async t => {
    const store = await withNotes(t)
    let runs = 0
    const update = (record: StoreRecord): Record<string, unknown> => {
      if (runs++ === 0) store.bucket('notes').update('m1', { n: 10 }).catch(() => {})
      return { n: (record['n'] as number) + 1 }
    }
    t.match(await store.bucket('notes').update('m1', update), { n: 11, _version: 3 })
    t.equal(runs, 2)
  })
})

test('beforeCommit refuses a write in the step that commits', async t => {
  const store = await withNotes(t)
  const { revision } = store
  const options = { beforeCommit () { throw new Error('not any more') } }
  const bucket = store.bucket('notes')
  for (const write of [
    bucket.insert({ id: 'x' }, options), bucket.insertMany([{ id: 'x' }], options),
    bucket.update('m1', {}, options),
    bucket.updateMany({}, { n: 9 }, options), bucket.delete('m1', options), bucket.deleteMany({}, options),
    bucket.clear(options), bucket.upsert({ id: 'x' }, options),
    store.transaction(async tx => await (await tx.bucket('notes')).insert({ id: 'x' }), options)
  ]) t.match(await rejection(write), { message: 'not any more' })
  t.equal(store.revision, revision)
})

test('long writes are planned in slices', async t => {
  const many = (count: number): Array<Record<string, unknown>> =>
    Array.from({ length: count }, (_, i) => ({ id: `${i}`, owner: 'me', n: i % 10 }))

  t.test('and take into account what others write meanwhile', async t => {
    const store = await startStore(t)
    await store.defineBucket('notes', notes)
    const bucket = store.bucket('notes')
    await bucket.insertMany(many(20_000))
    const changing = bucket.updateMany({ owner: 'me' }, { n: 50 })
    await bucket.update('19999', { owner: 'you' })
    await bucket.update('0', { owner: 'you' })
    await bucket.insert({ id: 'late', owner: 'me' })
    await bucket.delete('5')
    t.equal(await changing, 19_998, 'three went, one came')
    t.equal(await bucket.count({ n: 50 }), 19_998)
    t.match(await bucket.get('0'), { owner: 'you', n: 0 })
    const deleting = bucket.deleteMany({ n: 50 })
    await bucket.update('7', { n: 1 })
    t.equal(await deleting, 19_997)
    t.same((await bucket.all()).map(({ id }) => id), ['0', '7', '19999'])
  })

  t.test('and come to an end while others never stop to write the same', async t => {
    const store = await startStore(t)
    await store.defineBucket('notes', notes)
    const bucket = store.bucket('notes')
    await bucket.insertMany(many(5_000))
    const writing = (async () => {
      for (let i = 0; await bucket.count({ n: 77 }) === 0; i++) {
        await bucket.update(`${i % 5_000}`, { code: `${i}` })
        if (i % 100 === 0) await new Promise(resolve => { setImmediate(resolve) })
      }
    })()
    t.equal(await bucket.updateMany({ owner: 'me' }, { n: 77 }), 5_000)
    await writing
  })

  t.test('or begin anew when the bucket is cleared or defined anew', async t => {
    const store = await startStore(t)
    await store.defineBucket('notes', notes)
    const bucket = store.bucket('notes')
    await bucket.insertMany(many(20_000))
    const changing = bucket.updateMany({ owner: 'me' }, { n: 50 })
    await bucket.clear()
    await bucket.insert({ id: 'a', owner: 'me' })
    t.equal(await changing, 1)
    const inserting = bucket.insertMany(many(5_000))
    await store.updateBucket('notes', { addFields: { late: { type: 'string', default: 'x' } } })
    t.match((await inserting)[4_999], { late: 'x' })
  })

  t.test('a cascade too, whichever records come to refer meanwhile', async t => {
    const store = await startStore(t)
    await store.defineBucket('parents', { key: 'id', schema: { id: { type: 'string' } } })
    await store.defineBucket('children', {
      key: 'id',
      schema: { id: { type: 'string' }, parent: { type: 'string', ref: 'parents', onDelete: 'cascade' } }
    })
    const [parents, children] = [store.bucket('parents'), store.bucket('children')]
    await parents.insertMany([{ id: 'p' }, { id: 'q' }])
    await children.insertMany(Array.from({ length: 10_000 }, (_, i) => ({ id: `${i}`, parent: 'p' })))
    await t.rejects(parents.delete('p', { maxChanges: 10_000 }), { code: 'COMMIT_TOO_LARGE', limit: 10_000 })
    t.equal(await children.count(), 10_000)
    const deleting = parents.delete('p')
    await children.insert({ id: 'late', parent: 'p' })
    await children.update('9999', { parent: 'q' })
    await deleting
    t.same((await children.all()).map(({ id }) => id), ['9999'])
  })
})

test('a transaction sees what its deletes cause', async t => {
  const store = await startStore(t)
  await store.defineBucket('parents', { key: 'id', schema: { id: { type: 'string' } } })
  await store.defineBucket('children', {
    key: 'id',
    schema: {
      id: { type: 'string' },
      parent: { type: 'string', ref: 'parents', onDelete: 'cascade' },
      friend: { type: 'string', ref: 'parents', onDelete: 'set_null' },
      above: { type: 'string', ref: 'children', onDelete: 'cascade' }
    }
  })
  await store.bucket('parents').insertMany([{ id: 'p' }, { id: 'q' }])
  await store.bucket('children').insertMany([
    { id: 'a', parent: 'p' }, { id: 'b', parent: 'q', friend: 'p' }, { id: 'c', parent: 'q' }
  ])
  await store.bucket('children').update('c', { above: 'a' })
  await store.transaction(async tx => {
    const [parents, children] = [await tx.bucket('parents'), await tx.bucket('children')]
    await children.insert({ id: 'own', parent: 'p' })
    await parents.delete('p')
    t.match(await children.all(), [{ id: 'b', friend: null }])
    t.equal(await store.bucket('children').count(), 3, 'no other does')
  })
  t.match(await store.bucket('children').all(), [{ id: 'b', friend: null, _version: 2 }])
})

test('writes in slices leave what a plain list would have', async t => {
  const filter = fc.constantFrom<WhereFilter>(
    {}, mine, { n: { $gte: 5 } }, { $or: [{ n: 1 }, { owner: 'you' }] }
  )
  const matches = (filter: WhereFilter, { owner, n }: Readonly<Record<string, unknown>>): boolean =>
    filter === mine
      ? owner === 'me'
      : '$or' in filter ? n === 1 || owner === 'you' : !('n' in filter) || Number(n) >= 5
  const act = fc.record({
    filter,
    change: fc.record({ n: fc.nat(9), owner: fc.constantFrom('me', 'you') }, { requiredKeys: [] }),
    isDelete: fc.boolean()
  })
  const acts = fc.array(act, { maxLength: 6 })
  const scopes = fc.option(filter, { nil: undefined })
  await fc.assert(fc.asyncProperty(acts, scopes, async (acts, scope) => {
    const store = await startStore(t)
    await store.defineBucket('notes', notes)
    let model = Array.from(
      { length: 2_500 }, (_, i) => ({ id: `${i}`, owner: i % 3 === 0 ? 'me' : 'you', n: i % 10 })
    )
    await store.bucket('notes').insertMany(model)
    const bucket = store.bucket('notes', scope && { scope })
    for (const { filter, change, isDelete } of acts) {
      const isMeant = (record: Record<string, unknown>): boolean =>
        matches(filter, record) && (scope === undefined || matches(scope, record))
      const next = isDelete
        ? model.filter(record => !isMeant(record))
        : model.map(record => isMeant(record) ? { ...record, ...change } : record)
      const leaves = !isDelete && scope !== undefined &&
        model.some((record, i) => isMeant(record) && !matches(scope, next[i] as typeof record))
      const done = isDelete ? bucket.deleteMany(filter) : bucket.updateMany(filter, change)
      if (leaves) await t.rejects(done, { code: 'OUT_OF_SCOPE' })
      else if (await done !== model.filter(isMeant).length) throw new Error('another number')
      else model = next
    }
    const stored = (await store.bucket('notes').all()).map(({ id, owner, n }) => ({ id, owner, n }))
    if (JSON.stringify(stored) !== JSON.stringify(model)) throw new Error('another list')
  }), { numRuns: 30 })
  t.pass()
})

test('errors of a store are known by their codes', async t => {
  const store = await withNotes(t)
  const bucket = store.bucket('notes')
  await store.defineBucket('refs', {
    key: 'id', schema: { id: { type: 'string' }, note: { type: 'string', ref: 'notes' } }
  })
  await store.bucket('refs').insert({ id: 'r', note: 'm2' })
  await bucket.update('m1', { code: 'M' })
  const table: ReadonlyArray<readonly [code: string, write: () => Promise<unknown>, members?: object]> = [
    ['RECORD_EXISTS', async () => await bucket.insert({ id: 'm1' }), { key: 'm1', field: 'id' }],
    ['DUPLICATE_KEY', async () => await bucket.insertMany([{ id: 'x' }, { id: 'x' }]), { key: 'x' }],
    ['RECORD_NOT_FOUND', async () => await bucket.update('x', {}), { key: 'x' }],
    ['VERSION_MISMATCH', async () => await bucket.update('m1', {}, { expectedVersion: 7 }), { version: 2 }],
    ['VERSION_MISMATCH', async () => await bucket.update('x', {}, { expectedVersion: 7 })],
    ['VERSION_MISMATCH', async () => await bucket.upsert({ id: 'x' }, { expectedVersion: 1 })],
    ['UNIQUE', async () => await bucket.update('m2', { code: 'M' }), { field: 'code', value: 'M' }],
    ['REFERENCE_MISSING', async () => await store.bucket('refs').insert({ id: 's', note: 'x' })],
    ['REFERENCE_HELD', async () => await bucket.delete('m2'), { targetKey: 'm2' }],
    ['REFERENCE_HELD', async () => await store.transaction(async tx => {
      await (await tx.bucket('refs')).insert({ id: 's', note: 'o1' })
      await (await tx.bucket('notes')).delete('o1')
    }), { targetKey: 'o1' }],
    ['VALIDATION', async () => await bucket.update('m1', { n: 'x' }), { bucket: 'notes' }],
    ['FILTER', async () => await bucket.where({ n: { $in: 5 } } as never)],
    ['COMMIT_TOO_LARGE', async () => await bucket.updateMany({}, { n: 1 }, { maxChanges: 2 }), { limit: 2 }],
    ['BUCKET_NOT_DEFINED', async () => await store.bucket('nope').get(1), { bucket: 'nope' }]
  ]
  for (const [code, write, members = {}] of table) {
    const error = await rejection((async () => await write())())
    t.ok(isStoreError(error), code)
    t.match(error, { code, ...members })
  }
  t.notOk(isStoreError(Object.assign(new Error('own'), { code: 'CONFLICT' })))
})
