import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { checkGroup, isText, merge, NoexOptionsError, type Checks } from '../../util/option-schema.js'
import type { PostgresPool } from './client.js'
import { isTableName } from './table.js'
import type { WriterSettings } from './start.js'
import { PostgresWriter } from './writer.js'
import { isPathWith, sinkChecks, sinkDefaults, toPrivateKey, type SinkOptions } from '../sink-options.js'
import type { AuditSink, SinkPolicies } from '../sink.js'

/**
 * What `postgresSink` takes: `pool` or `connectionString`, and what else is wanted. Durations are
 * milliseconds.
 */
export interface PostgresSinkOptions extends SinkOptions {
  /**
   * A pool of the package `pg`. One of its clients is taken for good; the pool itself stays the
   * application's.
   */
  pool?: PostgresPool | undefined
  /** The database, for a connection of the sink's own. It needs the package `pg`. */
  connectionString?: string | undefined
  /** The table, as `name` or `schema.name`. It is made when there is none. @default 'audit_log' */
  table?: string | undefined
  /**
   * The name of the chain that this process writes. No two processes may have the same. @default the host's
   * name
   */
  stream?: string | undefined
  /**
   * A file that ends in `.spool`: entries are durable there while the database is away. @default none:
   * replies wait
   */
  spoolPath?: string | undefined
}

/** What holds where an option is not given; `stream` is the host's name then. */
export const postgresDefaults = {
  ...sinkDefaults,
  pool: undefined,
  connectionString: undefined,
  table: 'audit_log',
  spoolPath: undefined
}

/**
 * With more, the time that is added to the name of a stream and the row's key would not fit into an index.
 */
const MAX_STREAM_CHARS = 255

const checks: Checks = {
  ...sinkChecks,
  pool (value, path) {
    if (typeof (value as PostgresPool | null)?.connect !== 'function') {
      throw new NoexOptionsError(path, 'must be a pool of the package pg')
    }
  },
  connectionString: isText,
  table (value, path) {
    if (!isTableName(value)) {
      throw new NoexOptionsError(path, 'must be a name or schema.name of plain identifiers')
    }
  },
  stream (value, path) {
    const isName =
      typeof value === 'string' &&
      value !== '' &&
      value.length <= MAX_STREAM_CHARS &&
      value.isWellFormed() &&
      !value.includes('\0')
    if (!isName) throw new NoexOptionsError(path, `must be a text of 1 to ${MAX_STREAM_CHARS} characters`)
  },
  spoolPath: isPathWith('.spool')
}

/**
 * Returns a sink that writes the trail to a table of PostgreSQL: a row for each entry, chained by hashes.
 * PROTOCOL.md, "Audit". It holds a lock of its session, so a pooler in between must not share sessions
 * between transactions.
 * @throws {NoexOptionsError} when an option is unknown or invalid
 * @example const sink = postgresSink({ connectionString, stream: 'node-1', spoolPath: 'data/audit.spool' })
 * await app.register(noex, { audit: { sinks: [sink] } })
 */
export function postgresSink (options: PostgresSinkOptions): AuditSink {
  const given = options as unknown as Record<string, unknown>
  checkGroup(given, checks, 'postgresSink.')
  if ((given['pool'] === undefined) === (given['connectionString'] === undefined)) {
    throw new NoexOptionsError('postgresSink.pool', 'or connectionString is required, and only one of them')
  }
  const { policy, signingKey, spoolPath, ...rest } = merge(
    { ...postgresDefaults, stream: hostname() },
    given,
    checks
  ) as unknown as Required<PostgresSinkOptions> & { policy: SinkPolicies }
  const settings = {
    ...rest,
    spoolPath: spoolPath === undefined ? undefined : resolve(spoolPath),
    signingKey: signingKey === undefined ? undefined : toPrivateKey(signingKey)
  } as WriterSettings
  return {
    name: 'postgres',
    policy,
    open: async context => await PostgresWriter.open(settings, context)
  }
}
