// Kills a writer of a durable store at one system call on its files after the other (strace sends SIGKILL),
// some of them in the start that repairs what was left; does to some what a loss of power may; starts a store
// on what is left, and counts what was lost, given twice, or is not what the log says. Then has single calls
// fail, a fifth as often: the store refuses writes for a while, or does not start.
// Arguments: the number of kill points, and of failing calls. Needs `npm run build`, strace and Linux.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Orders } from './store-crash/orders.js'
import { cutPower } from './store-crash/power-cut.js'

const points = Number(process.argv[2] ?? 2_000)
const failing = Number(process.argv[3] ?? points / 5)
const writer = fileURLToPath(new URL('./store-crash/writer.js', import.meta.url))
// A process that is killed leaves to the system what it has written: the disk itself would only cost time.
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'noex-store-crash-'))

/** Calls that change files, or are waited for: all that the writer makes are on its directory. */
const calls = 'pwrite64,fdatasync,fsync,ftruncate,bind,' +
  ['mkdir', 'rename', 'link', 'unlink', 'chmod'].map(call => `?${call}`).join(',') +
  ',mkdirat,renameat,renameat2,linkat,unlinkat,fchmodat,fchmod'

/** Rounds, writers at a time, bytes of a segment and between snapshots of the nth writer. */
const shapeOf = n => [6 + 5 * (n % 5), 1 + n % 9, [4_096, 6_000, 1e6][n % 3], [4_096, 9_000, 1e9][n % 3]]

const counts = { killed: 0, second: 0, cut: 0, failed: 0, refused: 0, unstarted: 0, bad: 0 }
const found = { lost: 0, back: 0, twice: 0 }
const began = Date.now()

/** Runs a writer; `injection` is what strace does to its calls, to those on `paths` only if there are any. */
async function runWriter (directory, shape, injection, paths = []) {
  const [call] = injection.split(':', 1)
  const args = [
    '-f', '-qq', '-o', '/dev/null', ...paths.flatMap(path => ['-P', path]),
    '-e', `trace=${call}`, '-e', `inject=${injection}`,
    process.execPath, writer, directory, ...shape.map(String)
  ]
  // A file, which never makes the writer wait.
  const [path, errorPath] = [`${directory}.said`, `${directory}.errors`]
  const files = [openSync(path, 'w'), openSync(errorPath, 'w')]
  const [code, signal] = await once(spawn('strace', args, { stdio: ['ignore', ...files] }), 'exit')
  for (const file of files) closeSync(file)
  const said = readFileSync(path, 'utf8')
  const isKilled = signal === 'SIGKILL'
  if (code !== 0 && !isKilled) {
    // A start may be refused; any other end is a fault of the writer, or of this machine.
    if (injection.includes('SIGKILL') || said.includes('ready')) {
      throw new Error(`the writer has ended with ${code}: ${readFileSync(errorPath, 'utf8')}`)
    }
    counts.unstarted++
  }
  return { said, isKilled }
}

async function check (orders, directory, place) {
  await orders.check(directory).catch(error => {
    counts.bad++
    console.log(`${place}: ${error.stack}`)
  })
  counts.refused += orders.refused
  for (const name of Object.keys(found)) {
    found[name] += orders[name]
    if (orders[name] > 0) console.log(`${place}: ${orders[name]} ${name}`)
  }
  for (const end of ['', '.said', '.errors']) rmSync(`${directory}${end}`, { recursive: true, force: true })
}

/** Kills a writer at a call, and perhaps the next one on the same files. Returns whether it came so far. */
async function kill (n, when) {
  const directory = mkdtempSync(join(folder, 'run-'))
  const orders = new Orders()
  const killWriter = async (call, damage) => {
    const { said, isKilled } = await runWriter(directory, shapeOf(n), `${calls}:signal=SIGKILL:when=${call}`)
    orders.hear(said)
    if (!isKilled) return false
    if (++counts.killed % 250 === 0) console.log(`${counts.killed} kill points`)
    if (damage % 2 === 0 && cutPower(directory, orders.acknowledged, Math.floor(damage / 2))) counts.cut++
    return true
  }
  const isKilled = await killWriter(when, when + n)
  // A second crash, in the start that repairs the first or a little later.
  if (isKilled && when % 4 === 0 && await killWriter(1 + when % 31, when)) counts.second++
  if (isKilled) await check(orders, directory, `writer ${n}, call ${when}`)
  return isKilled
}

const failures = [
  ['fdatasync', 'error=EIO'],
  ['pwrite64', 'error=ENOSPC'],
  ['pwrite64', 'error=EIO'],
  ['fsync', 'error=EIO'],
  ['openat', 'error=EMFILE'],
  ['rename', 'error=EIO'],
  ['pwrite64', 'retval=0']
]

/** Has one call fail, or several in a row. */
async function fail (n) {
  const [call, error] = failures[n % failures.length]
  const directory = mkdtempSync(join(folder, 'run-'))
  const orders = new Orders()
  const nth = Math.floor(n / failures.length)
  const when = 1 + nth * (call === 'rename' || call === 'openat' ? 1 : 3) % 60
  const names = ['store.log', 'store.json', 'store.json.new', 'store.mark', 'snapshot.new', 'store.torn']
  const paths = call === 'openat' ? [directory, ...names.map(name => join(directory, name))] : []
  const range = n % 2 === 0 ? when : `${when}..${when + 4}`
  const { said } = await runWriter(directory, shapeOf(n), `${call}:${error}:when=${range}`, paths)
  orders.hear(said)
  await check(orders, directory, `failure ${n}, ${call} ${when}`)
}

/** Does work in as many lanes as the machine has processors. `next` gives it, and `undefined` at the end. */
async function inLanes (next) {
  await Promise.all(Array.from({ length: availableParallelism() }, async () => {
    for (let work = next(); work !== undefined; work = next()) await work()
  }))
}

let writers = 0
await inLanes(() => counts.killed >= points
  ? undefined
  : async () => {
    const n = writers++
    for (let when = 1 + n % 3; counts.killed < points && await kill(n, when); when += 3);
  })
await inLanes(() => {
  const n = counts.failed
  if (n >= failing) return undefined
  counts.failed++
  return async () => { await fail(n) }
})
rmSync(folder, { recursive: true })
const { killed, second, cut, failed, refused, unstarted, bad } = counts
const { lost, back, twice } = found
const seconds = Math.round((Date.now() - began) / 1_000)
console.log(
  `${killed} kill points (${second} in a start after a crash, ${cut} with a loss of power), ` +
  `${failed} failing calls (${refused} refused writes, ${unstarted} refused starts) in ${seconds} s: ` +
  `${lost} acknowledged changes lost, ${back} deleted orders back, ${twice} numbers given twice, ` +
  `${bad} stores that did not start or differ from their log`
)
if (killed === 0 || lost + back + twice + bad > 0) process.exitCode = 1
