import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { acquireLock, JournalThread } from '../src/index.js'
import type { Settings } from './fixtures/log-worker.js'
import { smallDisk, temporaryDirectory } from './support/directory.js'
import { entries, entry, readLog } from './support/log.js'

const run = promisify(execFile)
const writer = fileURLToPath(new URL('./fixtures/log-writer.js', import.meta.url))

/** Without the hooks of the test runner, which would make system calls of their own. */
const env = { ...process.env, NODE_OPTIONS: '' }

interface Opened {
  readonly thread: JournalThread<{ texts: string[] }>
  readonly opened: { readonly texts: string[] }
  readonly failures: Array<string | undefined>
  readonly deaths: Error[]
}

async function start (t: Test, directory: string, settings: Partial<Settings> = {}): Promise<Opened> {
  const failures: Array<string | undefined> = []
  const deaths: Error[] = []
  const started = await JournalThread.open<{ texts: string[] }>({
    file: new URL('./fixtures/log-worker.js', import.meta.url),
    name: 'log',
    settings: { path: join(directory, 'store.log'), maxBytes: 100_000, retries: false, ...settings },
    title: 'the thread of the log',
    onFailing (_error, code) { failures.push(code) },
    onDeath (error) { deaths.push(error) }
  })
  t.teardown(async () => { await started.thread.close() })
  return { ...started, failures, deaths }
}

t.test('the writes of many callers become durable in their order', async t => {
  const directory = temporaryDirectory(t)
  const { thread } = await start(t, directory)
  const done: number[] = []
  await Promise.all(Array.from({ length: 500 }, async (_, i) => {
    await thread.write([entry(i + 1)])
    done.push(i + 1)
  }))
  t.same(done, Array.from({ length: 500 }, (_, i) => i + 1))
  await thread.write([])
  await thread.write(entries(501, 700))
  t.equal(await thread.call('head'), 700, 'a call is carried out behind the writes')
  await t.rejects(thread.call('fail'), /no such call/)
  await thread.close()
  t.same(readLog(directory).texts, entries(1, 700))
  const [first] = readFileSync(join(directory, 'store.log'), 'utf8').split('\n', 1)
  t.match(first, / 1 0 /)
  await t.rejects(thread.write([entry(1)]), /has died/)
})

t.test('writes of one turn are one group', async t => {
  const directory = temporaryDirectory(t)
  const { thread } = await start(t, directory)
  await Promise.all(Array.from({ length: 64 }, async (_, i) => { await thread.write([entry(i)]) }))
  await thread.close()
  const lines = readFileSync(join(directory, 'store.log'), 'utf8').trimEnd().split('\n')
  const marks = new Set(lines.map(line => line.split(' ')[2]))
  t.equal(marks.size, 1, 'all say that none of them was durable before')
})

t.test('a second writer is refused at once, and a dead one leaves nothing', async t => {
  const directory = temporaryDirectory(t)
  const child = spawn(process.execPath, [writer, join(directory, 'store.log'), '4', '5'], {
    env: { ...env, HOLD: '1' },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => { child.kill('SIGKILL') })
  let printed = ''
  for await (const chunk of child.stdout) {
    printed += String(chunk)
    if (printed.split('\n').length > 21) break
  }
  const began = Date.now()
  await t.rejects(start(t, directory), /store\.lock: another process writes this log/)
  t.ok(Date.now() - began < 5_000)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const { opened } = await start(t, directory)
  t.equal(opened.texts.length, 20)
})

t.test('while the disk is full, writes are refused and leave nothing; then all goes on', async t => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const { thread, failures } = await start(t, disk.directory)
  await thread.write([entry(1)])
  disk.fill()
  const big = JSON.stringify('x'.repeat(50_000))
  const writes = [[big], [entry(2)], [entry(3)]]
  const results = await Promise.allSettled(writes.map(async entries => { await thread.write(entries) }))
  const refused = results.filter(({ status }) => status === 'rejected')
  t.equal(refused.length, 3, 'none behind it is written')
  t.same(failures, ['ENOSPC'])
  await t.rejects(thread.probe(), { code: 'ENOSPC' })
  t.equal(await thread.call('head'), 1)
  disk.free()
  await thread.probe()
  await thread.write([entry(2)])
  await thread.close()
  t.same(readLog(disk.directory).texts, [entry(1), entry(2)], 'exactly what was acknowledged')
})

t.test('a thread that tries again writes everything once when the disk has room again', async t => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const { thread, failures } = await start(t, disk.directory, { retries: true })
  disk.fill()
  const big = JSON.stringify('x'.repeat(50_000))
  const written = thread.write([entry(1), big, entry(3)])
  while (failures.length < 2) await sleep(20)
  disk.free()
  await written
  await thread.close()
  t.same(readLog(disk.directory).texts, [entry(1), big, entry(3)])
})

t.test('a lock that others remove is taken again; a writer that has come meanwhile keeps it', async t => {
  const directory = temporaryDirectory(t)
  const lock = join(directory, 'store.lock')
  const { thread } = await start(t, directory)
  await thread.write([entry(1)])
  rmSync(lock)
  await thread.write([entry(2)])
  t.ok(existsSync(lock))
  rmSync(lock)
  const other = await acquireLock(lock, 'taken by the test')
  await t.rejects(thread.write([entry(3)]), /another process writes this log/)
  await t.rejects(acquireLock(lock, 'taken by the test'), /store\.lock: taken by the test/)
  await other.release()
  await thread.probe()
  await thread.write([entry(4)])
  await thread.close()
  t.same(readLog(directory).texts, [entry(1), entry(2), entry(4)])
})

t.test('a thread that dies rejects what waits, and says so once', async t => {
  const { thread, deaths } = await start(t, temporaryDirectory(t))
  const waiting = [thread.write([entry(1)]), thread.call('die'), thread.write([entry(2)])]
  const results = await Promise.allSettled(waiting)
  t.same(results.slice(1).map(({ status }) => status), ['rejected', 'rejected'])
  t.equal(deaths.length, 1)
  t.match(thread.death, /the thread of the log has died/)
  await t.rejects(thread.write([entry(3)]), /has died/)
  await t.rejects(thread.probe(), /has died/)
  await thread.close()
})

t.test('a directory that is not there is refused', async t => {
  await t.rejects(start(t, join(temporaryDirectory(t), 'missing')), { message: /ENOENT/ })
})

/** Opens what a writer has left, and returns the numbers of the entries in it. */
function numbersIn (directory: string): number[] {
  return readLog(directory).texts.map(text => (JSON.parse(text) as { n: number }).n)
}

const noises = [
  Buffer.alloc(0), Buffer.alloc(5_000), randomBytes(700), Buffer.from('1234abcd 7 6 {"n":7}\n12')
]

const hasStrace = process.platform === 'linux' && await run('strace', ['-V']).then(() => true, () => false)

const quiet = ['-f', '-qq', '-o', '/dev/null']
const skip = !hasStrace && process.env['CI'] === undefined && 'no strace'

t.test('a writer killed at any system call has lost nothing that it acknowledged', { skip }, async t => {
  const calls = 'pwrite64,write,fdatasync,fsync,ftruncate,rename,unlink'
  const folder = temporaryDirectory(t)
  const points = process.env['THOROUGH'] === '1' ? 100 : 20
  let killed = 0
  for (let point = 0; point < points; point++) {
    const directory = mkdtempSync(join(folder, 'run-'))
    const path = join(directory, 'store.log')
    const when = 1 + Math.floor(Math.random() * 28)
    const shape = [String(1 + point % 7), '12', String([500, 2_000, 100_000][point % 3])]
    const args = [
      ...quiet, '-P', path, '-P', directory, '-e', `trace=${calls}`,
      '-e', `inject=${calls}:signal=SIGKILL:when=${when}`, process.execPath, writer, path, ...shape
    ]
    const { stdout, isKilled } = await run('strace', args, { env }).then(
      result => ({ stdout: result.stdout, isKilled: false }),
      (error: { signal?: string, stdout: string }) => {
        if (error.signal !== 'SIGKILL') throw error
        return { stdout: error.stdout, isKilled: true }
      })
    if (isKilled) killed++
    const acknowledged = stdout.split('\n').filter(line => /^\d/.test(line)).map(Number)
    // And what a loss of power may leave behind the last sync.
    if (existsSync(path)) appendFileSync(path, noises[point % noises.length] as Buffer)
    const found = numbersIn(directory)
    const lost = acknowledged.filter(n => !found.includes(n))
    if (lost.length > 0) t.fail(`call ${when} of ${shape.join()}: ${lost.length} lost`)
    t.equal(new Set(found).size, found.length)
    // A second start finds the same.
    t.same(numbersIn(directory), found)
    rmSync(directory, { recursive: true })
  }
  t.ok(killed > points / 4, `${killed} of ${points} were killed`)
})

t.test('a sync that fails refuses its group, and the next one goes to a new segment', { skip }, async t => {
  for (const call of ['fdatasync', 'pwrite64']) {
    const directory = temporaryDirectory(t)
    const path = join(directory, 'store.log')
    const inject = `inject=${call}:error=EIO:when=4..5`
    const trace = [...quiet, '-P', path, '-e', `trace=${call}`, '-e', inject]
    const args = [...trace, process.execPath, writer, path, '3', '8']
    const { stdout } = await run('strace', args, { env })
    const numbers = stdout.split('\n').filter(line => /^-?\d/.test(line)).map(Number)
    t.ok(numbers.some(n => n < 0), `${call}: some were refused`)
    t.same(numbersIn(directory), numbers.filter(n => n > 0), `${call}: exactly the acknowledged ones`)
    if (call === 'fdatasync') t.ok(readdirSync(directory).some(name => /\d\.log$/.test(name)))
  }
})

t.test('a write that takes nothing and reports nothing is refused', { skip }, async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'store.log')
  const inject = 'inject=pwrite64:retval=0:when=2'
  const trace = [...quiet, '-P', path, '-e', 'trace=pwrite64', '-e', inject]
  const args = [...trace, process.execPath, writer, path, '1', '5']
  const { stdout } = await run('strace', args, { env, timeout: 20_000 })
  t.same(stdout.split('\n').slice(1, -1), ['1', '-2', '3', '4', '5'])
  t.same(numbersIn(directory), [1, 3, 4, 5])
})
