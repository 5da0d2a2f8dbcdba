import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import type { Checkpoint } from '../../lib/audit/chain/checkpoint.js'
import { jsonlSink } from '../../lib/audit/file/jsonl-sink.js'
import { verifyTrail } from '../../lib/audit/file/verify.js'
import { auditVerify } from '../../lib/cli/audit-verify.js'
import type { NoexOptions } from '../../lib/index.js'
import { keys } from '../support/audit-trail-files.js'
import { serve } from '../support/service.js'
import { isThorough } from '../support/sampled.js'
import { smallDisk } from '../support/small-disk.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const fixture = fileURLToPath(new URL('../fixtures/audit-writer.js', import.meta.url))

/** Returns whether a program is installed. In CI it must be. */
function has (t: Test, program: string): boolean {
  try {
    execFileSync('which', [program], { stdio: 'ignore' })
    return true
  } catch {
    if (process.env['CI'] !== undefined) t.fail(`${program} is missing`)
    else t.comment(`${program} is missing: not tested`)
    return false
  }
}

interface Writer {
  readonly child: ChildProcess
  /** Everything printed so far. */
  readonly lines: string[]
  /** Resolves with the exit code or the signal. */
  readonly ended: Promise<number | string>
  /** Resolves when a line is printed that matches. */
  readonly printed: (pattern: RegExp) => Promise<void>
}

/** Writes a trail in a process of its own, under `strace` with these arguments if there are some. */
function write (
  t: Test,
  args: readonly string[],
  strace: readonly string[] = [],
  env: NodeJS.ProcessEnv = {}
): Writer {
  const node = [process.execPath, ...process.execArgv, fixture, ...args]
  const [command, ...rest] =
    strace.length === 0 ? node : ['strace', '-f', '-qq', '-o', '/dev/null', ...strace, ...node]
  const child = spawn(command as string, rest, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env }
  })
  t.teardown(() => { child.kill('SIGKILL') })
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> })
  reader.on('line', line => { lines.push(line) })
  const closed = once(reader, 'close')
  const ended = once(child, 'exit').then(async ([code, signal]: Array<number | string | null>) => {
    await closed
    return code ?? signal ?? 'unknown'
  })
  const printed = async (pattern: RegExp): Promise<void> => {
    while (!lines.some(line => pattern.test(line))) await once(reader, 'line')
  }
  return { child, lines, ended, printed }
}

/** Returns the resources of all entries, in order. */
function resources (directory: string): string[] {
  const names = readdirSync(directory).filter(name => name.endsWith('.jsonl'))
  const lines = names.flatMap(name =>
    readFileSync(join(directory, name), 'utf8')
      .split('\n')
      .filter(line => line !== '')
  )
  const parsed = lines.map(line => JSON.parse(line) as { seq: number, resource: string })
  return parsed.sort((a, b) => a.seq - b.seq).map(({ resource }) => resource)
}

/** Fails unless all batches that were reported durable are there once, in order, and the trail is whole. */
async function expectWhole (t: Test, directory: string, { lines }: Writer, title: string): Promise<void> {
  const found = resources(directory).filter(resource => resource.startsWith('batch-'))
  t.equal(new Set(found).size, found.length, `${title}: nothing is there twice`)
  const acknowledged = lines.filter(line => line.startsWith('durable ')).length
  t.ok(found.length >= acknowledged, `${title}: ${found.length} of ${acknowledged}`)
  t.same(
    found.slice(0, acknowledged),
    Array.from({ length: acknowledged }, (_, i) => `batch-${i + 1}-1`),
    `${title}: in order`
  )
  const result = await verifyTrail({ files: [join(directory, 'audit.jsonl')] })
  t.ok(result.ok, `${title}: ${JSON.stringify(result)}`)
}

function auditOptions (path: string): Omit<NoexOptions, 'store'> {
  return { audit: { tiers: ['write', 'admin'], logLevel: 'silent', sinks: [jsonlSink({ path })] } }
}

t.test('a served store writes its trail, and goes on with it after a restart', async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'audit.jsonl')
  for (const n of [1, 2]) {
    const { app, connect } = await serve(t, auditOptions(path))
    const client = await connect()
    await client.ask('store.insert', { bucket: 'items', data: { n } })
    t.match(
      readFileSync(path, 'utf8'),
      /"operation":"store.insert","resource":"items","result":"success"/,
      'it is in the file before the reply'
    )
    await app.close()
  }
  const result = await verifyTrail({ files: [path] })
  t.match(result, { ok: true, entries: 4, firstSeq: 1, lastSeq: 4, sinceCheckpoint: 0 })
})

t.test(
  'an incomplete write of a crash is recorded in the trail at the next start',
  async t => {
    const directory = temporaryDirectory(t)
    const path = join(directory, 'audit.jsonl')
    const first = await serve(t, auditOptions(path))
    await first.app.close()
    appendFileSync(path, '{"timestamp":17')
    const second = await serve(t, auditOptions(path))
    await second.app.close()
    t.match(
      readFileSync(path, 'utf8'),
      /"operation":"audit.recovered","resource":"\*","result":"success","details":\{"bytes":15,"lines":0\}/
    )
    t.equal(readFileSync(join(directory, 'audit.torn'), 'utf8'), '{"timestamp":17')
    t.match(await verifyTrail({ files: [path] }), { ok: true })
  }
)

t.test('checkpoints go to onCheckpoint, and its errors harm nothing', async t => {
  const path = join(temporaryDirectory(t), 'audit.jsonl')
  const seqs: number[] = []
  const onCheckpoint = ({ seq }: Checkpoint): never => {
    seqs.push(seq)
    throw new Error('of onCheckpoint')
  }
  const { app, connect } = await serve(t, {
    audit: {
      tiers: ['write'],
      logLevel: 'silent',
      sinks: [jsonlSink({ path, checkpointEntries: 2, onCheckpoint })]
    }
  })
  const client = await connect()
  for (const n of [1, 2, 3]) await client.ask('store.insert', { bucket: 'items', data: { n } })
  await app.close()
  t.same(seqs, [0, 2, 4], 'at the beginning, after two entries, and at the end')
})

t.test('a file removed under a running service is noticed; after a checkpoint the trail is good', async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'audit.jsonl')
  const publicKey = join(directory, 'public.pem')
  writeFileSync(publicKey, keys.publicKey.export({ type: 'spki', format: 'pem' }))
  const made: Checkpoint[] = []
  const onCheckpoint = (checkpoint: Checkpoint): void => { made.push(checkpoint) }
  const sink = jsonlSink({ path, signingKey: keys.privateKey, checkpointEntries: 5, onCheckpoint })
  const { app, connect } = await serve(
    t,
    { audit: { tiers: ['write', 'admin'], logLevel: 'silent', sinks: [sink] } }
  )
  const client = await connect()
  for (let n = 1; n <= 22; n++) await client.ask('store.insert', { bucket: 'items', data: { n } })
  rmSync(path)
  // The first request has run, and its client gets an error because the entry was not durable in time.
  t.equal((await client.request('store.insert', { bucket: 'items', data: { n: 23 } }))['type'], 'error')
  while ((await app.inject('/healthz')).statusCode !== 200) await client.settled()
  for (let n = 24; n <= 30; n++) await client.ask('store.insert', { bucket: 'items', data: { n } })
  await app.close()

  const bad = await verify('--public-key', publicKey, path)
  t.equal(bad.code, 1)
  t.match(
    bad.result,
    { ok: false, file: path, line: 1, seq: 1, problem: /^entries 1 to 22 are gone: .*\(audit\.lost\)/ }
  )
  const [first] = readFileSync(path, 'utf8').split('\n')
  t.match(
    JSON.parse(first as string),
    { operation: 'audit.lost', result: 'error', details: { from: 1, to: 22 }, seq: 23 }
  )

  const after = join(directory, 'after.json')
  writeFileSync(after, JSON.stringify(made.find(({ seq }) => seq === 22)))
  const good = await verify('--public-key', publicKey, '--after', after, path)
  t.equal(good.code, 0)
  t.match(
    good.result,
    { ok: true, firstSeq: 23, warnings: [/^entry 23: the file of entries before it was removed/] }
  )

  async function verify (...args: string[]): Promise<{ code: number, result: unknown }> {
    const stdout = new PassThrough()
    const code = await auditVerify(args, { stdout, stderr: process.stderr, isTTY: false, env: {} })
    return { code, result: JSON.parse(String(stdout.read())) }
  }
})

t.test('two writers of one trail', t => {
  t.test('in one process and in two: the second is refused', async t => {
    const path = join(temporaryDirectory(t), 'audit.jsonl')
    await serve(t, auditOptions(path))
    await t.rejects(serve(t, auditOptions(path)), /another process or sink writes this trail/)
    const other = write(t, [path])
    t.not(await other.ended, 0)
    t.same(other.lines, [])
  })

  t.test('a lock does not outlive its owner, however that ends', async t => {
    const directory = temporaryDirectory(t)
    const first = write(t, [join(directory, 'audit.jsonl'), '2'], [], { HOLD: '1' })
    await first.printed(/durable 2/)
    first.child.kill('SIGKILL')
    await first.ended
    const second = write(t, [join(directory, 'audit.jsonl'), '2'])
    t.equal(await second.ended, 0)
    t.equal(resources(directory).length, 4)
  })

  t.test('where the lock was removed, one writes and the other waits until it has gone', async t => {
    const directory = temporaryDirectory(t)
    const path = join(directory, 'audit.jsonl')
    const first = await serve(t, auditOptions(path))
    const client = await first.connect()
    await client.ask('store.insert', { bucket: 'items', data: {} })
    rmSync(join(directory, 'audit.lock'))
    await client.ask('store.insert', { bucket: 'items', data: {} })
    await t.rejects(
      serve(t, auditOptions(path)),
      /another process or sink/,
      'with the next entry it has one again'
    )
    rmSync(join(directory, 'audit.lock'))
    const second = await serve(t, auditOptions(path))
    await (await second.connect()).ask('store.insert', { bucket: 'items', data: {} })
    t.equal(await client.code('store.insert', { bucket: 'items', data: {} }), 'INTERNAL_ERROR')
    t.equal((await first.app.inject('/healthz')).statusCode, 503)
    await second.app.close()
    while ((await first.app.inject('/healthz')).statusCode !== 200) await client.settled()
    await client.ask('store.insert', { bucket: 'items', data: {} })
    await first.app.close()
    const result = await verifyTrail({ files: [path] })
    t.match(result, { ok: true, warnings: [] })
    t.equal(
      resources(directory).filter(resource => resource === 'items').length,
      5,
      'what both have written is there'
    )
  })

  t.test('a path that is too long for a socket has a lock all the same', async t => {
    const directory = join(temporaryDirectory(t), 'x'.repeat(120))
    mkdirSync(directory)
    await serve(t, auditOptions(join(directory, 'audit.jsonl')))
    await t.rejects(serve(t, auditOptions(join(directory, 'audit.jsonl'))), /another process/)
  })
  t.end()
})

t.test('faults of the disk', t => {
  t.test('a failed sync is not repeated on the same file: the lines go to a new segment', async t => {
    if (!has(t, 'strace')) return
    for (const call of [3, 4]) {
      const directory = temporaryDirectory(t)
      const path = join(directory, 'audit.jsonl')
      const writer = write(
        t,
        [path, '4'],
        ['-P', path, '-e', 'trace=fdatasync', '-e', `inject=fdatasync:error=EIO:when=${call}`]
      )
      t.equal(await writer.ended, 0)
      t.ok(writer.lines.includes('failing EIO'))
      t.ok(readdirSync(directory).includes('audit.0000000000000001.jsonl'), 'the segment was closed')
      await expectWhole(t, directory, writer, `sync ${call}`)
    }
  })

  t.test('a full disk is reported, and waiting entries are written when there is room again', async t => {
    const disk = smallDisk(t)
    if (disk === undefined) return
    disk.fill()
    const writer = write(t, [join(disk.directory, 'audit.jsonl'), '400'])
    await writer.printed(/failing ENOSPC/)
    disk.free()
    t.equal(await writer.ended, 0)
    await expectWhole(t, disk.directory, writer, 'ENOSPC')
  })

  t.test('a directory that cannot be written refuses to start', async t => {
    await t.rejects(serve(t, auditOptions('/proc/audit.jsonl')))
    await t.rejects(serve(t, auditOptions(join(temporaryDirectory(t), 'missing', 'audit.jsonl'))), /ENOENT/)
  })

  t.test('killed at any sync, nothing that was acknowledged is lost', async t => {
    if (!has(t, 'strace')) return
    for (const call of isThorough ? [1, 2, 5, 9, 14, 20] : [2, 9]) {
      const directory = temporaryDirectory(t)
      const path = join(directory, 'audit.jsonl')
      const killed = write(
        t,
        [path, '30', '1', '700'],
        ['-P', path, '-e', 'trace=fdatasync', '-e', `inject=fdatasync:signal=SIGKILL:when=${call}`]
      )
      await killed.ended
      const again = write(t, [path, '0'])
      t.equal(await again.ended, 0, 'it starts again')
      await expectWhole(t, directory, killed, `killed at ${call}`)
    }
  })
  t.end()
})

t.test('the options', async t => {
  const bad: ReadonlyArray<readonly [Record<string, unknown>, string]> = [
    [{}, 'jsonlSink.path'],
    [{ path: 'audit.log' }, 'jsonlSink.path'],
    [{ path: '.jsonl' }, 'jsonlSink.path'],
    [{ path: 'a.0000000000000005.jsonl' }, 'jsonlSink.path'],
    [{ path: 'a.jsonl', size: 1 }, 'jsonlSink.size'],
    [{ path: 'a.jsonl', maxBytes: 0 }, 'jsonlSink.maxBytes'],
    [{ path: 'a.jsonl', policy: { write: 'wait' } }, 'jsonlSink.policy.write'],
    [{ path: 'a.jsonl', policy: { other: 'drop' } }, 'jsonlSink.policy.other'],
    [{ path: 'a.jsonl', signingKey: 'no key' }, 'jsonlSink.signingKey'],
    [{ path: 'a.jsonl', keep: 0 }, 'jsonlSink.keep'],
    [{ path: 'a.jsonl', fsync: 'yes' }, 'jsonlSink.fsync'],
    [{ path: 'a.jsonl', onCheckpoint: 5 }, 'jsonlSink.onCheckpoint']
  ]
  for (const [options, path] of bad) {
    t.throws(() => jsonlSink(options as never), { name: 'NoexOptionsError', path })
  }
})
