import { spawn } from 'node:child_process'
import { appendFileSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test, type Test } from 'tap'
import {
  DefinitionMissingError, DefinitionMismatchError, FileLog, MemoryAdapter, MemoryLog, Store,
  StoreUnavailableError, type BucketDefinition, type StoreOptions, type StoreRecord
} from '../src/index.js'
import { users } from './support/store.js'
import { temporaryDirectory } from './support/temporary-directory.js'
import { startDurable, until } from './support/durable-store.js'

test('wrong options are refused by name', async t => {
  const directory = temporaryDirectory(t)
  const refused: ReadonlyArray<readonly [object, RegExp]> = [
    [{ durability: 'disk' }, /durability: must be 'memory' or an object with a directory/],
    [{ durability: {} }, /durability\.directory: must be the path/],
    [{ durability: { directory, dir: 'x' } }, /durability\.dir: is unknown; there are directory, /],
    [{ durability: { directory, fsync: 'yes' } }, /durability\.fsync: must be a boolean/],
    [{ durability: { directory, snapshotBytes: 10 } }, /durability\.snapshotBytes: must be a whole number/],
    [{ durability: { directory, segmentBytes: NaN } }, /durability\.segmentBytes: must be a whole number/],
    [{ durability: { directory, onNotice: 1 } }, /durability\.onNotice: must be a function/],
    [{ durability: { directory }, persistence: { adapter: new MemoryAdapter() } }, /exclude each other/]
  ]
  for (const [options, message] of refused) await t.rejects(Store.start(options as StoreOptions), { message })
  t.same(readdirSync(directory), [], 'and nothing is written')
})

test('a store says how durable it is', async t => {
  const memory = await Store.start({ durability: 'memory', ttlCheckIntervalMs: 0 })
  t.match(memory.durability, { mode: 'memory', state: 'ok', durableRevision: 0, lag: { commits: 0, ms: 0 } })
  await memory.stop()
  const adapted = await Store.start({ persistence: { adapter: new MemoryAdapter() }, ttlCheckIntervalMs: 0 })
  t.equal(adapted.durability.mode, 'adapter')
  await adapted.stop()
  const { store } = await startDurable(t, temporaryDirectory(t))
  await store.defineBucket('users', users)
  const writing = store.bucket('users').insert({ id: 'a' })
  const during = store.durability
  t.match(during, { mode: 'log', state: 'ok', lag: { commits: 1 } })
  await writing
  t.match(store.durability, { durableRevision: during.durableRevision + 1, lag: { commits: 0, ms: 0 } })
  t.ok((store.durability.files?.freeBytes ?? 0) > 0)
})

test('a store that was stopped or snapshotted is what it was', async t => {
  const directory = join(temporaryDirectory(t), 'made', 'for it')
  let before: unknown
  for (let round = 0; round < 4; round++) {
    const { store, notices } = await startDurable(t, directory, { snapshotBytes: 8_192, segmentBytes: 8_192 })
    if (round > 0) t.same(store.image(), before, `round ${round}`)
    await store.defineBucket('users', users)
    const bucket = store.bucket('users')
    const { revision } = store
    for (let i = 0; i < 300; i++) {
      await Promise.all([
        bucket.insert({ id: `${round}-${i}`, age: i, born: new Date(i) }),
        bucket.upsert({ id: `u${i % 7}`, age: i }),
        i % 3 === 0 ? bucket.delete(`${round}-${i - 1}`) : undefined
      ])
    }
    await until(() => (store.durability.files?.snapshots.at(-1)?.revision ?? 0) > revision, 'a snapshot')
    t.same(notices.filter(({ type }) => type !== 'disk_low' && type !== 'progress'), [])
    before = store.image()
    await store.stop()
  }
  const names = readdirSync(directory)
  t.equal(names.filter(name => name.startsWith('snapshot.')).length, 2, 'two snapshots are kept')
  const bytes = names.map(name => statSync(join(directory, name)).size).reduce((a, b) => a + b)
  t.ok(bytes < 1_000_000, `and the log is cut: ${bytes} bytes`)
})

test('a directory has one store at a time; a second one is refused at once', async t => {
  const directory = temporaryDirectory(t)
  const { store } = await startDurable(t, directory)
  const began = performance.now()
  await t.rejects(startDurable(t, directory), /store\.lock: another process has this store/)
  t.ok(performance.now() - began < 10_000)
  await store.stop()
  const { store: next } = await startDurable(t, directory)
  await next.stop()
})

test('what is not whole rejects the start, with the file', async t => {
  const directory = temporaryDirectory(t)
  const { store } = await startDurable(t, directory)
  await store.defineBucket('users', users)
  // Each is on the disk before the next one.
  for (let i = 0; i < 50; i++) await store.bucket('users').insert({ id: `${i}` })
  const image = store.image()
  await store.stop()
  const path = join(directory, 'store.log')
  const whole = readFileSync(path)
  const changed = Buffer.from(whole)
  changed[200] = (changed[200] as number) ^ 1
  writeFileSync(path, changed)
  await t.rejects(startDurable(t, directory), /store\.log, line 2 .*damaged.*backup/)
  truncateSync(path, 1_000)
  await t.rejects(startDurable(t, directory), /store\.log|missing/)
  writeFileSync(path, whole)
  writeFileSync(join(directory, 'production_bucket_orders.json'), '{}')
  await t.rejects(startDurable(t, directory), /orders\.json\): run "npx fastify-noex import .*" first/)
  await rm(join(directory, 'production_bucket_orders.json'))
  appendFileSync(path, '0123')
  const { store: next, notices } = await startDurable(t, directory)
  t.same(next.image(), image)
  t.match(notices.find(({ type }) => type === 'torn'), { message: /4 bytes.*never acknowledged/ })
})

test('definitions are taken over after a restart', async t => {
  const directory = temporaryDirectory(t)
  const plain: BucketDefinition = { key: 'id', schema: { id: { type: 'string' }, n: { type: 'number' } } }
  const checked: BucketDefinition = { ...plain, validate: ({ n }) => n === 13 ? ['unlucky'] : undefined }
  const first = await startDurable(t, directory)
  await first.store.defineBucket('plain', plain)
  await first.store.defineBucket('checked', checked)
  first.store.defineDeclarativeQuery('all', { bucket: 'plain' })
  await first.store.bucket('plain').insert({ id: 'a' })
  await first.store.stop()

  const { store } = await startDurable(t, directory)
  t.ok(store.hasBucket('plain'))
  t.equal(store.getQueryInfo('all')?.isRecovered, true)
  await store.bucket('plain').insert({ id: 'b' })
  t.same(store.incompleteBuckets, [{ bucket: 'checked', functions: ['validate'] }])
  await t.rejects(store.bucket('checked').insert({ id: 'a' }), DefinitionMissingError)
  await t.rejects(store.defineBucket('plain', { ...plain, indexes: ['n'] }), DefinitionMismatchError)
  const { revision } = store
  await store.defineBucket('plain', plain)
  await store.defineBucket('checked', checked)
  store.defineDeclarativeQuery('all', { bucket: 'plain' })
  t.equal(store.revision, revision, 'without a commit')
  t.equal(store.getQueryInfo('all')?.isRecovered, false)
  t.same(store.incompleteBuckets, [])
  await t.rejects(store.bucket('checked').insert({ id: 'a', n: 13 }), /unlucky/)
})

const program = fileURLToPath(new URL('./fixtures/durable-writer.js', import.meta.url))

/** Runs the writer, kills it some time after it is ready, and returns what it has said. */
async function killedWriter (directory: string, snapshotBytes: number, afterMs: number): Promise<string[]> {
  const child = spawn(process.execPath, [program, directory, String(snapshotBytes)], {
    env: { ...process.env, NODE_OPTIONS: '' }, stdio: ['ignore', 'pipe', 'inherit']
  })
  let text = ''
  child.stdout.on('data', chunk => { text += String(chunk) })
  const ended = new Promise(resolve => { child.once('close', resolve) })
  await until(() => text.includes('ready'), 'the writer')
  await delay(afterMs)
  child.kill('SIGKILL')
  await ended
  return text.split('\n').slice(1, -1)
}

for (const [kind, snapshotBytes] of [['with snapshots', 40_000], ['without snapshots', 1e9]] as const) {
  test(`kill -9 at any moment (${kind})`, async t => {
    const directory = temporaryDirectory(t)
    const known = new Map<number, number>()
    const inserted = new Set<number>()
    const twice: number[] = []
    let changes = 0
    for (let round = 0; round < 8; round++) {
      // Acknowledged writes of the round, by number: the last word of each, and whether it was a delete.
      const said = new Map<number, number | undefined>()
      for (const line of await killedWriter(directory, snapshotBytes, 5 + Math.random() * 300)) {
        const [sign, id, n] = line.split(' ')
        if (sign === '+' && !said.has(Number(id))) {
          if (inserted.has(Number(id))) twice.push(Number(id))
          inserted.add(Number(id))
        }
        said.set(Number(id), sign === '+' ? Number(n) : undefined)
        changes++
      }
      t.same(twice, [], 'no number is given twice')
      const { store } = await startDurable(t, directory, { snapshotBytes })
      const orders = await store.bucket('orders').all()
      const found = new Map(orders.map(({ id, n }) => [id as number, n as number]))
      for (const [id, n] of said) known.set(id, n ?? -1)
      const lost = [...known].filter(([id, n]) => {
        const now = found.get(id)
        // A write under way may have happened as well: a later value, or the delete after each fifth.
        if (now === undefined) return n !== -1 && !(n % 5 === 0 && said.has(id))
        return now < n
      })
      t.same(lost, [], 'nothing that was acknowledged is lost')
      const back = [...known].filter(([id, n]) => n === -1 && found.has(id))
      t.same(back, [], 'and nothing comes back')
      for (const id of known.keys()) if (!found.has(id)) known.set(id, -1)
      for (const id of found.keys()) inserted.add(id)
      const { revision } = store
      const records = await store.bucket('orders').all()
      await store.stop()
      if (snapshotBytes === 1e9) {
        t.same(await replayed(t, directory, revision), records, 'the state equals the log')
      }
    }
    t.ok(changes > 200, `${changes} changes`)
  })
}

/** The orders as they come out of the entries of the log alone, in the order of their insertion. */
async function replayed (t: Test, directory: string, revision: number): Promise<StoreRecord[]> {
  const log = new FileLog({ directory })
  t.teardown(async () => { await log.close() })
  await log.open()
  const records = new Map<unknown, StoreRecord>()
  let last = 0
  for await (const { changes, revision: next } of log.tail(0)) {
    if (next !== last + 1) t.fail(`revision ${next} comes after ${last}`)
    last = next
    for (const change of changes) {
      if (!('key' in change)) continue
      if (change.after === undefined) records.delete(change.key)
      else records.set(change.key, change.after)
    }
  }
  await log.close()
  t.equal(last, revision)
  return [...records.values()]
}

test('a read that is shown waits for what it has seen', async t => {
  const store = await Store.start({ ttlCheckIntervalMs: 0 })
  await store.defineBucket('users', users)
  t.equal(store.beginRead()(), undefined, 'in memory for nothing')
  const log = new MemoryLog()
  await store.attachLog(log)
  const bucket = store.bucket('users')
  const append = log.append.bind(log)
  let release = (_error?: Error): void => {}
  log.append = async (entries, previous) => {
    if (entries.length > 0) {
      await new Promise<void>((resolve, reject) => {
        release = error => { if (error === undefined) resolve(); else reject(error) }
      })
    }
    await append(entries, previous)
  }
  t.equal(store.beginRead()(), undefined, 'where nothing is pending for nothing')
  const first = bucket.insert({ id: 'a' })
  await delay(2)
  const seen = store.beginRead()
  let isShown = false
  const shown = seen()?.then(() => { isShown = true })
  await delay(2)
  t.equal(isShown, false)
  release()
  await Promise.all([first, shown])
  t.equal(isShown, true)

  const second = bucket.insert({ id: 'b' })
  await delay(2)
  const [pending, late] = [store.beginRead(), store.beginRead()]
  const waiting = pending()
  release(new Error('the disk is full'))
  await t.rejects(second, StoreUnavailableError)
  await t.rejects(async () => { await waiting }, StoreUnavailableError)
  await t.rejects(async () => { await late() }, StoreUnavailableError, 'also where it ends after that')
  t.equal(store.beginRead()(), undefined, 'and what is read then is durable')
  t.equal(await bucket.get('b'), undefined)
  await t.rejects(store.stop(), StoreUnavailableError)
})

test('a commit that no line of a log could hold is refused as such', async t => {
  const { store } = await startDurable(t, temporaryDirectory(t), { fsync: false })
  await store.defineBucket('users', users)
  const bucket = store.bucket('users')
  await bucket.insertMany(Array.from({ length: 50 }, (_, i) => ({ id: `${i}` })))
  const before = store.image()
  await t.rejects(bucket.updateMany({}, { name: 'x'.repeat(1_000_000) }), { code: 'INPUT_TOO_LARGE' })
  t.same(store.image(), before)
  t.equal(store.durability.state, 'ok')
  await bucket.updateMany({}, { name: 'x'.repeat(10_000) })
})

test('without fsync, an end that was not clean begins a new history', async t => {
  const directory = temporaryDirectory(t)
  const first = await startDurable(t, directory, { fsync: false })
  await first.store.defineBucket('users', users)
  const { epoch } = first.store
  await first.store.stop()
  const second = await startDurable(t, directory, { fsync: false })
  t.not(second.store.epoch, epoch)
  t.ok(second.store.hasBucket('users'))
})
