import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { emptyChain, type ChainHead, type SealedEntry } from '../chain/chain.js'
import { PostgresConnection, type PostgresSource } from './client.js'
import { SinkRefusal } from '../sink-refusal.js'

/** Rows of one insert. */
export const BATCH_ROWS = 512
/** How often, and with which pause, a lock is asked for that somebody else still has. */
const LOCK_ATTEMPTS = 15
const LOCK_PAUSE_MS = 200
/** The key under which tables are created, of no meaning. */
const CREATION_LOCK = 7_105_827_936n
const STREAM_REASON = 'somebody else writes the stream'

/** The columns in the order in which they are written, with their types and whether they may be null. */
const columns: ReadonlyArray<readonly [name: string, type: string, nullable?: true]> = [
  ['timestamp', 'bigint'],
  ['user_id', 'text', true],
  ['session_id', 'text', true],
  ['operation', 'text'],
  ['resource', 'text'],
  ['result', 'text'],
  ['error', 'text', true],
  ['remote_address', 'text'],
  ['details', 'json', true],
  ['seq', 'bigint'],
  ['hash', 'text'],
  ['stream', 'text']
]

const names = columns.map(([name]) => name).join(', ')
/** All but the last come as arrays, one element for each row. */
const arrays = columns.slice(0, -1).map(([, type], i) => `$${i + 1}::${type}[]`).join(', ')

/** Others have written entries with the numbers of these: the stream cannot be written any more. */
export class StreamTakenError extends SinkRefusal {}

/** A name for SQL: `name` or `schema.name`, each part in quotes. */
export function quoteTable (table: string): string {
  return table.split('.').map(part => `"${part}"`).join('.')
}

/** Whether a table may be called so: plain identifiers only. */
export function isTableName (table: unknown): table is string {
  return typeof table === 'string' && /^[a-z_]\w{0,62}(?:\.[a-z_]\w{0,62})?$/i.test(table)
}

/** A connection that alone may write one stream of a table. */
export class TableSession {
  readonly #connection: PostgresConnection
  readonly #table: string
  readonly #stream: string

  private constructor (connection: PostgresConnection, table: string, stream: string) {
    this.#connection = connection
    this.#table = table
    this.#stream = stream
  }

  /** Connects, makes the table if there is none, and takes the stream. Rejects when any of it cannot be. */
  static async open (source: PostgresSource, table: string, stream: string): Promise<TableSession> {
    const connection = await PostgresConnection.open(source)
    try {
      await prepareTable(connection, quoteTable(table))
      await lockStream(connection, table, stream)
      const session = new TableSession(connection, quoteTable(table), stream)
      // Shows at once whether rows may be written and read.
      await session.insert([])
      await session.last()
      return session
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  /** Where the stream stands. */
  async last (): Promise<ChainHead> {
    const { rows } = await this.#connection.query(
      `SELECT seq::text, hash FROM ${this.#table} AS entry WHERE stream = $1 ORDER BY entry.seq DESC LIMIT 1`,
      [this.#stream]
    )
    const [row] = rows as Array<{ seq: string, hash: string }>
    return row === undefined ? emptyChain : { seq: Number(row.seq), hash: row.hash }
  }

  /**
   * Writes consecutive entries, at most `BATCH_ROWS`. Those that are there already are not written again.
   * @throws {StreamTakenError} when others have their numbers
   */
  async insert (entries: readonly SealedEntry[], timeoutMs?: number): Promise<void> {
    const text = `INSERT INTO ${this.#table} (${names}) SELECT *, $12::text FROM unnest(${arrays}) ON CONFLICT (stream, seq) DO NOTHING`
    const { rowCount } = await this.#connection.query(text, [
      entries.map(({ timestamp }) => timestamp),
      entries.map(({ userId }) => userId),
      entries.map(({ sessionId }) => sessionId),
      entries.map(({ operation }) => operation),
      entries.map(({ resource }) => resource),
      entries.map(({ result }) => result),
      entries.map(({ error }) => error ?? null),
      entries.map(({ remoteAddress }) => remoteAddress),
      entries.map(({ details }) => details === undefined ? null : JSON.stringify(details)),
      entries.map(({ seq }) => seq),
      entries.map(({ hash }) => hash),
      this.#stream
    ], timeoutMs)
    if (rowCount !== entries.length) await this.#compare(entries)
  }

  async close (): Promise<void> {
    await this.#connection.close()
  }

  async #compare (entries: readonly SealedEntry[]): Promise<void> {
    const { rows } = await this.#connection.query(
      `SELECT seq::text, hash FROM ${this.#table} WHERE stream = $1 AND seq = ANY($2::bigint[])`,
      [this.#stream, entries.map(({ seq }) => seq)])
    const hashes = new Map(
      (rows as Array<{ seq: string, hash: string }>).map(({ seq, hash }) => [Number(seq), hash])
    )
    const wrong = entries.find(({ seq, hash }) => hashes.get(seq) !== hash)
    if (wrong !== undefined) {
      throw new StreamTakenError(
        `entry ${wrong.seq} of the stream ${this.#stream} is not the one that was written: somebody else writes this stream`,
        STREAM_REASON
      )
    }
  }
}

async function prepareTable (connection: PostgresConnection, table: string): Promise<void> {
  if (!await exists(connection, table)) {
    // Of two that create a table at once, one fails. The lock is none of a transaction: what another one has
    // committed meanwhile is certain to be seen only in a transaction that begins later.
    await connection.query(`SELECT pg_advisory_lock(${CREATION_LOCK})`)
    if (!await exists(connection, table)) await createTable(connection, table)
    await connection.query(`SELECT pg_advisory_unlock(${CREATION_LOCK})`)
  }
  await checkTable(connection, table)
}

async function createTable (connection: PostgresConnection, table: string): Promise<void> {
  const definitions = columns.map(([name, type, nullable]) => `${name} ${type}${nullable ? '' : ' NOT NULL'}`)
  await connection.query(`CREATE TABLE ${table} (${definitions.join(', ')}, PRIMARY KEY (stream, seq));
    CREATE INDEX ON ${table} (timestamp); CREATE INDEX ON ${table} (user_id, timestamp)`)
}

async function exists (connection: PostgresConnection, table: string): Promise<boolean> {
  const { rows } = await connection.query('SELECT to_regclass($1) IS NOT NULL AS found', [table])
  return (rows[0] as { found: boolean }).found
}

interface Column {
  readonly name: string
  readonly type: string
  /** Whether a row must give a value. */
  readonly required: boolean
}

async function checkTable (connection: PostgresConnection, table: string): Promise<void> {
  const { rows } = await connection.query(`SELECT attname AS name, format_type(atttypid, NULL) AS type,
    attnotnull AND NOT atthasdef AND attidentity = '' AS required
    FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`, [table])
  const found = new Map((rows as Column[]).map(column => [column.name, column]))
  for (const [name, type, nullable] of columns) {
    const column = found.get(name)
    if (column === undefined) throw wrongTable(`table ${table} has no column ${name}`)
    if (column.type !== type) {
      throw wrongTable(`column ${name} of table ${table} is ${column.type}, but must be ${type}`)
    }
    if (column.required && nullable) throw wrongTable(`column ${name} of table ${table} must be nullable`)
    found.delete(name)
  }
  for (const { name, required } of found.values()) {
    if (required) throw wrongTable(`column ${name} of table ${table} is unknown, and must be nullable`)
  }
  const encoding = await connection.query('SHOW server_encoding')
  if ((encoding.rows[0] as { server_encoding: string }).server_encoding !== 'UTF8') {
    throw wrongTable('the encoding of the database must be UTF8')
  }
}

function wrongTable (problem: string): SinkRefusal {
  return new SinkRefusal(problem, 'the table cannot be used')
}

/** Takes the stream as long as the connection lives. A writer that has just gone gets time to be missed. */
async function lockStream (connection: PostgresConnection, table: string, stream: string): Promise<void> {
  const { rows } = await connection.query('SELECT to_regclass($1)::oid::text AS oid', [quoteTable(table)])
  const { oid } = rows[0] as { oid: string }
  const key = createHash('sha256').update(`${oid} ${stream}`).digest().readBigInt64BE().toString()
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
    if (attempt > 0) await sleep(LOCK_PAUSE_MS)
    const result = await connection.query('SELECT pg_try_advisory_lock($1::bigint) AS locked', [key])
    if ((result.rows[0] as { locked: boolean }).locked) return
  }
  throw new SinkRefusal(
    `somebody else writes the stream ${stream} of table ${table}: each process needs a stream of its own`,
    STREAM_REASON
  )
}
