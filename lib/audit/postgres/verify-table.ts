import type { KeyObject } from 'node:crypto'
import { emptyChain, nameEntries, seal, type ChainHead } from '../chain/chain.js'
import { signatureProblem, toCheckpoint, toPublicKey, type Checkpoint } from '../chain/checkpoint.js'
import type { PostgresQueries } from '../../postgres/connection.js'
import { hasNames, isTableName, quoteTable } from './table.js'

/** Number of rows that are read at a time. */
const PAGE_ROWS = 500

/** Options of `verifyTable`. */
export interface VerifyTableOptions {
  /** @default 'audit_log' */
  readonly table?: string
  readonly stream: string
  /**
   * The last of the entries that were removed on purpose: a checkpoint that `onCheckpoint` got, or the
   * `lastSeq` and `lastHash` of an earlier verification. @default none: the stream must begin with entry 1
   */
  readonly after?: ChainHead | Checkpoint
  /**
   * Checkpoints that `onCheckpoint` got, in any order. The stream must agree with them and reach to the last
   * one: without them, the removal of rows at the end is not detected. Those of entries up to `after` are not
   * compared.
   */
  readonly checkpoints?: readonly Checkpoint[]
  /**
   * The Ed25519 key that verifies signatures, as PEM text or object. With it, every checkpoint must be
   * signed, and there must be at least one.
   */
  readonly publicKey?: string | KeyObject
}

/**
 * Result of `verifyTable`. `entries`: number of entries that were read. `seq`: number of the first bad entry.
 */
export type VerifyTableResult =
  | { readonly ok: true, readonly entries: number, readonly lastSeq: number, readonly lastHash: string }
  | { readonly ok: false, readonly seq: number, readonly problem: string }

interface EntryRow {
  readonly timestamp: string
  readonly user_id: string | null
  /** Always `null` in a table of version 0.1. */
  readonly user_name: string | null
  readonly session_id: string | null
  readonly operation: string
  readonly resource: string
  readonly result: string
  readonly error: string | null
  readonly details: string | null
  readonly remote_address: string
  readonly seq: string
  readonly hash: string
}

/**
 * Reads a stream of a table from its first to its last row, and checks that no entry is missing or changed.
 * The table may be written meanwhile.
 * @throws an error of the client when the table cannot be read, a TypeError when an option is invalid
 */
export async function verifyTable (
  client: PostgresQueries,
  options: VerifyTableOptions
): Promise<VerifyTableResult> {
  const { table = 'audit_log', stream, after: start } = options
  if (!isTableName(table)) throw new TypeError('table must be a name or schema.name of plain identifiers')
  if (start !== undefined && !isChainHead(start)) {
    throw new TypeError('after must be a checkpoint, or { seq, hash }')
  }
  const checkpoints = new KnownCheckpoints(options)
  if (checkpoints.problem !== undefined) return checkpoints.problem
  const userName = await hasNames(client, quoteTable(table)) ? 'user_name' : 'NULL AS user_name'
  const text = `SELECT timestamp::text, user_id, ${userName}, session_id, operation, resource, result, error,
      details::text,
    remote_address, seq::text, hash
    FROM ${quoteTable(table)} AS entry WHERE stream = $1 AND entry.seq >= $2::bigint
    ORDER BY entry.seq LIMIT ${PAGE_ROWS}`
  let head: ChainHead = start ?? emptyChain
  // Without `after`, numbers below the first are wrong too. The row of `after` itself may still exist.
  let next = start === undefined ? -(2n ** 63n) : BigInt(start.seq)
  let hasStartRow = false
  for (;;) {
    const rows = (await client.query(text, [stream, String(next)])).rows as EntryRow[]
    for (const row of rows) {
      next = BigInt(row.seq) + 1n
      if (head === start && row.seq === String(start.seq)) {
        hasStartRow = row.hash === start.hash
        if (hasStartRow) continue
        return {
          ok: false,
          seq: start.seq,
          problem: `entry ${row.seq} does not have the hash that "after" states`
        }
      }
      const seq = head.seq + 1
      if (row.seq !== String(seq)) return { ok: false, seq, problem: nameMissing(row, seq) }
      const sealed = seal(jsonOf(row), head)
      if (sealed.hash !== row.hash) {
        return {
          ok: false,
          seq,
          problem: `entry ${seq} does not have the hash that follows from its columns and the entry before`
        }
      }
      head = { seq, hash: sealed.hash }
      if (!checkpoints.agree(head)) {
        return { ok: false, seq, problem: `entry ${seq} does not have the hash that a checkpoint states` }
      }
    }
    if (rows.length === PAGE_ROWS) continue
    const { last } = checkpoints
    if (last > head.seq) {
      const missing = nameEntries({ from: head.seq + 1, to: last })
      return {
        ok: false,
        seq: head.seq + 1,
        problem: `${missing}: missing; the stream ends here, but a checkpoint states entry ${last}`
      }
    }
    // A stream without entries is not verified, nor is one that ends before `after`.
    if (head === emptyChain) return { ok: false, seq: 1, problem: `the stream "${stream}" has no entries` }
    if (head === start && !hasStartRow) {
      return {
        ok: false,
        seq: head.seq + 1,
        problem: `the stream "${stream}" has no entries after entry ${head.seq}`
      }
    }
    return { ok: true, entries: head.seq - (start?.seq ?? 0), lastSeq: head.seq, lastHash: head.hash }
  }
}

function isChainHead ({ seq, hash }: ChainHead): boolean {
  return Number.isSafeInteger(seq) && seq >= 0 && typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash)
}

/** Returns which entries are missing before a row. */
function nameMissing (row: EntryRow, seq: number): string {
  const there = `there is entry ${row.seq}, where entry ${seq} should be`
  if (BigInt(row.seq) <= BigInt(seq)) return there
  return `${nameEntries({ from: seq, to: Number(row.seq) - 1 })}: missing; ${there}`
}

/** The checkpoints that a stream is compared with. */
class KnownCheckpoints {
  /** The first problem of the checkpoints themselves. */
  readonly problem: VerifyTableResult | undefined
  readonly #hashes = new Map<number, string>()
  /** Number of the last entry that one of them states; 0 when there is none. */
  readonly last: number = 0

  constructor ({ checkpoints = [], publicKey, stream, after }: VerifyTableOptions) {
    const key = publicKey === undefined ? undefined : toPublicKey(publicKey)
    const stated = after !== undefined && 'stream' in after ? [...checkpoints, after] : checkpoints
    for (const given of stated) {
      const checkpoint = toCheckpoint(given)
      if (checkpoint === undefined) {
        throw new TypeError('checkpoints must be checkpoints: { stream, seq, hash, timestamp, … }')
      }
      const { seq, hash } = checkpoint
      const isOther = !this.agree({ seq, hash })
      const problem = checkpoint.stream !== stream
        ? `the checkpoint for entry ${seq} is of the stream "${checkpoint.stream}", not of "${stream}"`
        : signatureProblem(checkpoint, key) ??
          (isOther ? `two checkpoints for entry ${seq} state different hashes` : undefined)
      if (problem !== undefined) this.problem ??= { ok: false, seq, problem }
      this.#hashes.set(seq, hash)
      if (given !== after) this.last = Math.max(this.last, seq)
    }
    if (key !== undefined && checkpoints.length === 0) {
      this.problem ??= { ok: false, seq: 1, problem: 'there is no checkpoint, so nothing here is signed' }
    }
  }

  /** Returns whether no checkpoint states another hash of an entry. */
  agree ({ seq, hash }: ChainHead): boolean {
    const stated = this.#hashes.get(seq)
    return stated === undefined || stated === hash
  }
}

/**
 * Returns the streams of a table, by name. A process that started while its database was away has written a
 * stream of its own: `<stream>@<time>`.
 */
export async function listStreams (client: PostgresQueries, table = 'audit_log'): Promise<string[]> {
  if (!isTableName(table)) throw new TypeError('table must be a name or schema.name of plain identifiers')
  const { rows } = await client.query(`SELECT DISTINCT stream FROM ${quoteTable(table)} ORDER BY stream`, [])
  return (rows as Array<{ stream: string }>).map(row => row.stream)
}

/** Returns the exact JSON text of an entry. */
function jsonOf (row: EntryRow): string {
  const members = [
    `"timestamp":${row.timestamp}`,
    `"userId":${JSON.stringify(row.user_id)}`,
    ...(row.user_name === null ? [] : [`"userName":${JSON.stringify(row.user_name)}`]),
    `"sessionId":${JSON.stringify(row.session_id)}`,
    `"operation":${JSON.stringify(row.operation)}`,
    `"resource":${JSON.stringify(row.resource)}`,
    `"result":${JSON.stringify(row.result)}`
  ]
  if (row.error !== null) members.push(`"error":${JSON.stringify(row.error)}`)
  if (row.details !== null) members.push(`"details":${row.details}`)
  members.push(`"remoteAddress":${JSON.stringify(row.remote_address)}`)
  return `{${members.join(',')}}`
}
