import { createPrivateKey, type KeyObject } from 'node:crypto'
import {
  appendFileSync, copyFileSync, cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync,
  symlinkSync, truncateSync, writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  parseCheckpointLine,
  signCheckpoint,
  type Checkpoint
} from '../../../../lib/audit/chain/checkpoint.js'
import { Journal } from '../../../../lib/audit/file/journal.js'
import { verifyTrail, type VerifyResult } from '../../../../lib/audit/file/verify.js'
import { keys } from '../../../support/audit-trail-files.js'
import { projectFile } from '../../../support/project-file.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'

interface TrailOptions {
  readonly key?: KeyObject | undefined
  readonly keep?: number
  readonly name?: string
}

/** A journal with several segments in a folder. */
class Trail {
  readonly directory: string
  readonly name: string
  readonly key: KeyObject | undefined
  readonly keep: number
  readonly made: Checkpoint[] = []
  readonly warnings: string[] = []
  readonly failures: string[] = []
  #next = 1
  #journal: Journal | undefined

  constructor (directory: string, { key, keep = Infinity, name = 'audit' }: TrailOptions = {}) {
    this.directory = directory
    this.name = name
    this.key = key
    this.keep = keep
  }

  get path (): string {
    return join(this.directory, `${this.name}.jsonl`)
  }

  get sidecar (): string {
    return join(this.directory, `${this.name}.checkpoints`)
  }

  get closed (): string[] {
    return readdirSync(this.directory).filter(name => /\.\d{16}\.jsonl$/.test(name)).sort().map(
      name => join(this.directory, name)
    )
  }

  open (): void {
    const { path, key, keep, made, warnings } = this
    const options = {
      path,
      maxBytes: 1_300,
      maxAgeMs: 1_000_000_000,
      keep,
      fsync: true,
      key,
      checkpointEntries: 5
    }
    this.#journal = new Journal(options, {
      onCheckpoint (checkpoint) { made.push(checkpoint) },
      onWarning (message) { warnings.push(message) }
    })
  }

  /** Adds entries one by one; an attempt that fails is repeated, as the thread of a sink does. */
  write (count: number): void {
    for (let left = count; left > 0; left--) {
      const resource = `${this.name}-${this.#next++}`
      const entries = [JSON.stringify({ timestamp: 1, userId: 'alice', operation: 'store.insert', resource })]
      for (let attempt = 0; entries.length > 0; attempt++) {
        try {
          this.#journal?.append(entries)
          if (this.#journal?.checkpointIsDue === true) this.#journal.checkpoint()
        } catch (error) {
          if (attempt === 3) throw error
          this.failures.push((error as Error).message)
        }
      }
    }
  }

  close (): void {
    this.#journal?.close()
  }

  async verify (after?: Checkpoint): Promise<VerifyResult> {
    return await verifyTrail(
      { files: [this.path], after, ...(this.key !== undefined && { publicKey: keys.publicKey }) }
    )
  }
}

function seqsOf (file: string): number[] {
  return readFileSync(file, 'utf8').split('\n').filter(line => line !== '').map(
    line => (JSON.parse(line) as { seq: number }).seq
  )
}

interface Loss {
  readonly change: (trail: Trail) => void
  /** What verifying says after the process has gone on, and stopped. */
  readonly running: RegExp
  /** What the journal tells of it meanwhile; absent: it cannot notice. */
  readonly told?: RegExp
  /** What verifying says while the process is stopped. */
  readonly stopped: RegExp
  /** Why a start is refused; absent: it goes on, and verifying says the same as before. */
  readonly start?: RegExp
  /** A crash leaves the same: a start repairs it. */
  readonly isCrash?: true
}

const losses: Record<string, Loss> = {
  'the current segment is removed': {
    change ({ path }) { rmSync(path) },
    running: /^entries 29 to 30 are gone: .*\(audit\.lost\)/,
    told: /removed or replaced: lost to the trail: entries 29 to 30/,
    stopped: /^entries 29 to 30: missing; the trail ends here/,
    start: /a checkpoint names 30: entries are missing/
  },
  'the current segment is renamed': {
    change ({ path }) { renameSync(path, `${path}.1`) },
    running: /^entries 29 to 30 are gone: .*\(audit\.lost\)/,
    told: /removed or replaced: lost to the trail: entries 29 to 30/,
    stopped: /^entries 29 to 30: missing/,
    start: /entries are missing/
  },
  'the current segment is replaced by an empty file': {
    change ({ path }) {
      rmSync(path)
      writeFileSync(path, '')
    },
    running: /^entries 29 to 30 are gone: .*\(audit\.lost\)/,
    told: /removed or replaced/,
    stopped: /^entries 29 to 30: missing/,
    start: /entries are missing/
  },
  'the current segment is emptied': {
    change ({ path }) { truncateSync(path) },
    running: /^entries 29 to 30 are gone: .*\(audit\.lost\)/,
    told: /has been cut: lost to the trail: entries 29 to 30/,
    stopped: /^entries 29 to 30: missing/,
    start: /entries are missing/
  },
  'the current segment is cut at the end of a line': {
    change ({ path }) { truncateSync(path, readFileSync(path).indexOf('\n') + 1) },
    running: /^entry 30 is gone: .*\(audit\.lost\)/,
    told: /has been cut: lost .*: entry 30/,
    stopped: /^entry 30: missing/,
    start: /entries are missing/
  },
  'the current segment is cut within a line': {
    change ({ path }) { truncateSync(path, statSync(path).size - 5) },
    running: /^entry 30 is gone: .*\(audit\.lost\)/,
    told: /has been cut: lost .*: entry 30/,
    stopped: /the line does not end with a line feed/,
    start: /the trail is damaged/
  },
  'lines that are none of the trail are added to the current segment': {
    change ({ path }) { appendFileSync(path, 'hello\n') },
    running: /^$/,
    told: /had 6 bytes that are not of this trail/,
    stopped: /not an entry/,
    start: /the trail is damaged/
  },
  'the oldest segment is removed': {
    change ({ closed }) { rmSync(closed[0] as string) },
    running: /^entries 1 to 7 are gone: the trail does not say/,
    stopped: /^entries 1 to 7 are gone: the trail does not say/
  },
  'a segment in the middle is removed': {
    change ({ closed }) { rmSync(closed[1] as string) },
    running: /^entries 8 to 14 are gone: there are others before and after/,
    stopped: /^entries 8 to 14 are gone: there are others before and after/,
    start: /entries 8 to 14 are missing/
  },
  'the last closed segment is removed': {
    change ({ closed }) { rmSync(closed.at(-1) as string) },
    running: /^entries 22 to 28 are gone: there are others before and after/,
    stopped: /^entries 22 to 28 are gone: there are others before and after/,
    start: /it is entry 29, but what comes before it ends with entry 21/
  },
  'all segments are removed': {
    change ({ closed, path }) { for (const file of [...closed, path]) rmSync(file) },
    running: /^entries 1 to 30 are gone|^entries 1 to 28 are gone/,
    told: /removed or replaced: lost to the trail: entries 29 to 30/,
    stopped: /there is no file of the trail, but there are checkpoints/,
    start: /a checkpoint names 30: entries are missing/
  },
  'the checkpoints are removed': {
    change ({ sidecar }) { rmSync(sidecar) },
    running: /does not follow the one before it/,
    told: /checkpoints has been removed, replaced, cut/,
    stopped: /there is no checkpoint, so nothing here is signed|^$/,
    start: /states nothing, but .* was closed with entry 28: checkpoints are missing/
  },
  'the checkpoints are emptied': {
    change ({ sidecar }) { truncateSync(sidecar) },
    running: /does not follow the one before it/,
    told: /checkpoints has been removed, replaced, cut/,
    stopped: /there is no checkpoint, so nothing here is signed|^$/,
    start: /checkpoints are missing/
  },
  'the newest checkpoints are cut off': {
    change ({ sidecar }) { truncateSync(sidecar, readFileSync(sidecar).indexOf('\n') + 1) },
    running: /does not follow the one before it/,
    told: /checkpoints has been removed, replaced, cut/,
    stopped: /no checkpoint states entry 7, with which .* was closed/,
    start: /states entry 0 last, but .* was closed with entry 28: checkpoints are missing/
  },
  'the checkpoints are cut within a line': {
    change ({ sidecar }) { truncateSync(sidecar, statSync(sidecar).size - 5) },
    running: /damaged/,
    told: /checkpoints has been removed, replaced, cut/,
    stopped: /does not end with a line feed/,
    isCrash: true
  },
  'a checkpoint in the middle is removed': {
    change ({ sidecar }) {
      const lines = readFileSync(sidecar, 'utf8').split('\n')
      writeFileSync(sidecar, [...lines.slice(0, 3), ...lines.slice(4)].join('\n'))
    },
    running: /does not follow the one before it/,
    told: /checkpoints has been removed, replaced, cut/,
    stopped: /does not follow the one before it/
  }
}

for (const [title, { change, running, told, stopped, start, isCrash = false }] of Object.entries(losses)) {
  for (const key of [keys.privateKey, undefined]) {
    const kind = key === undefined ? 'unsigned' : 'signed'
    t.test(`${title}, ${kind}, while the process runs`, async t => {
      const trail = new Trail(temporaryDirectory(t), { key })
      trail.open()
      trail.write(30)
      change(trail)
      trail.write(25)
      trail.close()
      t.match([...trail.failures, ...trail.warnings].join('\n'), told ?? /^$/)
      const isHarmless = running.test('')
      for (const round of ['it has gone on', 'it has started again']) {
        const result = await trail.verify()
        t.equal(result.ok, isHarmless, `${round}: ${JSON.stringify(result)}`)
        if (!result.ok) t.match(result.problem, running, round)
        // A start goes on behind what is known to be lost, and is refused where entries are missing
        // otherwise.
        if (round === 'it has started again' || /others before and after/.test(String(running))) continue
        trail.open()
        trail.write(3)
        trail.close()
      }
      const last = trail.made.at(-1) as Checkpoint
      t.match(
        await trail.verify(last),
        { ok: true, lastSeq: last.seq },
        'after a checkpoint of a later time it is good'
      )
    })

    t.test(`${title}, ${kind}, while the process is stopped`, async t => {
      const trail = new Trail(temporaryDirectory(t), { key })
      trail.open()
      trail.write(30)
      trail.close()
      change(trail)
      const result = await trail.verify()
      t.match(result.ok ? '' : result.problem, stopped, JSON.stringify(result))
      if (result.ok) {
        t.match(result.warnings, [/there is no checkpoint/], 'without signatures only a warning remains')
      }
      if (start !== undefined) {
        t.throws(() => { trail.open() }, start)
        return
      }
      trail.open()
      trail.write(10)
      trail.close()
      t.match(await trail.verify(), { ok: isCrash }, 'going on does not hide it')
    })
  }
}

function checkpointsOf (file: string): Checkpoint[] {
  return readFileSync(file, 'utf8').trimEnd().split('\n').map(line => parseCheckpointLine(line) as Checkpoint)
}

t.test('what keep removes is told in the trail, and nothing else may be missing', async t => {
  for (const key of [keys.privateKey, undefined]) {
    const trail = new Trail(temporaryDirectory(t), { key, keep: 2 })
    trail.open()
    trail.write(60)
    trail.close()
    t.equal(trail.closed.length, 2)
    const [firstSeq] = seqsOf(trail.closed[0] as string) as [number]
    t.match(await trail.verify(), { ok: true, firstSeq, warnings: [] })
    const notes = readFileSync(trail.path, 'utf8').split('\n').filter(
      line => line.includes('"operation":"audit.pruned"')
    )
    t.match(
      JSON.parse(notes.at(-1) as string),
      { result: 'success', userId: null, details: { to: firstSeq - 1 } }
    )
    t.match(trail.made.at(-1), { first: firstSeq })

    trail.open()
    trail.write(1)
    trail.close()
    t.match(await trail.verify(), { ok: true, firstSeq, warnings: [] }, 'a start knows of it')
    const [oldest = '', next = ''] = trail.closed
    const removed = seqsOf(oldest)
    rmSync(oldest)
    const [nextSeq] = seqsOf(next) as [number]
    const problem = new RegExp(`^entries ${removed[0]} to ${nextSeq - 1} are gone`)
    t.match(await trail.verify(), { ok: false, file: next, line: 1, seq: firstSeq, problem })
    trail.open()
    trail.write(1)
    trail.close()
    t.match(await trail.verify(), { ok: false, seq: firstSeq }, 'a start does not take it as removed by keep')
  }
})

t.test('a segment for one entry each, with keep, does not go on for ever', async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'audit.jsonl')
  const options = {
    path,
    maxBytes: 1,
    maxAgeMs: 1_000_000_000,
    keep: 1,
    fsync: false,
    key: undefined,
    checkpointEntries: 100
  }
  const journal = new Journal(options, { onCheckpoint () {}, onWarning () {} })
  journal.append(Array.from({ length: 5 }, (_, i) => JSON.stringify({ n: i })))
  journal.close()
  t.match(await verifyTrail({ files: [path] }), { ok: true, warnings: [] })
  t.equal(seqsOf(path).length, 2, 'the entry, and what keep has removed before it')
})

t.test('a trail of version 0.1 verifies and goes on', async t => {
  const fixture = projectFile('test/fixtures/trail-of-0.1.0')
  const publicKey = readFileSync(join(fixture, 'public.pem'), 'utf8')
  const signingKey = createPrivateKey(readFileSync(join(fixture, 'private.pem')))
  const goOn = (directory: string, keep: number): void => {
    const trail = new Trail(directory, { key: signingKey, keep })
    trail.open()
    trail.write(10)
    trail.close()
  }
  const verify = async (directory: string, after?: Checkpoint): Promise<VerifyResult> => {
    return await verifyTrail({ files: [join(directory, 'audit.jsonl')], publicKey, after })
  }

  const whole = temporaryDirectory(t)
  cpSync(join(fixture, 'whole'), whole, { recursive: true })
  t.match(await verify(whole), { ok: true, firstSeq: 1, lastSeq: 20, warnings: [] })
  goOn(whole, Infinity)
  t.match(await verify(whole), { ok: true, firstSeq: 1, lastSeq: 30, warnings: [] })

  for (const keep of [Infinity, 2]) {
    const directory = temporaryDirectory(t)
    cpSync(join(fixture, 'pruned'), directory, { recursive: true })
    const checkpoints = checkpointsOf(join(directory, 'audit.checkpoints'))
    const before = checkpoints.find(({ seq }) => seq === 16) as Checkpoint
    t.match(await verify(directory), {
      ok: true,
      firstSeq: 17,
      lastSeq: 40,
      warnings: [/^entries 1 to 16 are gone, and checkpoints of version 0.1 do not tell/]
    }, 'that it has removed segments, this version has not said')
    t.match(await verify(directory, before), { ok: true, firstSeq: 17, warnings: [] })
    const earlier = checkpoints.find(({ seq }) => seq === 13) as Checkpoint
    t.match(await verify(directory, earlier), { ok: false, seq: 14, problem: /^entries 14 to 16 are gone/ })
    goOn(directory, keep)
    t.match(
      await verify(directory),
      { ok: true, firstSeq: keep === 2 ? 33 : 17, warnings: [] },
      'the next start states what is there'
    )
    const trail = new Trail(directory)
    rmSync(trail.closed[0] as string)
    t.match(
      await verify(directory),
      { ok: false, problem: keep === 2 ? /^entries 33 to 40 are gone/ : /^entries 17 to 24 are gone/ }
    )
  }
})

t.test('a checkpoint after which entries must be there has to be one of this trail', async t => {
  const trail = new Trail(temporaryDirectory(t), { key: keys.privateKey })
  trail.open()
  trail.write(30)
  trail.close()
  for (const file of trail.closed.slice(0, 2)) rmSync(file)
  t.match(await trail.verify(), { ok: false, seq: 1, problem: /^entries 1 to 14 are gone/ })
  const find = (seq: number): Checkpoint => trail.made.find(made => made.seq === seq) as Checkpoint
  const { signature, ...unsigned } = find(14)
  const sign = (members: Partial<Checkpoint>): Checkpoint => signCheckpoint(
    { ...unsigned, ...members },
    keys.privateKey
  )
  t.match(
    await trail.verify(find(14)),
    { ok: true, entries: 16, firstSeq: 15, warnings: [] },
    'right before the first entry'
  )
  t.match(
    await trail.verify(find(19)),
    { ok: true, entries: 16, warnings: [] },
    'one of an entry that is there'
  )
  t.match(await trail.verify(find(30)), { ok: true, entries: 16 }, 'the last one')
  t.match(
    await trail.verify(find(12)),
    { ok: false, seq: 13, problem: /^entries 13 to 14 are gone/ },
    'too early'
  )
  t.match(
    await trail.verify(sign({ seq: 31 })),
    { ok: false, seq: 31, problem: /^entry 31: missing; .*\(after\)/ },
    'of the future'
  )
  t.match(
    await trail.verify(sign({ stream: 'other' })),
    { ok: false, file: 'after', problem: /of the trail "other", not of "audit"/ }
  )
  t.match(await trail.verify(sign({ hash: 'f'.repeat(64) })), { ok: false, problem: /hash/ }, 'another hash')
  t.match(
    await trail.verify(sign({ seq: 20 })),
    { ok: false, seq: 20, problem: /a checkpoint states \(after\)/ },
    'of another entry'
  )
  t.match(await trail.verify(unsigned), { ok: false, file: 'after', problem: /is not signed/ })
  const members = [{ seq: '14' }, { seq: -1 }, { seq: 1.5 }, { hash: 'f' }]
    .map(member => ({ ...unsigned, ...member }))
  for (const malformed of [null, 5, 'text', {}, [], ...members]) {
    await t.rejects(
      verifyTrail({ files: [trail.path], after: malformed as never }),
      { name: 'TypeError', message: /after must be a checkpoint/ }
    )
  }
})

t.test('with a checkpoint that is trusted, older ones need neither be signed nor complete', async t => {
  const directory = temporaryDirectory(t)
  const before = new Trail(directory)
  before.open()
  before.write(20)
  before.close()
  const trail = new Trail(directory, { key: keys.privateKey })
  trail.open()
  trail.write(20)
  trail.close()
  t.match(await trail.verify(), { ok: false, problem: /entry 0 is not signed/ })
  t.match(await trail.verify(trail.made[0]), { ok: true, entries: 40, warnings: [] })
})

t.test('the files of another trail are none of this one', async t => {
  const directory = temporaryDirectory(t)
  const other = new Trail(directory, { key: keys.privateKey, name: 'other' })
  other.open()
  other.write(10)
  other.close()

  t.test('in the place of the current segment, while the process runs', async t => {
    const trail = new Trail(temporaryDirectory(t), { key: keys.privateKey })
    trail.open()
    trail.write(3)
    rmSync(trail.path)
    copyFileSync(other.path, trail.path)
    trail.write(1)
    trail.close()
    t.match(trail.failures, [
      /what was in its place is now .*audit\.jsonl\.foreign, and the next entry begins a new file/
    ])
    t.same(readFileSync(`${trail.path}.foreign`), readFileSync(other.path))
    t.match(await trail.verify(), { ok: false, problem: /^entries 1 to 3 are gone: .*audit\.lost/ })
  })

  t.test('in the place of all files, while the process is stopped', async t => {
    const trail = new Trail(temporaryDirectory(t), { key: keys.privateKey })
    trail.open()
    trail.write(20)
    trail.close()
    for (const file of readdirSync(trail.directory)) rmSync(join(trail.directory, file))
    for (const file of [other.path, ...other.closed]) {
      copyFileSync(file, join(trail.directory, file.slice(directory.length + 1).replace('other', 'audit')))
    }
    copyFileSync(other.sidecar, trail.sidecar)
    t.match(
      await trail.verify(),
      { ok: false, file: trail.sidecar, problem: /are of the trail "other", not of "audit"/ }
    )
    t.match(
      await verifyTrail({ files: [trail.path], stream: 'other', publicKey: keys.publicKey }),
      { ok: true, entries: 10 }
    )
    trail.open()
    trail.write(1)
    trail.close()
    t.match(
      await trail.verify(),
      { ok: true, warnings: [/^up to entry 10, checkpoints are of the trail "other"/] }
    )
  })

  t.test('in the place of the checkpoints', async t => {
    const trail = new Trail(temporaryDirectory(t), { key: keys.privateKey })
    trail.open()
    trail.write(20)
    trail.close()
    copyFileSync(other.sidecar, trail.sidecar)
    t.match(
      await trail.verify(),
      { ok: false, file: trail.closed[0], problem: /not the one that a checkpoint states/ }
    )
    t.throws(() => { trail.open() }, /checkpoints are missing|damaged/)
  })
})

t.test('when all files are removed, a running journal tells it, and one that starts begins anew', async t => {
  const trail = new Trail(temporaryDirectory(t), { key: keys.privateKey })
  const removeAll = (): void => {
    for (const name of readdirSync(trail.directory)) rmSync(join(trail.directory, name))
  }
  trail.open()
  trail.write(30)
  removeAll()
  trail.write(10)
  trail.close()
  for (let round = 0; round < 2; round++) {
    t.match(
      await trail.verify(),
      { ok: false, seq: 1, problem: /^entries 1 to 30 are gone|^entries 1 to 28 are gone/ }
    )
    trail.open()
    trail.write(1)
    trail.close()
  }
  t.match(await trail.verify(trail.made.at(-1)), { ok: true })
  removeAll()
  await t.rejects(trail.verify(), { code: 'ENOENT' })
  trail.open()
  trail.write(3)
  trail.close()
  t.match(await trail.verify(), { ok: true, firstSeq: 1, lastSeq: 3 })
  t.match(
    trail.made.slice(-2),
    [{ seq: 0 }, { seq: 3 }],
    'checkpoints that are kept elsewhere show that it begins anew'
  )
})

t.test('a symbolic link in the place of a file is not followed', t => {
  for (const name of ['audit.jsonl', 'audit.checkpoints']) {
    const directory = temporaryDirectory(t)
    const target = join(directory, 'target')
    writeFileSync(target, '')
    symlinkSync(target, join(directory, name))
    t.throws(() => { new Trail(directory).open() }, { code: 'ELOOP' })
    t.equal(statSync(target).size, 0)
  }
  t.end()
})

t.test('a loss that is noticed only when the process stops is told all the same', async t => {
  const trail = new Trail(temporaryDirectory(t), { key: keys.privateKey })
  trail.open()
  trail.write(10)
  rmSync(trail.path)
  trail.close()
  t.ok(existsSync(trail.path))
  t.match(await trail.verify(), { ok: false, problem: /are gone: .*audit\.lost/ })
})
