import type { PostgresPool } from '../postgres/connection.js'
import { option, options, required, type Resolved } from '../util/option-schema.js'
import { integer, type } from '../util/option-types.js'

/** The option `cluster`. */
export interface ClusterOptions {
  /**
   * The database with the log: a connection string, or a pool of the package `pg`, of which two clients are
   * taken for good and a third one while a snapshot is written. It needs the package `pg`.
   */
  postgres: PostgresPool | string
  /** Names the log in the tables: the processes that share a store give the same name, others another one. */
  name: string
  /**
   * Time without contact to the database after which another process may take over, in milliseconds. A
   * process whose event loop is held up for longer loses its lease.
   * @default 5_000
   */
  leaseMs?: number | undefined
}

const database = type(
  'connection string, or pool of `pg`',
  'must be a connection string or a pool of the package pg',
  value => (typeof value === 'string' && value !== '') ||
    typeof (value as PostgresPool | null | undefined)?.connect === 'function'
)

const logName = type(
  'name of 1 to 63 letters, digits, `_`, `.` and `-`',
  'must be a name of 1 to 63 letters, digits, _, . and -',
  value => typeof value === 'string' && /^[\w.-]{1,63}$/.test(value)
)

export const clusterOptions = options<ClusterOptions>()({
  postgres: required(database, ': the database with the log'),
  name: required(logName, ': the name of the log, the same for all processes that share the store'),
  leaseMs: option(integer(500, 60_000), 5_000)
})

/** The option with its defaults, checked. */
export type ResolvedCluster = Resolved<typeof clusterOptions>
