import type { LogEntry, StoreImage } from '@hamicek/noex-store/log'
import type { PostgresConnection } from '../postgres/connection.js'
import { readLease } from './lease.js'
import { readPage } from './log-rows.js'
import { readSnapshot } from './snapshot-rows.js'

/** Everything that a log has at one moment. */
export interface LogContents {
  readonly image: StoreImage | undefined
  /** Revisions of newer snapshots, which are damaged. */
  readonly damaged: readonly number[]
  /** Entries after the snapshot. */
  readonly tail: readonly LogEntry[]
  /** Characters of those entries. */
  readonly chars: number
}

/**
 * Reads everything as it is at one moment: what is cut meanwhile is there nevertheless.
 * @throws unless it is complete, from the first revision or a snapshot to the last one, with the remedy
 */
export async function readContents (
  connection: PostgresConnection, name: string, onProgress: (chars: number) => void
): Promise<LogContents> {
  await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0')
  const { firstRevision, lastRevision } = await readLease(connection, name)
  const { image, damaged } = await readSnapshot(connection, name, onProgress)
  const tail: LogEntry[] = []
  let chars = 0
  for (let from = image?.revision ?? 0; ;) {
    const page = await readPage(connection, name, from)
    if (page.entries.length === 0) break
    for (const entry of page.entries) tail.push(entry)
    chars += page.chars
    onProgress(page.chars)
    from = (page.entries.at(-1) as LogEntry).revision
  }
  await connection.query('COMMIT')
  if (image === undefined && tail[0]?.revision !== firstRevision) {
    throw incomplete(name, damaged.length > 0
      ? `its snapshots are damaged (${damaged.join(', ')}), and its beginning was cut`
      : 'its beginning is missing')
  }
  const end = tail.at(-1)?.revision ?? image?.revision ?? 0
  if (end !== lastRevision) throw incomplete(name, `it ends with revision ${end}, and had ${lastRevision}`)
  return { image, damaged, tail, chars }
}

function incomplete (name: string, problem: string): Error {
  return new Error(`cluster.postgres: the log "${name}" is not complete: ${problem}. Bring the ` +
    'tables back from a backup')
}
