// Kills a writer of a trail at one system call after the other (strace sends SIGKILL), opens what is left, and counts what was
// lost or written twice. Arguments: the number of kill points. Needs `npm run build`, strace and Linux.
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
import { systemClock } from '${new URL('dist/lib/clock.js', root).href}'
const [path, batches, size, maxBytes] = process.argv.slice(2)
const sink = await jsonlSink({ path, maxBytes: Number(maxBytes), checkpointEntries: 7 }).open({ log: console, clock: systemClock, failing () {}, note () {} })
for (let batch = 1; batch <= batches; batch++) {
  const resources = Array.from({ length: Number(size) }, (_, i) => batch + '-' + (i + 1))
  await sink.write(resources.map(resource => recordEntry({ timestamp: 1, userId: 'u', sessionId: 'c', operation: 'store.insert', resource, result: 'success', remoteAddress: '' })))
  writeSync(1, resources.join('\\n') + '\\n')
}
await sink.close()
`)

const calls = 'pwrite64,write,fdatasync,fsync,ftruncate,rename,unlink'
/** Batches, entries of each, bytes of a segment. */
const shapes = [[60, 1, 900], [40, 3, 1_500], [30, 10, 1_000_000], [25, 7, 2_500], [80, 1, 100_000]]

let killed = 0
let lost = 0
let twice = 0
let bad = 0
const began = Date.now()
for (let when = 1; killed < points; when++) {
  let any = false
  for (const [batches, size, maxBytes] of shapes) {
    if (killed >= points) break
    const directory = mkdtempSync(join(folder, 'run-'))
    const path = join(directory, 'audit.jsonl')
    const files = [path, join(directory, 'audit.checkpoints'), directory].flatMap(name => ['-P', name])
    const args = ['-f', '-qq', '-o', '/dev/null', ...files, '-e', `trace=${calls}`, '-e', `inject=${calls}:signal=SIGKILL:when=${when}`, process.execPath, writer, path, String(batches), String(size), String(maxBytes)]
    const { stdout, isKilled } = await run('strace', args).then(({ stdout }) => ({ stdout, isKilled: false }), error => ({ stdout: error.stdout, isKilled: true }))
    if (!isKilled) continue
    any = true
    killed++
    const acknowledged = stdout.split('\n').filter(line => line !== '')
    try {
      // The next start repairs what the crash has left.
      await run(process.execPath, [writer, path, '0', '0', String(maxBytes)])
    } catch (error) {
      bad++
      console.log(`${shapes} call ${when}: it does not start again: ${error.stderr}`)
      continue
    }
    const names = readdirSync(directory).filter(name => name.endsWith('.jsonl'))
    const found = names.flatMap(name => readFileSync(join(directory, name), 'utf8').split('\n').filter(line => line !== '')).map(line => JSON.parse(line).resource)
    const there = new Set(found)
    lost += acknowledged.filter(resource => !there.has(resource)).length
    twice += found.length - there.size
    const result = await verifyTrail({ files: [path] })
    if (!result.ok) {
      bad++
      console.log(`call ${when}: ${JSON.stringify(result)}`)
    }
    rmSync(directory, { recursive: true })
  }
  if (!any) break
}
rmSync(folder, { recursive: true })
console.log(`${killed} kill points in ${Math.round((Date.now() - began) / 1_000)} s: ${lost} acknowledged entries lost, ${twice} written twice, ${bad} trails that were bad or did not start`)
if (killed === 0 || lost + twice + bad > 0) process.exitCode = 1
