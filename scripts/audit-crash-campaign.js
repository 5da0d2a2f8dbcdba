// Kills a service at one system call on the files of its store or its trail after the other (strace sends
// SIGKILL), at times once more in the start that follows, starts it anew, and compares trail and log: each
// request that has written must have one entry, each entry of a write a commit, and what was answered both.
// Arguments: the number of kill points. Needs `npm run build:all`, strace and Linux.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const points = Number(process.argv[2] ?? 300)
const run = promisify(execFile)
const writer = new URL('../dist/test/fixtures/audited-writer.js', import.meta.url).pathname
const support = new URL('../dist/test/support/trail-and-log.js', import.meta.url)
const { compareTrailWithLog } = await import(support.href)
const folder = mkdtempSync(join(tmpdir(), 'noex-audit-crash-'))
const calls = 'pwrite64,write,fdatasync,fsync,ftruncate,rename,unlink'
const counts = { killed: 0, different: 0, lost: 0, recovered: 0, requests: 0 }
const began = Date.now()

/** Runs the service under strace until the `when`th call. */
async function kill (directory, trail, shape, when) {
  const names = [
    ...['store.log', 'store.json', 'store.json.new', 'store.mark'].map(name => join(directory, name)),
    trail, trail.replace('.jsonl', '.checkpoints')
  ]
  const args = [
    '-f', '-qq', '-o', '/dev/null', ...names.flatMap(name => ['-P', name]),
    '-e', `trace=${calls}`, '-e', `inject=${calls}:signal=SIGKILL:when=${when}`,
    process.execPath, writer, directory, trail, ...shape.map(String)
  ]
  return await run('strace', args).then(({ stdout }) => ({ stdout, isKilled: false }), error => {
    if (error.signal === 'SIGKILL') return { stdout: error.stdout, isKilled: true }
    throw error
  })
}

/** Counts the answers of each operation that say that a write was done. */
function add (answered, stdout) {
  for (const line of stdout.split('\n')) {
    const [type, operation] = line.split(' ')
    if (type === 'result') answered[operation] = (answered[operation] ?? 0) + 1
  }
}

for (let n = 0; counts.killed < points; n++) {
  const shape = [4 + 3 * (n % 4), 1 + 3 * (n % 3)]
  for (let when = 1 + n % 3; counts.killed < points; when += 3) {
    const root = mkdtempSync(join(folder, 'run-'))
    const [directory, trail] = [join(root, 'store'), join(root, 'trail.jsonl')]
    const answered = {}
    const first = await kill(directory, trail, shape, when)
    add(answered, first.stdout)
    // It has made fewer calls than that: the next shape.
    if (!first.isKilled) break
    counts.killed++
    if (when % 5 === 0) {
      const second = await kill(directory, trail, shape, 1 + when % 41)
      add(answered, second.stdout)
      if (second.isKilled) counts.killed++
    }
    try {
      const { stdout } = await run(process.execPath, [writer, directory, trail, '1', '2'])
      add(answered, stdout)
      const { differences, requests, recovered, successes } = await compareTrailWithLog(directory, trail)
      counts.requests += requests
      counts.recovered += recovered
      for (const [operation, count] of Object.entries(answered)) {
        if ((successes[operation] ?? 0) >= count) continue
        counts.lost += count - (successes[operation] ?? 0)
        differences.push(`${operation}: ${count} answered, ${successes[operation] ?? 0} in the trail`)
      }
      if (differences.length > 0) {
        counts.different++
        console.log(`shape ${shape.join()}, call ${when}: ${differences.join('; ')}`)
      }
    } catch (error) {
      counts.different++
      const text = error.stderr ?? error.stack
      console.log(`shape ${shape.join()}, call ${when}: it does not start again: ${text}`)
    }
    rmSync(root, { recursive: true })
  }
}
rmSync(folder, { recursive: true })
console.log(`${counts.killed} kill points in ${Math.round((Date.now() - began) / 1_000)} s: ` +
  `${counts.requests} requests have written, ${counts.recovered} entries were brought back, ` +
  `${counts.lost} answered writes without entry, ${counts.different} trails that differ from the log`)
if (counts.killed === 0 || counts.different > 0) process.exitCode = 1
