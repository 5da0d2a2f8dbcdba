import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { NoexOptionsError, option, options } from '../../util/option-schema.js'
import { nonEmptyText, type } from '../../util/option-types.js'
import type { PostgresPool } from '../../postgres/connection.js'
import { isTableName } from './table.js'
import type { WriterSettings } from './start.js'
import { PostgresWriter } from './writer.js'
import { pathWith, sinkOptions, toPrivateKey, type SinkOptions } from '../chain/sink-options.js'
import type { AuditSink } from '../sink.js'

/** The options of `postgresSink`. */
export interface PostgresSinkOptions extends SinkOptions {
  /**
   * Pool of the package `pg`, of which one client is taken for good; the pool itself stays the application's.
   * Required without `connectionString`.
   * @default none
   */
  pool?: PostgresPool | undefined
  /**
   * The database, for a connection of the sink's own. It needs the package `pg`. Required without `pool`.
   * @default none
   */
  connectionString?: string | undefined
  /**
   * The table. It is created where it does not exist.
   * @default 'audit_log'
   */
  table?: string | undefined
  /**
   * Name of the chain that this process writes. No two processes may have the same.
   * @default the host's name
   */
  stream?: string | undefined
  /**
   * File in which entries are durable while the database is away. Without it replies wait.
   * @default none
   */
  spoolPath?: string | undefined
}

/**
 * With more, the time that is added to the name of a stream and the row's key would not fit into an index.
 */
const MAX_STREAM_CHARS = 255

const pool = type('pool of `pg`', 'must be a pool of the package pg', value =>
  typeof (value as PostgresPool | null)?.connect === 'function')

const tableName = type(
  '`name` or `schema.name`',
  'must be a name or schema.name of plain identifiers',
  isTableName
)

const streamName = type(
  `text of 1 to ${MAX_STREAM_CHARS} characters`,
  `must be a text of 1 to ${MAX_STREAM_CHARS} characters`,
  value => typeof value === 'string' && value !== '' && value.length <= MAX_STREAM_CHARS &&
    value.isWellFormed() && !value.includes('\0')
)

export const postgresOptions = options<PostgresSinkOptions>()({
  pool: option(pool, undefined),
  connectionString: option(nonEmptyText, undefined),
  table: option(tableName, 'audit_log'),
  stream: option(streamName, undefined),
  spoolPath: option(pathWith('.spool'), undefined),
  ...sinkOptions.members
}, (values, path) => {
  if ((values.pool === undefined) === (values.connectionString === undefined)) {
    throw new NoexOptionsError(`${path}.pool`, 'or connectionString is required, and only one of them')
  }
  return values
})

/**
 * Returns a sink that writes the trail to a table of PostgreSQL: a row for each entry, chained by hashes.
 * PROTOCOL.md, "Audit". It holds a lock of its session, so a pooler in between must not share sessions
 * between transactions.
 * @throws {NoexOptionsError} when an option is unknown or invalid
 * @example
 * const sink = postgresSink({ connectionString, stream: 'node-1', spoolPath: 'data/audit.spool' })
 * await app.register(noexPlugin, { store, audit: { sinks: [sink] } })
 */
export function postgresSink (options: PostgresSinkOptions): AuditSink {
  const {
    policy, signingKey, spoolPath, stream = hostname(), ...rest
  } = postgresOptions.resolve(options, 'postgresSink')
  const settings = {
    ...rest,
    stream,
    spoolPath: spoolPath === undefined ? undefined : resolve(spoolPath),
    signingKey: signingKey === undefined ? undefined : toPrivateKey(signingKey)
  } as WriterSettings
  return {
    name: 'postgres',
    policy,
    open: async context => await PostgresWriter.open(settings, context)
  }
}
