import type { Tier } from '../permissions/policy.js'
import {
  isPlainObject, NoexOptionsError, option, options, type Resolved, type ValueType
} from '../util/option-schema.js'
import { array, callback, integer, timerMs, type } from '../util/option-types.js'
import type { AuditEntry } from './entry.js'
import { sinkPolicy, type AuditSink } from './sink.js'

/** Levels of the application's logger at which entries can be logged. */
export type AuditLogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** The option `audit`. */
export interface AuditOptions {
  /**
   * Tiers of operations that are recorded.
   * @default ['admin']
   */
  tiers?: readonly Tier[] | undefined
  /**
   * Entries that are kept in memory for `audit.query`.
   * @limit the oldest entry is forgotten; sinks keep theirs
   * @default 10_000
   */
  maxEntries?: number | undefined
  /**
   * Is called with each entry; an error or a rejection is logged, once a minute, and harms nothing.
   * @default none
   */
  onEntry?: ((entry: AuditEntry) => unknown) | undefined
  /**
   * Level at which entries are logged, each with the `reqId` and `connectionId` of its client; `silent`: not
   * at all.
   * @default 'info'
   */
  logLevel?: AuditLogLevel | undefined
  /**
   * Where entries become durable, from `fastify-noex/audit`. Without sinks they are in memory only.
   * @default []
   */
  sinks?: readonly AuditSink[] | undefined
  /**
   * Time within which an entry must be durable where a reply waits for it, in milliseconds. Then the reply is
   * an error, and no more such requests are accepted until the sink has caught up.
   * @limit `INTERNAL_ERROR` with `details.reason` `audit_unavailable`
   * @default 5_000
   */
  writeTimeoutMs?: number | undefined
}

const tierNames: readonly unknown[] = ['read', 'write', 'admin'] satisfies Tier[]

const tiers = type(
  'array of `admin`, `write`, `read`',
  `must name some of ${tierNames.join(', ')}, each once`,
  value => Array.isArray(value) && value.length > 0 && value.every(tier => tierNames.includes(tier)) &&
    new Set(value).size === value.length
)

const logLevels: readonly unknown[] =
  ['trace', 'debug', 'info', 'warn', 'error', 'silent'] satisfies AuditLogLevel[]

const logLevel = type(
  `one of ${logLevels.map(level => `\`${String(level)}\``).join(', ')}`,
  `must be one of ${logLevels.join(', ')}`,
  value => logLevels.includes(value)
)

const sinks: ValueType = {
  text: 'array of sinks',
  check (value, path) {
    array.check(value, path)
    const list = value as unknown[]
    if (new Set(list).size < list.length) {
      throw new NoexOptionsError(path, 'must not have the same sink twice')
    }
    for (const [i, sink] of list.entries()) checkSink(sink, `${path}[${i}]`)
  }
}

function checkSink (sink: unknown, path: string): void {
  const { name, open, policy } = (sink ?? {}) as Partial<AuditSink>
  if (typeof name !== 'string' || name === '' || typeof open !== 'function' || !isPlainObject(policy)) {
    throw new NoexOptionsError(
      path,
      'must be a sink, for instance jsonlSink({ path }) from fastify-noex/audit'
    )
  }
  for (const tier of ['read', 'write', 'admin'] as const) {
    sinkPolicy.check(policy[tier], `${path}.policy.${tier}`)
  }
}

export const auditOptions = options<AuditOptions>()({
  tiers: option(tiers, ['admin']),
  maxEntries: option(integer(1, 10_000_000), 10_000),
  onEntry: option(callback, undefined),
  logLevel: option(logLevel, 'info'),
  sinks: option(sinks, []),
  writeTimeoutMs: option(timerMs, 5_000)
})

/** The option `audit` with its defaults, checked. */
export type ResolvedAudit = Resolved<typeof auditOptions>
