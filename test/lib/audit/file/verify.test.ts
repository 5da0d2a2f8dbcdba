import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { LineSplitter } from '@hamicek/noex-journal'
import t from 'tap'
import { ChainCheck } from '../../../../lib/audit/chain/chain-check.js'
import { GENESIS, parseLine, seal, type ChainHead } from '../../../../lib/audit/chain/chain.js'
import {
  checkpointLine,
  digestOf,
  parseCheckpointLine,
  signCheckpoint,
  type Checkpoint
} from '../../../../lib/audit/chain/checkpoint.js'
import { CheckpointCheck } from '../../../../lib/audit/file/checkpoint-reader.js'
import { MAX_LINE_BYTES } from '../../../../lib/audit/file/trail-lines.js'
import { readTrail } from '../../../../lib/audit/file/trail-reader.js'
import { verifyTrail } from '../../../../lib/audit/file/verify.js'
import type { AuditEntry } from '../../../../lib/audit/entry.js'
import { keys, numberedEntry, writeTrail, type WrittenTrail } from '../../../support/audit-trail-files.js'
import { sampled } from '../../../support/sampled.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'

const { privateKey, publicKey } = keys

/** The lines of a file, each with its line feed. */
function linesOf (file: string): string[] {
  return readFileSync(file, 'utf8').match(/[^\n]*\n/g) ?? []
}

function editLines (file: string, edit: (lines: string[]) => void): void {
  const lines = linesOf(file)
  edit(lines)
  writeFileSync(file, lines.join(''))
}

t.test('a trail that nobody has touched is good', async t => {
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
  // An entry says what `keep` has removed; another one says it in words that a client has chosen.
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

t.test('what the trail itself admits is a warning', async t => {
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
  const unsealed = {
    operation: 'audit.unsealed', sessionId: null, userId: null, details: { entries: 2, from: 1, to: 2 }
  }
  const entry = (seq: number): AuditEntry => numberedEntry(seq, seq === 3 ? unsealed : {})
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

t.test('the first bad line is named, and why', async t => {
  const segments = [30, 40, 25]
  const cases: Record<string, { change: (trail: WrittenTrail) => void, file: string, line: number, seq?: number, problem: RegExp, withKey?: boolean }> = {
    'a changed letter': {
      change: ({ path }) => {
        editLines(path, lines => {
          lines[4] = (lines[4] as string).replace('192.0', '193.0')
        })
      },
      file: 'audit.jsonl',
      line: 5,
      seq: 75,
      problem: /hash that follows/
    },
    'a changed hash': {
      change: ({ path }) => {
        editLines(path, lines => {
          lines[4] = (lines[4] as string).replace(/"hash":"./, '"hash":"_')
        })
      },
      file: 'audit.jsonl',
      line: 5,
      seq: 75,
      problem: /not an entry/
    },
    'a blank line': {
      change: ({ path }) => { editLines(path, lines => { lines.splice(4, 0, '\n') }) },
      file: 'audit.jsonl',
      line: 5,
      seq: 75,
      problem: /not an entry/
    },
    'a carriage return': {
      change: ({ path }) => {
        editLines(path, lines => {
          lines[4] = (lines[4] as string).replace('\n', '\r\n')
        })
      },
      file: 'audit.jsonl',
      line: 5,
      seq: 75,
      problem: /not an entry/
    },
    'a mark of byte order': {
      change: ({ files }) => { editLines(files[0] as string, lines => { lines.unshift('\uFEFF') }) },
      file: 'audit.0000000000000001.jsonl',
      line: 1,
      seq: 1,
      problem: /not an entry/
    },
    'a line feed less': {
      change: ({ path }) => { writeFileSync(path, readFileSync(path).subarray(0, -1)) },
      file: 'audit.jsonl',
      line: 25,
      seq: 95,
      problem: /line feed/
    },
    'bytes that are no UTF-8': {
      change: ({ path }) => {
        const bytes = readFileSync(path)
        bytes[bytes.indexOf('ü')] = 0xff
        writeFileSync(path, bytes)
      },
      file: 'audit.jsonl',
      line: 1,
      seq: 71,
      problem: /UTF-8/
    },
    'a line that is too long': {
      change: ({ path }) => {
        editLines(path, lines => {
          lines[4] = `{"x":"${'x'.repeat(200_000)}",${(lines[4] as string).slice(1)}`
        })
      },
      file: 'audit.jsonl',
      line: 5,
      seq: 75,
      problem: /longer than 65536/
    },
    'a deleted line': {
      change: ({ files }) => { editLines(files[1] as string, lines => { lines.splice(9, 1) }) },
      file: 'audit.0000000000000031.jsonl',
      line: 10,
      seq: 40,
      problem: /entry 41, where entry 40/
    },
    'a repeated line': {
      change: ({ path }) => { editLines(path, lines => { lines.splice(5, 0, lines[4] as string) }) },
      file: 'audit.jsonl',
      line: 6,
      seq: 76,
      problem: /entry 75, where entry 76/
    },
    'swapped lines': {
      change: ({ path }) => {
        editLines(path, lines => {
          lines.splice(3, 2, lines[4] as string, lines[3] as string)
        })
      },
      file: 'audit.jsonl',
      line: 4,
      seq: 74,
      problem: /entry 75, where entry 74/
    },
    'a cut tail': {
      change: ({ path }) => { editLines(path, lines => { lines.length = 20 }) },
      file: 'audit.jsonl',
      line: 21,
      seq: 91,
      problem: /ends here.*entry 95/
    },
    'a tail of which nothing is left': {
      change: ({ path }) => { writeFileSync(path, '') },
      file: 'audit.jsonl',
      line: 1,
      seq: 71,
      problem: /ends here/
    },
    'a missing segment': {
      change: ({ files }) => { rmSync(files[1] as string) },
      file: 'audit.jsonl',
      line: 1,
      seq: 31,
      problem: /^entries 31 to 70 are gone/
    },
    'a missing last segment': {
      change: ({ path }) => { rmSync(path) },
      file: 'audit.0000000000000031.jsonl',
      line: 41,
      seq: 71,
      problem: /ends here/
    },
    'a changed checkpoint': {
      change: ({ sidecar }) => {
        editLines(sidecar, lines => {
          lines[1] = (lines[1] as string).replace('"seq":20', '"seq":21')
        })
      },
      file: 'audit.checkpoints',
      line: 2,
      problem: /damaged/
    },
    'a checkpoint without line feed': {
      change: ({ sidecar }) => { writeFileSync(sidecar, readFileSync(sidecar).subarray(0, -1)) },
      file: 'audit.checkpoints',
      line: 10,
      problem: /line feed/
    },
    'a repeated checkpoint': {
      change: ({ sidecar }) => { editLines(sidecar, lines => { lines.splice(1, 0, lines[0] as string) }) },
      file: 'audit.checkpoints',
      line: 2,
      problem: /for entry 10, but one for entry 10/
    },
    'a removed checkpoint': {
      change: ({ sidecar }) => { editLines(sidecar, lines => { lines.splice(1, 1) }) },
      file: 'audit.checkpoints',
      line: 2,
      problem: /does not follow the one before it/
    },
    'a removed first checkpoint': {
      change: ({ sidecar }) => { editLines(sidecar, lines => { lines.splice(0, 1) }) },
      file: 'audit.checkpoints',
      line: 1,
      problem: /does not follow/
    },
    'a removed checkpoint over which the next has been made to fit': {
      change: ({ sidecar }) => {
        editLines(sidecar, lines => {
          lines.splice(1, 2, fitted(lines[0], lines[2]))
        })
      },
      file: 'audit.checkpoints',
      line: 2,
      problem: /another key or text/,
      withKey: true
    },
    'a checkpoint of other entries': {
      change: ({ sidecar }) => {
        editLines(sidecar, lines => {
          lines[1] = resigned(lines[1], { hash: 'f'.repeat(64) })
        })
      },
      file: 'audit.0000000000000001.jsonl',
      line: 20,
      seq: 20,
      problem: /checkpoint states \(.*audit\.checkpoints:2\)/
    },
    'a checkpoint that another key has signed': {
      change: ({ sidecar }) => { editLines(sidecar, lines => { lines[1] = resigned(lines[1]) }) },
      file: 'audit.checkpoints',
      line: 2,
      problem: /another key/,
      withKey: true
    },
    'a checkpoint that nobody has signed': {
      change: ({ sidecar }) => {
        editLines(sidecar, lines => {
          lines[1] = `${checkpointLine(unsigned(lines[1]))}\n`
        })
      },
      file: 'audit.checkpoints',
      line: 2,
      problem: /not signed/,
      withKey: true
    }
  }
  const foreign = generateKeyPairSync('ed25519')

  function unsigned (line = ''): Checkpoint {
    const { signature, ...checkpoint } = parseCheckpointLine(line.trimEnd()) as Checkpoint
    return checkpoint
  }

  /** A checkpoint as it would stand behind another one, with the signature that it has. */
  function fitted (before = '', line = ''): string {
    const checkpoint = parseCheckpointLine(line.trimEnd()) as Checkpoint
    return `${checkpointLine({ ...checkpoint, previous: digestOf(parseCheckpointLine(before.trimEnd()) as Checkpoint) })}\n`
  }

  function resigned (line?: string, members: Partial<ChainHead> = {}): string {
    return `${checkpointLine(signCheckpoint({ ...unsigned(line), ...members }, foreign.privateKey))}\n`
  }

  for (const [name, { change, withKey = false, file, ...expected }] of Object.entries(cases)) {
    t.test(name, async t => {
      const trail = writeTrail(temporaryDirectory(t), { segments, checkpointEvery: 10, key: privateKey })
      change(trail)
      const result = await verifyTrail({ files: [trail.path], ...(withKey && { publicKey }) })
      t.match(
        { ...result, ...(!result.ok && { file: basename(result.file) }) },
        { ok: false, ...expected, file }
      )
      t.equal('seq' in result, expected.seq !== undefined)
    })
  }
  t.end()
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

t.test('what cannot be read is an error', async t => {
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

t.test('a trail is read in the order of seq, whatever its files are called', async t => {
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

t.test('each of thousands of random changes to a trail of 10,000 entries is found', async t => {
  const planned = sampled(10_000)
  const seed = 20_260_131
  t.comment(`seed ${seed}`)
  const random = seededRandom(seed)
  const trail = writeTrail(temporaryDirectory(t), {
    segments: [3_000, 4_000, 3_000],
    checkpointEvery: 500,
    key: privateKey
  })
  const files = [...trail.files, trail.sidecar].map(file => ({
    file,
    bytes: readFileSync(file),
    starts: lineStarts(readFileSync(file))
  }))
  const hashes = [
    '0'.repeat(64),
    ...trail.files.flatMap(linesOf).map(line => parseLine(line.trimEnd())?.hash as string)
  ]
  const firstSeqs = trail.heads.map(({ seq }) => seq + 1)
  t.equal((await verifyTrail({ files: [trail.path], publicKey })).ok, true)

  const missed: unknown[] = []
  let changes = 0
  let whole = 0
  while (changes < planned) {
    const index = random(5) === 0 ? 3 : random(3)
    const { file, bytes, starts } = files[index] as typeof files[number]
    const kind = changeKinds[random(changeKinds.length)] as typeof changeKinds[number]
    const changed = change(kind, bytes, starts, random)
    // A checkpoint file that ends with an earlier line is that of an earlier time.
    if (changed.equals(bytes) || (index === 3 && isCutAfterLine(changed, bytes))) continue
    changes += 1
    const found = index === 3 ? findInSidecar(changed) : findInSegment(index, changed)
    if (found === undefined) missed.push({ change: changes, kind, file })
    // Now and then the whole trail is read: most of it never changes.
    if (changes % 40 === 0) {
      whole += 1
      writeFileSync(file, changed)
      const result = await verifyTrail({ files: [trail.path], publicKey })
      writeFileSync(file, bytes)
      if (result.ok) {
        missed.push({ change: changes, kind, file, whole: true })
      } else if (
        found !== undefined &&
        // The order of segments depends on their first lines.
        found.line > 1 &&
        (result.file !== found.file || result.line !== found.line)
      ) {
        missed.push({ change: changes, kind, found, result })
      }
    }
  }
  t.same(missed, [])
  t.equal(whole, planned / 40)

  /** Checks a changed segment from the line before its first change on: before that, nothing differs. */
  function findInSegment (index: number, changed: Buffer): { file: string, line: number } | undefined {
    const { file, bytes, starts } = files[index] as typeof files[number]
    let difference = 0
    while (
      changed.subarray(difference, difference + 64).equals(bytes.subarray(difference, difference + 64))
    ) {
      difference += 64
    }
    while (changed[difference] === bytes[difference]) difference += 1
    const from = Math.max(0, starts.findLastIndex(start => start <= difference) - 1)
    const startSeq = firstSeqs[index] as number + from - 1
    const chain = new ChainCheck({ seq: startSeq, hash: hashes[startSeq] })
    const splitter = new LineSplitter(MAX_LINE_BYTES)
    let line = from
    for (let at = starts[from] as number; at < changed.length; at += 16_384) {
      for (const raw of splitter.push(changed.subarray(at, Math.min(at + 16_384, changed.length)))) {
        line += 1
        if (chain.next(raw) !== undefined) return { file, line }
      }
    }
    for (const raw of splitter.end()) {
      line += 1
      if (chain.next(raw) !== undefined) return { file, line }
    }
    // Too few lines: the next segment does not fit, and after the last one the last checkpoint does not.
    if (chain.head.seq + 1 === firstSeqs[index + 1]) return undefined
    return index === 2 ? { file, line: line + 1 } : { file: trail.files[index + 1] as string, line: 1 }
  }

  function findInSidecar (changed: Buffer): { file: string, line: number } | undefined {
    const check = new CheckpointCheck({ publicKey })
    const splitter = new LineSplitter(MAX_LINE_BYTES)
    const lines = [...splitter.push(changed), ...splitter.end()]
    const bad = lines.findIndex(raw => {
      const checked = check.next(raw)
      return typeof checked === 'string' || checked.hash !== hashes[checked.seq]
    })
    return bad === -1 ? undefined : { file: trail.sidecar, line: bad + 1 }
  }
})

const changeKinds = [
  'flip',
  'delete',
  'insert',
  'insert line feed',
  'delete line',
  'duplicate line',
  'swap lines',
  'cut'
] as const

type Random = (below: number) => number

function change (kind: typeof changeKinds[number], bytes: Buffer, starts: number[], random: Random): Buffer {
  const at = random(bytes.length)
  const line = random(starts.length)
  const [start, end] = lineRange(line, bytes, starts)
  switch (kind) {
    case 'flip':
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.of((bytes[at] as number) ^ (1 << random(8))),
        bytes.subarray(at + 1)
      ])
    case 'delete':
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(3))])
    case 'insert':
      return Buffer.concat([bytes.subarray(0, at), Buffer.of(random(256)), bytes.subarray(at)])
    case 'insert line feed':
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from(random(2) === 0 ? '\n' : '\r'),
        bytes.subarray(at)
      ])
    case 'delete line':
      return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)])
    case 'duplicate line':
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start, end), bytes.subarray(end)])
    case 'cut':
      return bytes.subarray(0, random(2) === 0 ? at : start)
    case 'swap lines': {
      const [first, second] = [line, random(starts.length)].sort((a, b) => a - b) as [number, number]
      if (first === second) return bytes
      const [a, b, c, d] = [...lineRange(first, bytes, starts), ...lineRange(second, bytes, starts)] as [
        number,
        number,
        number,
        number
      ]
      return Buffer.concat([
        bytes.subarray(0, a),
        bytes.subarray(c, d),
        bytes.subarray(b, c),
        bytes.subarray(a, b),
        bytes.subarray(d)
      ])
    }
  }
}

function lineStarts (bytes: Buffer): number[] {
  const starts: number[] = []
  for (let start = 0; start < bytes.length; start = bytes.indexOf('\n', start) + 1) starts.push(start)
  return starts
}

function lineRange (line: number, bytes: Buffer, starts: number[]): [number, number] {
  return [starts[line] as number, starts[line + 1] ?? bytes.length]
}

/** Whether only whole lines at the end are missing. */
function isCutAfterLine (changed: Buffer, bytes: Buffer): boolean {
  return (
    bytes.subarray(0, changed.length).equals(changed) && (changed.length === 0 || changed.at(-1) === 0x0a)
  )
}

/** Mulberry32: integers from 0 to below a bound. */
function seededRandom (seed: number): Random {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * below)
  }
}
