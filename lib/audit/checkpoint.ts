import { createHash, sign, verify, type KeyObject } from 'node:crypto'
import type { ChainHead } from './chain.js'

/** A statement of how far a trail went at some time. Kept elsewhere, it shows when the trail is cut or written anew. */
export interface Checkpoint extends ChainHead {
  /** The trail: the base name of its file, or the `stream` of a table. */
  readonly stream: string
  /** Epoch milliseconds. */
  readonly timestamp: number
  /** The digest of the checkpoint before it, `GENESIS` for the first. Absent where checkpoints stand in no file. */
  readonly previous?: string
  /** Ed25519 over the text that `checkpointText` gives, in base64; absent without a key. */
  readonly signature?: string
}

/** The exact text that a signature covers. */
export function checkpointText ({ stream, seq, hash, timestamp, previous }: Checkpoint): string {
  return JSON.stringify({ stream, seq, hash, timestamp, previous })
}

export function signCheckpoint (checkpoint: Omit<Checkpoint, 'signature'>, key: KeyObject | undefined): Checkpoint {
  return key === undefined ? checkpoint : { ...checkpoint, signature: sign(null, Buffer.from(checkpointText(checkpoint)), key).toString('base64') }
}

export function hasGoodSignature (checkpoint: Checkpoint, publicKey: KeyObject): boolean {
  const { signature } = checkpoint
  return signature !== undefined && verify(null, Buffer.from(checkpointText(checkpoint)), publicKey, Buffer.from(signature, 'base64'))
}

/** The line of a checkpoint file, without line feed: a checkpoint and the digest by which damage shows. */
export function checkpointLine (checkpoint: Checkpoint): string {
  return JSON.stringify({ ...checkpoint, digest: digestOf(checkpoint) })
}

/** SHA-256 over a checkpoint with its signature, in hex: what the next one in the file names as `previous`. */
export function digestOf (checkpoint: Checkpoint): string {
  return createHash('sha256').update(checkpointText(checkpoint)).update(checkpoint.signature ?? '').digest('hex')
}

/** Reads a line of a checkpoint file; `undefined` when it is damaged or none. */
export function parseCheckpointLine (line: string): Checkpoint | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { stream, seq, hash, timestamp, previous, signature, digest } = value as Record<string, unknown>
  if (typeof stream !== 'string' || !Number.isSafeInteger(seq) || typeof hash !== 'string' || !Number.isSafeInteger(timestamp) || typeof previous !== 'string') return undefined
  if (signature !== undefined && typeof signature !== 'string') return undefined
  const checkpoint = { stream, seq, hash, timestamp, previous, ...(signature !== undefined && { signature }) } as Checkpoint
  // Any byte that differs, even a blank, is a change.
  return digest === digestOf(checkpoint) && line === checkpointLine(checkpoint) ? checkpoint : undefined
}
