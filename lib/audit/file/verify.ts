import type { KeyObject } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import { signatureProblem, toCheckpoint, toPublicKey, type Checkpoint } from '../chain/checkpoint.js'
import { exists, findSegments, isCurrentSegment, seqInName, TrailFiles, type Segment } from './segments.js'
import { checkTrail } from './trail-check.js'
import type { BadTrail, TrailInput, VerifyResult } from './trail-verdict.js'

export type { BadTrail, GoodTrail, VerifyResult } from './trail-verdict.js'

/** Options of `verifyTrail`. */
export interface VerifyOptions {
  /**
   * A current segment (`audit.jsonl`), which stands for its whole trail, or segments in any order. The trail
   * must reach to its last checkpoint, so the last segment must be included.
   */
  readonly files: readonly string[]
  /**
   * The Ed25519 key that verifies signatures, as PEM text or object. With it, every checkpoint must be
   * signed, and there must be at least one.
   */
  readonly publicKey?: string | KeyObject | undefined
  /** Checkpoint files. @default those beside the files, as far as they exist */
  readonly checkpoints?: readonly string[] | undefined
  /** A checkpoint that was kept elsewhere: it reveals when trail and checkpoints were rewritten together. */
  readonly anchor?: Checkpoint | undefined
  /**
   * A checkpoint of this trail: its entry and those before it may be missing; those that exist are checked.
   * @default only entries may be missing that the trail records as removed by `keep`
   */
  readonly after?: Checkpoint | undefined
  /** The name of the trail in its checkpoints. @default the name of the files */
  readonly stream?: string | undefined
}

/** How often a failed verification is repeated when the trail was written meanwhile. */
const RETRIES = 3

/**
 * Reads a trail from its first to its last byte and compares it with its checkpoints. A trail may be verified
 * while it is written. Memory does not grow with the trail.
 * @throws an error of the file system when a file cannot be read, a TypeError when `files` is empty, the key
 * is not an Ed25519 key, or `anchor` or `after` is not a checkpoint
 * @example
 * const result = await verifyTrail({ files: ['data/audit.jsonl'], publicKey })
 * if (!result.ok) console.error(`${result.file}, line ${result.line}: ${result.problem}`)
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
 * Verifies a trail once. With `mayRetry`, resolves with `undefined` when a change meanwhile may explain a
 * problem.
 */
async function verifyOnce (
  options: VerifyOptions,
  publicKey: KeyObject | undefined,
  mayRetry: boolean
): Promise<VerifyResult | undefined> {
  const trail = await findTrail(options)
  const { file } = trail.segments.at(-1) as Segment
  const before = await stateOf(trail)
  // The last segment is renamed when it is closed; the handle still reads it.
  const handle = await open(file, 'r')
  try {
    if (mayRetry && !isSameState(before, await stateOf(await findTrail(options)), true)) return undefined
    const result = await checkTrail({ ...trail, ...options, publicKey, last: handle })
    // A line may have been read before it was complete.
    if (!result.ok && mayRetry && !isSameState(before, await stateOf(await findTrail(options)), false)) {
      return undefined
    }
    return result
  } finally {
    await handle.close()
  }
}

/** Returns the result for a trail that has checkpoints and no files; otherwise rejects with the error. */
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

/** Returns whether files are the same as before; with `mayGrow`, regardless of their sizes. */
function isSameState (before: readonly FileState[], after: readonly FileState[], mayGrow: boolean): boolean {
  return before.length === after.length && before.every(({ file, inode, size }, i) => {
    const now = after[i] as FileState
    return now.file === file && now.inode === inode && (mayGrow || now.size === size)
  })
}

function sidecarOf (segment: string): string {
  return TrailFiles.of(segment).checkpoints
}
