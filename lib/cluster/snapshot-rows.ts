import { createHash } from 'node:crypto'
import { ImageReader, inSlices, linesOfImage, sendLines, type StoreImage } from '@hamicek/noex-store/log'
import type { PostgresConnection } from '../postgres/connection.js'

/** Maximum duration of one statement, in milliseconds: rows of a long log are deleted at once. */
const TIMEOUT_MS = 120_000
/** Snapshots that are kept; the log goes back to the oldest. */
const KEPT = 2

/** The part 0 of a snapshot, which is written last. */
interface Head {
  readonly parts: number
}

/**
 * Writes a snapshot, and removes what it makes needless: older snapshots but one, and the log behind that.
 * All of it is one transaction. A snapshot of a revision that there is stays.
 */
export async function writeSnapshot (
  connection: PostgresConnection, name: string, image: StoreImage
): Promise<void> {
  const query = async (text: string, values: unknown[]): Promise<any[]> =>
    (await connection.query(text, values, TIMEOUT_MS)).rows
  await connection.query(`BEGIN; SET LOCAL statement_timeout = ${TIMEOUT_MS}`)
  // One at a time, also of a process that has just lost the lease.
  await query("SELECT pg_advisory_xact_lock(hashtextextended('noex_snapshot:' || $1, 0))", [name])
  const there = await query(
    'SELECT 1 FROM noex_snapshot WHERE name = $1 AND revision >= $2 LIMIT 1', [name, image.revision])
  if (there.length > 0) {
    await connection.query('ROLLBACK')
    return
  }
  let parts = 0
  let sha256 = ''
  const insert = async (part: number, body: string): Promise<void> => {
    sha256 = digestOf(sha256, body)
    await query(`INSERT INTO noex_snapshot (name, revision, part, body, sha256)
      VALUES ($1, $2, $3, $4, $5)`, [name, image.revision, part, body, sha256])
  }
  await sendLines(linesOfImage(image), async lines => { await insert(++parts, lines) })
  await insert(0, JSON.stringify({ parts } satisfies Head))
  const kept = await query(`SELECT DISTINCT revision FROM noex_snapshot WHERE name = $1
    ORDER BY revision DESC LIMIT ${KEPT}`, [name])
  if (kept.length === KEPT) {
    const { revision } = kept.at(-1)
    await query('DELETE FROM noex_snapshot WHERE name = $1 AND revision < $2', [name, revision])
    await query('DELETE FROM noex_log WHERE name = $1 AND revision <= $2', [name, revision])
  }
  await connection.query('COMMIT')
}

/** A snapshot that is whole, and the revisions of newer ones that are damaged. */
export interface ReadSnapshot {
  readonly image: StoreImage | undefined
  readonly damaged: readonly number[]
}

/** Reads the newest snapshot that is whole. */
export async function readSnapshot (
  connection: PostgresConnection, name: string, onProgress: (chars: number) => void
): Promise<ReadSnapshot> {
  const { rows } = await connection.query(
    'SELECT DISTINCT revision FROM noex_snapshot WHERE name = $1 ORDER BY revision DESC', [name], TIMEOUT_MS)
  const damaged: number[] = []
  for (const { revision } of rows) {
    const image = await readImage(connection, name, revision, onProgress)
    if (image?.revision === Number(revision)) return { image, damaged }
    damaged.push(Number(revision))
  }
  return { image: undefined, damaged }
}

/** Reads a snapshot; `undefined` where it is not as it was written. */
async function readImage (
  connection: PostgresConnection, name: string, revision: string, onProgress: (chars: number) => void
): Promise<StoreImage | undefined> {
  const part = async (number: number): Promise<{ body: string, sha256: string } | undefined> => {
    const { rows } = await connection.query({
      name: 'noex-snapshot-part',
      text: 'SELECT body, sha256 FROM noex_snapshot WHERE name = $1 AND revision = $2 AND part = $3'
    }, [name, revision, number], TIMEOUT_MS)
    return rows[0]
  }
  const head = await part(0)
  if (head === undefined) return undefined
  const reader = new ImageReader()
  let sha256 = ''
  try {
    const { parts } = JSON.parse(head.body) as Head
    for (let number = 1; number <= parts; number++) {
      const row = await part(number)
      if (row === undefined) return undefined
      sha256 = digestOf(sha256, row.body)
      if (row.sha256 !== sha256) return undefined
      onProgress(row.body.length)
      await inSlices(row.body.split('\n'), line => { reader.add(line) })
    }
    return digestOf(sha256, head.body) === head.sha256 ? reader.end() : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Each part confirms those before it. */
function digestOf (former: string, body: string): string {
  return createHash('sha256').update(former).update(body).digest('hex')
}
