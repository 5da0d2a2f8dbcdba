import type { Tier } from '../permissions/policy.js'
import {
  checkGroup,
  isFunction,
  isInteger,
  isPlainObject,
  MAX_TIMER_MS,
  merge,
  NoexOptionsError,
  type Checks
} from '../util/option-schema.js'
import type { AuditEntry } from './entry.js'
import { isPolicy, type AuditSink } from './sink.js'

/** Levels of the application's logger at which entries can be logged. */
export type AuditLogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** What the option `audit` takes. Durations are milliseconds. */
export interface AuditOptions {
  /**
   * The tiers of operations that are recorded.
   * @default ['admin']
   */
  tiers?: readonly Tier[] | undefined
  /**
   * Entries that are kept in memory for `audit.query`.
   * @default 10_000
   */
  maxEntries?: number | undefined
  /**
   * Hears of every entry. Nobody waits for it: what it throws is logged and harms nothing.
   * @default none
   */
  onEntry?: ((entry: AuditEntry) => unknown) | undefined
  /**
   * The level at which entries are logged, each with the `reqId` and `connectionId` of its client; `silent`:
   * not at all.
   * @default 'info'
   */
  logLevel?: AuditLogLevel | undefined
  /**
   * Where entries become durable, from `fastify-noex/audit`. Without sinks they are in memory only.
   * @default []
   */
  sinks?: readonly AuditSink[] | undefined
  /**
   * Time within which an entry must be durable where a reply waits for it. Then the reply is an error, and no
   * more such requests are let in until the sink has caught up.
   * @default 5_000
   */
  writeTimeoutMs?: number | undefined
}

/** `audit` with every default filled in, and checked. */
export interface ResolvedAudit {
  readonly tiers: readonly Tier[]
  readonly maxEntries: number
  readonly onEntry: ((entry: AuditEntry) => unknown) | undefined
  readonly logLevel: AuditLogLevel
  readonly sinks: readonly AuditSink[]
  readonly writeTimeoutMs: number
}

export const auditDefaults: ResolvedAudit = {
  tiers: ['admin'],
  maxEntries: 10_000,
  onEntry: undefined,
  logLevel: 'info',
  sinks: [],
  writeTimeoutMs: 5_000
}

const tiers: readonly unknown[] = ['read', 'write', 'admin'] satisfies Tier[]
const logLevels: readonly unknown[] = [
  'trace',
  'debug',
  'info',
  'warn',
  'error',
  'silent'
] satisfies AuditLogLevel[]

const checks: Checks = {
  tiers: isTiers,
  maxEntries: isInteger(1, 10_000_000),
  onEntry: isFunction,
  logLevel (value, path) {
    if (!logLevels.includes(value)) throw new NoexOptionsError(path, `must be one of ${logLevels.join(', ')}`)
  },
  sinks: isSinks,
  writeTimeoutMs: isInteger(1, MAX_TIMER_MS)
}

/**
 * Checks the option `audit`; `undefined` when there is none.
 * @throws {NoexOptionsError} at the first member that is unknown or out of bounds.
 */
export function resolveAudit (audit: unknown): ResolvedAudit | undefined {
  if (audit === undefined) return undefined
  if (!isPlainObject(audit)) throw new NoexOptionsError('audit', 'must be an object')
  const given = Object.fromEntries(Object.entries(audit).filter(([, value]) => value !== undefined))
  checkGroup(given, checks, 'audit.')
  return merge(auditDefaults as unknown as Record<string, unknown>, given, checks) as unknown as ResolvedAudit
}

function isTiers (value: unknown, path: string): void {
  if (
    !Array.isArray(value) ||
    value.length === 0 ||
    !value.every(tier => tiers.includes(tier)) ||
    new Set(value).size < value.length
  ) {
    throw new NoexOptionsError(path, `must name some of ${tiers.join(', ')}, each once`)
  }
}

function isSinks (value: unknown, path: string): void {
  if (!Array.isArray(value)) throw new NoexOptionsError(path, 'must be an array')
  if (new Set(value).size < value.length) {
    throw new NoexOptionsError(path, 'must not have the same sink twice')
  }
  value.forEach((sink: unknown, index) => {
    const { name, open, policy } = (sink ?? {}) as Partial<AuditSink>
    if (typeof name !== 'string' || name === '' || typeof open !== 'function' || !isPlainObject(policy)) {
      throw new NoexOptionsError(
        `${path}[${index}]`,
        'must be a sink, for instance jsonlSink({ path }) from fastify-noex/audit'
      )
    }
    for (const tier of ['read', 'write', 'admin'] as const) {
      isPolicy(policy[tier], `${path}[${index}].policy.${tier}`)
    }
  })
}
