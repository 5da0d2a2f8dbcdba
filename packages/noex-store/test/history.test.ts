import { test } from 'tap'
import { CommitHistory } from '../src/commit/history.js'
import type { TransactionBucketHandle } from '../src/index.js'
import type { Commit } from '../src/types/commit.js'
import { rejection, startStore, turnsDuring } from './support/store.js'

const counted = {
  key: 'id', schema: { id: { type: 'number' }, n: { type: 'number' } }
} as const

function commitOf (revision: number, bucket = 'a', count = 1): Commit {
  const changes = Array.from({ length: count }, (_, key) => ({
    type: 'insert' as const, bucket, key, before: undefined, after: undefined
  }))
  return { revision, time: 0, changes }
}

test('the history of commits', async t => {
  t.test('forgets what none of the readers that overlap each other can ask for', async t => {
    const history = new CommitHistory()
    let end = history.begin()
    const seen: Array<WeakRef<Commit>> = []
    for (let i = 0; i < 2_000; i++) {
      const { position } = history
      const next = history.begin()
      end()
      end = next
      const commit = commitOf(i)
      seen.push(new WeakRef(commit))
      history.add(commit)
      t.equal(history.since(position, 'a')?.length, 1)
      t.equal(history.countSince(position), 1)
    }
    t.equal(history.since(history.position - 2, 'a'), undefined, 'the one before is forgotten')
    end()
    t.equal(history.since(history.position, 'a')?.length, 0)
  })

  t.test('keeps what the oldest reader can ask for, whichever ends first', async t => {
    const history = new CommitHistory()
    history.add(commitOf(0))
    const start = history.position
    const endOldest = history.begin()
    history.add(commitOf(1))
    const endYounger = history.begin()
    history.add(commitOf(2, 'b'))
    endYounger()
    t.same([history.since(start, 'a')?.length, history.since(start, 'b')?.length], [1, 1])
    t.equal(history.countSince(start), 2)
    endOldest()
    t.equal(history.since(start, 'a'), undefined)
  })

  t.test('is bounded by the bytes of the records, not only by their number', async t => {
    const history = new CommitHistory()
    const start = history.position
    history.begin()
    for (let i = 0; i < 40; i++) history.add(commitOf(i), 16_777_216)
    t.equal(history.since(start, 'a'), undefined)
    t.ok((history.since(history.position - 10, 'a') ?? []).length === 10)
  })
})

test('a transaction of many reads does not hold up others while they are compared', async t => {
  const store = await startStore(t)
  await store.defineBucket('a', counted)
  const bucket = store.bucket('a')
  await bucket.insertMany(Array.from({ length: 5_000 }, (_, id) => ({ id, n: 0 })))
  let units = 0
  const work = { take (count: number) { units += count } }
  const failing = store.transaction(async tx => {
    const handle = await tx.bucket('a', { work })
    for (let i = 0; i < 300; i++) await handle.count({ n: -1 - i })
    for (let i = 1; i <= 10; i++) await bucket.updateMany({}, { n: i })
    units = 0
    const turns = await turnsDuring(async () => { await tx.check() })
    t.ok(turns > 10, `${turns} turns of others`)
    throw new Error('changed its mind')
  })
  t.match(await rejection(failing), { message: 'changed its mind' })
  t.equal(units, 300 * 50_000, 'and it counts as work')
})

test('a transaction of many short reads gives others their turns', async t => {
  const store = await startStore(t)
  await store.defineBucket('a', counted)
  await store.bucket('a').insertMany(Array.from({ length: 7_900 }, (_, id) => ({ id, n: id, text: `${id}` })))
  const reads = {
    where: async (b: TransactionBucketHandle) => (await b.where({ text: 'none' })).length,
    count: async (b: TransactionBucketHandle) => await b.count({ text: 'none' }),
    groupBy: async (b: TransactionBucketHandle) =>
      (await b.groupBy('n', { function: 'count' }, { text: 'none' })).length
  }
  for (const [name, read] of Object.entries(reads)) {
    const run = async (): Promise<void> => {
      await store.transaction(async tx => {
        const bucket = await tx.bucket('a')
        for (let i = 0; i < 400; i++) await read(bucket)
      })
    }
    const turns = await turnsDuring(async () => { await Promise.all([run(), run()]) })
    t.ok(turns > 10, `${name}: ${turns} turns of others`)
  }
})

test('a definition', async t => {
  t.test('asks beforeCommit in the step that commits, also where it is built in slices', async t => {
    const store = await startStore(t)
    await store.defineBucket('a', counted)
    await store.bucket('a').insertMany(Array.from({ length: 20_000 }, (_, id) => ({ id, n: 0 })))
    let isAllowed = true
    const beforeCommit = (): void => { if (!isAllowed) throw new Error('not allowed any more') }
    const updating = store.updateBucket('a', { addFields: { m: { type: 'number' } } }, { beforeCommit })
    const { revision } = store
    isAllowed = false
    t.match(await rejection(updating), { message: 'not allowed any more' })
    t.notOk(Object.hasOwn(store.getBucketSchema('a')?.schema ?? {}, 'm'))
    t.match(await rejection(store.defineBucket('b', counted, { beforeCommit })), {
      message: 'not allowed any more'
    })
    t.match(await rejection(store.dropBucket('a', { beforeCommit })), { message: 'not allowed any more' })
    t.same(store.bucketNames, ['a'])
    t.equal(store.revision, revision, 'nothing is committed')
    await store.bucket('a').insert({ id: -1, n: 0 })
    t.equal(await store.bucket('a').count(), 20_001)
  })

  t.test('names the user that has made it', async t => {
    const store = await startStore(t)
    const users: unknown[] = []
    store.onCommit(({ user }) => { users.push(user) })
    await store.defineBucket('a', counted, { user: 'jana' })
    await store.updateBucket('a', { ttl: '1h' }, { user: 'petr' })
    await store.dropBucket('a', { user: 'eva' })
    t.same(users, ['jana', 'petr', 'eva'])
  })
})
