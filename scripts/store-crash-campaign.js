// Kills a writer of a durable store at one system call on its files after the other (strace sends SIGKILL),
// some of them in the start that repairs what was left, puts noise behind the last write at times, starts a
// store on what is left, and counts what was lost, given twice, or is not what the log says. Then has single
// writes and syncs fail, a fifth as often: the store refuses writes for a while, or does not start.
// Arguments: the number of kill points, and of failing calls. Needs `npm run build`, strace and Linux.
import { execFile } from 'node:child_process'
import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const points = Number(process.argv[2] ?? 1_000)
const failing = Number(process.argv[3] ?? points / 5)
const run = promisify(execFile)
const library = new URL('../dist/lib/exports/store.js', import.meta.url).href
const { Store } = await import(library)
const folder = mkdtempSync(join(tmpdir(), 'noex-store-crash-'))
const writer = join(folder, 'writer.mjs')

writeFileSync(writer, `
import { writeSync } from 'node:fs'
import { Store } from '${library}'
const [directory, rounds, size, segmentBytes, snapshotBytes] = process.argv.slice(2)
const store = await Store.start({
  ttlCheckIntervalMs: 0,
  durability: {
    directory, segmentBytes: Number(segmentBytes), snapshotBytes: Number(snapshotBytes), onNotice () {}
  }
})
await store.defineBucket('orders', {
  key: 'id',
  schema: { id: { type: 'number', generated: 'autoincrement' }, n: { type: 'number' } },
  indexes: ['n']
}).catch(error => { if (error.code !== 'BUCKET_EXISTS') throw error })
writeSync(1, 'ready\\n')
const orders = store.bucket('orders')
const attempt = async write => {
  for (;;) {
    try {
      return await write()
    } catch (error) {
      if (error.code !== 'STORE_UNAVAILABLE') throw error
      writeSync(1, 'refused\\n')
      await new Promise(resolve => { setTimeout(resolve, 20) })
    }
  }
}
for (let round = 1; round <= rounds; round++) {
  await Promise.all(Array.from({ length: Number(size) }, async () => {
    const { id } = await attempt(async () => await orders.insert({ n: 0, text: 'x'.repeat(round * 7 % 90) }))
    writeSync(1, 'put ' + id + ' 0\\n')
    await attempt(async () => await orders.update(id, { n: round }))
    writeSync(1, 'put ' + id + ' ' + round + '\\n')
    if (id % 4 !== 0) return
    writeSync(1, 'deleting ' + id + '\\n')
    await attempt(async () => await orders.delete(id))
    writeSync(1, 'deleted ' + id + '\\n')
  }))
}
await store.stop().catch(error => { if (error.code !== 'STORE_UNAVAILABLE') throw error })
`)

const calls = 'pwrite64,write,fdatasync,fsync,ftruncate,rename,unlink,linkat,openat'
/** Rounds, writers at a time, bytes of a segment and between snapshots of the nth writer. */
const shapeOf = n => [6 + 5 * (n % 5), 1 + n % 9, [4_096, 6_000, 1e6][n % 3], [4_096, 9_000, 1e9][n % 3]]

const counts = { killed: 0, failed: 0, refused: 0, unstarted: 0, lost: 0, back: 0, twice: 0, bad: 0 }
const began = Date.now()

/** Runs a writer on a directory; `injections` are what strace does to system calls on its files. */
async function runWriter (directory, shape, ...injections) {
  const names = [
    'store.log', 'store.json', 'store.json.new', 'store.mark', 'snapshot.new', 'store.lock', 'store.torn'
  ]
  const files = [directory, ...names.map(name => join(directory, name))].flatMap(name => ['-P', name])
  const args = [
    '-f', '-qq', '-o', '/dev/null', ...files, '-e', `trace=${calls}`,
    ...injections.flatMap(injection => ['-e', `inject=${injection}`]),
    process.execPath, writer, directory, ...shape.map(String)
  ]
  return await run('strace', args).then(({ stdout }) => ({ stdout, isKilled: false }), error => {
    if (error.signal === 'SIGKILL') return { stdout: error.stdout, isKilled: true }
    // A start may be refused; any other end is a fault of the writer, or of this machine.
    if (injections[0].includes('SIGKILL') || error.stdout.includes('ready')) throw error
    counts.unstarted++
    return { stdout: error.stdout, isKilled: false }
  })
}

const killAt = when => `${calls}:signal=SIGKILL:when=${when}`

/**
 * What a writer has said: the last value of each order, those that were being deleted, and numbers that
 * came twice.
 */
function note (stdout, known) {
  const fresh = new Set()
  for (const line of stdout.split('\n').slice(0, -1)) {
    const [word, id, n] = line.split(' ')
    if (word === 'refused') counts.refused++
    if (id === undefined) continue
    const order = known.get(id) ?? { n: -1, isDeleting: false, isDeleted: false }
    if (word === 'put' && n === '0') {
      if (known.has(id) || fresh.has(id)) counts.twice++
      fresh.add(id)
    }
    if (word === 'put') order.n = Number(n)
    else if (word === 'deleting') order.isDeleting = true
    else order.isDeleted = true
    known.set(id, order)
  }
}

/** Starts a store on what is left, and compares. */
async function check (directory, known, place) {
  try {
    const durability = { directory, onNotice () {} }
    const store = await Store.start({ ttlCheckIntervalMs: 0, durability })
    const found = new Map()
    const orders = store.hasBucket('orders') ? await store.bucket('orders').all() : []
    for (const { id, n } of orders) found.set(String(id), n)
    const image = JSON.stringify(store.image())
    await store.stop()
    const again = await Store.start({ ttlCheckIntervalMs: 0, durability })
    if (JSON.stringify(again.image()) !== image) throw new Error('a second start gives another state')
    await again.stop()
    for (const [id, { n, isDeleting, isDeleted }] of known) {
      const now = found.get(id)
      if (isDeleted ? false : now === undefined ? !isDeleting : now < n) counts.lost++
      if (isDeleted && now !== undefined) counts.back++
    }
    // What was under way has happened, or has not.
    for (const [id, n] of found) if (!known.has(id)) known.set(id, { n, isDeleting: false, isDeleted: false })
    for (const [id, order] of known) if (!found.has(id)) order.isDeleted = true
  } catch (error) {
    counts.bad++
    console.log(`${place}: ${error.stack}`)
  }
}

for (let n = 0; counts.killed < points; n++) {
  const shape = shapeOf(n)
  for (let when = 1 + n % 3; counts.killed < points; when += 3) {
    const directory = mkdtempSync(join(folder, 'run-'))
    const known = new Map()
    const { stdout, isKilled } = await runWriter(directory, shape, killAt(when))
    note(stdout, known)
    // It has made fewer calls than that: the next writer.
    if (!isKilled) break
    counts.killed++
    // A loss of power may leave zeros or noise behind the last sync.
    const names = readdirSync(directory)
    if (when % 4 === 0 && names.includes('store.log') && names.includes('store.json')) {
      appendFileSync(
        join(directory, 'store.log'),
        when % 8 === 0 ? Buffer.alloc(700) : Buffer.from('5f0c 12 noise')
      )
    }
    // A second crash, in the start that repairs the first or a little later.
    if (when % 5 === 0) {
      const second = await runWriter(directory, shape, killAt(1 + when % 23))
      note(second.stdout, known)
      if (second.isKilled) counts.killed++
    }
    await check(directory, known, `writer ${n}, call ${when}`)
    rmSync(directory, { recursive: true })
  }
}

const failures = [
  ['fdatasync', 'EIO'],
  ['pwrite64', 'ENOSPC'],
  ['pwrite64', 'EIO'],
  ['fsync', 'EIO'],
  ['openat', 'EMFILE'],
  ['rename', 'EIO']
]
for (; counts.failed < failing; counts.failed++) {
  const n = counts.failed
  const [call, error] = failures[n % failures.length]
  const directory = mkdtempSync(join(folder, 'run-'))
  const known = new Map()
  const when = 1 + Math.floor(n / failures.length) * (call === 'rename' || call === 'openat' ? 1 : 3) % 60
  // One, or several in a row.
  const range = n % 2 === 0 ? when : `${when}..${when + 4}`
  const { stdout } = await runWriter(directory, shapeOf(n), `${call}:error=${error}:when=${range}`)
  note(stdout, known)
  await check(directory, known, `failure ${n}, ${call} ${when}`)
  rmSync(directory, { recursive: true })
}
rmSync(folder, { recursive: true })
const { killed, failed, refused, unstarted, lost, back, twice, bad } = counts
const seconds = Math.round((Date.now() - began) / 1_000)
console.log(
  `${killed} kill points, ${failed} failing calls (${refused} refused writes, ${unstarted} refused starts) ` +
  `in ${seconds} s: ${lost} acknowledged changes lost, ${back} deleted orders back, ` +
  `${twice} numbers given twice, ${bad} stores that did not start or differ from their log`
)
if (killed === 0 || lost + back + twice + bad > 0) process.exitCode = 1
