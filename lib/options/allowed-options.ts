import { checkHeaderName, reducedName } from '../handshake/raw-headers.js'
import { trustedProxyMatcher } from '../handshake/trusted-proxies.js'
import { closeTimeoutMs, inFlightTimeoutMs } from '../deadlines.js'
import {
  checkGroup,
  isBoolean,
  isInteger,
  isPath,
  isPathOrFalse,
  isPlainObject,
  isPrefix,
  isText,
  isTextArray,
  MAX_TIMER_MS,
  NoexOptionsError,
  type Checks
} from '../util/option-schema.js'
import type { ResolvedOptions } from './options.js'
import { MAX_TIMEOUT_MS } from '../procedures/definition.js'
import { ruleEngineMethods, type RuleEngine } from '../rules/rule-engine.js'
import { storeProblem } from '../store/noex-store.js'

/**
 * What the top level may have. `auth`, `audit`, `procedures` and `rateLimit` are checked where they are
 * resolved.
 */
export const optionChecks: Checks = {
  store: isStore,
  rules: isRuleEngine,
  rulesTimeoutMs: isInteger(1, MAX_TIMER_MS),
  auth: () => {},
  audit: () => {},
  procedures: () => {},
  rateLimit: () => {},
  path: isPath,
  prefix: isPrefix,
  name: isText,
  routes: {
    healthz: isPathOrFalse,
    readyz: isPathOrFalse,
    livez: isPathOrFalse,
    stats: isPathOrFalse,
    metrics: isPathOrFalse
  },
  helmet: isObjectOrFalse,
  maxPayloadBytes: isInteger(1, 2 ** 31 - 1),
  heartbeat: { intervalMs: isInteger(1, MAX_TIMER_MS), timeoutMs: isInteger(1, MAX_TIMER_MS) },
  backpressure: {
    maxBufferedBytes: isInteger(1, Number.MAX_SAFE_INTEGER),
    highWaterMark: isShare,
    drainTimeoutMs: isInteger(1, MAX_TIMER_MS)
  },
  connectionLimits: {
    maxSubscriptionsPerConnection: isInteger(0, Number.MAX_SAFE_INTEGER),
    maxTotalSubscriptions: isInteger(0, Number.MAX_SAFE_INTEGER),
    maxConnections: isInteger(1, Number.MAX_SAFE_INTEGER),
    maxConnectionsPerUser: isInteger(1, Number.MAX_SAFE_INTEGER),
    maxUnauthenticatedConnections: isInteger(1, Number.MAX_SAFE_INTEGER),
    maxUnauthenticatedPayloadBytes: isInteger(1, 2 ** 31 - 1)
  },
  workBudget: isInteger(1, Number.MAX_SAFE_INTEGER),
  maxCommitChanges: isInteger(1, Number.MAX_SAFE_INTEGER),
  queryTimeoutMs: isInteger(1, MAX_TIMEOUT_MS),
  loginTimeoutMs: isInteger(1, MAX_TIMER_MS),
  maxConnectionsPerIp: isInteger(1, Number.MAX_SAFE_INTEGER),
  allowedOrigins: isOriginArray,
  realIpHeader: checkHeaderName,
  trustedProxies: (value, path) => { trustedProxyMatcher(value as string[], path) },
  revocation: { blacklistTtlMs: isInteger(1, Number.MAX_SAFE_INTEGER) },
  exposeErrorDetails: isBoolean,
  shutdown: {
    gracePeriodMs: isGracePeriod,
    drainDelayMs: isGracePeriod,
    reconnectWindowMs: isInteger(0, MAX_TIMER_MS)
  }
}

const ofDrain: Checks = { gracePeriodMs: isGracePeriod, drainDelayMs: isGracePeriod }

/** Throws a NoexOptionsError unless `options` are what `drain` and `stop` take. */
export function checkDrainOptions (options: unknown): void {
  if (!isPlainObject(options)) throw new NoexOptionsError('drain', 'must be an object')
  checkGroup(options, ofDrain, '')
}

/** What is right by itself, but not beside the others. */
export function checkTogether ({ auth, allowedOrigins, realIpHeader, trustedProxies }: ResolvedOptions): void {
  if (realIpHeader !== undefined && trustedProxies === undefined) {
    throw new NoexOptionsError(
      'trustedProxies',
      'is required with realIpHeader: without it, every client could choose its address'
    )
  }
  if (trustedProxies !== undefined && realIpHeader === undefined) {
    throw new NoexOptionsError('trustedProxies', 'has no effect without realIpHeader')
  }
  if (auth?.mode === 'gateway' && allowedOrigins === undefined) {
    throw new NoexOptionsError(
      'allowedOrigins',
      'is required with auth.gateway: a page of any site could connect as whoever looks at it'
    )
  }
  if (auth?.mode === 'gateway' && allowedOrigins?.includes('null') === true) {
    throw new NoexOptionsError(
      'allowedOrigins',
      'must not have "null" with auth.gateway: any site can open a page with that origin'
    )
  }
  if (auth?.mode === 'gateway' && realIpHeader !== undefined) {
    const { userHeader, rolesHeader, secretHeader } = auth.gateway
    const taken = [userHeader, rolesHeader, secretHeader].map(name =>
      name === undefined ? undefined : reducedName(name)
    )
    if (taken.includes(reducedName(realIpHeader))) {
      throw new NoexOptionsError('realIpHeader', 'is one of the headers of auth.gateway')
    }
  }
}

/** Throws a NoexOptionsError unless `value` is a grace period: milliseconds that a timer can wait. */
export function isGracePeriod (value: unknown, path: string): void {
  isInteger(0, MAX_TIMER_MS - inFlightTimeoutMs - closeTimeoutMs)(value, path)
}

/** Origins as browsers send them: one that is spelled otherwise would keep its pages out. */
function isOriginArray (value: unknown, path: string): void {
  isTextArray(value, path)
  for (const origin of value as string[]) {
    // Other schemes, those of extensions for instance, have no spelling that could be checked.
    const url = /^https?:/i.test(origin) && URL.canParse(origin) ? new URL(origin).origin : origin
    if (origin !== url || !/^(?:null|[a-z][a-z0-9+.-]*:\/\/[^/?#@*\s]+)$/.test(origin)) {
      throw new NoexOptionsError(
        path,
        `must be origins as browsers send them, such as "https://app.example.com"; "${origin}" is none`
      )
    }
  }
}

function isShare (value: unknown, path: string): void {
  if (typeof value !== 'number' || !(value > 0 && value <= 1)) {
    throw new NoexOptionsError(path, 'must be a number above 0 and at most 1')
  }
}

function isObjectOrFalse (value: unknown, path: string): void {
  if (value !== false && !isPlainObject(value)) throw new NoexOptionsError(path, 'must be an object or false')
}

function isStore (value: unknown, path: string): void {
  const problem = storeProblem(value)
  if (problem !== undefined) throw new NoexOptionsError(path, problem)
}

/** A rule engine is known by what it can do, so that one from another copy of the package passes. */
function isRuleEngine (value: unknown, path: string): void {
  requireMethods(value, ruleEngineMethods, path, 'rule engine')
  if (typeof (value as RuleEngine).isRunning !== 'boolean') {
    throw new NoexOptionsError(path, 'must be a rule engine; its "isRunning" is no boolean')
  }
  if (!Object.isExtensible(value) || Object.getOwnPropertyDescriptor(value, 'emit')?.configurable === false) {
    const reason = 'its "emit" is replaced, to keep records of system buckets from it'
    throw new NoexOptionsError(path, `must not be frozen: ${reason}`)
  }
}

function requireMethods (value: unknown, names: readonly string[], path: string, what: string): void {
  const missing = names.find(name => typeof (value as Record<string, unknown> | null)?.[name] !== 'function')
  if (missing !== undefined) {
    throw new NoexOptionsError(path, `must be a ${what}; it has no method "${missing}"`)
  }
}
