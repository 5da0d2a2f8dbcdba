import type { KeyObject } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import { toCheckpoint, toPublicKey, type Checkpoint } from '../chain/checkpoint.js'
import { signatureProblem } from './checkpoint-reader.js'
import { isCurrentSegment, seqInName, TrailFiles } from './segments.js'
import { checkTrail, type BadTrail, type TrailInput, type VerifyResult } from './trail-check.js'
import { exists, findSegments, type Segment } from './trail-reader.js'

export type { BadTrail, GoodTrail, VerifyResult } from './trail-check.js'

/** What `verifyTrail` takes. */
export interface VerifyOptions {
  /**
   * A current segment (`audit.jsonl`), which stands for its whole trail, or segments in any order. The trail
   * must reach to its last checkpoint, so the last segment may not be left out.
   */
  readonly files: readonly string[]
  /**
   * The Ed25519 key of the signatures, as PEM text or object. With it, every checkpoint must be signed, and
   * there must be one.
   */
  readonly publicKey?: string | KeyObject | undefined
  /** Checkpoint files. Absent: those beside the files, as far as they exist. */
  readonly checkpoints?: readonly string[] | undefined
  /**
   * A checkpoint that was kept elsewhere: it shows when trail and checkpoints have been written anew
   * together.
   */
  readonly anchor?: Checkpoint | undefined
  /**
   * A checkpoint of this trail: its entry and those before it may be missing. What is there of them is
   * checked all the same. Absent: only those may be missing that the trail itself says `keep` has removed.
   */
  readonly after?: Checkpoint | undefined
  /** The name of the trail, as its checkpoints state it. Absent: the name of the files. */
  readonly stream?: string | undefined
}

/** How often a trail is looked at again when that may have gone wrong only because it is in use. */
const RETRIES = 3

/**
 * Reads a trail from its first to its last byte and compares it with its checkpoints. A trail may be verified
 * while it is written. Memory does not grow with the trail.
 * @throws an error of the file system when a file cannot be read, a TypeError when `files` is empty, the key
 * is none of Ed25519, or `anchor` or `after` is no checkpoint
 */
export async function verifyTrail (options: VerifyOptions): Promise<VerifyResult> {
  if (options.files.length === 0) throw new TypeError('files must name at least one file')
  const publicKey = options.publicKey === undefined ? undefined : toPublicKey(options.publicKey)
  for (const name of ['anchor', 'after'] as const) {
    if (options[name] === undefined) continue
    const checkpoint = toCheckpoint(options[name])
    if (checkpoint === undefined) {
      throw new TypeError(`${name} must be a checkpoint: { stream, seq, hash, timestamp, … }`)
    }
    const problem = signatureProblem(checkpoint, publicKey)
    if (problem !== undefined) return { ok: false, file: name, line: 1, problem }
  }
  for (let retries = RETRIES; ; retries--) {
    try {
      const result = await verifyOnce(options, publicKey, retries > 0)
      if (result !== undefined) return result
    } catch (error) {
      // An old segment may have been removed since its name was read.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      if (retries === 0) return await missingTrail(options, error)
    }
  }
}

/**
 * With `mayRetry`, it resolves with `undefined` when the trail has changed in a way that may explain what was
 * seen.
 */
async function verifyOnce (
  options: VerifyOptions,
  publicKey: KeyObject | undefined,
  mayRetry: boolean
): Promise<VerifyResult | undefined> {
  const trail = await findTrail(options)
  const { file } = trail.segments.at(-1) as Segment
  const before = await stateOf(trail)
  // The last segment gets another name when it is closed; by its handle it is read all the same.
  const handle = await open(file, 'r')
  try {
    if (mayRetry && !isSameState(before, await stateOf(await findTrail(options)), true)) return undefined
    const result = await checkTrail({ ...trail, ...options, publicKey, last: handle })
    // A line may have been read before it was written to its end.
    if (!result.ok && mayRetry && !isSameState(before, await stateOf(await findTrail(options)), false)) {
      return undefined
    }
    return result
  } finally {
    await handle.close()
  }
}

/** Tells that a trail has checkpoints and no file any more; otherwise it rejects with the error. */
async function missingTrail ({ files, checkpoints }: VerifyOptions, error: unknown): Promise<BadTrail> {
  const [file] = files as [string]
  const sidecar = sidecarOf(file)
  const isWhole = files.length === 1 && checkpoints === undefined && isCurrentSegment(file)
  if (!isWhole || await exists(file) || !await exists(sidecar)) {
    throw error
  }
  return {
    ok: false,
    file,
    line: 1,
    problem: `there is no file of the trail, but there are checkpoints of it: ${sidecar}`
  }
}

type OpenedTrail = Pick<TrailInput, 'segments' | 'sidecars' | 'hasOwnSidecars' | 'name'>

async function findTrail ({ files, checkpoints, stream }: VerifyOptions): Promise<OpenedTrail> {
  const segments = await findSegments(files)
  const { file } = segments.at(-1) as Segment
  const isNamed = isCurrentSegment(file) || seqInName(file) !== undefined
  const name = stream ?? (isNamed ? TrailFiles.of(file).stream : undefined)
  if (checkpoints !== undefined) return { segments, sidecars: checkpoints, hasOwnSidecars: false, name }
  const sidecars: string[] = []
  for (const sidecar of new Set(segments.map(({ file }) => sidecarOf(file)))) {
    if (await exists(sidecar)) sidecars.push(sidecar)
  }
  return { segments, sidecars, hasOwnSidecars: true, name }
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

function sidecarOf (segment: string): string {
  return TrailFiles.of(segment).checkpoints
}
