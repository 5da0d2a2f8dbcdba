import { Socket } from 'node:net'
import { isThenable } from '../application/thenable.js'

/** An error of a database that cannot be used, and that does not pass by itself. */
export class DatabaseRefusal extends Error {
  /** The reason in a few words without paths, names or addresses: `/healthz` shows it. */
  readonly reason: string

  constructor (message: string, reason: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** The result of a query: the part of a result of `pg` that is used. */
interface PostgresResult {
  readonly rows: any[]
  readonly rowCount: number | null
}

/** A client or a pool of `pg`. */
export interface PostgresQueries {
  query: (text: string | { readonly name: string, readonly text: string }, values?: unknown[]) =>
  Promise<PostgresResult>
}

/** A client of a pool, until it is released. */
interface PostgresPoolClient extends PostgresQueries {
  on: (event: 'error' | 'end' | 'notification', listener: (value?: unknown) => void) => unknown
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

/** The part of the service that connects. */
export interface PostgresUser {
  /** Options that have the pool and the connection string, for errors. */
  readonly poolOption: string
  readonly connectionOption: string
  readonly applicationName: string
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
  readonly #client: PostgresPoolClient
  readonly #user: PostgresUser
  readonly #end: () => Promise<void>
  #isLost = false

  private constructor (client: PostgresPoolClient, user: PostgresUser, end: () => Promise<void>) {
    this.#client = client
    this.#user = user
    this.#end = end
    // The next query rejects with the error.
    const onLoss = (): void => { this.#isLost = true }
    client.on('error', onLoss)
    client.on('end', onLoss)
  }

  /** Connects. Rejects when that fails or takes longer than `QUERY_TIMEOUT_MS`. */
  static async open (
    { pool, connectionString = '' }: PostgresSource, user: PostgresUser
  ): Promise<PostgresConnection> {
    const connection =
      pool === undefined
        ? await PostgresConnection.#connect(connectionString, user)
        : await PostgresConnection.#borrow(pool, user)
    try {
      await connection.query(settings)
      return connection
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  static async #borrow (pool: PostgresPool, user: PostgresUser): Promise<PostgresConnection> {
    const connecting: unknown = pool.connect()
    if (!isThenable(connecting)) throw wrongPool(user, 'connect must return a promise')
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
        throw wrongPool(user, `connect must resolve with a client, which has ${name}()`)
      }
    }
    return new PostgresConnection(client, user, async () => { client.release(true) })
  }

  static async #connect (connectionString: string, user: PostgresUser): Promise<PostgresConnection> {
    const { Client } = await loadPg(user)
    const socket = new Socket()
    const client = makeClient(user, () => new Client({
      connectionString,
      connectionTimeoutMillis: QUERY_TIMEOUT_MS,
      keepAlive: true,
      application_name: user.applicationName,
      stream: () => socket
    }))
    client.on('error', () => {})
    try {
      await within(client.connect(), QUERY_TIMEOUT_MS, 'the database does not answer')
    } catch (error) {
      socket.destroy()
      throw error
    }
    const own = client as unknown as PostgresPoolClient
    return new PostgresConnection(own, user, async () => {
      // A server that hangs does not end the connection.
      await within(client.end(), END_TIMEOUT_MS, 'the database does not answer').catch(() => {})
      socket.destroy()
    })
  }

  /** Whether the connection has been lost, as far as it is known. */
  get isLost (): boolean {
    return this.#isLost
  }

  /** Calls `listener` at each NOTIFY of a channel that the connection listens to, and when it is lost. */
  onNotification (listener: () => void): void {
    for (const event of ['notification', 'error', 'end'] as const) this.#client.on(event, listener)
  }

  /**
   * Runs one query; one with a `name` is planned once. Rejects when it fails or takes too long; the caller
   * must then close the connection.
   */
  async query (
    text: string | { readonly name: string, readonly text: string }, values: unknown[] = [],
    timeoutMs = QUERY_TIMEOUT_MS
  ): Promise<PostgresResult> {
    // Without values, one text may have several statements.
    const running = values.length === 0 ? this.#client.query(text) : this.#client.query(text, values)
    const result: unknown = await within(running, timeoutMs, 'the database does not answer')
    // Several statements give an array of results.
    if (typeof result === 'object' && result !== null) return result as PostgresResult
    throw wrongPool(this.#user, 'query must resolve with a result, which has rows')
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

function wrongPool ({ poolOption }: PostgresUser, problem: string): DatabaseRefusal {
  return new DatabaseRefusal(
    `${poolOption} is no pool of the package pg: ${problem}`,
    'the pool cannot be used'
  )
}

/** Returns whether an error of the database or the network may pass by itself. */
export function isAway (error: unknown): boolean {
  if (error instanceof DatabaseRefusal) return false
  const { code } = error as { code?: unknown }
  if (typeof code !== 'string' || !/^[0-9A-Z]{5}$/.test(code) || isErrno(error)) return true
  // Connection lost, out of resources, shut down or starting, cancelled, not the primary.
  return /^(?:08|53|57|58|25006|40)/.test(code)
}

/** Returns why the database does not accept what is written, without names and addresses. */
export function reasonOf (error: unknown): string {
  if (error instanceof DatabaseRefusal) return error.reason
  return isAway(error)
    ? 'database unreachable'
    : `database refuses the entries (${(error as { code: string }).code})`
}

/** Returns whether an error is of the operating system: `EPIPE` looks like a code of the database. */
function isErrno (error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall !== undefined
}

async function loadPg ({ connectionOption }: PostgresUser): Promise<typeof import('pg')> {
  try {
    return (await import('pg')).default as unknown as typeof import('pg')
  } catch (error) {
    throw new DatabaseRefusal(
      `${connectionOption}, a connection string, needs the package pg: npm install pg`,
      'pg is missing',
      { cause: error }
    )
  }
}

function makeClient<T> ({ connectionOption }: PostgresUser, make: () => T): T {
  try {
    return make()
  } catch {
    // The parser's error contains the text, and the text a password.
    throw new DatabaseRefusal(`${connectionOption} cannot be understood`, 'bad connection string')
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
