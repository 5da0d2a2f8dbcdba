import { hash } from 'node:crypto'
import { isEntry, type AuditEntry } from '../entry.js'

/**
 * Maximum length of a line in bytes, without line feed. Longer lines are skipped and never held in memory.
 */
export const MAX_LINE_BYTES = 65_536

/** Error message when the lock of a trail's files is taken. */
export const LOCK_TAKEN = 'another process or sink writes this trail'

/** The hash before the first entry of a trail. */
export const GENESIS = '0'.repeat(64)

/** The number and the hash of the last entry of a trail. */
export interface ChainHead {
  /** 0 before the first entry. */
  readonly seq: number
  /** 64 hexadecimal digits in lower case. */
  readonly hash: string
}

export const emptyChain: ChainHead = { seq: 0, hash: GENESIS }

/** An entry of a trail, with its number and hash. */
export interface SealedEntry extends AuditEntry, ChainHead {}

/** A parsed line of a trail. */
export interface TrailLine extends ChainHead {
  /** The exact text that the hash covers, besides the previous hash. */
  readonly body: string
}

/**
 * Chains an entry to the one before: adds the properties `seq` and `hash` to its JSON. The hash is SHA-256
 * over the 64 digits of the previous hash and the exact bytes of the line without its own `hash` property.
 * The line has no line feed.
 */
export function seal (json: string, previous: ChainHead): ChainHead & { readonly line: string } {
  const seq = previous.seq + 1
  const body = `${json.slice(0, -1)},"seq":${seq}}`
  const hash = hashOf(body, previous.hash)
  return { seq, hash, line: `${body.slice(0, -1)},"hash":"${hash}"}` }
}

/** Returns the hash of an entry, from the text that it covers and the previous hash. */
export function hashOf (body: string, previousHash: string): string {
  return hash('sha256', previousHash + body)
}

const lineEnd = /,"seq":([1-9]\d{0,15}),"hash":"([0-9a-f]{64})"\}$/

/**
 * Parses a line without line feed; returns `undefined` when it is not a line of a trail. Ignores the hash.
 */
export function parseLine (line: string): TrailLine | undefined {
  const match = lineEnd.exec(line)
  if (match === null || !line.startsWith('{')) return undefined
  const [, seq, hash] = match as unknown as [string, string, string]
  return { seq: Number(seq), hash, body: `${line.slice(0, -',"hash":"…"}'.length - 63)}}` }
}

/** Parses the entry of a line; returns `undefined` when the line is not an entry of a trail. */
export function parseEntry (text: string): SealedEntry | undefined {
  if (parseLine(text) === undefined) return undefined
  try {
    const value = JSON.parse(text) as SealedEntry
    return isEntry(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** A range of entry numbers, inclusive. */
export interface EntryRange {
  readonly from: number
  readonly to: number
}

/** Returns the name of a range for messages: `entry 5` or `entries 5 to 9`. */
export function nameEntries ({ from, to }: EntryRange): string {
  return from === to ? `entry ${from}` : `entries ${from} to ${to}`
}
