import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { FileLog, Store, type RequestToRemember } from '../src/index.js'
import { backupLog, compactLog, restoreLog, verifyLog } from '../src/tools/index.js'
import { startDurable } from './support/durable-store.js'
import { startStore } from './support/store.js'
import { temporaryDirectory } from './support/temporary-directory.js'

const definition = { key: 'id', schema: { id: { type: 'string' as const }, n: { type: 'number' as const } } }

function once (key: string, text = '"answer"\n\u2028\0'): { idempotency: RequestToRemember, user: string } {
  return {
    user: 'ada',
    idempotency: { key, request: 'digest', windowMs: 600_000, answer: () => ({ text, rights: 'r' }) }
  }
}

function textOf (directory: string, kind: RegExp): string {
  return readdirSync(directory).filter(name => kind.test(name))
    .map(name => readFileSync(join(directory, name), 'utf8')).join('')
}

t.test('a request is found again after a restart, from the log', async t => {
  const directory = temporaryDirectory(t)
  const { store } = await startDurable(t, directory)
  await store.defineBucket('items', definition)
  await store.bucket('items').insert({ id: 'a' }, once('k\0"'))
  await store.rememberRequest(once('own'))
  const before = [store.requests.find('k\0"', 'ada'), store.requests.find('own', 'ada')]
  t.match(before, [{ answer: '"answer"\n\u2028\0', revision: 3 }, { revision: 4 }])
  await store.stop()
  const { store: again } = await startDurable(t, directory)
  t.same([again.requests.find('k\0"', 'ada'), again.requests.find('own', 'ada')], before)
  t.match(await verifyLog(directory), { ok: true })
})

t.test('it survives that the log is cut behind it, with a snapshot of many requests', async t => {
  const directory = temporaryDirectory(t)
  const { store } = await startDurable(t, directory, { snapshotBytes: 4_096, segmentBytes: 4_096 })
  await store.defineBucket('items', definition)
  for (let i = 0; i < 300; i++) {
    await store.bucket('items').upsert({ id: 'a', n: i }, once(`k${i}`, 'x'.repeat(2_000)))
  }
  const all = store.image().requests
  t.equal(all?.length, 300)
  await store.stop()
  t.notMatch(textOf(directory, /^store.*\.log$/), '"key":"k0"', 'the log does not have it any more')
  const snapshots = textOf(directory, /^snapshot/)
  t.match(snapshots, '{"deleted":[],"requests":[{"key":"k0"', 'as a line that older versions pass over')
  t.match(await verifyLog(directory), { ok: true })
  const { store: again } = await startDurable(t, directory)
  t.same(again.image().requests, all)
  t.equal(again.requests.find('k0', 'ada')?.answer, 'x'.repeat(2_000))
})

t.test('a store that joins a log takes its requests along, also very many', async t => {
  const directory = temporaryDirectory(t)
  const store = await startStore(t)
  await store.defineBucket('items', definition)
  for (let i = 0; i < 1_500; i++) await store.rememberRequest(once(`k${i}`))
  await store.attachLog(new FileLog({ directory }))
  const all = store.image().requests
  await store.stop()
  const { store: again } = await startDurable(t, directory)
  t.equal(all?.length, 1_500)
  t.same(again.image().requests, all)
})

t.test('compact keeps the keys, and leaves no answer in the files', async t => {
  const directory = temporaryDirectory(t)
  const { store } = await startDurable(t, directory)
  await store.defineBucket('items', definition)
  await store.bucket('items').insert({ id: 'a' }, once('k', '"secret"'))
  await store.bucket('items').delete('a')
  await store.stop()
  for (let round = 1; round <= 2; round++) {
    await compactLog(directory)
    t.notMatch(textOf(directory, /log$/), 'secret')
  }
  const { store: again } = await startDurable(t, directory)
  t.match(again.requests.find('k', 'ada'), { request: 'digest', rights: 'r', answer: undefined })
})

t.test('compact rewrites a snapshot of the same revision that has answers', async t => {
  const directory = temporaryDirectory(t)
  const { store } = await startDurable(t, directory)
  await store.defineBucket('items', definition)
  await store.bucket('items').insert({ id: 'a' }, once('k', '"secret"'))
  await store.stop()
  const log = new FileLog({ directory })
  const joined = await Store.start({ ttlCheckIntervalMs: 0 })
  await joined.attachLog(log)
  await log.truncate(await joined.takeImage())
  await joined.stop()
  t.match(textOf(directory, /^snapshot/), 'secret')
  await compactLog(directory)
  t.notMatch(textOf(directory, /log$/), 'secret')
})

t.test('a backup has none, and a restore forgets none', async t => {
  const directory = temporaryDirectory(t)
  const { store } = await startDurable(t, directory)
  await store.defineBucket('items', definition)
  await store.bucket('items').insert({ id: 'a' }, once('k', '"secret"'))
  await store.createBackup('b')
  t.notMatch(textOf(join(directory, 'backups'), /./), 'secret')
  await store.restoreBackup('b')
  t.ok(store.requests.find('k', 'ada'))
  await store.stop()
  const into = temporaryDirectory(t)
  await backupLog(directory, join(into, 'a.backup'))
  t.notMatch(textOf(into, /backup/), 'secret')
  const restored = join(into, 'restored')
  await restoreLog(join(into, 'a.backup'), restored)
  const { store: again } = await startDurable(t, restored)
  t.equal(again.requests.count, 0)
  t.equal(await again.bucket('items').count(), 1)
})
