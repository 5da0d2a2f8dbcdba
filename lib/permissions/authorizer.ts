import type { WhereFilter } from '@hamicek/noex-store'
import { NoexServerError } from '../protocol/errors.js'
import { connectionEnded, loginRequired } from '../protocol/refusals.js'
import type { RequestMessage } from '../protocol/messages.js'
import { stemOf } from '../rules/topic-pattern.js'
import type { NoteOf } from '../store/row-scope.js'
import { isSystemBucket, type SystemBuckets } from '../store/system-buckets.js'
import { RequestGrant, rowAccessKey, type Grant, type RequestRights } from './grant.js'
import {
  scopeOfBucket, unlimited, type OperationAccess, type Policy, type QueryFacts, type ResourceAccess,
  type Scope, type TopicScope
} from './policy.js'
import type { Principal } from './principal.js'

/** A defined query, or a search, that a client watches. */
export interface WatchedResource {
  readonly query?: string | undefined
  readonly find?: { readonly bucket: string } | undefined
}

/** The parts and bounds with which requests are authorized. */
export interface AuthorizerOptions {
  /** Whether a client must log in before it may do anything. */
  readonly required: boolean
  readonly policy: Policy
  readonly factsOf: (query: string) => QueryFacts
  /** Knows the system buckets, which no client may use. */
  readonly store: SystemBuckets
  /** `store.subscribe`, to which a live query needs the right as long as it exists. */
  readonly subscribe: OperationAccess
  /** `rules.subscribe`, to which an event subscription needs the right as long as it exists. */
  readonly subscribeToEvents: OperationAccess
  /** Units of work that one request may take. */
  readonly workBudget: number
  /** Records that one request may change at once. */
  readonly maxCommitChanges: number
}

/** Namespaces whose operations permissions do not decide about, unknown ones included. */
const WITHOUT_PERMISSION = /^(?:auth|identity)\./

/** Unknown types that are answered as unknown without a login. */
const UNKNOWN_TO_ALL = /^(?:auth\..*|identity\.login|identity\.loginWithSecret)$/s

/** Decides for every request whether it is allowed. PROTOCOL.md, "Request pipeline". */
export class Authorizer implements RequestRights {
  readonly workBudget: number
  readonly maxCommitChanges: number
  /** Whether the right to a subscription must be checked before each push. */
  readonly isVolatile: boolean
  readonly #options: AuthorizerOptions

  constructor (options: AuthorizerOptions) {
    this.workBudget = options.workBudget
    this.maxCommitChanges = options.maxCommitChanges
    this.isVolatile = options.policy.isVolatile
    this.#options = options
  }

  /**
   * Grants a request; `operation` is `undefined` for an unknown one. `note` is that of the commits of the
   * request.
   * @throws `UNAUTHORIZED`, `FORBIDDEN`, or a CallbackError of `permissions.check`
   */
  authorize (
    principal: Principal, operation: OperationAccess | undefined, request: RequestMessage, note?: NoteOf
  ): Grant {
    this.requireLogin(principal, operation, request.type)
    const { session } = principal
    let rows = this.rowAccess(principal, operation, request)
    if (!principal.isOpen || principal.session !== session) {
      // `permissions.check` has ended the session: its answer was about another user.
      this.requireLogin(principal, operation, request.type)
      rows = this.rowAccess(principal, operation, request)
    }
    return new RequestGrant(this, principal, operation, request, rows, note)
  }

  requireLogin (principal: Principal, operation: OperationAccess | undefined, type: string): void {
    if (!principal.isOpen) throw connectionEnded()
    if (operation === undefined ? UNKNOWN_TO_ALL.test(type) : operation.accessLevel === 'everyone') return
    const hasExpired = principal.checkExpiry()
    if (principal.session !== undefined) return
    if (hasExpired) throw new NoexServerError('UNAUTHORIZED', 'Session expired')
    if (this.#options.required) throw loginRequired()
  }

  rowAccess (
    principal: Principal, operation: OperationAccess | undefined, request: RequestMessage
  ): ReadonlyMap<string, WhereFilter> | undefined {
    switch (operation?.accessLevel) {
      case 'everyone':
      case 'session':
        return undefined
      case 'admin':
      case 'superadmin':
        return requireRole(principal, operation.accessLevel)
      case 'permission':
        return this.#permit(principal, operation, operation.resources(request))
      case undefined:
        if (WITHOUT_PERMISSION.test(request.type)) return undefined
        return this.#permit(principal, undefined, [
          { operation: request.type, tier: undefined, type: 'server', name: '*', records: false }
        ])
    }
  }

  #permit (
    { session }: Principal, operation: OperationAccess | undefined, resources: readonly ResourceAccess[]
  ): ReadonlyMap<string, WhereFilter> | undefined {
    const { policy } = this.#options
    if (operation?.tier !== undefined && !policy.admits(session, operation.tier)) {
      throw new NoexServerError('FORBIDDEN', `${operation.name} requires ${operation.tier} access`)
    }
    let rows: Map<string, WhereFilter> | undefined
    for (const resource of resources) {
      const rowAccess = policy.decide(session, resource)
      if (rowAccess === false) throw forbidden(resource.operation, resource.name)
      if (rowAccess !== true) {
        (rows ??= new Map()).set(rowAccessKey(resource.operation, resource.name), rowAccess)
      }
      if (this.#isSystemBucket(resource)) {
        throw new NoexServerError('FORBIDDEN', `"${resource.name}" is the name of a system bucket`)
      }
    }
    return rows
  }

  /** Returns an authorizer that allows everything but the use of system buckets. */
  unrestricted (): Authorizer {
    return new Authorizer({ ...this.#options, required: false, policy: unlimited })
  }

  /** Returns the records that a query may read for a principal when it runs under `operation`. */
  scope ({ session }: Principal, operation: string, query: string): Scope {
    const { policy, factsOf, store } = this.#options
    const { key, rows } = policy.scope(session, operation, factsOf(query))
    return { key, rows: bucket => !isSystemBucket(bucket, store) && rows(bucket) }
  }

  /**
   * Returns the records that a live query may go on to read, of a defined query or of a search in a bucket;
   * `undefined` when it may not be watched any more.
   */
  liveQueryScope (principal: Principal, watched: WatchedResource): Scope | undefined {
    const { subscribe } = this.#options
    return resultUnlessRefused(() => {
      const rows = this.#require(principal, subscribe, { ...watched })
      if (watched.query !== undefined) return this.scope(principal, subscribe.name, watched.query)
      const bucket = watched.find?.bucket ?? '*'
      return searchScope(bucket, operation => rows?.get(rowAccessKey(operation, bucket)))
    })
  }

  /**
   * Returns the topics of a pattern that a principal may receive; `undefined`: none. A permission for
   * `stem.*` is none for `stem`, which the pattern matches too.
   */
  topicScope (principal: Principal, pattern: string): TopicScope | undefined {
    const { subscribeToEvents } = this.#options
    const isAllowed = (pattern: string): boolean => resultUnlessRefused(() => {
      this.#require(principal, subscribeToEvents, { pattern })
      return true
    }) === true
    if (!isAllowed(pattern)) return undefined
    const stem = stemOf(pattern)
    return stem === undefined || isAllowed(stem) ? 'whole' : 'below'
  }

  /** Whether a principal may use a resource, at least some of its records. */
  mayAccess ({ session }: Principal, resource: ResourceAccess): boolean {
    const { policy } = this.#options
    if (this.#isSystemBucket(resource)) return false
    return resultUnlessRefused(() => {
      const isInTier = resource.tier === undefined || policy.admits(session, resource.tier)
      return isInTier && policy.decide(session, resource) !== false
    }) === true
  }

  /** Whether a request would be granted; unlike `authorize`, this changes nothing. */
  mayRequest (principal: Principal, operation: OperationAccess, request: RequestMessage): boolean {
    const needsLogin = this.#options.required && operation.accessLevel !== 'everyone'
    if (needsLogin && principal.session === undefined) return false
    return resultUnlessRefused(() => {
      this.rowAccess(principal, operation, request)
      return true
    }) === true
  }

  #require (
    principal: Principal, operation: OperationAccess, fields: Readonly<Record<string, unknown>>
  ): ReadonlyMap<string, WhereFilter> | undefined {
    this.requireLogin(principal, operation, operation.name)
    return this.rowAccess(principal, operation, { id: 0, type: operation.name, ...fields })
  }

  #isSystemBucket ({ type, name }: ResourceAccess): boolean {
    return (type === 'bucket' || type === 'query') && isSystemBucket(name, this.#options.store)
  }
}

/** Returns the records that a search in a bucket may read, by the rows that it is confined to. */
export function searchScope (
  bucket: string, rows: (operation: string, bucket: string) => WhereFilter | undefined
): Scope {
  return scopeOfBucket(bucket, rows('store.where', bucket) ?? true)
}

/** Builds the refusal of a resource that the policy does not allow. */
function forbidden (operation: string, resource: string): NoexServerError {
  return new NoexServerError('FORBIDDEN', `No permission for ${operation} on ${resource}`)
}

function requireRole ({ session }: Principal, role: 'admin' | 'superadmin'): undefined {
  if (session?.roles.includes('superadmin') === true) return
  if (role === 'admin' && session?.roles.includes('admin') === true) return
  throw new NoexServerError('FORBIDDEN', `This takes the role ${role}`)
}

/**
 * Returns the result of `work`, or `undefined` where it throws: errors of a function of the application are
 * logged where it is called.
 */
function resultUnlessRefused<Result> (work: () => Result): Result | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
