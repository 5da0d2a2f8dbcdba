import { test, type Test } from 'tap'
import {
  MemoryAdapter, MemoryLog, type BucketDefinition, type Commit, type Store, type StoreRecord
} from '../src/index.js'
import { Bucket } from '../src/bucket/bucket.js'
import { startStore } from './support/store.js'

const definition: BucketDefinition = {
  key: 'id', schema: { id: { type: 'string' }, n: { type: 'number' } }, indexes: ['n']
}
const asJson = <T> (value: T): T => JSON.parse(JSON.stringify(value)) as T
const limits = { maxDeletedKeys: 100, maxRecordBytes: 1_000_000 }
const record = (id: string, version = 1): StoreRecord =>
  ({ id, _version: version, _createdAt: 0, _updatedAt: 0 })

/** A leader with ten records, and a follower that applies its commits as JSON. */
async function pair (t: Test): Promise<{ leader: Store, follower: Store }> {
  const leader = await startStore(t, { name: 'pair', persistence: { adapter: new MemoryAdapter() } })
  const follower = await startStore(t)
  leader.onCommit(commit => { follower.apply(asJson(commit)) })
  await leader.defineBucket('a', definition)
  await leader.bucket('a').insertMany(Array.from({ length: 10 }, (_, n) => ({ id: `k${n}`, n })))
  return { leader, follower }
}

/** Fails where a version of a key is given twice, to two different records. */
function watchVersions (t: Test, store: Store): void {
  const given = new Map<string, string>()
  const note = (after: StoreRecord): void => {
    const name = `${String(after['id'])} v${after._version}`
    const text = JSON.stringify(Object.entries(after).sort())
    if ((given.get(name) ?? text) !== text) t.fail(`${name} stands for two records`)
    given.set(name, text)
  }
  store.onCommit(({ changes }: Commit) => {
    for (const change of changes) {
      if ('after' in change && change.after !== undefined) note(change.after)
      if ('records' in change) change.records?.forEach(note)
    }
  })
}

async function pageAfter (store: Store, after: string): Promise<unknown[]> {
  const { records } = await store.bucket('a').paginate({ after, limit: 3 })
  return records.map(({ id }) => id)
}

/** Both stores have the same image, but for the order in which deleted keys will be forgotten. */
function isEqual (t: Test, { leader, follower }: { leader: Store, follower: Store }): void {
  const [one, other] = [leader, follower].map(store => store.image().buckets.map(bucket => ({
    ...asJson(bucket), deleted: bucket.deleted.map(entry => JSON.stringify(entry)).sort()
  })))
  t.strictSame(one, other)
}

test('Bucket.follow', async t => {
  const former = new Bucket('a', definition, limits)
  for (const id of ['a', 'b', 'c', 'd']) former.load(record(id, 3))
  former.counter = 7
  former.delete(former.row('b') as never)

  t.test('with the same keys shares what the former one remembers', async t => {
    const next = new Bucket('a', definition, limits)
    for (const id of ['a', 'c', 'd']) next.load(record(id, 3), former.row(id)?.place)
    next.follow(former, { hasSameKeys: true })
    t.equal(next.counter, 7)
    t.equal(next.deleted, former.deleted)
    t.equal(next.insert('e', record('e')).place, 4)
  })

  t.test('with other keys remembers those that are gone, at the places of their neighbours', async t => {
    const next = new Bucket('a', definition, limits)
    next.contents.sequence.startAt(former.contents.sequence.nextPlace)
    for (const id of ['d', 'b', 'x']) next.load(record(id, 9))
    next.follow(former, { hasSameKeys: false })
    t.strictSame(
      [...next.deleted.entries()].map(([key, { version, place }]) => [key, version, place]),
      [['a', 3, -1], ['c', 3, -1]]
    )
    t.equal(next.deleted.get('b'), undefined, 'it has a record again')
    t.equal(next.deleted.nextVersion('a'), 4)
  })

  t.test('raises the floor to that of the former one', async t => {
    const forgetful = new Bucket('a', definition, { ...limits, maxDeletedKeys: 0 })
    forgetful.load(record('a', 5))
    forgetful.delete(forgetful.row('a') as never)
    const next = new Bucket('a', definition, { ...limits, maxDeletedKeys: 0 })
    next.follow(forgetful, { hasSameKeys: false })
    t.equal(next.deleted.nextVersion('new'), 6)
  })
})

test('a backup that is restored over newer records', async t => {
  t.test('gives no version twice, on both stores', async t => {
    const stores = await pair(t)
    const { leader } = stores
    const bucket = leader.bucket('a')
    watchVersions(t, leader)
    await bucket.update('k1', { n: 100 })
    await leader.createBackup('one')
    await bucket.update('k1', { n: 101 })
    await bucket.delete('k2')
    await bucket.delete('k3')
    await bucket.insert({ id: 'k3', n: 33 })
    await bucket.insert({ id: 'later', n: 1 })
    await leader.restoreBackup('one')
    t.match(await bucket.get('k1'), { n: 100, _version: 4 }, 'changed since')
    t.match(await bucket.get('k2'), { n: 2, _version: 2 }, 'deleted since')
    t.match(await bucket.get('k3'), { n: 3, _version: 3 }, 'deleted and made anew since')
    t.match(await bucket.get('k4'), { n: 4, _version: 1 }, 'as it was')
    t.equal(await bucket.get('later'), undefined)
    t.match(await bucket.insert({ id: 'later', n: 2 }), { _version: 2 })
    isEqual(t, stores)
    await leader.restoreBackup('one')
    await bucket.update('k1', { n: 102 })
    await leader.restoreBackup('one')
    t.match(await bucket.get('k1'), { n: 100, _version: 7 })
    isEqual(t, stores)
  })

  t.test('an `expectedVersion` of the newer record does not pass', async t => {
    const { leader } = await pair(t)
    const bucket = leader.bucket('a')
    await leader.createBackup('one')
    const { _version: seen } = await bucket.update('k1', { n: 101 })
    await leader.restoreBackup('one')
    await t.rejects(bucket.update('k1', { n: 1 }, { expectedVersion: seen }), {
      name: 'TransactionConflictError'
    })
  })

  t.test('is restored in slices likewise, beside writers', async t => {
    const stores = await pair(t)
    const { leader } = stores
    const bucket = leader.bucket('a')
    watchVersions(t, leader)
    await bucket.insertMany(Array.from({ length: 5_000 }, (_, n) => ({ id: `m${n}`, n })))
    await leader.createBackup('big')
    await bucket.updateMany({ n: { $lt: 100 } }, { n: -1 })
    await bucket.delete('m4000')
    const restored = leader.restoreBackup('big')
    for (let i = 0; i < 50; i++) {
      await bucket.upsert({ id: `m${i}`, n: -2 - i })
      await new Promise(resolve => { setImmediate(resolve) })
    }
    await restored
    t.equal(await bucket.count(), 5_010)
    t.match(await bucket.get('m4000'), { n: 4_000, _version: 2 })
    isEqual(t, stores)
  })
})

test('a cursor goes on from a key that is gone', async t => {
  t.test('after a rebuild', async t => {
    const stores = await pair(t)
    await stores.leader.bucket('a').delete('k4')
    await stores.leader.rebuildBucket('a', definition)
    for (const store of Object.values(stores)) t.same(await pageAfter(store, 'k4'), ['k5', 'k6', 'k7'])
    isEqual(t, stores)
  })

  t.test('after a transform, of all records together and of each', async t => {
    const stores = await pair(t)
    const { leader } = stores
    await leader.bucket('a').delete('k4')
    await leader.rebuildBucket(
      'a',
      definition,
      records => records.filter(([key]) => key !== 'k5').map(([key, one]) => [key, one])
    )
    for (const store of Object.values(stores)) {
      t.same(await pageAfter(store, 'k4'), ['k6', 'k7', 'k8'])
      t.same(await pageAfter(store, 'k5'), ['k6', 'k7', 'k8'])
    }
    const each = (former: StoreRecord): Record<string, unknown> =>
      former['id'] === 'k6' ? { ...former, id: 'new' } : { ...former, m: 1 }
    await leader.rebuildBucket('a', definition, { each })
    for (const store of Object.values(stores)) {
      t.same(await pageAfter(store, 'k5'), ['new', 'k7', 'k8'])
      t.same(await pageAfter(store, 'k6'), ['new', 'k7', 'k8'])
    }
    t.match(await leader.bucket('a').insert({ id: 'k6' }), { _version: 2 })
    isEqual(t, stores)
  })

  t.test('after a restore', async t => {
    const stores = await pair(t)
    const { leader } = stores
    await leader.bucket('a').delete('k4')
    await leader.createBackup('one')
    await leader.bucket('a').insert({ id: 'later' })
    await leader.bucket('a').delete('k5')
    await leader.restoreBackup('one')
    for (const store of Object.values(stores)) {
      t.same(await pageAfter(store, 'k4'), ['k5', 'k6', 'k7'])
      t.same(await pageAfter(store, 'k5'), ['k6', 'k7', 'k8'])
      t.same(await pageAfter(store, 'later'), [])
    }
    isEqual(t, stores)
  })
})

test('a log that a store joins late knows which versions its deleted keys had', async t => {
  const log = new MemoryLog()
  const store = await startStore(t, { name: 'late' })
  await store.defineBucket('a', { key: 'id', schema: { id: { type: 'string' } } })
  await store.bucket('a').insert({ id: 'k' })
  await store.bucket('a').delete('k')
  await store.attachLog(log)
  await store.stop()
  const again = await startStore(t, { name: 'late' })
  await again.attachLog(log)
  t.match(await again.bucket('a').insert({ id: 'k' }), { _version: 2 })
})
