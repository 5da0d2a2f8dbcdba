import { ApplicationCallback } from '../application/application-callback.js'
import type { CallbackEnvironment } from '../application/failure-log.js'
import { plainAnswer } from '../application/plain-answer.js'
import { Permission } from './permission.js'
import { ANONYMOUS, type PermissionCheck, type PermissionConfig } from './permission-options.js'
import {
  scopeOfBucket,
  unlimitedScope,
  type Policy,
  type QueryFacts,
  type Scope,
  type Tier,
  type ResourceAccess
} from './policy.js'
import { shownSession, type Session } from '../protocol/session.js'
import type { RowAccess } from '../store/row-scope.js'

const anonymousRoles: readonly string[] = [ANONYMOUS]

interface Rule extends Permission {
  readonly role: string
}

/** The policy of external and gateway authentication: tiers of built-in roles, then `permissions`. */
export class PermissionPolicy implements Policy {
  readonly isVolatile: boolean
  readonly #config: PermissionConfig
  readonly #callback: ApplicationCallback<Parameters<PermissionCheck>> | undefined
  readonly #rules: readonly Rule[]
  readonly #factsOf: (query: string) => QueryFacts
  readonly #isOpen: boolean
  readonly #sessionKeys = new WeakMap<Session, number>()
  #lastSessionKey = 0

  /** `config` has been checked; `undefined` without the option. `factsOf` returns the facts of a query. */
  constructor (
    config: PermissionConfig | undefined,
    factsOf: (query: string) => QueryFacts,
    environment: CallbackEnvironment
  ) {
    const check = config?.check
    this.#config = config ?? {}
    this.#callback = check && new ApplicationCallback('auth.permissions.check', check, environment)
    this.isVolatile = check !== undefined
    this.#rules = (config?.rules ?? []).map(rule => Object.assign(new Permission(rule), { role: rule.role }))
    this.#factsOf = factsOf
    this.#isOpen = config === undefined
  }

  admits (session: Session | undefined, tier: Tier): boolean {
    const own = session && tierOf(session.roles)
    if (own !== undefined) return includesTier(own, tier)
    // Without permissions, a role of the application has no meaning and does not make an administrator.
    return !this.#isOpen || includesTier('write', tier)
  }

  decide (session: Session | undefined, resource: ResourceAccess): RowAccess {
    const checked = this.#check(session, resource.operation, resource.name)
    if (checked !== undefined) return checked
    const source =
      resource.type === 'query' ? (resource.source ?? this.#factsOf(resource.name).bucket) : undefined
    const roles = session?.roles ?? anonymousRoles
    const rule = this.#rules.find(rule => roles.includes(rule.role) && rule.allows(resource, source))
    // The records that a query may read are decided by its scope.
    if (rule !== undefined) return resource.type === 'query' ? true : rule.rows(session)
    return this.#byDefault(session, resource.tier)
  }

  /** The default allows operations of the tier `admin` only to sessions with a built-in role. */
  #byDefault (session: Session | undefined, tier: Tier | undefined): boolean {
    if (this.#config.default === 'deny') return false
    return tier !== 'admin' || (session !== undefined && tierOf(session.roles) !== undefined)
  }

  scope (session: Session | undefined, operation: string, query: QueryFacts): Scope {
    if (this.#check(session, operation, query.name) === true) return unlimitedScope
    const roles = session?.roles ?? anonymousRoles
    const rules = this.#rules.filter(rule => roles.includes(rule.role))
    const rows = (bucket: string): RowAccess => {
      const checked = this.#check(session, operation, bucket)
      if (checked !== undefined) return checked
      const rule =
        rules.find(rule => rule.allowsReading(operation, bucket)) ??
        rules.find(rule => rule.names(operation, query.name))
      return rule === undefined ? this.#byDefault(session, 'read') : rule.rows(session)
    }
    return query.bucket === undefined
      ? { key: this.#scopeKey(session, rules), rows }
      : scopeOfBucket(query.bucket, rows(query.bucket))
  }

  /** Returns a key that sessions share which `check` cannot distinguish; one that is no JSON has its own. */
  #keyOf (session: Session | undefined): string {
    try {
      if (session === undefined) return 'null'
      return JSON.stringify(plainAnswer('auth.validate', shownSession(session)))
    } catch {
      const known = this.#sessionKeys.get(session as Session) ?? ++this.#lastSessionKey
      this.#sessionKeys.set(session as Session, known)
      return `session ${known}`
    }
  }

  #check (session: Session | undefined, operation: string, resource: string): boolean | undefined {
    if (this.#callback === undefined) return undefined
    const asked = session === undefined ? null : shownSession(session)
    return this.#callback.decide(decisionIn, asked, operation, resource)
  }

  /** Returns the scope key for a query in code: its buckets are unknown, so all that may decide counts. */
  #scopeKey (session: Session | undefined, rules: readonly Rule[]): string {
    if (this.isVolatile) return this.#keyOf(session)
    if (this.#rules.length === 0) return ''
    const confining = rules.map(rule => [this.#rules.indexOf(rule), rule.where?.for(session)])
    return JSON.stringify(confining)
  }
}

/** Returns the decision of `check`. @throws TypeError for any other value, for instance a promise */
function decisionIn (value: unknown): boolean | undefined {
  if (typeof value === 'boolean' || value === undefined) return value
  throw new TypeError(
    `true, false or undefined is expected, not ${value instanceof Promise ? 'a promise' : typeof value}`
  )
}

const levels: Readonly<Record<Tier, number>> = { read: 1, write: 2, admin: 3 }

/** The built-in roles with the highest tier that each may use. PROTOCOL.md, "Tiers". */
const builtInRoles: ReadonlyMap<string, Tier> = new Map([
  ['reader', 'read'],
  ['writer', 'write'],
  ['admin', 'admin']
])

/** Whether `tier` includes `needed`. */
export function includesTier (tier: Tier, needed: Tier): boolean {
  return levels[tier] >= levels[needed]
}

/** Whether a role is built in and so has a tier. */
export function isBuiltInRole (role: string): boolean {
  return builtInRoles.has(role)
}

/** Returns the highest tier among the built-in roles of a session; `undefined` when it has none. */
export function tierOf (roles: readonly string[]): Tier | undefined {
  let highest: Tier | undefined
  for (const role of roles) {
    const tier = builtInRoles.get(role)
    if (tier !== undefined && (highest === undefined || levels[tier] > levels[highest])) highest = tier
  }
  return highest
}
