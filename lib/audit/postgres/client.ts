import { Socket } from 'node:net'
import { isThenable } from '../../application/thenable.js'
import { SinkRefusal } from '../sink-refusal.js'

/** What a query gives: the part of a result of `pg` that the sink uses. */
export interface PostgresResult {
  readonly rows: any[]
  readonly rowCount: number | null
}

/** A client or a pool of `pg`. */
export interface PostgresQueries {
  query: (text: string, values?: unknown[]) => Promise<PostgresResult>
}

/** A client that a pool has lent. */
export interface PostgresPoolClient extends PostgresQueries {
  on: (event: 'error', listener: (error: Error) => void) => unknown
  release: (destroy?: boolean) => void
}

/** A pool of `pg`; it stays the application's. */
export interface PostgresPool extends PostgresQueries {
  connect: () => Promise<PostgresPoolClient>
}

/** Where the database is: one of the two. */
export interface PostgresSource {
  readonly pool: PostgresPool | undefined
  readonly connectionString: string | undefined
}

/** Time that connecting and each query may take, in milliseconds. */
export const QUERY_TIMEOUT_MS = 5_000
/** Time for a server to take its leave. */
const END_TIMEOUT_MS = 1_000

/** Keepalives, so that a server notices soon when this process is gone, and gives up its locks. */
const settings = `SET synchronous_commit = on; SET statement_timeout = ${QUERY_TIMEOUT_MS};
  SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`

/** One connection. Its settings and locks are its own, so it is never given back to a pool alive. */
export class PostgresConnection {
  readonly #client: PostgresQueries
  readonly #end: () => Promise<void>

  private constructor (client: PostgresQueries, end: () => Promise<void>) {
    this.#client = client
    this.#end = end
  }

  /** Connects. Rejects when that fails or takes too long. */
  static async open ({ pool, connectionString = '' }: PostgresSource): Promise<PostgresConnection> {
    const connection =
      pool === undefined
        ? await PostgresConnection.#connect(connectionString)
        : await PostgresConnection.#borrow(pool)
    try {
      await connection.query(settings)
      return connection
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  static async #borrow (pool: PostgresPool): Promise<PostgresConnection> {
    const connecting: unknown = pool.connect()
    if (!isThenable(connecting)) throw wrongPool('connect must return a promise')
    const lent = Promise.resolve(connecting as Promise<PostgresPoolClient>)
    let client: PostgresPoolClient
    try {
      client = await within(lent, QUERY_TIMEOUT_MS, 'the pool has lent no connection')
    } catch (error) {
      lent.then(late => { late.release(true) }).catch(() => {})
      throw error
    }
    for (const name of ['query', 'on', 'release'] as const) {
      if (typeof (client as Partial<PostgresPoolClient> | undefined)?.[name] !== 'function') {
        throw wrongPool(`connect must resolve with a client, which has ${name}()`)
      }
    }
    // The query that meets the error tells of it.
    client.on('error', () => {})
    return new PostgresConnection(client, async () => { client.release(true) })
  }

  static async #connect (connectionString: string): Promise<PostgresConnection> {
    const { Client } = await loadPg()
    const socket = new Socket()
    const client = makeClient(() => new Client({
      connectionString,
      connectionTimeoutMillis: QUERY_TIMEOUT_MS,
      keepAlive: true,
      application_name: 'fastify-noex audit',
      stream: () => socket
    }))
    client.on('error', () => {})
    try {
      await within(client.connect(), QUERY_TIMEOUT_MS, 'the database does not answer')
    } catch (error) {
      socket.destroy()
      throw error
    }
    return new PostgresConnection(client, async () => {
      // A server that hangs does not say farewell.
      await within(client.end(), END_TIMEOUT_MS, 'the database does not answer').catch(() => {})
      socket.destroy()
    })
  }

  /** Runs one query. Rejects when it fails or takes too long; after that the connection is to be closed. */
  async query (text: string, values: unknown[] = [], timeoutMs = QUERY_TIMEOUT_MS): Promise<PostgresResult> {
    // Without values several statements may stand in one text.
    const running = values.length === 0 ? this.#client.query(text) : this.#client.query(text, values)
    const result: unknown = await within(running, timeoutMs, 'the database does not answer')
    // Several statements in one text give several results.
    if (typeof result === 'object' && result !== null) return result as PostgresResult
    throw wrongPool('query must resolve with a result, which has rows')
  }

  /** Ends the connection. Never rejects. */
  async close (): Promise<void> {
    try {
      await this.#end()
    } catch {
      // A pool that takes nothing back keeps what it has lent: the connection is let go all the same.
    }
  }
}

function wrongPool (problem: string): SinkRefusal {
  return new SinkRefusal(
    `postgresSink.pool is no pool of the package pg: ${problem}`,
    'the pool cannot be used'
  )
}

/** Whether an error of the database, or of the way to it, is of the kind that passes by itself. */
export function isAway (error: unknown): boolean {
  if (error instanceof SinkRefusal) return false
  const { code } = error as { code?: unknown }
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code) || isErrno(error)) return true
  // Connection lost, out of resources, shut down or starting, cancelled, not the primary.
  return /^(?:08|53|57|58|25006|40)/.test(code)
}

/** Why the database takes nothing, without names and addresses. */
export function reasonOf (error: unknown): string {
  if (error instanceof SinkRefusal) return error.reason
  return isAway(error)
    ? 'database unreachable'
    : `database refuses the entries (${(error as { code: string }).code})`
}

/** `EPIPE` looks like one of the database's own codes. */
function isErrno (error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall !== undefined
}

async function loadPg (): Promise<typeof import('pg')> {
  try {
    return (await import('pg')).default as unknown as typeof import('pg')
  } catch (error) {
    throw new SinkRefusal(
      'postgresSink with connectionString needs the package pg: npm install pg',
      'pg is missing',
      { cause: error }
    )
  }
}

function makeClient<T> (make: () => T): T {
  try {
    return make()
  } catch {
    // The error of the parser carries the text, and that a password.
    throw new SinkRefusal('postgresSink.connectionString cannot be understood', 'bad connection string')
  }
}

async function within<T> (promise: Promise<T>, ms: number, problem: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([promise, new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => { reject(new Error(`${problem} within ${ms} ms`)) }, ms)
    })])
  } finally {
    clearTimeout(timer)
  }
}

/** An error with a message: one for several addresses has none of its own. */
export function describe (error: unknown): Error {
  const { message, code } = error as Error & { code?: string }
  return message === '' && error instanceof Error
    ? new Error(code ?? error.name, { cause: error })
    : (error as Error)
}
