import { createPrivateKey } from 'node:crypto'
import { copyFileSync, cpSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { signCheckpoint, type Checkpoint } from '../../../../lib/audit/chain/checkpoint.js'
import { Journal } from '../../../../lib/audit/file/journal.js'
import { verifyTrail, type VerifyResult } from '../../../../lib/audit/file/verify.js'
import { keys } from '../../../support/audit-trail-files.js'
import { projectFile } from '../../../support/project-file.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'
import { checkpointsOf, seqsOf, Trail } from '../../../support/written-trail.js'

t.test('entries that keep removes are recorded in the trail, and no others may be missing', async t => {
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

t.test('segments of one entry each, with keep, are not removed without end', async t => {
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

t.test('with a trusted checkpoint, older ones need not be signed or complete', async t => {
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
