import { test } from 'tap'
import { MemoryLog, type BucketDefinition, type Store } from '../src/index.js'
import { FakeClock, rejection, startStore } from './support/store.js'

const COUNT = 20_000

const definition: BucketDefinition = {
  key: 'id',
  schema: { id: { type: 'number' }, n: { type: 'number' }, group: { type: 'number' } },
  indexes: ['group']
}

async function filled (t: Parameters<typeof startStore>[0], count = COUNT): Promise<Store> {
  const store = await startStore(t)
  await store.defineBucket('b', definition)
  await store.bucket('b').insertMany(
    Array.from({ length: count }, (_, id) => ({ id, n: id, group: id % 10 }))
  )
  return store
}

const turn = async (): Promise<void> => { await new Promise(resolve => { setImmediate(resolve) }) }

/** Writes in every turn until `work` is done. Resolves with the number of turns. */
async function writeDuring (store: Store, work: Promise<unknown>): Promise<number> {
  const state = { isDone: false }
  const watched = work.finally(() => { state.isDone = true })
  let turns = 0
  const bucket = store.bucket('b')
  for (; !state.isDone; turns++) {
    const key = turns * 7_919 % COUNT
    await bucket.upsert({ id: key, n: -turns })
    if (turns % 3 === 0) await bucket.delete((key + 1) % COUNT)
    if (turns % 4 === 0) await bucket.insert({ id: COUNT + turns, group: 3 })
    await turn()
  }
  await watched
  return turns
}

test('a big bucket is redefined while others write', async t => {
  for (const [title, run] of [
    ['updateBucket', store => store.updateBucket('b', { addIndexes: ['n'] })],
    ['rebuildBucket', store => store.rebuildBucket('b', { ...definition, indexes: ['group', 'n'] })],
    ['rebuildBucket with each', store => store.rebuildBucket(
      'b',
      { ...definition, indexes: ['group', 'n'] },
      {
        each: record => record['n'] === undefined ? record : { ...record, twice: 2 * (record['n'] as number) }
      }
    )]
  ] as ReadonlyArray<readonly [string, (store: Store) => Promise<void>]>) {
    await t.test(title, async t => {
      const store = await filled(t)
      const follower = await startStore(t)
      const log = new MemoryLog()
      await store.attachLog(log)
      const expected = new Map((await store.bucket('b').all()).map(record => [record['id'], record]))
      store.onCommit(({ changes }) => {
        for (const change of changes) {
          if (change.type === 'delete') expected.delete(change.key)
          else if ('after' in change && change.after !== undefined) expected.set(change.key, change.after)
        }
      })
      const turns = await writeDuring(store, run(store))
      t.ok(turns > 3, `${turns} turns`)
      const all = await store.bucket('b').all()
      t.strictSame(
        all.map(({ _version, id, n }) => [id, n, _version]),
        [...expected.values()].map(({ _version, id, n }) => [id, n, _version])
      )
      if (title.endsWith('each')) {
        // Those that were inserted or changed after the swap have not been through the transform.
        const transformed = all.filter(({ twice }) => twice !== undefined)
        t.ok(transformed.length > COUNT * 0.9)
        t.ok(transformed.every(({ n, twice, _version }) =>
          _version > 1 || n === undefined || twice === 2 * (n as number)))
      }
      for (const group of [3, 7]) {
        const found = await store.bucket('b').where({ group })
        t.strictSame(found, all.filter(record => record['group'] === group))
      }
      const n = (all[5] as Record<string, unknown>)['n']
      t.strictSame(await store.bucket('b').where({ n }), all.filter(record => record['n'] === n))
      await store.whenDurable()
      await follower.attachLog(log)
      t.strictSame(await follower.bucket('b').all(), all)
    })
  }

  t.test('a transform of all records together runs again for what has changed', async t => {
    const store = await filled(t)
    let runs = 0
    const rebuilt = store.rebuildBucket('b', definition, entries => {
      runs++
      return entries.map(([key, record]) => [key, { ...record, count: entries.length }])
    })
    await store.bucket('b').delete(5)
    await rebuilt
    t.equal(runs, 2)
    t.match(await store.bucket('b').get(6), { count: COUNT - 1 })
  })

  t.test('a transform that does wrong leaves the bucket as it was, and names it', async t => {
    const store = await filled(t, 3_000)
    const before = await store.bucket('b').all()
    for (const [each, message] of [
      [() => { throw new Error('own') }, /^own$/], [() => 5, /transform of bucket "b" must return a record/],
      [async () => { throw new Error('late') }, /must return a record at once/],
      [() => null, /must return a record/],
      [(record: object) => ({ ...record, id: 1 }), /Duplicate key "1"/]
    ] as const) {
      t.match(await rejection(store.rebuildBucket('b', definition, { each: each as never })), { message })
      t.strictSame(await store.bucket('b').all(), before)
    }
    const group = { type: 'number', unique: true } as const
    const unique = { ...definition, schema: { ...definition.schema, group } }
    t.match(await rejection(store.rebuildBucket('b', unique)), { name: 'UniqueConstraintError' })
    t.equal(store.revision, 2)
  })

  t.test('the bucket is cleared, dropped or redefined meanwhile', async t => {
    const store = await filled(t)
    const update = store.updateBucket('b', { addIndexes: ['n'] })
    await store.bucket('b').clear()
    await store.bucket('b').insert({ id: 1, n: 5 })
    await update
    t.match(await store.bucket('b').where({ n: 5 }), [{ id: 1 }])
    const next = await filled(t)
    const lost = next.updateBucket('b', { addIndexes: ['n'] })
    await next.dropBucket('b')
    t.match(await rejection(lost), { name: 'BucketNotDefinedError' })
    const both = await filled(t)
    await Promise.all([
      both.updateBucket('b', { addIndexes: ['n'] }),
      both.updateBucket('b', { addFields: { x: { type: 'string' } } })
    ])
    t.match(both.getBucketSchema('b'), { indexes: ['group', 'n'], schema: { x: { type: 'string' } } })
  })
})

test('an image is that of the moment at which it is taken', async t => {
  const store = await filled(t)
  for (let key = 0; key < 500; key += 3) await store.bucket('b').delete(key)
  const expected = store.image()
  const taken = store.takeImage()
  await writeDuring(store, taken)
  t.strictSame(await taken, expected)
})

test('a record in a sparse bucket', async t => {
  const store = await filled(t, 5_000)
  const bucket = store.bucket('b')
  const keys = Array.from({ length: 5_000 }, (_, id) => id).filter(id => id * 7_919 % 100 === 0)
  const before = await bucket.all()
  const walked = bucket.all()
  const ordered = bucket.count({ group: { $gte: 0 } })
  for (let id = 0; id < 5_000; id++) if (id * 7_919 % 100 !== 0) await bucket.delete(id)
  t.strictSame(await walked, before)
  t.equal(await ordered, 5_000)
  t.same((await bucket.all()).map(({ id }) => id), keys)
  t.same((await bucket.last(3)).map(({ id }) => id), keys.slice(-3))
  const page = await bucket.paginate({ after: keys[10], limit: 3 })
  t.same(page.records.map(({ id }) => id), keys.slice(11, 14))
  // A deleted key is a cursor still.
  t.same((await bucket.paginate({ after: 1_001, limit: 1 })).records.map(({ id }) => id), [1_100])
  t.equal(await bucket.count({ group: { $gte: 0 } }), 50)
  await bucket.insert({ id: 9_999, group: 1 })
  t.same((await bucket.last(1)).map(({ id }) => id), [9_999])
})

test('10,000 buckets are defined, written to, imaged and dropped', async t => {
  const store = await startStore(t)
  for (let i = 0; i < 10_000; i++) await store.defineBucket(`b${i}`, definition)
  for (let i = 0; i < 10_000; i += 7) await store.bucket(`b${i}`).insert({ id: i })
  t.match(await store.getStats(), { buckets: { count: 10_000 }, records: { total: 1_429 } })
  t.equal((await store.takeImage()).buckets.length, 10_000)
  for (let i = 0; i < 10_000; i++) await store.dropBucket(`b${i}`)
  t.equal((await store.getStats()).buckets.count, 0)
})

test('a bucket has a name of any kind, of 1 to 1,000 characters', async t => {
  const store = await startStore(t)
  const names = ['__proto__', 'constructor', 'a.b', '*', ' ', '\u0000', '../x', '🦊', 'x'.repeat(1_000)]
  for (const name of names) {
    await store.defineBucket(name, definition)
    await store.bucket(name).insert({ id: 1 })
    t.ok(store.hasBucket(name))
    t.equal((await store.getStats()).records.perBucket[name], 1)
    await store.dropBucket(name)
    await store.defineBucket(name, definition)
    t.equal(await store.bucket(name).count(), 0)
    t.match(await store.bucket(name).insert({ id: 1 }), { _version: 1 })
  }
  for (const name of ['', 'x'.repeat(1_001), 5, null]) {
    t.match(
      await rejection(store.defineBucket(name as string, definition)),
      { name: 'DefinitionError', message: /must be a text of 1 to 1000 characters/ }
    )
  }
})

test('a clock that jumps', async t => {
  const clock = new FakeClock()
  const store = await startStore(t, clock)
  await store.defineBucket('t', { ...definition, ttl: 1_000, maxSize: 3 })
  const bucket = store.bucket('t')
  const start = clock.time
  await bucket.insert({ id: 1 })
  clock.time -= 1_000_000
  t.match(await bucket.insert({ id: 2 }), { _createdAt: clock.time, _expiresAt: clock.time + 1_000 })
  t.match(await bucket.update(1, { n: 1 }), { _createdAt: start, _updatedAt: clock.time, _version: 2 })
  clock.time = start + 500
  // The one of the past has expired, the other one has not.
  t.same((await bucket.all()).map(({ id }) => id), [1])
  for (const id of [3, 4, 5]) {
    clock.time -= 200
    await bucket.insert({ id })
  }
  // The oldest by the order of insertion goes, not by the clock.
  t.same((await bucket.all()).map(({ id }) => id), [3, 4, 5])
  clock.time += 1_000_000
  t.equal(await bucket.count(), 0)
  clock.time -= 2_000_000
  t.equal(await bucket.count(), 0)
})

test('records that expire at one moment go in groups of 1,000, hidden meanwhile; the loop turns', async t => {
  const clock = new FakeClock()
  const store = await startStore(t, clock)
  await store.defineBucket('t', { ...definition, ttl: 1_000 })
  const bucket = store.bucket('t')
  await bucket.insertMany(Array.from({ length: COUNT * 3 }, (_, id) => ({ id })))
  let largest = 0
  store.onCommit(({ changes }) => { largest = Math.max(largest, changes.length) })
  clock.time += 1_000
  t.equal(await bucket.count(), 0)
  t.same(await bucket.all(), [])
  t.equal(await bucket.get(COUNT), undefined)
  let turns = 0
  const state = { isDone: false }
  const purged = store.purgeTtl().finally(() => { state.isDone = true })
  while (!state.isDone) {
    await turn()
    turns++
  }
  await purged
  t.ok(turns > 5, `${turns} turns`)
  t.equal(largest, 1_000)
  t.equal((await store.getStats()).records.total, 0)
})
