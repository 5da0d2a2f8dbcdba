import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Test } from 'tap'
import { recordEntry, type RecordedEntry } from '../../lib/audit/entry.js'
import { postgresSink, type PostgresSinkOptions } from '../../lib/audit/postgres/postgres-sink.js'
import type { SinkContext } from '../../lib/audit/sink.js'
import { systemClock } from '../../lib/util/clock.js'
import type { Log } from '../../lib/util/log.js'
import { numberedEntry } from './audit-trail-files.js'
import { freePort } from './free-port.js'

const SERVER = process.env['DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/test'
const PATIENCE_MS = 20_000

/** A database of the test's own. */
interface TestDatabase {
  readonly connectionString: string
  /** Whether it is a PostgreSQL server, which accepts several connections. */
  readonly isServer: boolean
}

/** Makes a database that is removed with the test. Without a server it is PGlite, but not in CI. */
export async function testDatabase (t: Test): Promise<TestDatabase> {
  const name = `noex_${randomBytes(6).toString('hex')}`
  try {
    await administer(`CREATE DATABASE ${name} ENCODING 'UTF8' TEMPLATE template0`)
  } catch (error) {
    if (process.env['CI'] !== undefined) throw error
    t.comment(`PostgreSQL cannot be reached, so this runs on PGlite: ${(error as Error).message}`)
    return await startPglite(t)
  }
  t.teardown(async () => { await administer(`DROP DATABASE ${name} WITH (FORCE)`) })
  const url = new URL(SERVER)
  url.pathname = name
  return { connectionString: url.href, isServer: true }
}

async function administer (text: string): Promise<void> {
  const client = new pg.Client({ connectionString: SERVER, connectionTimeoutMillis: PATIENCE_MS })
  await client.connect()
  await client.query(text)
  await client.end()
}

async function startPglite (t: Test): Promise<TestDatabase> {
  const { PGlite } = await import('@electric-sql/pglite')
  const { PGLiteSocketServer } = await import('@electric-sql/pglite-socket')
  const db = await PGlite.create()
  const port = await freePort()
  const server = new PGLiteSocketServer({ db, port, host: '127.0.0.1', maxConnections: 20 })
  await server.start()
  t.teardown(async () => {
    await server.stop()
    await db.close()
  })
  return { connectionString: `postgres://postgres@127.0.0.1:${port}/postgres`, isServer: false }
}

/** Makes a pool that ends with the test. */
export function testPool (t: Test, connectionString: string, options: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({ connectionString, ...options })
  // The database may go before an idle client does.
  pool.on('error', () => {})
  t.teardown(async () => { await pool.end() })
  return pool
}

/** A server of the test's own, which the test may kill. */
export interface PostgresServer {
  readonly connectionString: string
  /** Starts it, or starts it again; resolves when it answers. */
  start: () => Promise<void>
  /** Ends it in an orderly way, although clients are connected. */
  stop: () => Promise<void>
  /** Kills all processes at once, like a power failure. */
  kill: () => Promise<void>
  /** Stops all processes, until `resume`. */
  freeze: () => void
  resume: () => void
}

/** Returns the directory of PostgreSQL's programs; `undefined` when there is none, which fails in CI. */
export function postgresPrograms (t: Test): string | undefined {
  const root = '/usr/lib/postgresql'
  const [version] = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  if (version !== undefined) return join(root, version, 'bin')
  if (process.env['CI'] !== undefined) t.fail('PostgreSQL is missing')
  else t.comment('PostgreSQL is missing: not tested')
  return undefined
}

/** Makes a server in a temporary directory; the test starts it. */
export async function makeServer (t: Test, programs: string): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'noex-postgres-'))
  const data = join(folder, 'data')
  const port = await freePort()
  const connectionString = `postgres://postgres@127.0.0.1:${port}/postgres`
  let child: ChildProcess | undefined
  chmodSync(folder, 0o777)
  const settings = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  execFileSync(join(programs, 'initdb'), settings, {
    stdio: ['ignore', 'ignore', 'inherit'],
    cwd: folder,
    ...account()
  })

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const pids = processesOf(data)
    const exited = once(child, 'exit')
    if (signal === 'SIGKILL') signalAll(pids, 'SIGKILL')
    else signalAll(pids.slice(0, 1), signal)
    await exited
    child = undefined
    while (pids.some(isRunning)) await sleep(20)
  }
  t.teardown(async () => {
    await end('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  return {
    connectionString,
    async start () {
      const settings = [
        `port=${port}`,
        'listen_addresses=127.0.0.1',
        'unix_socket_directories=',
        'fsync=off',
        'max_connections=20'
      ]
      const args = ['-D', data, ...settings.flatMap(setting => ['-c', setting])]
      child = spawn(join(programs, 'postgres'), args, { stdio: 'ignore', cwd: folder, ...account() })
      await untilAnswered(connectionString)
    },
    stop: async () => { await end('SIGINT') },
    kill: async () => { await end('SIGKILL') },
    freeze () { signalAll(processesOf(data), 'SIGSTOP') },
    resume () { signalAll(processesOf(data), 'SIGCONT') }
  }
}

/** Returns the user that the server runs as: it refuses to run as root. */
function account (): { readonly uid?: number, readonly gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const id = (which: string): number => Number(execFileSync('id', [which, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** Returns the ids of the server's processes, the main one first. */
function processesOf (data: string): number[] {
  const first = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0])
  return [
    first,
    ...readFileSync(`/proc/${first}/task/${first}/children`, 'utf8')
      .split(' ')
      .filter(pid => pid !== '')
      .map(Number)
  ]
}

function signalAll (pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

function isRunning (pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function untilAnswered (connectionString: string): Promise<void> {
  for (let waited = 0; ; waited += 50) {
    const client = new pg.Client({ connectionString, connectionTimeoutMillis: PATIENCE_MS })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      if (waited > PATIENCE_MS) throw error
      await sleep(50)
    }
  }
}

/** A context for a sink, and the sink's reports. */
export interface TestContext extends SinkContext {
  readonly failures: Array<{ readonly error: Error, readonly reason: string }>
  readonly notes: Array<{ readonly operation: string, readonly details: object }>
  /** Messages of the log from `info` up. */
  readonly messages: string[]
  /** Resolves when a message that matches is logged, or was logged before. */
  readonly logged: (pattern: RegExp) => Promise<void>
  /** Resolves with the reason of the next failure. */
  readonly nextFailure: () => Promise<string>
}

/** Makes a context that keeps the reports of a sink. */
export function testContext (): TestContext {
  const failures: TestContext['failures'] = []
  const notes: TestContext['notes'] = []
  const messages: string[] = []
  const listeners = new Set<() => void>()
  const changed = (): void => { for (const listener of listeners) listener() }
  const until = async <T>(look: () => T | undefined): Promise<T> => await new Promise(resolve => {
    const listener = (): void => {
      const found = look()
      if (found === undefined) return
      listeners.delete(listener)
      resolve(found)
    }
    listeners.add(listener)
    listener()
  })
  const record = (_details: object, message: string): void => {
    messages.push(message)
    changed()
  }
  const log: Log = { trace () {}, debug () {}, info: record, warn: record, error: record, child: () => log }
  return {
    log,
    clock: systemClock,
    failures,
    notes,
    messages,
    failing (error, reason) {
      failures.push({ error, reason })
      changed()
    },
    note (operation, details) { notes.push({ operation, details }) },
    logged: async pattern => {
      await until(() => (messages.some(message => pattern.test(message)) ? true : undefined))
    },
    nextFailure: async () => {
      const { length } = failures
      return await until(() => failures[length]?.reason)
    }
  }
}

/** Returns the entries from number `first` to number `last`. */
export function numberedBatch (first: number, last: number): RecordedEntry[] {
  return Array.from({ length: last - first + 1 }, (_, i) =>
    recordEntry({ ...numberedEntry(first + i), resource: `entry-${first + i}`, details: { n: first + i } })
  )
}

/** Returns the resources of the entries up to number `last`. */
export function numberedNames (last: number): string[] {
  return Array.from({ length: last }, (_, i) => `entry-${i + 1}`)
}

/** Makes a database, with functions that open sinks on it and read its tables. */
export async function sinkDatabase (t: Test) {
  const { connectionString, isServer } = await testDatabase(t)
  const pool = testPool(t, connectionString, { max: isServer ? 10 : 3 })
  return {
    connectionString,
    isServer,
    pool,
    async open (options: Partial<PostgresSinkOptions>, context: TestContext = testContext()) {
      return await postgresSink({ connectionString, ...options }).open(context)
    },
    /** Reads the resources of a stream, in order. */
    async resources (table: string, stream: string, queries: pg.Pool = pool): Promise<string[]> {
      const { rows } = await queries.query(
        `SELECT resource FROM ${table} AS entry WHERE stream = $1 ORDER BY entry.seq`,
        [stream]
      )
      return (rows as Array<{ resource: string }>).map(({ resource }) => resource)
    }
  }
}
