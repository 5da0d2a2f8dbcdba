// Kills `npx fastify-noex restore` and `compact` at each system call on the files of a store (strace sends
// SIGKILL), looks at what is left, runs the command again, and compares the store that starts with the one
// before. Needs `npm run build`, strace and Linux. With an argument, only each nth call.
import { execFile } from 'node:child_process'
import { appendFileSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const step = Number(process.argv[2] ?? 1)
const run = promisify(execFile)
const { Store } = await import(new URL('../dist/lib/exports/store.js', import.meta.url).href)
const program = fileURLToPath(new URL('../dist/lib/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'noex-tools-crash-'))
const original = join(folder, 'original')
const calls = 'pwrite64,write,fdatasync,fsync,ftruncate,rename,unlink,linkat,link,openat,mkdir,chmod,' +
  'fchmod,rmdir'

const durabilityOf = directory => (
  { directory, segmentBytes: 4_096, snapshotBytes: 6_000, onNotice () {} }
)

const store = await Store.start({ ttlCheckIntervalMs: 0, durability: durabilityOf(original) })
await store.defineBucket('orders', {
  key: 'id', schema: { id: { type: 'number', generated: 'autoincrement' }, text: { type: 'string' } }
})
for (let i = 1; i <= 150; i++) {
  await store.bucket('orders').insert({ text: i % 3 === 0 ? `deleted-${i}` : `kept-${i}` })
  if (i % 3 === 0) await store.bucket('orders').delete(i)
}
const { epoch, revision } = store
const state = JSON.stringify({ buckets: store.image().buckets })
await store.stop()
// The half-written end of a crash.
appendFileSync(join(original, 'store.log'), '5f0c 12 deleted-9')
const backup = join(folder, 'original.backup')
await run(process.execPath, [program, 'backup', original, backup])

const counts = { killed: 0, bad: 0 }
const began = Date.now()

/** Runs a command under strace, which kills it at a call on files of a directory. Returns whether it did. */
async function kill (directory, when, args) {
  const names = [
    '', 'store.log', 'store.json', 'store.json.new', 'store.mark', 'store.unfinished', 'store.lock',
    'store.torn', 'snapshot.new', ...readdirSync(original)
  ]
  const paths = [...new Set(names)].flatMap(name => ['-P', join(directory, name)])
  return await run('strace', [
    '-f', '-qq', '-o', '/dev/null', ...paths, '-e', `trace=${calls}`,
    '-e', `inject=${calls}:signal=SIGKILL:when=${when}`, process.execPath, program, ...args
  ]).then(() => false, error => {
    if (error.signal === 'SIGKILL') return true
    throw error
  })
}

/** Returns what a start gives: a state, or why it does not start. */
async function start (directory) {
  const started = await Store.start({ ttlCheckIntervalMs: 0, durability: durabilityOf(directory) })
    .catch(error => error.message)
  if (typeof started === 'string') return { refusal: started }
  const found = {
    epoch: started.epoch,
    revision: started.revision,
    state: JSON.stringify({ buckets: started.image().buckets })
  }
  await started.stop()
  return found
}

function expect (isGood, place, found) {
  if (isGood) return
  counts.bad++
  console.log(`${place}: ${JSON.stringify(found).slice(0, 400)}`)
}

/** Copies what is left, so that a look at it changes nothing. */
function copyOf (directory) {
  const copy = mkdtempSync(join(folder, 'copy-'))
  if (existsSync(directory)) {
    cpSync(directory, copy, { recursive: true, filter: path => !/store\.lock/.test(path) })
  }
  return copy
}

const isWhole = found => found.state === state && found.revision === revision

async function campaign (name, prepare, args, check) {
  for (let when = 1; ; when += step) {
    const directory = mkdtempSync(join(folder, 'run-'))
    prepare(directory)
    const isKilled = await kill(directory, when, args(directory))
    if (isKilled) counts.killed++
    await check(directory, `${name}, call ${when}`, isKilled)
    rmSync(directory, { recursive: true })
    // It makes fewer calls than that.
    if (!isKilled) return
  }
}

await campaign('restore', directory => { rmSync(directory, { recursive: true }) },
  directory => ['restore', backup, directory],
  async (directory, place, isKilled) => {
    // The state of the moment of the kill, for the second run.
    const copy = copyOf(directory)
    const found = await start(copy)
    const isEmpty = found.state === JSON.stringify({ buckets: [] })
    const isRefused = /has not finished there: run it again/.test(found.refusal ?? '')
    expect(isWhole(found) ? found.epoch !== epoch : isKilled && (isEmpty || isRefused), place, found)
    rmSync(copy, { recursive: true })
    const again = await run(process.execPath, [program, 'restore', backup, directory])
      .catch(error => ({ stderr: error.stderr }))
    const isDone = isWhole(found)
    expect(isDone ? /has a log already/.test(again.stderr) : again.stderr === '', `${place}, again`, again)
    const second = await start(directory)
    expect(isWhole(second) && second.epoch !== epoch, `${place}, then a start`, second)
  })

await campaign('compact', directory => { cpSync(original, directory, { recursive: true }) },
  directory => ['compact', directory],
  async (directory, place) => {
    const copy = copyOf(directory)
    const verified = await run(process.execPath, [program, 'verify', copy])
      .catch(error => ({ stdout: error.stdout, code: error.code }))
    expect(verified.code === undefined, `${place}, verify`, verified)
    const found = await start(copy)
    expect(isWhole(found) && found.epoch === epoch, place, found)
    rmSync(copy, { recursive: true })
    await run(process.execPath, [program, 'compact', directory])
    const texts = readdirSync(directory).map(name => readFileSync(join(directory, name), 'latin1'))
    const isLeft = texts.some(text => text.includes('deleted-'))
    expect(!isLeft, `${place}, deleted records`, readdirSync(directory))
    const second = await start(directory)
    expect(isWhole(second) && second.epoch === epoch, `${place}, then a start`, second)
  })

rmSync(folder, { recursive: true })
const { killed, bad } = counts
const seconds = Math.round((Date.now() - began) / 1_000)
console.log(`${killed} kill points of restore and compact in ${seconds} s: ${bad} directories that were ` +
  'neither as before nor as after, or could not be finished')
if (killed === 0 || bad > 0) process.exitCode = 1
