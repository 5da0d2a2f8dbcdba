import { execFile } from 'node:child_process'
import {
  appendFileSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test, type Test } from 'tap'
import { crcFormat } from '@hamicek/noex-journal'
import {
  FileLog, Store, type LogEntry
} from '../src/index.js'
import { writeIdentity } from '../src/log/identity.js'
import { startStore, users } from './support/store.js'
import { temporaryDirectory } from './support/temporary-directory.js'

const run = promisify(execFile)

const entryOf = (revision: number): LogEntry => ({
  revision,
  time: 1_700_000_000_000 + revision,
  changes: [{
    type: 'insert',
    bucket: 'users',
    key: `k${revision}`,
    before: undefined,
    after: { id: `k${revision}`, _version: 1, _createdAt: 1, _updatedAt: 1 }
  }],
  user: 'alice',
  counters: { users: revision }
})

async function openLog (t: Test, directory: string, segmentBytes = 100_000): Promise<FileLog> {
  const log = new FileLog({ directory, segmentBytes })
  t.teardown(async () => { await log.close() })
  return log
}

/** Starts a store on the log of a directory. */
async function startOn (
  t: Test, directory: string, segmentBytes?: number
): Promise<{ store: Store, log: FileLog }> {
  const log = await openLog(t, directory, segmentBytes)
  const store = await startStore(t)
  await store.attachLog(log)
  return { store, log }
}

const stop = async ({ store, log }: { store: Store, log: FileLog }): Promise<void> => {
  await store.stop()
  await log.close()
}

test('the line of a definition with many records has all of them', async t => {
  const directory = temporaryDirectory(t)
  const log = await openLog(t, directory)
  await log.open()
  const records = Array.from({ length: 20_000 }, (_, i) => (
    { id: `k${i}`, at: new Date(i), '"$noex"': `"$noex"${i}`, _version: 1, _createdAt: 1, _updatedAt: 1 }
  ))
  const entry: LogEntry = {
    revision: 7,
    time: 1,
    user: 'alice',
    changes: [
      { type: 'define', bucket: 'empty', definition: { key: 'id', schema: {} } },
      {
        type: 'define',
        bucket: 'full',
        definition: { key: 'id', schema: { id: { type: 'string', default: undefined } } },
        records,
        remembered: { floor: 2, deleted: [[new Date(1), 3, 0]] }
      },
      { type: 'query', query: 'gone', config: undefined },
      { type: 'redefine', bucket: 'few', definition: { key: 'id', schema: {} }, records: records.slice(0, 2) }
    ],
    counters: { full: 4 }
  }
  await log.append([entry, { ...entryOf(8), user: 'bob' }], 0)
  await log.close()
  const { tail } = await (await openLog(t, directory)).open()
  t.strictSame(tail, [entry, { ...entryOf(8), user: 'bob' }])
})

test('members that are not there take no room in a line, and a line that has them is read alike', async t => {
  const record = { id: 'a', at: { $noex: 'date', value: 5 }, _version: 1, _createdAt: 1, _updatedAt: 1 }
  const before = { _version: 1, _createdAt: 1, _updatedAt: 1 }
  const none = { $noex: 'undefined' }
  const change = { bucket: 'users', key: 'a' }
  const definition = { key: 'id', schema: { id: { type: 'string' }, at: { type: 'date' } } }
  // As the first version of the format has written them.
  const lines = [
    [{ type: 'define', bucket: 'users', definition }, { type: 'query', query: 'gone', config: none }],
    [{ ...change, type: 'insert', before: none, after: record }],
    [{ ...change, type: 'update', before, after: { ...record, _version: 2 } }],
    [{ ...change, type: 'delete', before: { ...before, _version: 2 }, after: none }]
  ].map((changes, i) => JSON.stringify({ time: i, changes }))
  const directory = temporaryDirectory(t)
  const format = crcFormat(1_000)
  let head = format.start
  let text = ''
  for (const line of lines) {
    const sealed = format.seal(line, head, head)
    text += `${sealed.line}\n`
    head = sealed.head
  }
  writeIdentity(directory, { epoch: 'e', first: 1 })
  writeFileSync(join(directory, 'store.log'), text)

  const former = await openLog(t, directory)
  const { tail } = await former.open()
  t.strictSame(tail.map(({ changes }) => changes.at(-1)), [
    { type: 'query', query: 'gone', config: undefined },
    { ...change, type: 'insert', before: undefined, after: { ...record, at: new Date(5) } },
    { ...change, type: 'update', before, after: { ...record, at: new Date(5), _version: 2 } },
    { ...change, type: 'delete', before: { ...before, _version: 2 }, after: undefined }
  ])
  const again = temporaryDirectory(t)
  const log = await openLog(t, again)
  await log.open()
  await log.append(tail, 0)
  await log.close()
  const written = readFileSync(join(again, 'store.log'), 'utf8').trimEnd().split('\n')
  t.notMatch(written.slice(1).join(), /"\$noex":"undefined"/)
  t.ok(written.slice(1).join().length < lines.slice(1).join().length)
  t.strictSame((await (await openLog(t, again)).open()).tail, tail)

  const store = await startStore(t)
  await former.close()
  await store.attachLog(await openLog(t, directory))
  t.strictSame([store.revision, await store.bucket('users').count()], [4, 0])
})

test('a store is what it was, with and without snapshots', async t => {
  const directory = temporaryDirectory(t)
  let run = await startOn(t, directory, 2_000)
  await run.store.defineBucket('users', users)
  for (let round = 0; round < 6; round++) {
    const bucket = run.store.bucket('users')
    for (let i = 0; i < 20; i++) await bucket.insert({ id: `${round}-${i}`, age: i, born: new Date(round) })
    await bucket.update(`${round}-3`, { age: 99 })
    await bucket.delete(`${round}-4`)
    if (round % 2 === 1) await run.log.truncate(run.store.image())
    await bucket.insert({ id: `after-${round}` })
    const before = run.store.image()
    const { epoch } = run.store
    await stop(run)
    run = await startOn(t, directory, 2_000)
    t.same(run.store.image(), before, `round ${round}`)
    t.equal(run.store.epoch, epoch)
  }
  const names = readdirSync(directory)
  t.equal(names.filter(name => name.startsWith('snapshot.')).length, 2, 'two snapshots are kept')
  const [oldest] = names.filter(name => /^store\.\d/.test(name)).sort()
  t.ok(Number(oldest?.slice(6, 22)) > 40, 'and the log behind the older one')
  t.equal(statSync(directory).mode & 0o777, 0o700)
  for (const name of names) {
    if (name !== 'store.lock') t.equal(statSync(join(directory, name)).mode & 0o077, 0, name)
  }
})

test('a damaged file never means less in silence', async t => {
  const directory = temporaryDirectory(t)
  const first = await startOn(t, directory, 1_500)
  await first.store.defineBucket('users', users)
  for (let i = 0; i < 40; i++) {
    await first.store.bucket('users').insert({ id: `${i}` })
    if (i === 12 || i === 25) await first.log.truncate(first.store.image())
  }
  const whole = JSON.stringify(first.store.image())
  await stop(first)
  const names = readdirSync(directory).filter(name => name !== 'store.lock')
  t.ok(names.filter(name => /^store\.\d/.test(name)).length >= 3)
  const folder = temporaryDirectory(t)

  const outcome = async (change: (copy: string) => void): Promise<string> => {
    const copy = mkdtempSync(join(folder, 'copy-'))
    cpSync(directory, copy, { recursive: true })
    change(copy)
    const log = new FileLog({ directory: copy })
    const store = await Store.start({ ttlCheckIntervalMs: 0 })
    try {
      let told = false
      await store.attachLog({
        async open () {
          const opened = await log.open()
          told = opened.torn !== undefined || opened.damaged.length > 0
          return opened
        },
        append: async (entries, previous) => { await log.append(entries, previous) },
        tail: from => log.tail(from),
        truncate: async image => { await log.truncate(image) },
        close: async () => { await log.close() }
      })
      return JSON.stringify(store.image()) === whole ? 'all' : told ? 'less, and told' : 'less in silence'
    } catch (error) {
      return /[/]copy-/.test((error as Error).message) ? 'refused' : `unclear: ${(error as Error).message}`
    } finally {
      await store.stop()
      await log.close()
    }
  }

  for (const name of names) {
    const size = statSync(join(directory, name)).size
    const removed = await outcome(copy => { rmSync(join(copy, name)) })
    const isNeeded = name === 'store.log' || name === 'store.json'
    t.ok(['refused', ...isNeeded ? [] : ['all']].includes(removed), `${name} is removed: ${removed}`)
    for (const at of [0, Math.floor(size / 2), size - 1]) {
      if (size === 0) continue
      const changed = await outcome(copy => {
        const bytes = readFileSync(join(copy, name))
        bytes[at] = (bytes[at] as number) ^ 2
        writeFileSync(join(copy, name), bytes)
      })
      t.ok(['all', 'refused'].includes(changed), `${name}, byte ${at}: ${changed}`)
      const cut = await outcome(copy => { truncateSync(join(copy, name), at) })
      t.ok(['all', 'refused'].includes(cut), `${name} is cut at ${at}: ${cut}`)
    }
  }
  t.equal(await outcome(copy => { appendFileSync(join(copy, 'store.log'), Buffer.alloc(5_000)) }), 'all')
  t.equal(await outcome(copy => { writeFileSync(join(copy, 'snapshot.new'), 'half') }), 'all')
  const identity = readFileSync(join(directory, 'store.json'), 'utf8')
  t.equal(await outcome(copy => {
    writeFileSync(join(copy, 'store.json'), identity.replace('"format":1', '"format":2'))
  }), 'refused', 'a newer format')
})

test('a directory of another process, or of a storage adapter, is refused', async t => {
  const directory = temporaryDirectory(t)
  const run = await startOn(t, directory)
  await t.rejects(new FileLog({ directory }).open(), /store\.lock: another process has this store/)
  await stop(run)
  writeFileSync(join(directory, 'production_bucket_orders.json'), '{}')
  await t.rejects(
    new FileLog({ directory }).open(),
    /production_bucket_orders\.json\): run "npx fastify-noex import/
  )
})

test('a start from damaged snapshots needs the older one and the log', async t => {
  const directory = temporaryDirectory(t)
  const run = await startOn(t, directory, 1_000)
  await run.store.defineBucket('users', users)
  for (let i = 0; i < 40; i++) {
    await run.store.bucket('users').insert({ id: `${i}` })
    if (i % 10 === 9) await run.log.truncate(run.store.image())
  }
  const whole = run.store.image()
  await stop(run)
  const damage = (name: string): void => { truncateSync(join(directory, name), 60) }
  const [older = '', newer = ''] = readdirSync(directory).filter(name => name.startsWith('snapshot.')).sort()
  damage(newer)
  const log = await openLog(t, directory)
  t.same((await log.open()).damaged, [newer], 'it is told')
  await log.close()
  const second = await startOn(t, directory)
  t.same(second.store.image(), whole)
  await stop(second)
  damage(older)
  await t.rejects(new FileLog({ directory }).open(), /revisions 1 to \d+ are missing.*snapshot\.\d+\.log/)
})

const program = fileURLToPath(new URL('./fixtures/write-durably-and-die.js', import.meta.url))

test('what was acknowledged before kill -9 is there, with its revisions and numbers', async t => {
  const directory = temporaryDirectory(t)
  const seen = new Set<string>()
  for (let round = 0; round < 4; round++) {
    const { stdout } = await run(process.execPath, [program, directory, String(round)], {
      env: { ...process.env, NODE_OPTIONS: '' }
    }).catch((error: { stdout: string }) => error)
    const acknowledged = stdout.trim().split('\n')
    t.ok(acknowledged.length > 50)
    for (const line of acknowledged) {
      t.notOk(seen.has(line.split(' ')[0] as string), 'no number is given twice')
      seen.add(line.split(' ')[0] as string)
    }
    const { store, log } = await startOn(t, directory)
    const bucket = store.bucket('orders')
    const found = await bucket.all()
    const ids = new Set(found.map(({ id }) => String(id)))
    t.same([...seen].filter(id => !ids.has(id)), [], 'none is lost')
    await stop({ store, log })
  }
  t.ok(existsSync(join(directory, 'store.mark')))
})
