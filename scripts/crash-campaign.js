// Kills a writer of a trail at one system call after the other (strace sends SIGKILL), opens what is left,
// and counts what was lost or written twice. Arguments: the number of kill points. Needs `npm run build`,
// strace and Linux.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const points = Number(process.argv[2] ?? 1_000)
const run = promisify(execFile)
const root = new URL('..', import.meta.url)
const { verifyTrail } = await import(new URL('dist/lib/exports/audit.js', root).href)
const folder = mkdtempSync(join(tmpdir(), 'noex-crash-'))
const writer = join(folder, 'writer.mjs')

writeFileSync(writer, `
import { writeSync } from 'node:fs'
import { jsonlSink } from '${new URL('dist/lib/exports/audit.js', root).href}'
import { recordEntry } from '${new URL('dist/lib/audit/entry.js', root).href}'
import { systemClock } from '${new URL('dist/lib/util/clock.js', root).href}'
const [path, batches, size, maxBytes] = process.argv.slice(2)
const sink = await jsonlSink({ path, maxBytes: Number(maxBytes), checkpointEntries: 7 })
  .open({ log: console, clock: systemClock, failing () {}, note () {} })
const fields = {
  timestamp: 1, userId: 'u', sessionId: 'c', operation: 'store.insert', result: 'success', remoteAddress: ''
}
for (let batch = 1; batch <= batches; batch++) {
  const resources = Array.from({ length: Number(size) }, (_, i) => batch + '-' + (i + 1))
  await sink.write(resources.map(resource => recordEntry({ ...fields, resource })))
  writeSync(1, resources.join('\\n') + '\\n')
}
await sink.close()
`)

const calls = 'pwrite64,write,fdatasync,fsync,ftruncate,rename,unlink'
/** Batches, entries of each and bytes of a segment of the nth writer: those of the first hundred differ. */
const shapeOf = n => [20 + 7 * (n % 9), 1 + n % 11, [900, 1_500, 2_500, 100_000][n % 4]]

let killed = 0
let lost = 0
let twice = 0
let bad = 0
const began = Date.now()
for (let n = 0; killed < points; n++) {
  const [batches, size, maxBytes] = shapeOf(n)
  for (let when = 1; killed < points; when++) {
    const directory = mkdtempSync(join(folder, 'run-'))
    const path = join(directory, 'audit.jsonl')
    const files = [path, join(directory, 'audit.checkpoints'), directory].flatMap(name => ['-P', name])
    const args = [
      '-f',
      '-qq',
      '-o',
      '/dev/null',
      ...files,
      '-e',
      `trace=${calls}`,
      '-e',
      `inject=${calls}:signal=SIGKILL:when=${when}`,
      process.execPath,
      writer,
      path,
      String(batches),
      String(size),
      String(maxBytes)
    ]
    const { stdout, isKilled } = await run('strace', args).then(
      ({ stdout }) => ({ stdout, isKilled: false }),
      error => {
        // Any other end is a fault of the writer, or of this machine.
        if (error.signal !== 'SIGKILL') throw error
        return { stdout: error.stdout, isKilled: true }
      }
    )
    // It has made fewer calls than that: the next writer.
    if (!isKilled) break
    killed++
    const acknowledged = stdout.split('\n').filter(line => line !== '')
    try {
      // The next start repairs what the crash has left.
      await run(process.execPath, [writer, path, '0', '0', String(maxBytes)])
    } catch (error) {
      bad++
      console.log(`writer ${n}, call ${when}: it does not start again: ${error.stderr}`)
      continue
    }
    const names = readdirSync(directory).filter(name => name.endsWith('.jsonl'))
    const found = names
      .flatMap(name =>
        readFileSync(join(directory, name), 'utf8')
          .split('\n')
          .filter(line => line !== '')
      )
      .map(line => JSON.parse(line).resource)
    const there = new Set(found)
    lost += acknowledged.filter(resource => !there.has(resource)).length
    twice += found.length - there.size
    const result = await verifyTrail({ files: [path] })
    if (!result.ok) {
      bad++
      console.log(`writer ${n}, call ${when}: ${JSON.stringify(result)}`)
    }
    rmSync(directory, { recursive: true })
  }
}
rmSync(folder, { recursive: true })
console.log(
  `${killed} kill points in ${Math.round((Date.now() - began) / 1_000)} s: ${lost} acknowledged entries ` +
    `lost, ${twice} written twice, ${bad} trails that were bad or did not start`
)
if (killed === 0 || lost + twice + bad > 0) process.exitCode = 1
