import { readFileSync, writeFileSync } from 'node:fs'
import { LineSplitter } from '@hamicek/noex-journal'
import t from 'tap'
import { ChainCheck } from '../../../../lib/audit/chain/chain-check.js'
import { MAX_LINE_BYTES, parseLine } from '../../../../lib/audit/chain/chain.js'
import { CheckpointCheck } from '../../../../lib/audit/file/checkpoint-reader.js'
import { verifyTrail } from '../../../../lib/audit/file/verify.js'
import { keys, linesOf, writeTrail } from '../../../support/audit-trail-files.js'
import { sampled } from '../../../support/sampled.js'
import { temporaryDirectory } from '../../../support/temporary-directory.js'

const { privateKey, publicKey } = keys

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
    // A checkpoint file that ends with an earlier line is an older version of it.
    if (changed.equals(bytes) || (index === 3 && isCutAfterLine(changed, bytes))) continue
    changes += 1
    const found = index === 3 ? findInSidecar(changed) : findInSegment(index, changed)
    if (found === undefined) missed.push({ change: changes, kind, file })
    // The whole trail is read for some changes only: most of it is the same each time.
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
  'flip', 'delete', 'insert', 'insert line feed', 'delete line', 'duplicate line', 'swap lines', 'cut'
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

/** Returns whether only complete lines at the end are missing. */
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
