import { Socket } from 'node:net'
import { isThenable } from '../../application/thenable.js'

/** An error of a sink that cannot write, and that does not pass by itself. */
export class SinkRefusal extends Error {
  /** The reason in a few words without paths, names or addresses: `/healthz` shows it. */
  readonly reason: string

  constructor (message: string, reason: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** The result of a query: the part of a result of `pg` that the sink uses. */
interface PostgresResult {
  readonly rows: any[]
  readonly rowCount: number | null
}

/** A client or a pool of `pg`. */
export interface PostgresQueries {
  query: (text: string, values?: unknown[]) => Promise<PostgresResult>
}

/** A client of a pool, until it is released. */
interface PostgresPoolClient extends PostgresQueries {
  on: (event: 'error', listener: (error: Error) => void) => unknown
  release: (destroy?: boolean) => void
}

/** A pool of `pg`. The application owns and ends it. */
export interface PostgresPool extends PostgresQueries {
  connect: () => Promise<PostgresPoolClient>
}

/** How to connect: exactly one of the two is given. */
export interface PostgresSource {
  readonly pool: PostgresPool | undefined
  readonly connectionString: string | undefined
}

/** Maximum duration of connecting and of each query, in milliseconds. */
const QUERY_TIMEOUT_MS = 5_000
/** Maximum duration of an orderly end of a connection, in milliseconds. */
const END_TIMEOUT_MS = 1_000

/**
 * Settings of a connection. With keepalives the server soon detects a dead process and releases its locks.
 */
const settings = `SET synchronous_commit = on; SET statement_timeout = ${QUERY_TIMEOUT_MS};
  SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`

/** One connection. It has settings and locks of its own, so it is closed and never returned to a pool. */
export class PostgresConnection {
  readonly #client: PostgresQueries
  readonly #end: () => Promise<void>

  private constructor (client: PostgresQueries, end: () => Promise<void>) {
    this.#client = client
    this.#end = end
  }

  /** Connects. Rejects when that fails or takes longer than `QUERY_TIMEOUT_MS`. */
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
    const borrowed = Promise.resolve(connecting as Promise<PostgresPoolClient>)
    let client: PostgresPoolClient
    try {
      client = await within(borrowed, QUERY_TIMEOUT_MS, 'the pool has lent no connection')
    } catch (error) {
      borrowed.then(late => { late.release(true) }).catch(() => {})
      throw error
    }
    for (const name of ['query', 'on', 'release'] as const) {
      if (typeof (client as Partial<PostgresPoolClient> | undefined)?.[name] !== 'function') {
        throw wrongPool(`connect must resolve with a client, which has ${name}()`)
      }
    }
    // The next query rejects with the error.
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
      // A server that hangs does not end the connection.
      await within(client.end(), END_TIMEOUT_MS, 'the database does not answer').catch(() => {})
      socket.destroy()
    })
  }

  /** Runs one query. Rejects when it fails or takes too long; the caller must then close the connection. */
  async query (text: string, values: unknown[] = [], timeoutMs = QUERY_TIMEOUT_MS): Promise<PostgresResult> {
    // Without values, one text may have several statements.
    const running = values.length === 0 ? this.#client.query(text) : this.#client.query(text, values)
    const result: unknown = await within(running, timeoutMs, 'the database does not answer')
    // Several statements give an array of results.
    if (typeof result === 'object' && result !== null) return result as PostgresResult
    throw wrongPool('query must resolve with a result, which has rows')
  }

  /** Ends the connection. Never rejects. */
  async close (): Promise<void> {
    try {
      await this.#end()
    } catch {
      // A pool whose release fails keeps the client; nothing else can be done.
    }
  }
}

function wrongPool (problem: string): SinkRefusal {
  return new SinkRefusal(
    `postgresSink.pool is no pool of the package pg: ${problem}`,
    'the pool cannot be used'
  )
}

/** Returns whether an error of the database or the network may pass by itself. */
export function isAway (error: unknown): boolean {
  if (error instanceof SinkRefusal) return false
  const { code } = error as { code?: unknown }
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code) || isErrno(error)) return true
  // Connection lost, out of resources, shut down or starting, cancelled, not the primary.
  return /^(?:08|53|57|58|25006|40)/.test(code)
}

/** Returns why the database does not accept entries, without names and addresses. */
export function reasonOf (error: unknown): string {
  if (error instanceof SinkRefusal) return error.reason
  return isAway(error)
    ? 'database unreachable'
    : `database refuses the entries (${(error as { code: string }).code})`
}

/** Returns whether an error is of the operating system: `EPIPE` looks like a code of the database. */
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
    // The parser's error contains the text, and the text a password.
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

/** Returns an error that has a message: one for several addresses has none of its own. */
export function describe (error: unknown): Error {
  const { message, code } = error as Error & { code?: string }
  return message === '' && error instanceof Error
    ? new Error(code ?? error.name, { cause: error })
    : (error as Error)
}
