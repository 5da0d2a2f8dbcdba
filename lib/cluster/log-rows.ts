import { entryOfLine, inSlices, type LogEntry } from '@hamicek/noex-store/log'
import type { PostgresConnection } from '../postgres/connection.js'
import { FORMAT } from './tables.js'

/** Characters of the groups that are read at once, unless a single one has more. */
const PAGE_CHARS = 4_194_304
/** Groups that are read at once. */
const PAGE_ROWS = 1_000
/** Longest that reading a page may take, in milliseconds: one commit may be big, and the network slow. */
export const MAX_PAGE_MS = 60_000

/** A page of a log. */
export interface LogPage {
  readonly entries: LogEntry[]
  /** Characters of the rows. */
  readonly chars: number
}

/**
 * Reads entries after a revision, as many as make up a page; none at the end of the log.
 * @throws where some of them are gone or cannot be read, with the remedy
 */
export async function readPage (
  connection: PostgresConnection, name: string, from: number, timeoutMs = MAX_PAGE_MS
): Promise<LogPage> {
  const { rows } = await connection.query({
    name: 'noex-page',
    text: `SELECT revision, term, n, format, body FROM (
        SELECT *, sum(octet_length(body)) OVER (ORDER BY revision) - octet_length(body) AS before
        FROM (
          SELECT * FROM noex_log WHERE name = $1 AND revision > $2 ORDER BY revision LIMIT ${PAGE_ROWS}
        ) AS l
      ) AS p WHERE before < ${PAGE_CHARS} ORDER BY revision`
  }, [name, from], timeoutMs)
  const entries: LogEntry[] = []
  let chars = 0
  let next = from + 1
  for (const row of rows) {
    const count = Number(row.n)
    const first = Number(row.revision) - count + 1
    // The first group of a log may begin at any revision.
    if (first > next && (from > 0 || next > 1)) throw gap(name, next, first)
    if (row.format > FORMAT) throw unreadable(name, first, `it has format ${row.format}`)
    chars += row.body.length
    entries.push(...await entriesOf(row.body, first, Number(row.term), name, next))
    next = first + count
  }
  return { entries, chars }
}

/** Parses the entries of a row, but for those before `from`. */
async function entriesOf (
  body: string, first: number, term: number, name: string, from: number
): Promise<LogEntry[]> {
  const entries: LogEntry[] = []
  let revision = first
  await inSlices(body.split('\n'), line => {
    if (revision >= from) {
      try {
        entries.push({ ...entryOfLine(line, revision), term })
      } catch (error) {
        throw unreadable(name, revision, (error as Error).message, error)
      }
    }
    revision++
  })
  return entries
}

function gap (name: string, wanted: number, first: number): Error {
  return new Error(`cluster.postgres: the log "${name}" has no revision ${wanted} any more, it goes on ` +
    `with ${first}: start this node again, which then begins with a snapshot`)
}

function unreadable (name: string, revision: number, problem: string, cause?: unknown): Error {
  const remedy = 'run the version of the package that wrote it, or bring the tables back from a backup'
  return new Error(
    `cluster.postgres: revision ${revision} of the log "${name}" cannot be read (${problem}): ${remedy}`,
    { cause }
  )
}
