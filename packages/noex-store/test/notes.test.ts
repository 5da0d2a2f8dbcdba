import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { MemoryLog, Store, type CommitNote, type StoreOptions } from '../src/index.js'

const definition = { key: 'id', schema: { id: { type: 'string' as const }, n: { type: 'number' as const } } }

interface Opened {
  readonly directory: string
  readonly open: (durability?: object, options?: StoreOptions) => Promise<Store>
}

function place (t: Test): Opened {
  const directory = mkdtempSync(join(tmpdir(), 'noex-notes-'))
  t.teardown(async () => { await rm(directory, { recursive: true, force: true }) })
  return {
    directory,
    async open (durability = {}, options = {}) {
      const store = await Store.start({
        ttlCheckIntervalMs: 0, ...options, durability: { directory, onNotice () {}, ...durability }
      })
      t.teardown(async () => { await store.stop().catch(() => {}) })
      return store
    }
  }
}

async function notesOf (store: Store): Promise<CommitNote[]> {
  const notes: CommitNote[] = []
  for await (const note of store.notes()) notes.push(note)
  return notes
}

test('a note is in the commit and in the log of each kind of write', async t => {
  const { open } = place(t)
  const store = await open()
  t.equal(store.keepsNotes, true)
  const told: string[] = []
  const heard: unknown[] = []
  store.onCommit(({ revision, time, note }) => {
    if (note !== undefined) heard.unshift({ revision, time, note })
  })
  const note = (revision: number): string => {
    told.push(`${revision}`)
    return `"${revision}"\n\\ ž \u2028`
  }
  await store.defineBucket('items', definition, { note })
  const items = store.bucket('items')
  await items.insert({ id: 'a', n: 1 }, { note, user: 'alice' })
  await items.insert({ id: 'without' })
  await items.insertMany([{ id: 'b' }, { id: 'c' }], { note })
  await items.update('a', { n: 2 }, { note })
  await items.upsert({ id: 'a', n: 3 }, { note })
  await items.updateMany({ id: 'b' }, { n: 4 }, { note })
  await items.delete('c', { note })
  await items.delete('c', { note })
  await items.deleteMany({ id: 'b' }, { note })
  await store.transaction(async tx => { await (await tx.bucket('items')).insert({ id: 'd' }) }, { note })
  await items.clear({ note })
  await store.updateBucket('items', { addFields: { more: { type: 'string' } } }, { note })
  store.defineDeclarativeQuery('all', { bucket: 'items' }, { note })
  store.undefineQuery('all', { note })
  await store.dropBucket('items', { note })
  const { revision } = store
  const noted = [2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
  t.same(told, noted.map(String), 'one for each commit that was made')
  t.equal(revision, 16)
  const notes = await notesOf(store)
  t.same(notes, heard)
  t.same(notes.map(one => one.revision), told.map(Number).reverse())
  await store.stop()
  t.same(await notesOf(await open()), notes, 'after a restart, too')
})

test('notes are read back as far as the log goes', async t => {
  const { open } = place(t)
  const store = await open({ segmentBytes: 300_000, snapshotBytes: 1e9 })
  await store.defineBucket('items', definition)
  const text = 'x'.repeat(60_000)
  await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    const note = (revision: number): string => `${revision}${text}`
    await store.bucket('items').insert({ id: `k${i}` }, i % 2 === 0 ? { note } : {})
  }))
  await store.stop()
  const again = await open()
  const notes = await notesOf(again)
  t.same(notes.map(({ revision }) => revision), Array.from({ length: 25 }, (_, i) => 51 - 2 * i))
  t.ok(notes.every(({ revision, note }) => note === `${revision}${text}`))
  const reading = again.notes()[Symbol.asyncIterator]()
  t.match(await reading.next(), { value: { revision: 51 } })
  await reading.return?.()
})

test('what is cut from the log is gone, and nothing before that', async t => {
  const { open, directory } = place(t)
  const store = await open({ snapshotBytes: 4_096, segmentBytes: 4_096 })
  await store.defineBucket('items', definition)
  for (let i = 0; i < 300; i++) await store.bucket('items').insert({ id: `k${i}` }, { note: String })
  await store.stop()
  const again = await open()
  const revisions = (await notesOf(again)).map(({ revision }) => revision)
  t.equal(revisions[0], 302)
  t.same(revisions, revisions.map((_, i) => 302 - i), 'without a gap')
  const names = readdirSync(directory)
  const snapshots = names.flatMap(name => /^snapshot\.(\d+)\.log$/.exec(name)?.slice(1) ?? [])
  t.ok(revisions.includes(Math.min(...snapshots.map(Number)) + 1), 'back to the older snapshot')
})

test('a note that cannot be taken costs no commit', async t => {
  const { open } = place(t)
  const errors: unknown[] = []
  const store = await open({}, { onListenerError: error => { errors.push(error) } })
  await store.defineBucket('items', definition)
  const notes: Array<() => string> = [
    () => { throw new Error('none') },
    () => 5 as never,
    () => 'x'.repeat(65_537)
  ]
  for (const [i, note] of notes.entries()) await store.bucket('items').insert({ id: `k${i}` }, { note })
  t.match(errors, [{ message: 'none' }, { message: /at most 65536 characters/ }, TypeError])
  t.equal(await store.bucket('items').count(), 3)
  t.same(await notesOf(store), [])
})

test('a damaged commit with a note is told with its file', async t => {
  const { open, directory } = place(t)
  const store = await open()
  await store.defineBucket('items', definition)
  await store.bucket('items').insert({ id: 'a' }, { note: () => 'spoken' })
  const path = join(directory, 'store.log')
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.replace('"note":"spoken"', '"note":"spiked"'))
  const message = `${path}: revision 3 is damaged: bring the file back from a backup`
  await t.rejects(notesOf(store), { message })
})

test('only a log whose commits are on the disk keeps notes', async t => {
  const memory = await Store.start()
  t.equal(memory.keepsNotes, false)
  await memory.defineBucket('items', definition, { note: () => 'a' })
  t.same(await notesOf(memory), [])
  await memory.attachLog(new MemoryLog())
  t.equal(memory.keepsNotes, false)
  await memory.bucket('items').insert({ id: 'a' }, { note: () => 'a' })
  t.same(await notesOf(memory), [])
  await memory.stop()
  t.equal((await place(t).open({ fsync: false })).keepsNotes, false)
})
