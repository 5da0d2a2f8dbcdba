import fc from 'fast-check'
import { test } from 'tap'
import { setTimeout as delay } from 'node:timers/promises'
import {
  CommitMismatchError, MemoryLog, NotLeaderError, Store, StoreUnavailableError, type Commit,
  type StoreImage
} from '../src/index.js'
import { SlowLog } from './support/slow-log.js'
import { FakeClock, rejection, startStore, users } from './support/store.js'

/** The image of a store as JSON, where two equal stores are equal texts. */
const textOf = (store: Store): string => JSON.stringify(normalize(store.image()))

function normalize (image: StoreImage): unknown {
  const buckets = [...image.buckets].sort((a, b) => a.name < b.name ? -1 : 1)
  // The order in which deleted keys will be forgotten is no part of what readers see.
  return {
    ...image, buckets: buckets.map(bucket => ({ ...bucket, deleted: bucket.deleted.map(String).sort() }))
  }
}

const asJson = <T> (value: T): T => JSON.parse(JSON.stringify(value)) as T

test('apply', async t => {
  t.test('makes a store that is equal to the one whose commits it was given', async t => {
    const clock = new FakeClock()
    const work = fc.array(fc.tuple(fc.nat(11), fc.nat(9), fc.nat(9)), { maxLength: 60 })
    await fc.assert(fc.asyncProperty(work, async steps => {
      const leader = await startStore(t, clock)
      const follower = await startStore(t, clock)
      leader.onCommit(commit => { follower.apply(asJson(commit)) })
      await leader.defineBucket('users', { ...users, ttl: 50, maxSize: 8 })
      await leader.defineBucket('orders', {
        key: 'id',
        schema: {
          id: { type: 'number', generated: 'autoincrement' },
          user: { type: 'string', ref: 'users', onDelete: 'cascade' }
        }
      })
      for (const [kind, a, b] of steps) {
        const [users, orders] = [leader.bucket('users'), leader.bucket('orders')]
        clock.time += 3
        await ([
          () => users.insert({ id: `${a}`, age: b }),
          () => users.upsert({ id: `${a}`, name: `${b}` }),
          () => users.update(`${a}`, { email: `${b}` }),
          () => users.delete(`${a}`),
          () => orders.insert({ user: `${a}` }),
          () => orders.deleteMany({ id: { $lt: b } }),
          () => users.clear(),
          () => users.insertMany([{ id: `${a}` }, { id: `${b}x` }]),
          () => leader.transaction(async tx => {
            await (await tx.bucket('users')).upsert({ id: `${a}`, age: 1 })
            await (await tx.bucket('orders')).insert({ user: `${a}` })
          }),
          () => leader.updateBucket('users', { addFields: { [`f${a}`]: { type: 'number' } } }),
          () => users.updateMany({ age: { $gte: b } }, { role: 'x' }),
          async () => {
            leader.undefineQuery('q'); leader.defineDeclarativeQuery('q', { bucket: 'users', limit: a })
          }
        ][kind] as () => Promise<unknown>)().catch(() => {})
      }
      // A number that was taken by a refused write is in no commit.
      t.equal(withoutCounters(textOf(follower)), withoutCounters(textOf(leader)))
      t.equal(follower.revision, leader.revision)
      await leader.stop()
      await follower.stop()
    }), { numRuns: 60 })
  })

  t.test('refuses a commit that does not follow, and changes nothing by it', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const record = await store.bucket('users').insert({ id: 'a' })
    const before = textOf(store)
    const good = {
      type: 'insert', bucket: 'users', key: 'b', before: undefined, after: { ...record, id: 'b' }
    } as const
    for (const [revision, changes] of [
      [2, []], [4, []], [3, [good, { ...good, key: 'a', after: record }]], [
        3, [good, { ...good, type: 'update', key: 'x' }]
      ],
      [
        3,
        [
          good,
          { type: 'delete', bucket: 'users', key: 'a', before: { ...record, _version: 9 }, after: undefined }
        ]
      ],
      [3, [good, { type: 'clear', bucket: 'none' }]], [
        3, [good, { type: 'drop', bucket: 'none', definition: undefined }]
      ],
      [3, [good, { type: 'define', bucket: 'users', definition: users }]]
    ] as Array<[number, Commit['changes']]>) {
      t.throws(() => { store.apply({ revision, time: 0, changes }) }, CommitMismatchError)
      t.equal(textOf(store), before)
    }
  })
})

test('a store that follows another one', async t => {
  const clock = new FakeClock()
  const leader = await startStore(t, clock)
  const follower = await startStore(t, clock)
  leader.onCommit(commit => { follower.apply(asJson(commit)) })
  follower.refuseWrites(new NotLeaderError('Write to the leader'))
  await leader.defineBucket('users', { ...users, ttl: 1_000 })
  await leader.bucket('users').insert({ id: 'a' })
  const bucket = follower.bucket('users')
  for (const write of [
    bucket.insert({ id: 'b' }), bucket.delete('a'), bucket.clear(), bucket.updateMany({}, {}),
    follower.dropBucket('users'), follower.defineBucket('b', users), follower.transaction(async () => {})
  ]) t.ok(await rejection(write) instanceof NotLeaderError)
  t.match(await bucket.get('a'), { id: 'a' })
  clock.time += 1_000
  t.equal(await bucket.get('a'), undefined)
  t.equal(await bucket.count(), 0)
  t.equal(follower.revision, 2)
  await leader.purgeTtl()
  t.equal(follower.revision, 3)
  follower.refuseWrites(undefined)
  await bucket.insert({ id: 'b' })
})

test('a store with a log', async t => {
  t.test('resolves a write when it is durable, and tells it then', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    const log = new SlowLog()
    await store.attachLog(log)
    const durable: number[] = []
    store.onDurable(({ revision }) => { durable.push(revision) })
    let isDone = false
    const writing = store.bucket('users').insert({ id: 'a' }).then(() => { isDone = true })
    await delay(5)
    t.equal(isDone, false)
    t.match(await store.bucket('users').get('a'), { id: 'a' })
    t.same(durable, [])
    await log.release()
    await writing
    t.same(durable, [2])
    t.equal(log.revision, 2)
  })

  t.test('takes back what the log refuses, refuses writes meanwhile, and recovers', async t => {
    const store = await startStore(t)
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'kept' })
    const log = new SlowLog()
    await store.attachLog(log)
    const before = textOf(store)
    const heard: Array<readonly [number, boolean]> = []
    store.onCommit(({ revision, undone }) => { heard.push([revision, undone === true]) })
    const bucket = store.bucket('users')
    const writes = [
      bucket.insert({ id: 'a' }), bucket.update('kept', { name: 'x' }), bucket.clear(),
      store.dropBucket('users')
    ]
    const outcomes = Promise.allSettled(writes)
    log.fails = true
    await delay(1)
    await log.release()
    for (const { status, reason } of await outcomes as PromiseRejectedResult[]) {
      t.equal(status, 'rejected')
      t.ok(reason instanceof StoreUnavailableError)
    }
    t.same(
      heard, [[3, false], [4, false], [5, false], [6, false], [6, true], [5, true], [4, true], [3, true]]
    )
    t.equal(textOf(store), before)
    t.match(await bucket.get('kept'), { _version: 1 })
    await t.rejects(bucket.insert({ id: 'b' }), StoreUnavailableError)
    log.fails = false
    const deadline = Date.now() + 5_000
    let inserted: Promise<unknown> | undefined
    while (inserted === undefined && Date.now() < deadline) {
      await delay(10)
      const attempt = bucket.insert({ id: 'b' })
      attempt.catch(() => {})
      inserted = await Promise.race([attempt.then(() => undefined, () => 'refused'), delay(20)]) === 'refused'
        ? undefined
        : attempt
    }
    await log.release()
    t.match(await inserted, { id: 'b' })
    t.equal(store.revision, 3)
  })

  t.test('is what it was when another one is started on the log, functions included', async t => {
    const clock = new FakeClock()
    const log = new MemoryLog()
    const first = await startStore(t, clock)
    const definition = {
      ...users, validate: (record: Record<string, unknown>) => record['name'] === 'bad' ? ['bad'] : undefined
    }
    await first.defineBucket('users', definition)
    await first.bucket('users').insertMany(['a', 'b', 'c'].map(id => ({ id })))
    await first.attachLog(log)
    await first.bucket('users').delete('b')
    first.defineDeclarativeQuery('all', { bucket: 'users' })
    await first.whenDurable()
    for (let round = 0; round < 2; round++) {
      const second = await startStore(t, clock)
      await second.defineBucket('users', definition)
      await second.attachLog(log)
      t.equal(textOf(second), textOf(first))
      t.equal(second.epoch, first.epoch)
      t.match((await second.bucket('users').paginate({ after: 'b', limit: 1 })).records, [{ id: 'c' }])
      t.match(await second.runQuery('all'), { length: 2 })
      await t.rejects(second.bucket('users').insert({ id: 'x', name: 'bad' }), /bad/)
      await log.truncate(asJson(first.image()))
    }
  })

  t.test('keeps the functions that its process has declared, through changes of the definition', async t => {
    const log = new MemoryLog()
    const definition = {
      ...users, schema: { ...users.schema, tag: { type: 'string', default: () => 'made' } as const }
    }
    const first = await startStore(t)
    await first.defineBucket('users', definition)
    await first.attachLog(log)
    await first.updateBucket('users', { addFields: { more: { type: 'number', default: 1 } } })
    const second = await startStore(t)
    await second.defineBucket('users', definition)
    const { epoch, tail } = await log.open()
    await second.attachLog({
      open: async () => ({ epoch, snapshot: undefined, tail: asJson(tail) }),
      append: async (entries, previous) => { await log.append(entries, previous) },
      tail: from => log.tail(from),
      truncate: async () => {},
      close: async () => {}
    })
    t.match(await second.bucket('users').insert({ id: 'a' }), { tag: 'made', more: 1 })
  })

  t.test('empties the buckets that do not outlive a process, by a commit', async t => {
    const log = new MemoryLog()
    const first = await startStore(t)
    await first.defineBucket('cache', { ...users, persistent: false })
    await first.attachLog(log)
    await first.bucket('cache').insert({ id: 'a' })
    const second = await startStore(t)
    await second.attachLog(log)
    t.equal(await second.bucket('cache').count(), 0)
    await second.whenDurable()
    t.equal(log.revision, first.revision + 1)
  })

  t.test('is refused where both have records, or declare a bucket differently', async t => {
    const log = new MemoryLog()
    const first = await startStore(t)
    await first.defineBucket('users', users)
    await first.bucket('users').insert({ id: 'a' })
    await first.attachLog(log)
    const full = await startStore(t)
    await full.defineBucket('users', users)
    await full.bucket('users').insert({ id: 'a' })
    await t.rejects(full.attachLog(log), CommitMismatchError)
    const different = await startStore(t)
    await different.defineBucket('users', { ...users, indexes: [] })
    await t.rejects(different.attachLog(log), { message: /indexes/ })
  })
})

test('undo', async t => {
  t.test('takes back the commits that are not durable, to the same state in every detail', async t => {
    const clock = new FakeClock()
    const work = fc.array(fc.tuple(fc.nat(7), fc.nat(9), fc.nat(3)), { maxLength: 40 })
    await fc.assert(fc.asyncProperty(work, async steps => {
      const store = await startStore(t, clock)
      await store.defineBucket('users', { ...users, maxSize: 7 })
      const bucket = store.bucket('users')
      await bucket.insertMany(['0', '1', '2', '3'].map(id => ({ id, age: Number(id) })))
      await bucket.delete('2')
      const log = new SlowLog()
      await store.attachLog(log)
      const states: Array<readonly [number, string]> = [[store.revision, textOf(store)]]
      for (const [kind, a, b] of steps) {
        const before = store.revision
        ;([
          () => bucket.insert({ id: `${a}`, age: b }), () => bucket.update(`${a}`, { age: b }), () =>
            bucket.delete(`${a}`),
          () => bucket.updateMany({ age: b }, { name: `${a}` }), () => bucket.clear(), () =>
            bucket.upsert({ id: `${a}`, email: `${b}` }),
          () => store.updateBucket('users', { addFields: { [`f${before}`]: { type: 'number' } } }),
          () => bucket.insertMany([{ id: `${a}m` }, { id: `${b}n` }])
        ][kind] as () => Promise<unknown>)().catch(() => {})
        await undefined
        if (store.revision > before) states.push([store.revision, withoutCounters(textOf(store))])
      }
      for (const [revision, text] of states.reverse()) {
        store.undo(revision)
        t.equal(store.revision, revision)
        t.equal(withoutCounters(textOf(store)), withoutCounters(text))
        t.equal(await bucket.count({ age: 1 }), (await bucket.all()).filter(({ age }) => age === 1).length)
      }
      t.throws(() => { store.undo(0) }, CommitMismatchError)
    }), { numRuns: 60 })
  })
})

/** Numbers and floors do not go back: what they have given is not given again. */
function withoutCounters (text: string): string {
  return text.replace(/"(counter|floor)":\d+/g, '')
}
