import { readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { Store, type BucketDefinition, type DurabilityNotice } from '../../src/index.js'
import { FakeClock, users } from '../support/store.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

async function startOn (t: Test, directory: string, now = Date.now): Promise<Store> {
  const notices: DurabilityNotice[] = []
  const store = await Store.start({
    now, ttlCheckIntervalMs: 0, durability: { directory, onNotice: notice => { notices.push(notice) } }
  })
  t.teardown(async () => { await store.stop().catch(() => {}) })
  t.same(notices.filter(({ type }) => type !== 'disk_low' && type !== 'progress'), [])
  return store
}

const HOUR = 3_600_000

test('a clock that jumps, also over a restart', async t => {
  const directory = temporaryDirectory(t)
  const clock = new FakeClock()
  const begun = clock.time
  let store = await startOn(t, directory, clock.now)
  await store.defineBucket('sessions', { ...users, ttl: 1_000 })
  await store.defineBucket('users', users)
  await store.bucket('sessions').insert({ id: 'short' })
  await store.bucket('users').insert({ id: 'a' })
  const { revision } = store

  clock.time = begun - HOUR
  const writing = store.bucket('users').update('a', { name: 'back' })
  t.ok(store.durability.lag.ms >= 0, 'a lag is never negative')
  const record = await writing
  t.match(record, { _version: 2, _createdAt: begun, _updatedAt: begun - HOUR }, 'the time is the clock\'s')
  t.equal(store.revision, revision + 1, 'the order is that of the revisions')
  let image = store.image()
  await store.stop()
  store = await startOn(t, directory, clock.now)
  t.same(store.image(), image, 'a restart on a clock that was put back')
  t.ok(await store.bucket('sessions').get('short'), 'it has its time still')

  clock.time = begun + HOUR
  t.equal(await store.bucket('sessions').get('short'), undefined, 'and none on a clock that jumps forward')
  await store.whenDurable()
  image = store.image()
  await store.stop()
  clock.time = begun
  store = await startOn(t, directory, clock.now)
  t.same(store.image(), image)
  t.equal(await store.bucket('sessions').get('short'), undefined, 'what has ended does not come back')
  t.match(await store.bucket('users').update('a', { name: 'later' }), { _version: 3 })

  await store.bucket('sessions').insert({ id: 'next' })
  await store.stop()
  clock.time = begun + HOUR
  store = await startOn(t, directory, clock.now)
  t.equal(await store.bucket('sessions').get('next'), undefined, 'time counts while it is stopped')
})

test('without fsync, a loss of power takes the last commits, and the start goes on without them', async t => {
  const directory = temporaryDirectory(t)
  const start = async (): Promise<Store> => await Store.start({
    ttlCheckIntervalMs: 0, durability: { directory, fsync: false, onNotice () {} }
  })
  let store = await start()
  await store.defineBucket('users', users)
  for (const id of ['a', 'b', 'c']) await store.bucket('users').insert({ id })
  await store.stop()
  const path = join(directory, 'store.log')
  for (const [lost, expected] of [[20, ['a', 'b']], ['a line', ['a']]] as const) {
    const content = readFileSync(path)
    const end = lost === 20 ? content.length - 20 : content.lastIndexOf(10, content.length - 2) + 1
    truncateSync(path, end)
    store = await start()
    t.same((await store.bucket('users').all()).map(({ id }) => id), expected)
    await store.stop()
  }
})

test('a hundred buckets, defined in another order', async t => {
  const directory = temporaryDirectory(t)
  const names = Array.from({ length: 100 }, (_, i) => `bucket-${i}`)
  // Each but the first refers to the one before.
  const definitionOf = (i: number): BucketDefinition => ({
    key: 'id',
    schema: {
      id: { type: 'number', generated: 'autoincrement' },
      ...(i > 0 && { before: { type: 'number', ref: names[i - 1] as string } })
    },
    indexes: i % 2 === 0 ? [] : ['before']
  })
  const first = await startOn(t, directory)
  for (const [i, name] of names.entries()) await first.defineBucket(name, definitionOf(i))
  for (const name of names) await first.bucket(name).insert({})
  const image = first.image()
  await first.stop()

  for (const order of [(i: number) => 99 - i, (i: number) => i * 37 % 100]) {
    const store = await startOn(t, directory)
    for (let i = 0; i < 100; i++) {
      const at = order(i)
      await store.defineBucket(names[at] as string, definitionOf(at))
    }
    t.same(store.image(), image, 'without a commit')
    await store.stop()
  }
  const store = await startOn(t, directory)
  t.match(await store.bucket('bucket-50').insert({ before: 1 }), { id: 2, before: 1 }, 'numbers go on')
  await t.rejects(store.bucket('bucket-50').insert({ before: 7 }), 'references are checked')
})
