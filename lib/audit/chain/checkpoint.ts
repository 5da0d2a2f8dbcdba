import { createHash, createPublicKey, KeyObject, sign, verify } from 'node:crypto'
import type { ChainHead } from './chain.js'

/**
 * A statement of how far a trail went at some time. Kept elsewhere, it shows when the trail is cut or written
 * anew.
 */
export interface Checkpoint extends ChainHead {
  /** The trail: the base name of its file, or the `stream` of a table. */
  readonly stream: string
  /** Epoch milliseconds. */
  readonly timestamp: number
  /**
   * The digest of the checkpoint before it, `GENESIS` for the first. Absent where checkpoints stand in no
   * file.
   */
  readonly previous?: string
  /**
   * The number of the first entry that `keep` has left in the files. Absent where checkpoints stand in no
   * file, and in those of version 0.1.
   */
  readonly first?: number
  /** Ed25519 over the text that `checkpointText` gives, in base64; absent without a key. */
  readonly signature?: string
}

/** The exact text that a signature covers. */
export function checkpointText ({ stream, seq, hash, timestamp, previous, first }: Checkpoint): string {
  return JSON.stringify({ stream, seq, hash, timestamp, previous, first })
}

export function signCheckpoint (
  checkpoint: Omit<Checkpoint, 'signature'>,
  key: KeyObject | undefined
): Checkpoint {
  return key === undefined
    ? checkpoint
    : {
        ...checkpoint,
        signature: sign(null, Buffer.from(checkpointText(checkpoint)), key).toString('base64')
      }
}

export function hasGoodSignature (checkpoint: Checkpoint, publicKey: KeyObject): boolean {
  const { signature } = checkpoint
  return (
    signature !== undefined &&
    verify(null, Buffer.from(checkpointText(checkpoint)), publicKey, Buffer.from(signature, 'base64'))
  )
}

/** The line of a checkpoint file, without line feed: a checkpoint and the digest by which damage shows. */
export function checkpointLine (checkpoint: Checkpoint): string {
  return JSON.stringify({ ...checkpoint, digest: digestOf(checkpoint) })
}

/**
 * SHA-256 over a checkpoint with its signature, in hex: what the next one in the file names as `previous`.
 */
export function digestOf (checkpoint: Checkpoint): string {
  return createHash('sha256')
    .update(checkpointText(checkpoint))
    .update(checkpoint.signature ?? '')
    .digest('hex')
}

/** Reads a line of a checkpoint file; `undefined` when it is damaged or none. */
export function parseCheckpointLine (line: string): Checkpoint | undefined {
  const value = parseJson(line)
  const checkpoint = toCheckpoint(value)
  if (checkpoint?.previous === undefined) return undefined
  // Any byte that differs, even a blank, is a change.
  const { digest } = value as Record<string, unknown>
  const isWhole = digest === digestOf(checkpoint) && line === checkpointLine(checkpoint)
  return isWhole ? checkpoint : undefined
}

/**
 * Reads a checkpoint that comes from elsewhere, a parsed JSON text for instance; `undefined` when it is none.
 */
export function toCheckpoint (value: unknown): Checkpoint | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { stream, seq, hash, timestamp, previous, first, signature } = value as Record<string, unknown>
  const isGood = typeof stream === 'string' && isNumber(seq, 0) && isHash(hash) &&
    Number.isSafeInteger(timestamp) && (previous === undefined || isHash(previous)) &&
    (first === undefined || isNumber(first, 1)) &&
    (signature === undefined || typeof signature === 'string')
  if (!isGood) return undefined
  return {
    stream,
    seq,
    hash,
    timestamp: timestamp as number,
    ...(previous !== undefined && { previous }),
    ...(first !== undefined && { first }),
    ...(signature !== undefined && { signature })
  }
}

function isNumber (value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min
}

function isHash (value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

/** Parses a JSON text; `undefined` when it is none. */
export function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Returns the key that checks signatures. @throws {TypeError} when it is none of Ed25519 */
export function toPublicKey (key: string | KeyObject): KeyObject {
  const publicKey = key instanceof KeyObject ? key : createPublicKey(key)
  if (publicKey.type !== 'public' || publicKey.asymmetricKeyType !== 'ed25519') {
    throw new TypeError('publicKey must be an Ed25519 public key')
  }
  return publicKey
}
