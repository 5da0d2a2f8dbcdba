import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { test, type Test } from 'tap'
import { Store, StoreUnavailableError, type DurabilityNotice } from '../../src/index.js'
import { filesIn, writeSmallStore } from '../support/directory-copies.js'
import { smallDisk } from '../support/small-disk.js'
import { users } from '../support/store.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const writer = fileURLToPath(new URL('../fixtures/counting-writer.js', import.meta.url))
const env = { ...process.env, NODE_OPTIONS: '' }
const isRoot = process.getuid?.() === 0

async function startOn (t: Test, directory: string): Promise<Store> {
  const store = await Store.start({ ttlCheckIntervalMs: 0, durability: { directory, onNotice () {} } })
  t.teardown(async () => { await store.stop().catch(() => {}) })
  return store
}

/** Starts a writer that holds a directory; `say` resolves with the line that it answers a line with. */
async function hold (
  t: Test, directory: string
): Promise<{ child: ChildProcess, say: () => Promise<string> }> {
  const child = spawn(process.execPath, [writer, directory, '1'], {
    env: { ...env, HOLD: '1' }, stdio: ['pipe', 'pipe', 'inherit']
  })
  t.teardown(() => { child.kill('SIGKILL') })
  let said = ''
  const next = async (): Promise<string> => {
    for (let at = said.indexOf('\n'); ; at = said.indexOf('\n')) {
      if (at !== -1) {
        const line = said.slice(0, at)
        said = said.slice(at + 1)
        return line
      }
      const [chunk] = await once(child.stdout, 'data')
      said += String(chunk)
    }
  }
  t.same([await next(), await next()], ['ready', '1'])
  return {
    child,
    say: async () => {
      child.stdin.write('\n')
      return await next()
    }
  }
}

test('a directory that another process has', async t => {
  const directory = join(temporaryDirectory(t), 'store')
  const { child, say } = await hold(t, directory)
  await t.rejects(startOn(t, directory), /store\.lock: another process has this store/, 'refused at once')
  t.equal(await say(), '2', 'and the other one goes on')
  // Frozen, it is alive.
  child.kill('SIGSTOP')
  await t.rejects(startOn(t, directory), /another process has this store/)
  child.kill('SIGCONT')
  child.kill('SIGKILL')
  await once(child, 'exit')
  const store = await startOn(t, directory)
  t.equal(await store.bucket('numbers').count(), 2, 'a dead one\'s is taken at once')
})

test('a lock that was removed by hand', async t => {
  const directory = join(temporaryDirectory(t), 'store')
  const { say } = await hold(t, directory)
  rmSync(join(directory, 'store.lock'))
  t.equal(await say(), '2', 'it is taken again')
  rmSync(join(directory, 'store.lock'))
  const store = await startOn(t, directory)
  t.equal(await say(), '-3', 'where another process has it, that one alone writes')
  await store.bucket('numbers').insert({ n: 3 })
  t.equal(await say(), '-4')
  await store.stop()
  const next = await startOn(t, directory)
  t.same((await next.bucket('numbers').all()).map(({ n }) => n), [1, 2, 3])
})

test('two stores of one process', async t => {
  const directory = temporaryDirectory(t)
  const store = await startOn(t, directory)
  await t.rejects(startOn(t, directory), /store\.lock: another process has this store/)
  await t.rejects(startOn(t, join(directory, '..', directory.split('/').at(-1) as string)), /has this store/)
  await store.defineBucket('users', users)
})

/** Waits until a store has tried once more, in vain, whether its log takes commits. */
async function nextAttempt (store: Store): Promise<void> {
  const { lastError } = store.durability
  while (store.durability.lastError === lastError) await nextTurn()
}

test('a directory that is removed under a running server', async t => {
  for (const isMadeAgain of [false, true]) {
    const directory = join(temporaryDirectory(t), 'store')
    const store = await startOn(t, directory)
    await store.defineBucket('users', users)
    await store.bucket('users').insert({ id: 'a' })
    rmSync(directory, { recursive: true })
    if (isMadeAgain) mkdirSync(directory)
    for (let i = 0; i < 3; i++) {
      await t.rejects(store.bucket('users').insert({ id: `b${i}` }), StoreUnavailableError)
      t.match(store.durability, { state: 'unavailable', lastError: { message: /store.* bring .*back/ } })
      await nextAttempt(store)
    }
    t.equal(await store.bucket('users').count(), 1, 'reads go on')
    await t.rejects(store.stop())
    t.same(isMadeAgain ? [...filesIn(directory).keys()] : [], [], 'nothing is written there')
  }
})

test('errors of a log that is cut, removed or replaced have its name and the remedy', async t => {
  const faults: Record<string, (path: string) => void> = {
    'it is cut' (path) { truncateSync(path, statSync(path).size - 9) },
    'it is removed' (path) { rmSync(path) },
    'it is replaced' (path) {
      rmSync(path)
      writeFileSync(path, 'of others')
    }
  }
  for (const [title, meddle] of Object.entries(faults)) {
    const directory = temporaryDirectory(t)
    const notices: DurabilityNotice[] = []
    const onNotice = (notice: DurabilityNotice): void => { notices.push(notice) }
    const store = await Store.start({ ttlCheckIntervalMs: 0, durability: { directory, onNotice } })
    t.teardown(async () => { await store.stop().catch(() => {}) })
    await store.defineBucket('users', users)
    meddle(join(directory, 'store.log'))
    const told = new RegExp(`${directory}/store\\.log .*lost to the store: .*stop the service, and bring`)
    for (let i = 0; i < 3; i++) {
      const write = store.bucket('users').insert({ id: `${i}` })
      const error = await write.then(() => undefined, (error: Error) => error)
      t.match(error, { name: 'StoreUnavailableError', cause: { message: told } }, title)
      t.notOk(error?.message.includes(directory), 'the message may go to clients')
      t.match(store.durability.lastError, { message: told }, title)
      await nextAttempt(store)
    }
    t.match(notices.find(({ type }) => type === 'unavailable'), { message: told, error: { message: told } })
    await t.rejects(store.stop(), { message: told }, title)
  }
})

test('a directory that has been emptied is not begun anew in silence', async t => {
  const directory = temporaryDirectory(t)
  await writeSmallStore(directory)
  for (const name of readdirSync(directory)) if (name !== 'store.mark') rmSync(join(directory, name))
  await t.rejects(startOn(t, directory), /has had a log up to revision \d+, and has none now: bring it back/)
  rmSync(join(directory, 'store.mark'))
  await startOn(t, directory)
})

test('a directory that is read-only', async t => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const directory = join(disk.directory, 'store')
  const image = await writeSmallStore(directory)
  execFileSync('mount', ['-o', 'remount,ro', disk.directory])
  await t.rejects(startOn(t, directory), /store\.lock cannot be made: .* local disk .*EROFS/)
  await t.rejects(startOn(t, join(disk.directory, 'other')), /other cannot be made: name a directory/)
  execFileSync('mount', ['-o', 'remount,rw', disk.directory])
  const store = await startOn(t, directory)
  t.equal(JSON.stringify(store.image()), image)
})

test('a directory that is none, or has what is no file', async t => {
  const folder = temporaryDirectory(t)
  writeFileSync(join(folder, 'file'), 'text')
  await t.rejects(startOn(t, join(folder, 'file')), /file cannot be made: name a directory/)
  await t.rejects(startOn(t, join(folder, 'file', 'below')), /below cannot be made: name a directory/)
  await t.rejects(startOn(t, '/proc/none/below'), /below cannot be made: name a directory.*ENOENT/)
  for (const name of ['store.json', 'store.log', 'store.mark', 'store.lock']) {
    const directory = join(folder, name)
    await writeSmallStore(directory)
    rmSync(join(directory, name), { force: true })
    mkdirSync(join(directory, name))
    await t.rejects(startOn(t, directory), new RegExp(`${name}`), name)
    rmSync(join(directory, name), { recursive: true })
    // A start never waits for a pipe's other end.
    execFileSync('mkfifo', [join(directory, name)])
    const message = new RegExp(`${name} (is not a file|is in the way)`)
    await t.rejects(startOn(t, directory), message, `${name} as a pipe`)
  }
})

test('modes that others have widened', async t => {
  const directory = temporaryDirectory(t)
  const image = await writeSmallStore(directory)
  chmodSync(directory, 0o755)
  for (const name of filesIn(directory).keys()) chmodSync(join(directory, name), 0o644)
  writeFileSync(join(directory, 'notes.txt'), 'not the store\'s', { mode: 0o644 })
  const store = await startOn(t, directory)
  t.equal(JSON.stringify(store.image()), image)
  t.equal(statSync(directory).mode & 0o777, 0o700)
  for (const name of filesIn(directory).keys()) {
    t.equal(statSync(join(directory, name)).mode & 0o777, name === 'notes.txt' ? 0o644 : 0o600, name)
  }
})

test('a directory of another user', { skip: !isRoot && 'needs root' }, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'noex-owner-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  chmodSync(folder, 0o755)
  const [closed, open, mixed] = ['closed', 'open', 'mixed'].map(name => join(folder, name)) as
    [string, string, string]
  await writeSmallStore(closed)
  await writeSmallStore(mixed)
  for (const name of ['', ...readdirSync(mixed)]) {
    if (name !== 'store.log') chownSync(join(mixed, name), 65534, 65534)
  }
  mkdirSync(open, { mode: 0o777 })
  chmodSync(open, 0o777)
  const run = async (directory: string): Promise<string> => {
    const args = ['--reuid=65534', '--clear-groups', process.execPath, writer, directory, '1']
    const { stderr } = await promisify(execFile)('setpriv', args, { env })
      .catch((error: { stderr: string }) => error)
    return stderr
  }
  t.match(await run(closed), /closed cannot be opened: it must be a directory of the user of this process/)
  t.match(await run(open), /open belongs to another user: give it to the user of this process/)
  t.match(await run(mixed), /store\.log cannot be opened: give it to the user of this process/)
})
