import { createHash, createPublicKey, KeyObject, sign, verify } from 'node:crypto'
import type { ChainHead } from './chain.js'

/**
 * Number and hash of the last entry of a trail at some time. A copy that is kept elsewhere reveals when the
 * trail is cut or rewritten.
 */
export interface Checkpoint extends ChainHead {
  /** The trail: the base name of its file, or the `stream` of a table. */
  readonly stream: string
  /** Epoch milliseconds. */
  readonly timestamp: number
  /**
   * The digest of the previous checkpoint, `GENESIS` for the first. Absent where there is no checkpoint file.
   */
  readonly previous?: string
  /**
   * The number of the first entry that `keep` has left in the files. Absent where there is no checkpoint
   * file, and in checkpoints of version 0.1.
   */
  readonly first?: number
  /** Ed25519 signature of `checkpointText`, in base64; absent without a key. */
  readonly signature?: string
}

/** Returns the exact text that the signature covers. */
function checkpointText ({ stream, seq, hash, timestamp, previous, first }: Checkpoint): string {
  return JSON.stringify({ stream, seq, hash, timestamp, previous, first })
}

/** Returns the checkpoint with a signature; without a key, as it is. */
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

/** Returns whether a checkpoint has a valid signature. */
export function hasGoodSignature (checkpoint: Checkpoint, publicKey: KeyObject): boolean {
  const { signature } = checkpoint
  return (
    signature !== undefined &&
    verify(null, Buffer.from(checkpointText(checkpoint)), publicKey, Buffer.from(signature, 'base64'))
  )
}

/** Returns the problem of a checkpoint's signature; `undefined` when it is valid or there is no key. */
export function signatureProblem (
  checkpoint: Checkpoint,
  publicKey: KeyObject | undefined
): string | undefined {
  if (publicKey === undefined || hasGoodSignature(checkpoint, publicKey)) return undefined
  const problem = checkpoint.signature === undefined
    ? 'is not signed'
    : 'has a signature of another key or text'
  return `the checkpoint for entry ${checkpoint.seq} ${problem}`
}

/**
 * Returns the line of a checkpoint file, without line feed: the checkpoint and its digest, to detect damage.
 */
export function checkpointLine (checkpoint: Checkpoint): string {
  return JSON.stringify({ ...checkpoint, digest: digestOf(checkpoint) })
}

/**
 * Returns SHA-256 over a checkpoint with its signature, in hex: the `previous` of the next one in the file.
 */
export function digestOf (checkpoint: Checkpoint): string {
  return createHash('sha256')
    .update(checkpointText(checkpoint))
    .update(checkpoint.signature ?? '')
    .digest('hex')
}

/** Parses a line of a checkpoint file; returns `undefined` when it is damaged or not a checkpoint. */
export function parseCheckpointLine (line: string): Checkpoint | undefined {
  const value = parseJson(line)
  const checkpoint = toCheckpoint(value)
  if (checkpoint?.previous === undefined) return undefined
  // Any byte that differs, even a space, is a change.
  const { digest } = value as Record<string, unknown>
  const isWhole = digest === digestOf(checkpoint) && line === checkpointLine(checkpoint)
  return isWhole ? checkpoint : undefined
}

/** Checks a checkpoint from outside, for instance parsed JSON; returns `undefined` when it is not one. */
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

/** Parses a JSON text; returns `undefined` when it is not JSON. */
export function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Returns the key that verifies signatures. @throws {TypeError} when it is not an Ed25519 public key */
export function toPublicKey (key: string | KeyObject): KeyObject {
  const publicKey = key instanceof KeyObject ? key : createPublicKey(key)
  if (publicKey.type !== 'public' || publicKey.asymmetricKeyType !== 'ed25519') {
    throw new TypeError('publicKey must be an Ed25519 public key')
  }
  return publicKey
}
