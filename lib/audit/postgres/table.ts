import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { emptyChain, type ChainHead, type SealedEntry } from '../chain/chain.js'
import {
  DatabaseRefusal, PostgresConnection, type PostgresQueries, type PostgresSource, type PostgresUser
} from '../../postgres/connection.js'

/** Maximum number of rows of one insert. */
export const BATCH_ROWS = 512
/** Number of attempts, and the pause between them, to take a lock that another connection still has. */
const LOCK_ATTEMPTS = 15
const LOCK_PAUSE_MS = 200
/** Key of the lock for creating tables: an arbitrary number. */
const CREATION_LOCK = 7_105_827_936n
const sinkUser: PostgresUser = {
  poolOption: 'postgresSink.pool',
  connectionOption: 'postgresSink.connectionString',
  applicationName: 'fastify-noex audit'
}
const STREAM_REASON = 'another process writes the stream'

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
  ['user_name', 'text', true],
  ['stream', 'text']
]

const names = columns.map(([name]) => name).join(', ')
/** Parameters of all columns but the last: arrays with one element for each row. */
const arrays = columns.slice(0, -1).map(([, type], i) => `$${i + 1}::${type}[]`).join(', ')

/**
 * Thrown when another process has written entries under the same numbers: the stream cannot be written any
 * more.
 */
export class StreamTakenError extends DatabaseRefusal {}

/** Returns a name for SQL, `name` or `schema.name`, with each part in quotes. */
export function quoteTable (table: string): string {
  return table.split('.').map(part => `"${part}"`).join('.')
}

/** Returns whether a value is a table name of plain identifiers. */
export function isTableName (table: unknown): table is string {
  return typeof table === 'string' && /^[a-z_]\w{0,62}(?:\.[a-z_]\w{0,62})?$/i.test(table)
}

/** A connection that holds the lock of one stream of a table. */
export class TableSession {
  readonly #connection: PostgresConnection
  readonly #table: string
  readonly #stream: string

  private constructor (connection: PostgresConnection, table: string, stream: string) {
    this.#connection = connection
    this.#table = table
    this.#stream = stream
  }

  /** Connects, creates the table if it is missing, and locks the stream. Rejects when any of this fails. */
  static async open (source: PostgresSource, table: string, stream: string): Promise<TableSession> {
    const connection = await PostgresConnection.open(source, sinkUser)
    try {
      await prepareTable(connection, quoteTable(table))
      await lockStream(connection, table, stream)
      const session = new TableSession(connection, quoteTable(table), stream)
      // Fails now rather than later when rows may not be written or read.
      await session.insert([])
      await session.last()
      return session
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  /** Returns the last entry of the stream. */
  async last (): Promise<ChainHead> {
    const { rows } = await this.#connection.query(
      `SELECT seq::text, hash FROM ${this.#table} AS entry WHERE stream = $1 ORDER BY entry.seq DESC LIMIT 1`,
      [this.#stream]
    )
    const [row] = rows as Array<{ seq: string, hash: string }>
    return row === undefined ? emptyChain : { seq: Number(row.seq), hash: row.hash }
  }

  /**
   * Inserts consecutive entries, at most `BATCH_ROWS`. Entries that the table has already are not written
   * again.
   * @throws {StreamTakenError} when other entries have their numbers
   */
  async insert (entries: readonly SealedEntry[], timeoutMs?: number): Promise<void> {
    const text = `INSERT INTO ${this.#table} (${names}) SELECT *, $13::text FROM unnest(${arrays})
      ON CONFLICT (stream, seq) DO NOTHING`
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
      entries.map(({ userName }) => userName ?? null),
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
        `entry ${wrong.seq} of the stream ${this.#stream} is not the one that was written: ` +
          'another process writes this stream',
        STREAM_REASON
      )
    }
  }
}

async function prepareTable (connection: PostgresConnection, table: string): Promise<void> {
  if (!await exists(connection, table)) {
    // Of two processes that create the table at once, one would fail. The lock is not of a transaction: only
    // a transaction that begins later is certain to see the table of the other process.
    await connection.query(`SELECT pg_advisory_lock(${CREATION_LOCK})`)
    if (!await exists(connection, table)) await createTable(connection, table)
    await connection.query(`SELECT pg_advisory_unlock(${CREATION_LOCK})`)
  }
  await addNames(connection, table)
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

/** Adds the column that tables of version 0.1 do not have. */
async function addNames (connection: PostgresConnection, table: string): Promise<void> {
  if (await hasNames(connection, table)) return
  const statement = `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS user_name text`
  try {
    await connection.query(statement)
  } catch (error) {
    const { code, message: reason } = error as Error & { readonly code?: unknown }
    // Otherwise it is the connection that has failed: SQLSTATE 42 is for what may not be, or is not there.
    if (!String(code).startsWith('42')) throw error
    throw wrongTable(`table ${table} has no column user_name (${reason}): have its owner run ${statement}`)
  }
}

/** Returns whether a table, given in quotes, has the names of users. */
export async function hasNames (client: PostgresQueries, table: string): Promise<boolean> {
  const { rows } = await client.query(
    `SELECT count(*)::int AS columns FROM pg_attribute
      WHERE attrelid = to_regclass($1) AND attname = 'user_name' AND NOT attisdropped`, [table])
  return (rows[0] as { columns: number } | undefined)?.columns === 1
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

function wrongTable (problem: string): DatabaseRefusal {
  return new DatabaseRefusal(problem, 'the table cannot be used')
}

/**
 * Locks the stream for the life of the connection; waits for the server to notice that the last writer ended.
 */
async function lockStream (connection: PostgresConnection, table: string, stream: string): Promise<void> {
  const { rows } = await connection.query('SELECT to_regclass($1)::oid::text AS oid', [quoteTable(table)])
  const { oid } = rows[0] as { oid: string }
  const key = createHash('sha256').update(`${oid} ${stream}`).digest().readBigInt64BE().toString()
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
    if (attempt > 0) await sleep(LOCK_PAUSE_MS)
    const result = await connection.query('SELECT pg_try_advisory_lock($1::bigint) AS locked', [key])
    if ((result.rows[0] as { locked: boolean }).locked) return
  }
  throw new DatabaseRefusal(
    `another process writes the stream ${stream} of table ${table}: each process needs a stream of its own`,
    STREAM_REASON
  )
}
