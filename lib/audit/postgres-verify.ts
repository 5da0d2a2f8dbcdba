import { emptyChain, seal, type ChainHead } from './chain.js'
import type { PostgresQueries } from './postgres-client.js'
import { isTableName, quoteTable } from './postgres-table.js'

/** Rows that are read at a time. */
const PAGE_ROWS = 500

/** Which rows `verifyTable` verifies. */
export interface VerifyTableOptions {
  /** @default 'audit_log' */
  readonly table?: string
  readonly stream: string
  /**
   * The last of the entries that have been removed on purpose: a checkpoint that `onCheckpoint` got, or the `lastSeq` and
   * `lastHash` of an earlier verification. Absent, the stream must begin with entry 1.
   */
  readonly after?: ChainHead
}

/** What `verifyTable` finds. `entries`: those that it has read. `seq`: the entry with which something is wrong. */
export type VerifyTableResult =
  | { readonly ok: true, readonly entries: number, readonly lastSeq: number, readonly lastHash: string }
  | { readonly ok: false, readonly seq: number, readonly problem: string }

interface EntryRow {
  readonly timestamp: string
  readonly user_id: string | null
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
 * Reads a stream of a table from its first to its last row, and checks that no entry is missing or changed. The table
 * may be written meanwhile. Rejects when it cannot be read.
 */
export async function verifyTable (client: PostgresQueries, { table = 'audit_log', stream, after: start }: VerifyTableOptions): Promise<VerifyTableResult> {
  if (!isTableName(table)) throw new TypeError('table must be a name or schema.name of plain identifiers')
  const text = `SELECT timestamp::text, user_id, session_id, operation, resource, result, error, details::text, remote_address, seq::text, hash
    FROM ${quoteTable(table)} AS entry WHERE stream = $1 AND entry.seq > $2::bigint ORDER BY entry.seq LIMIT ${PAGE_ROWS}`
  let head: ChainHead = start ?? emptyChain
  // Without a place to begin at, numbers below the first are wrong too.
  let after = start === undefined ? String(-(2n ** 63n)) : String(start.seq)
  for (;;) {
    const rows = (await client.query(text, [stream, after])).rows as EntryRow[]
    for (const row of rows) {
      const seq = head.seq + 1
      if (row.seq !== String(seq)) return { ok: false, seq, problem: `there is entry ${row.seq}, where entry ${seq} should be` }
      const sealed = seal(jsonOf(row), head)
      if (sealed.hash !== row.hash) return { ok: false, seq, problem: `entry ${seq} does not have the hash that follows from its columns and the entry before` }
      head = { seq, hash: sealed.hash }
      after = row.seq
    }
    if (rows.length === PAGE_ROWS) continue
    // A name that nobody has written under says nothing about any trail.
    if (head === emptyChain) return { ok: false, seq: 1, problem: `the stream "${stream}" has no entries` }
    return { ok: true, entries: head.seq - (start?.seq ?? 0), lastSeq: head.seq, lastHash: head.hash }
  }
}

/** The streams of a table, by name. A process that had to start without its database has written under a name of its own: `<stream>@<time>`. */
export async function listStreams (client: PostgresQueries, table = 'audit_log'): Promise<string[]> {
  if (!isTableName(table)) throw new TypeError('table must be a name or schema.name of plain identifiers')
  const { rows } = await client.query(`SELECT DISTINCT stream FROM ${quoteTable(table)} ORDER BY stream`, [])
  return (rows as Array<{ stream: string }>).map(row => row.stream)
}

/** The exact text of an entry. */
function jsonOf (row: EntryRow): string {
  const members = [
    `"timestamp":${row.timestamp}`,
    `"userId":${JSON.stringify(row.user_id)}`,
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
