import { hash } from 'node:crypto'
import type { AuditEntry } from '../entry.js'

/** The hash before the first entry of a trail. */
export const GENESIS = '0'.repeat(64)

/** Where a trail stands: the number and the hash of its last entry. */
export interface ChainHead {
  /** 0 before the first entry. */
  readonly seq: number
  /** 64 hexadecimal digits in lower case. */
  readonly hash: string
}

export const emptyChain: ChainHead = { seq: 0, hash: GENESIS }

/** An entry as it stands in a trail. */
export interface SealedEntry extends AuditEntry, ChainHead {}

/** A line of a trail, taken apart. */
export interface TrailLine extends ChainHead {
  /** The exact text that the hash covers, besides the hash before it. */
  readonly body: string
}

/**
 * Adds an entry to a chain: its JSON gets the members `seq` and `hash`. The hash is SHA-256, over the 64
 * digits of the hash before it and the exact bytes of the line without its own `hash` member. The line has no
 * line feed.
 */
export function seal (json: string, previous: ChainHead): ChainHead & { readonly line: string } {
  const seq = previous.seq + 1
  const body = `${json.slice(0, -1)},"seq":${seq}}`
  const hash = hashOf(body, previous.hash)
  return { seq, hash, line: `${body.slice(0, -1)},"hash":"${hash}"}` }
}

/** The hash of an entry, from the text that it covers and the hash before it. */
export function hashOf (body: string, previousHash: string): string {
  return hash('sha256', previousHash + body)
}

const lineEnd = /,"seq":([1-9]\d{0,15}),"hash":"([0-9a-f]{64})"\}$/

/**
 * Takes a line apart, without line feed; `undefined` when it is none of a trail. It does not look at the
 * hash.
 */
export function parseLine (line: string): TrailLine | undefined {
  const match = lineEnd.exec(line)
  if (match === null || !line.startsWith('{')) return undefined
  const [, seq, hash] = match as unknown as [string, string, string]
  return { seq: Number(seq), hash, body: `${line.slice(0, -',"hash":"…"}'.length - 63)}}` }
}
