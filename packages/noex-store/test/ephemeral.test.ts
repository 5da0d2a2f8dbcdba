import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import {
  DefinitionError, MemoryAdapter, MemoryLog, type BucketDefinition, type Commit, type PendingWrite,
  type Store, type WriteOptions
} from '../src/index.js'
import { filesOf, startOn } from './support/log-files.js'
import { startStore } from './support/store.js'
import { temporaryDirectory } from './support/temporary-directory.js'

const id = { type: 'string' } as const
const present: BucketDefinition = { key: 'id', schema: { id }, ephemeral: true }
const referring = (onDelete: 'cascade' | 'set_null' | 'restrict'): BucketDefinition =>
  ({ key: 'id', schema: { id, of: { type: 'string', ref: 'present', onDelete } } })

/** A store whose kept buckets refer to records that end with the process. */
async function fill (store: Store): Promise<void> {
  await store.defineBucket('present', present)
  await store.defineBucket('cache', { key: 'id', schema: { id }, persistent: false })
  for (const onDelete of ['cascade', 'set_null', 'restrict'] as const) {
    await store.defineBucket(onDelete, referring(onDelete))
  }
  await store.bucket('cache').insert({ id: 'c' })
  await store.bucket('present').insertMany([{ id: 'a' }, { id: 'b' }])
  for (const onDelete of ['cascade', 'set_null']) {
    await store.bucket(onDelete).insertMany([{ id: '1', of: 'a' }, { id: '2', of: null }])
  }
}

test('a log begins with one commit that removes what has ended, and what its references say', async t => {
  const log = new MemoryLog()
  const first = await startStore(t)
  await fill(first)
  await first.attachLog(log)
  await first.bucket('present').insert({ id: 'c' })
  const second = await startStore(t)
  const commits: Commit[] = []
  await second.attachLog(log)
  await second.whenDurable()
  for await (const entry of log.tail(first.revision)) commits.push(entry)
  t.equal(commits.length, 1)
  t.same(commits[0]?.changes.map(({ type, ...rest }) => [type, 'bucket' in rest && rest.bucket]), [
    ['delete', 'cascade'], ['update', 'set_null'], ['clear', 'present'], ['clear', 'cache']
  ])
  for (const bucket of ['present', 'cache']) t.equal(await second.bucket(bucket).count(), 0, bucket)
  t.match(await second.bucket('cascade').all(), [{ id: '2' }])
  t.match(await second.bucket('set_null').all(), [{ id: '1', of: null, _version: 2 }, { id: '2' }])
  const third = await startStore(t)
  await third.attachLog(log)
  t.equal(third.revision, second.revision, 'there is nothing left to remove')
  t.match(await third.bucket('set_null').all(), [{ id: '1', of: null, _version: 2 }, { id: '2' }])
})

test('a reference of restrict does not hold what has ended', async t => {
  const log = new MemoryLog()
  const first = await startStore(t)
  await fill(first)
  await first.bucket('restrict').insert({ id: '1', of: 'a' })
  await first.defineBucket('deep', {
    key: 'id', schema: { id, of: { type: 'string', ref: 'cascade', onDelete: 'restrict' } }
  })
  await first.bucket('deep').insert({ id: '1', of: '1' })
  await first.attachLog(log)
  const second = await startStore(t)
  await second.attachLog(log)
  t.equal(await second.bucket('present').count(), 0)
  t.match(await second.bucket('restrict').all(), [{ of: 'a' }])
  t.match(await second.bucket('cascade').get('1'), { of: 'a' }, 'it would take what others hold')
})

test('records that end with the process are in no backup, and no adapter saves them', async t => {
  const directory = temporaryDirectory(t)
  const durable = await startOn(t, directory)
  await fill(durable)
  t.match(await durable.createBackup('one'), { bucketNames: ['cascade', 'set_null', 'restrict'] })
  await durable.restoreBackup('one')
  t.equal(await durable.bucket('present').count(), 2, 'a restore leaves those of the present')
  const adapter = new MemoryAdapter()
  const saved = await startStore(t, { persistence: { adapter } })
  await fill(saved)
  t.match(await saved.createBackup('one'), { bucketNames: ['cascade', 'set_null', 'restrict'] })
  await saved.stop()
  t.notOk((await adapter.listKeys('')).some(key => /present|cache/.test(key)))
})

test('a definition says whether its bucket is ephemeral', async t => {
  const store = await startStore(t)
  await t.rejects(
    store.defineBucket('a', { ...present, ephemeral: 'yes' as never }),
    new DefinitionError('ephemeral of bucket "a" must be true or false')
  )
  await t.rejects(store.defineBucket('a', { ...present, persistent: true }), { message: /cannot be persistent/ })
  await store.defineBucket('a', { ...present, persistent: false })
  await store.defineBucket('b', { ...present, ephemeral: false, persistent: true })
  t.equal(store.getBucketSchema('a')?.ephemeral, true)
})

test('a commit names its writer to the listeners of its process, and to no log', async t => {
  const directory = temporaryDirectory(t)
  const store = await startOn(t, directory)
  await fill(store)
  const heard: Commit[] = []
  store.onDurable(commit => { heard.push(commit) })
  const writer = { text: 'of this process' }
  await store.bucket('present').insert({ id: 'x' }, { writer })
  await store.transaction(async tx => { await (await tx.bucket('present')).delete('x') }, { writer })
  await store.bucket('present').clear({ writer })
  await store.bucket('present').insert({ id: 'y' })
  t.same(heard.map(commit => commit.writer === writer), [true, true, true, false])
  const texts = filesOf(directory)
  t.ok(texts.length > 0)
  for (const name of texts) {
    t.notMatch(readFileSync(join(directory, name), 'utf8'), /writer|of this process|isCaused/)
  }
})

type BeforeCommit = NonNullable<WriteOptions['beforeCommit']>

test('changes that a delete causes are told apart from what was written', async t => {
  const run = async (remove: (store: Store, beforeCommit: BeforeCommit) => Promise<unknown>) => {
    const store = await startStore(t)
    await fill(store)
    const heard: Commit[] = []
    const written: PendingWrite[] = []
    store.onCommit(commit => { heard.push(commit) })
    await remove(store, writes => { written.push(...writes) })
    return {
      written,
      caused: heard.flatMap(({ changes }) => changes)
        .filter(change => 'isCaused' in change).map(change => 'bucket' in change && change.bucket)
    }
  }
  const caused = ['cascade', 'set_null']
  const removal = [{ bucket: 'present', key: 'a', isDelete: true }]
  t.same(await run(async (store, beforeCommit) => {
    await store.bucket('present').delete('a', { beforeCommit })
  }), { written: removal, caused })
  t.same(await run(async (store, beforeCommit) => {
    await store.transaction(async tx => { await (await tx.bucket('present')).delete('a') }, { beforeCommit })
  }), { written: removal, caused })
  t.same(await run(async (store, beforeCommit) => {
    await store.transaction(async tx => {
      await (await tx.bucket('present')).delete('a')
      await (await tx.bucket('set_null')).update('1', {})
    }, { beforeCommit })
  }), {
    written: [...removal, { bucket: 'set_null', key: '1', isDelete: false }], caused: ['cascade']
  }, 'what is written as well is written')
  t.same(await run(async (store, beforeCommit) => {
    await store.bucket('present').clear({ beforeCommit })
  }), { written: [], caused: [] })
})
