import { createPublicKey, KeyObject } from 'node:crypto'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { GENESIS, hashOf, parseLine } from './chain.js'
import type { Checkpoint } from './checkpoint.js'
import { Checkpoints, signatureProblem, type LineProblem } from './checkpoint-reader.js'
import { seqInName, TrailFiles } from './segments.js'
import { exists, findSegments, type Segment } from './trail-reader.js'
import { MAX_LINE_BYTES, readLines, textOf, type RawLine } from './trail-lines.js'

/** What `verifyTrail` takes. */
export interface VerifyOptions {
  /**
   * A current segment (`audit.jsonl`), which stands for its whole trail, or segments in any order. The trail must
   * reach to its last checkpoint, so the last segment may not be left out.
   */
  readonly files: readonly string[]
  /** The Ed25519 key of the signatures, as PEM text or object. With it, every checkpoint must be signed, and there must be one. */
  readonly publicKey?: string | KeyObject | undefined
  /** Checkpoint files. Absent: those beside the files, as far as they exist. */
  readonly checkpoints?: readonly string[] | undefined
  /** A checkpoint that was kept elsewhere: it shows when trail and checkpoints have been written anew together. */
  readonly anchor?: Checkpoint | undefined
}

/** A trail whose every byte is as it was written, as far as its checkpoints reach. */
export interface GoodTrail {
  readonly ok: true
  readonly entries: number
  /** Above 1 when old segments have been removed; 0 without entries. */
  readonly firstSeq: number
  readonly lastSeq: number
  readonly lastHash: string
  /** Checkpoints that were compared, also those of entries that have been removed. */
  readonly checkpoints: number
  /** Entries after the last checkpoint: whether some are missing at the end cannot be seen. */
  readonly sinceCheckpoint: number
  /** What could not be checked. */
  readonly warnings: readonly string[]
}

/** The first bad line in the order of seq; damaged checkpoints come after all entries. */
export interface BadTrail extends LineProblem {
  readonly ok: false
  /** The number of the entry that should stand there. */
  readonly seq?: number
}

export type VerifyResult = GoodTrail | BadTrail

/** A chain of which the last hash may be unknown. */
interface Head {
  readonly seq: number
  readonly hash: string | undefined
}

/** Follows a chain, line by line. */
export class ChainCheck {
  #head: Head

  /** @param head where the chain stands; without hash, the next line's hash is taken as it is */
  constructor (head: Head) {
    this.#head = head
  }

  get head (): Head {
    return this.#head
  }

  /** Takes the next line. Returns what is wrong with it; the chain then stays where it is. */
  next (raw: RawLine): string | undefined {
    if (raw.bytes === undefined) return `the line is longer than ${MAX_LINE_BYTES} bytes`
    if (!raw.ended) return 'the line does not end with a line feed'
    const text = textOf(raw)
    if (text === undefined) return 'the line is not UTF-8'
    const line = parseLine(text)
    if (line === undefined) return 'the line is not an entry of a trail'
    const seq = this.#head.seq + 1
    if (line.seq !== seq) return `the line is entry ${line.seq}, where entry ${seq} should be`
    if (this.#head.hash !== undefined && hashOf(line.body, this.#head.hash) !== line.hash) {
      return 'the line does not have the hash that follows from its text and the entry before'
    }
    this.#head = { seq, hash: line.hash }
    return undefined
  }
}

/** How often a trail is looked at again when that may have gone wrong only because it is in use. */
const RETRIES = 3

/**
 * Reads a trail from its first to its last byte and compares it with its checkpoints. A trail may be verified while
 * it is written. Memory does not grow with the trail.
 * @throws an error of the file system when a file cannot be read, a TypeError when `files` is empty or the key is none of Ed25519
 */
export async function verifyTrail (options: VerifyOptions): Promise<VerifyResult> {
  if (options.files.length === 0) throw new TypeError('files must name at least one file')
  const publicKey = options.publicKey === undefined ? undefined : toPublicKey(options.publicKey)
  for (let retries = RETRIES; ; retries--) {
    try {
      const result = await verifyOnce(options, publicKey, retries > 0)
      if (result !== undefined) return result
    } catch (error) {
      // An old segment may have been removed since its name was read.
      if (retries === 0 || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

/** With `mayRetry`, it resolves with `undefined` when the trail has changed in a way that may explain what was seen. */
async function verifyOnce (options: VerifyOptions, publicKey: KeyObject | undefined, mayRetry: boolean): Promise<VerifyResult | undefined> {
  const trail = await findTrail(options)
  const { file } = trail.segments.at(-1) as Segment
  const before = await stateOf(trail)
  // The last segment gets another name when it is closed; by its handle it is read all the same.
  const handle = await open(file, 'r')
  try {
    if (mayRetry && !isSameState(before, await stateOf(await findTrail(options)), true)) return undefined
    const result = await checkTrail(trail, handle, options.anchor, publicKey)
    // A line may have been read before it was written to its end.
    if (!result.ok && mayRetry && !isSameState(before, await stateOf(await findTrail(options)), false)) return undefined
    return result
  } finally {
    await handle.close()
  }
}

function toPublicKey (key: string | KeyObject): KeyObject {
  const publicKey = key instanceof KeyObject ? key : createPublicKey(key)
  if (publicKey.type !== 'public' || publicKey.asymmetricKeyType !== 'ed25519') throw new TypeError('publicKey must be an Ed25519 public key')
  return publicKey
}

interface OpenedTrail {
  readonly segments: readonly Segment[]
  readonly sidecars: readonly string[]
}

async function findTrail ({ files, checkpoints }: VerifyOptions): Promise<OpenedTrail> {
  const segments = await findSegments(files)
  if (checkpoints !== undefined) return { segments, sidecars: checkpoints }
  const sidecars: string[] = []
  for (const sidecar of new Set(segments.map(({ file }) => sidecarOf(file)))) {
    if (await exists(sidecar)) sidecars.push(sidecar)
  }
  return { segments, sidecars }
}

interface FileState {
  readonly file: string
  readonly inode: number
  readonly size: number
}

async function stateOf ({ segments, sidecars }: OpenedTrail): Promise<FileState[]> {
  return await Promise.all([...segments.map(({ file }) => file), ...sidecars].map(async file => {
    const { ino, size } = await stat(file)
    return { file, inode: ino, size }
  }))
}

/** Whether files are those that they were; with `mayGrow`, whatever their sizes. */
function isSameState (before: readonly FileState[], after: readonly FileState[], mayGrow: boolean): boolean {
  return before.length === after.length && before.every(({ file, inode, size }, i) => {
    const now = after[i] as FileState
    return now.file === file && now.inode === inode && (mayGrow || now.size === size)
  })
}

async function checkTrail ({ segments, sidecars }: OpenedTrail, last: FileHandle, anchor: Checkpoint | undefined, publicKey: KeyObject | undefined): Promise<VerifyResult> {
  const anchorProblem = anchor && signatureProblem(anchor, publicKey)
  if (anchorProblem !== undefined) return { ok: false, file: 'anchor', line: 1, problem: anchorProblem }
  const checkpoints = await Checkpoints.open(sidecars, publicKey, anchor && { checkpoint: anchor, origin: 'anchor' })
  try {
    const result = await compareTrail(segments, last, checkpoints)
    if (!result.ok || publicKey === undefined || result.entries === 0 || result.checkpoints > 0) return result
    return { ok: false, file: sidecarOf((segments.at(-1) as Segment).file), line: 1, problem: 'there is no checkpoint, so nothing here is signed' }
  } finally {
    await checkpoints.close()
  }
}

async function compareTrail (segments: readonly Segment[], last: FileHandle, checkpoints: Checkpoints): Promise<VerifyResult> {
  const [first] = segments as [Segment]
  const startSeq = (first.firstSeq ?? seqInName(first.file) ?? 1) - 1
  const startHash = startSeq === 0 ? GENESIS : await checkpoints.hashAt(startSeq)
  let place = { file: first.file, line: 0 }
  const bad = (line: number, problem: string): BadTrail => ({ ok: false, ...place, line, seq: chain.head.seq + 1, problem })
  const chain = new ChainCheck({ seq: startSeq, hash: startHash })
  const admissions = new Admissions()
  if (startHash !== undefined) {
    const wrong = await checkpoints.compare({ seq: startSeq, hash: startHash })
    if (wrong !== undefined) return bad(1, `the hash before the first entry is not the one that a checkpoint states (${wrong})`)
  }
  for (const segment of segments) {
    place = { file: segment.file, line: 0 }
    for await (const lines of readLines(segment === segments.at(-1) ? last : segment.file)) {
      for (const raw of lines) {
        place.line += 1
        const problem = chain.next(raw)
        if (problem !== undefined) return bad(place.line, problem)
        const { seq, hash } = chain.head as { seq: number, hash: string }
        admissions.look(raw, seq)
        if (seq < checkpoints.nextSeq) continue
        const wrong = await checkpoints.compare({ seq, hash })
        if (wrong !== undefined) return { ...bad(place.line, `the hash of the line is not the one that a checkpoint states (${wrong})`), seq }
      }
    }
  }
  const { next, problem } = checkpoints
  if (next !== undefined) return bad(place.line + 1, `the trail ends here, but a checkpoint states entry ${next.checkpoint.seq} (${next.origin})`)
  if (problem !== undefined) return { ok: false, ...problem }
  return goodTrail({ seq: startSeq, hash: startHash }, chain.head, checkpoints, admissions)
}

function goodTrail (start: Head, end: Head, { count, lastSeq = 0 }: Checkpoints, admissions: Admissions): GoodTrail {
  const entries = end.seq - start.seq
  const warnings = admissions.warnings()
  if (start.hash === undefined) warnings.push(`no checkpoint states the hash before entry ${start.seq + 1}: whether this first line was changed could not be checked`)
  if (count === 0) warnings.push('there is no checkpoint: whether entries are missing at the end could not be checked')
  return {
    ok: true,
    entries,
    firstSeq: entries === 0 ? 0 : start.seq + 1,
    lastSeq: end.seq,
    lastHash: end.hash ?? GENESIS,
    checkpoints: count,
    sinceCheckpoint: Math.min(entries, end.seq - lastSeq),
    warnings
  }
}

function sidecarOf (segment: string): string {
  return TrailFiles.of(segment).checkpoints
}

/** What the trail itself tells of times at which something may have been taken from it. */
const admitted = [
  { text: '"operation":"audit.recovered"', warning: 'a start has cut off what a crash had left half written, and kept it in the .torn file' },
  { text: '"operation":"audit.unsealed"', warning: 'a start has found entries and no checkpoint, and has signed them as they were' },
  { text: '"operation":"audit.gap"', warning: 'entries were left out because the queue was full' }
] as const

/** Collects such entries. */
class Admissions {
  readonly #found = admitted.map(() => ({ count: 0, firstSeq: 0 }))

  look ({ bytes }: RawLine, seq: number): void {
    // Nearly no line has any of them: they are looked for one by one only where they have something in common.
    if (bytes?.includes('"operation":"audit.') !== true) return
    for (const [i, { text }] of admitted.entries()) {
      const found = this.#found[i] as { count: number, firstSeq: number }
      if (bytes.includes(text) && found.count++ === 0) found.firstSeq = seq
    }
  }

  warnings (): string[] {
    return this.#found.flatMap(({ count, firstSeq }, i) => {
      const more = count > 1 ? ` (and ${count - 1} times more)` : ''
      return count === 0 ? [] : [`entry ${firstSeq}: ${(admitted[i] as typeof admitted[number]).warning}${more}`]
    })
  }
}
