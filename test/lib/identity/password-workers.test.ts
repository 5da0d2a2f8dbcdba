import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, open, openSync, stat, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { NoexServerError } from '../../../lib/protocol/errors.js'
import { parseHash } from '../../../lib/identity/password-hash.js'
import type { KeyRequest } from '../../../lib/identity/password-key.js'
import { MAX_WAITING_JOBS, PasswordWorkers } from '../../../lib/identity/password-workers.js'
import { Passwords } from '../../../lib/identity/passwords.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { cheap, job, workers } from '../../support/passwords.js'

/** The threads that are started from now on, as long as the test runs. */
function startedWorkers (t: Test): Worker[] {
  const started: Worker[] = []
  const note = (worker: Worker): void => { started.push(worker) }
  process.on('worker', note)
  t.teardown(() => { process.off('worker', note) })
  return started
}

function start (t: Test, size: number): PasswordWorkers {
  const workers = new PasswordWorkers(size)
  t.teardown(async () => { await workers.close() })
  return workers
}

t.test('the threads', t => {
  t.test('[G-A6] let 64 wait, and refuse one more at once', async t => {
    const done: number[] = []
    const jobs = Array.from({ length: 1 + MAX_WAITING_JOBS }, async (_, i) => {
      await workers.derive(job(cheap))
      done.push(i)
    })
    const error = await workers.derive(job(cheap)).catch((error: unknown) => error)
    t.ok(error instanceof NoexServerError)
    t.match(error, { code: 'RATE_LIMITED', details: { retryAfterMs: Number } })
    t.ok((error as { details: { retryAfterMs: number } }).details.retryAfterMs > 0)
    t.same(done, [])
    await Promise.all(jobs)
    t.same(done, [...jobs.keys()], 'the others are served in their order')
    t.equal((await workers.derive(job(cheap, cheap))).length, 2, 'and then the next')
  })

  t.test('are started when there is work for them, up to their number', async t => {
    const started = startedWorkers(t)
    const workers = start(t, 2)
    t.equal(started.length, 0)
    await workers.derive(job(cheap))
    await workers.derive(job(cheap))
    t.equal(started.length, 1)
    await Promise.all(Array.from({ length: 8 }, async () => await workers.derive(job(cheap))))
    t.equal(started.length, 2)
  })

  const title = 'leave the event loop and the thread pool of libuv alone'
  t.test(title, { skip: process.platform === 'win32' }, async t => {
    const passwords = new Passwords({ argon2: false }, workers)
    const hash = await passwords.hash('swordfish')
    const release = blockThreadPool(t)
    let filesWait = true
    const file = new Promise<void>(resolve => {
      stat(import.meta.filename, () => {
        filesWait = false
        resolve()
      })
    })
    let turns = 0
    let next = setImmediate(function turn () {
      turns++
      next = setImmediate(turn)
    })
    t.teardown(() => { clearImmediate(next) })
    t.ok((await passwords.check('swordfish', hash)).valid)
    clearImmediate(next)
    t.ok(filesWait, 'the pool has no thread to spare')
    t.ok(turns > 10, `the event loop has turned ${turns} times`)
    release()
    await file
  })

  t.test('refuse a job whose thread dies, and do the next in another', async t => {
    await workers.derive(job(cheap))
    const started = startedWorkers(t)
    const impossible: KeyRequest = { ...cheap, setting: { algorithm: 'scrypt', N: 3, r: 1, p: 1 } }
    const failing = workers.derive(job(impossible)).catch((error: unknown) => error)
    const next = workers.derive(job(cheap))
    const error = await failing
    t.ok(error instanceof Error && !(error instanceof NoexServerError))
    t.notMatch(String((error as Error).stack) + String((error as Error).cause), 'swordfish')
    t.equal((await next).length, 1)
    t.equal(started.length, 1)
    await started[0]?.terminate()
    t.equal((await workers.derive(job(cheap))).length, 1, 'after a thread has died that had nothing to do')
    t.equal(started.length, 2)
  })

  t.test('end with close, and refuse what they have not done', async t => {
    const started = startedWorkers(t)
    const keys = start(t, 1)
    const passwords = new Passwords({ argon2: false }, keys)
    const hash = await passwords.hash('swordfish')
    const refusals = [hash, undefined, hash].map(
      async hash => { await t.rejects(passwords.check('swordfish', hash), { message: /closed/ }) }
    )
    const exit = once(started[0] as Worker, 'exit')
    await passwords.close()
    await Promise.all([...refusals, exit])
    await t.rejects(passwords.hash('swordfish'), { message: /closed/ })
    await passwords.close()
    t.equal(started.length, 1)
  })

  t.test('keep a process alive only as long as it waits for a password', async t => {
    const source = new URL('../../../lib/identity/passwords.js', import.meta.url)
    const script = join(temporaryDirectory(t), 'script.mjs')
    writeFileSync(script, `
      import { Passwords } from ${JSON.stringify(source)}
      console.log(await new Passwords({ argon2: false }).hash('swordfish'))`)
    const child = spawn(process.execPath, [...process.execArgv, script], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    t.teardown(() => { child.kill('SIGKILL') })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => { output += String(chunk) })
    const [code] = await once(child, 'close') as [number | null]
    t.equal(code, 0)
    t.equal(parseHash(output.trim())?.key.length, 32)
  })

  t.end()
})

/** Occupies every thread of the pool of libuv. Returns a function that releases them. */
function blockThreadPool (t: Test): () => unknown {
  const pipe = join(temporaryDirectory(t), 'pipe')
  execFileSync('mkfifo', [pipe])
  // Opening a named pipe for reading waits until it is opened for writing.
  const readers = Array.from({ length: Number(process.env['UV_THREADPOOL_SIZE'] ?? 4) }, async () => {
    closeSync(await promisify(open)(pipe, 'r'))
  })
  let writer: number | undefined
  const release = (): number => {
    writer ??= openSync(pipe, constants.O_RDWR)
    return writer
  }
  t.teardown(async () => {
    const writer = release()
    await Promise.all(readers)
    closeSync(writer)
  })
  return release
}
