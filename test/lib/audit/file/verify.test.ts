import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { GENESIS, seal, type ChainHead } from '../../../../lib/audit/chain/chain.js'
import {
  checkpointLine, digestOf, parseCheckpointLine, type Checkpoint
} from '../../../../lib/audit/chain/checkpoint.js'
import { readTrail } from '../../../../lib/audit/file/trail-reader.js'
import { verifyTrail } from '../../../../lib/audit/file/verify.js'
import type { AuditEntry } from '../../../../lib/audit/entry.js'
import { editLines, keys, linesOf, numberedEntry, writeTrail } from '../../../support/audit-trail-files.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'

const { privateKey, publicKey } = keys

t.test('a trail without changes is good', async t => {
  const directory = temporaryDirectory(t)
  const trail = writeTrail(directory, { segments: [30, 40, 25], checkpointEvery: 10, key: privateKey })
  const good = {
    ok: true,
    entries: 95,
    firstSeq: 1,
    lastSeq: 95,
    lastHash: trail.heads[3]?.hash,
    checkpoints: 10,
    sinceCheckpoint: 0,
    warnings: []
  }

  t.same(await verifyTrail({ files: [trail.path], publicKey }), good, 'by the path of its current segment')
  t.same(
    await verifyTrail({ files: [...trail.files].reverse(), publicKey }),
    good,
    'by its segments, in any order'
  )
  t.same(
    await verifyTrail({ files: [...trail.files, trail.path], publicKey }),
    good,
    'by a segment that is named twice'
  )
  t.same(
    await verifyTrail({
      files: [trail.path],
      publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string
    }),
    good,
    'with the key as text'
  )
  t.same(await verifyTrail({ files: [trail.path] }), good, 'without a key')
  t.same(
    await verifyTrail({ files: [trail.path], checkpoints: [trail.sidecar] }),
    good,
    'with named checkpoints'
  )
  t.match(await verifyTrail({ files: [trail.path], checkpoints: [] }), {
    ok: true,
    checkpoints: 0,
    sinceCheckpoint: 95,
    warnings: [/^there is no checkpoint: /]
  })
})

t.test('a trail may have no entry yet', async t => {
  const { path, sidecar } = writeTrail(temporaryDirectory(t), { segments: [0] })
  const empty = {
    ok: true,
    entries: 0,
    firstSeq: 0,
    lastSeq: 0,
    lastHash: '0'.repeat(64),
    sinceCheckpoint: 0
  }
  t.match(await verifyTrail({ files: [path] }), {
    ...empty,
    checkpoints: 0,
    warnings: [/^there is no checkpoint/]
  })
  writeFileSync(
    sidecar,
    `${checkpointLine({ stream: 'audit', seq: 0, hash: '0'.repeat(64), timestamp: 1, previous: GENESIS })}\n`
  )
  t.same(await verifyTrail({ files: [path] }), { ...empty, checkpoints: 1, warnings: [] })
  writeFileSync(
    sidecar,
    `${checkpointLine({ stream: 'audit', seq: 0, hash: '1'.repeat(64), timestamp: 1, previous: GENESIS })}\n`
  )
  t.match(await verifyTrail({ files: [path] }), { ok: false, file: path, line: 1 })
})

t.test('entries after the last checkpoint are counted', async t => {
  const { path, sidecar } = writeTrail(temporaryDirectory(t), { segments: [30], checkpointEvery: 10 })
  editLines(sidecar, lines => { lines.pop() })
  t.match(await verifyTrail({ files: [path] }), {
    ok: true,
    entries: 30,
    checkpoints: 2,
    sinceCheckpoint: 10,
    warnings: []
  })
})

t.test('a trail whose old segments have been removed begins with the checkpoint before it', async t => {
  const { path, files, sidecar } = writeTrail(temporaryDirectory(t), {
    segments: [30, 40, 25],
    checkpointEvery: 10
  })
  rmSync(files[0] as string)
  const warnings = [/^entries 1 to 30 are gone, and checkpoints of version 0.1 do not tell/]
  t.match(
    await verifyTrail({ files: [path] }),
    { ok: true, entries: 65, firstSeq: 31, lastSeq: 95, checkpoints: 10, warnings }
  )

  const [, second] = files as [string, string]
  const original = readFileSync(second)
  editLines(second, lines => { lines[0] = (lines[0] as string).replace('store.', 'Store.') })
  t.match(
    await verifyTrail({ files: [path] }),
    { ok: false, file: second, line: 1, seq: 31 },
    'its first line is checked'
  )

  writeFileSync(second, original)
  rmSync(sidecar)
  t.match(await verifyTrail({ files: [path] }), {
    ok: false, file: second, line: 1, seq: 1, problem: /^entries 1 to 30 are gone: the trail does not say/
  }, 'without any checkpoint, only the trail itself could say so')
  // One entry records what `keep` has removed; another one has the same words, chosen by a client.
  const pruned = { operation: 'audit.pruned', sessionId: null, userId: null, details: { from: 1, to: 30 } }
  for (const [said, ok] of [[pruned, true], [{ ...pruned, sessionId: 'conn-1' }, false]] as const) {
    const directory = temporaryDirectory(t)
    const entry = (seq: number): AuditEntry => numberedEntry(seq, seq === 71 ? said : {})
    const trail = writeTrail(directory, { segments: [30, 40, 25], key: privateKey, entry })
    rmSync(trail.files[0] as string)
    t.match(await verifyTrail({ files: [trail.path], checkpoints: [] }), ok
      ? {
          ok,
          firstSeq: 31,
          warnings: [/^no checkpoint states the hash before entry 31/, /^there is no checkpoint/]
        }
      : { ok, seq: 1 })
  }
})

t.test('events that the trail records about itself are warnings', async t => {
  const admitting = ['audit.recovered', 'store.insert', 'audit.unsealed', 'audit.gap', 'audit.gap']
  const entry = (seq: number): AuditEntry => {
    return numberedEntry(seq, { operation: admitting[seq - 1] as string, sessionId: null })
  }
  const { path } = writeTrail(temporaryDirectory(t), { segments: [5], entry })
  t.match(await verifyTrail({ files: [path] }), {
    ok: true,
    warnings: [
      /^entry 1: .*\.torn file$/,
      /^entry 3: .*signed them as they were$/,
      /^entry 4: entries were left out.*1 times more/
    ]
  })
})

t.test('entries whose checkpoints were gone at a start are not signed, though it signed them', async t => {
  const signedLate = {
    operation: 'audit.unsealed', sessionId: null, userId: null, details: { entries: 2, from: 1, to: 2 }
  }
  const entry = (seq: number): AuditEntry => numberedEntry(seq, seq === 3 ? signedLate : {})
  const { path, sidecar } = writeTrail(temporaryDirectory(t), {
    segments: [6], checkpointEvery: 2, key: privateKey, entry
  })
  const problem = /^the checkpoints of entries 1 to 2 are gone/
  t.match(await verifyTrail({ files: [path], publicKey }), {
    ok: false, file: path, line: 3, seq: 3, problem
  })
  t.match(await verifyTrail({ files: [path] }), {
    ok: true, warnings: [/^entry 3: a start has found entries and no checkpoint/]
  })
  const [after] = linesOf(sidecar).map(line => parseCheckpointLine(line.trimEnd())) as [Checkpoint]
  t.match(
    await verifyTrail({ files: [path], publicKey, after }),
    { ok: true },
    'unless one is known that states them'
  )
})

t.test('with a key, a trail without any checkpoint is not good', async t => {
  const { path, sidecar } = writeTrail(temporaryDirectory(t), { segments: [5], key: privateKey })
  t.match(await verifyTrail({ files: [path], publicKey }), { ok: true, checkpoints: 1 })
  for (const take of [() => { writeFileSync(sidecar, '') }, () => { rmSync(sidecar) }]) {
    take()
    t.match(await verifyTrail({ files: [path], publicKey }), {
      ok: false,
      file: sidecar,
      line: 1,
      problem: /no checkpoint/
    })
    t.match(await verifyTrail({ files: [path] }), { ok: true, warnings: [/no checkpoint/] })
  }
})

t.test('a file that is named twice counts once', async t => {
  const { path } = writeTrail(temporaryDirectory(t), { segments: [3, 4] })
  t.match(await verifyTrail({ files: [path, path] }), { ok: true, entries: 7 })
  await t.rejects(verifyTrail({ files: [] }), { name: 'TypeError', message: /files/ })
})

t.test(
  'a trail that was written anew as a whole is shown by a checkpoint that was kept elsewhere',
  async t => {
    const directory = temporaryDirectory(t)
    const trail = writeTrail(directory, { segments: [30, 40], checkpointEvery: 10, key: privateKey })
    const [kept] = linesOf(trail.sidecar).map(line => parseCheckpointLine(line.trimEnd())) as [Checkpoint]
    t.match(await verifyTrail({ files: [trail.path], publicKey, anchor: kept }), { ok: true, checkpoints: 8 })

    writeTrail(directory, {
      segments: [30, 40],
      checkpointEvery: 10,
      key: privateKey,
      entry: seq => numberedEntry(seq, { userId: 'another-user' })
    })
    t.match(await verifyTrail({ files: [trail.path], publicKey }), { ok: true })
    t.match(await verifyTrail({ files: [trail.path], publicKey, anchor: kept }), {
      ok: false,
      file: trail.files[0],
      line: 10,
      seq: 10,
      problem: /\(anchor\)/
    })
    const { signature, ...unsigned } = kept
    t.match(await verifyTrail({ files: [trail.path], publicKey, anchor: unsigned }), {
      ok: false,
      file: 'anchor',
      problem: /not signed/
    })
    t.match(await verifyTrail({ files: [trail.path], anchor: { ...kept, seq: 71 } }), {
      ok: false,
      file: trail.path,
      line: 41,
      seq: 71,
      problem: /ends here/
    })
  }
)

t.test('a file that cannot be read is an error', async t => {
  const directory = temporaryDirectory(t)
  await t.rejects(verifyTrail({ files: [join(directory, 'audit.jsonl')] }), { code: 'ENOENT' })
  mkdirSync(join(directory, 'audit.jsonl'))
  await t.rejects(verifyTrail({ files: [join(directory, 'audit.jsonl')] }), { message: /is not a file/ })
  const { path } = writeTrail(temporaryDirectory(t), { segments: [3] })
  await t.rejects(verifyTrail({ files: [path], checkpoints: [join(directory, 'missing')] }), {
    code: 'ENOENT'
  })
  await t.rejects(verifyTrail({ files: [path], checkpoints: [directory] }), { message: /is not a file/ })
  await t.rejects(verifyTrail({ files: [path], publicKey: 'no key' }))
  await t.rejects(
    verifyTrail({ files: [path], publicKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey }),
    TypeError
  )
  t.match(await verifyTrail({ files: [path], publicKey: createPublicKey(privateKey) }), {
    ok: false,
    problem: /not signed/
  })
})

t.test('a trail may be verified while segments of it are closed', async t => {
  const directory = temporaryDirectory(t)
  const { path, sidecar, heads: [, written] } = writeTrail(directory, { segments: [20_000] })
  let head = written as ChainHead
  let firstSeq = 1
  let previous = digestOf(parseCheckpointLine((linesOf(sidecar).at(-1) as string).trimEnd()) as Checkpoint)
  const verified = verifyTrail({ files: [path] })
  for (let i = 0; i < 3; i++) {
    renameSync(path, join(directory, `audit.${String(firstSeq).padStart(16, '0')}.jsonl`))
    firstSeq = head.seq + 1
    const { line, ...next } = seal(JSON.stringify(numberedEntry(firstSeq)), head)
    appendFileSync(path, `${line}\n`)
    head = next
    const checkpoint = { stream: 'audit', ...head, timestamp: 1, previous }
    appendFileSync(sidecar, `${checkpointLine(checkpoint)}\n`)
    previous = digestOf(checkpoint)
    await setImmediate()
  }
  t.match(await verified, { ok: true, firstSeq: 1, warnings: [] })
})

t.test('a trail is read in the order of its entries, also when its files have other names', async t => {
  const directory = temporaryDirectory(t)
  const { files } = writeTrail(directory, { segments: [3, 4, 2] })
  const renamed = files.map((file, i) => {
    const name = join(directory, `${9 - i}.txt`)
    renameSync(file, name)
    return name
  })
  appendFileSync(renamed[0] as string, 'no entry\n')
  const seqs: Array<number | string | undefined> = []
  for await (const { entry, text } of readTrail([...renamed].reverse(), { filter: ({ seq }) => seq !== 5 })) {
    seqs.push(entry?.seq ?? text)
  }
  t.same(seqs, [1, 2, 3, 'no entry', 4, 6, 7, 8, 9])
})
