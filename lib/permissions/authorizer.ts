import type { WhereFilter } from '@hamicek/noex-store'
import { NoexServerError } from '../protocol/errors.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { TopicScope } from '../subscriptions/event-subscriptions.js'
import { stemOf } from '../rules/topic-pattern.js'
import type { NoteOf } from '../store/row-scope.js'
import { isSystemBucket, type SystemBuckets } from '../store/system-buckets.js'
import { Work } from '../store/work.js'
import type { Authenticator } from '../auth/authenticator.js'
import type { Client, GuardedOperation } from './client.js'
import type { Grant } from './grant.js'
import { unlimited, type Policy, type QueryFacts, type Scope, type ResourceAccess } from './policy.js'
import type { Session } from '../protocol/session.js'
import { TokenRefusal } from '../auth/token-refusal.js'

/** A client as the gate sees it. */
export interface Caller extends Client {
  /** Counts the changes of who the client is and of what it may do. */
  readonly version: number
  /** The operation that is being answered, from when it is let in until the reply is sent. */
  answering: GuardedOperation | undefined
  /** What is being written for the client. */
  writing: Promise<unknown> | undefined
  /** Ends the session if it is over. */
  checkExpiry: () => void
  /** Whether a session has run out since this was last asked. */
  consumeExpiryNotice: () => boolean
  /**
   * Confirms the session with whoever issued it, and ends it unless that succeeds. Rejects when it cannot be
   * found out.
   */
  confirm: () => Promise<void>
}

/** What the gate goes by. */
export interface AuthorizerOptions {
  /** Whether a client must log in before it may do anything. */
  readonly required: boolean
  readonly policy: Policy
  readonly authenticator: Authenticator | undefined
  readonly isRevoked: (userId: string) => boolean
  readonly factsOf: (query: string) => QueryFacts
  /** Nobody may touch the system buckets. */
  readonly store: SystemBuckets
  /** `store.subscribe`: what a live query goes on needing. */
  readonly subscribe: GuardedOperation
  /** `rules.subscribe`: what hearing events goes on needing. */
  readonly subscribeToEvents: GuardedOperation
  /** Units of work that one request may take. */
  readonly workBudget: number
  /** Records that one request may change at once. */
  readonly maxCommitChanges: number
}

/** Namespaces whose operations are nobody's to allow or forbid, even those that do not exist. */
const OWN_RULES = /^(?:auth|identity)\./

/** What does not exist, and is said so without a login; what exists says for itself whether it takes one. */
const UNKNOWN_TO_ALL = /^(?:auth\..*|ping|identity\.login|identity\.loginWithSecret)$/s

/** The one place that lets requests in: who asks, and may they. PROTOCOL.md, "Request pipeline". */
export class Authorizer {
  readonly #options: AuthorizerOptions

  constructor (options: AuthorizerOptions) {
    this.#options = options
  }

  /**
   * Whether the client's session must be confirmed before its request is looked at, or the client be sent
   * anything.
   */
  isStale (client: Caller): boolean {
    const { authenticator } = this.#options
    return (
      authenticator !== undefined && client.session !== undefined && authenticator.isStale(client.session)
    )
  }

  /** See `Authenticator.confirm`. A user that was revoked meanwhile has no session. */
  async confirm (client: Caller, session: Session): Promise<Session | TokenRefusal> {
    const { authenticator, isRevoked } = this.#options
    const confirmed = await authenticator?.confirm(session, client.origin) ?? session
    if (confirmed instanceof TokenRefusal || !isRevoked(confirmed.userId)) return confirmed
    return new TokenRefusal('its user is revoked')
  }

  /**
   * Lets a request in; `operation` is `undefined` when the request names none that exists. `note` is that of
   * its commits.
   * @throws `UNAUTHORIZED`, `FORBIDDEN`, or a CallbackError of `permissions.check`
   */
  admit (
    client: Caller, operation: GuardedOperation | undefined, request: RequestMessage, note?: NoteOf
  ): Grant {
    return new RequestGrant(this, client, operation, request, note)
  }

  /** @throws `UNAUTHORIZED` */
  authenticate (client: Caller, operation: GuardedOperation | undefined, type: string): void {
    if (!client.open) throw new NoexServerError('UNAUTHORIZED', 'The connection has ended')
    if (operation === undefined ? UNKNOWN_TO_ALL.test(type) : operation.accessLevel === 'everyone') return
    client.checkExpiry()
    if (client.session !== undefined) return
    if (client.consumeExpiryNotice()) throw new NoexServerError('UNAUTHORIZED', 'Session expired')
    if (this.#options.required) throw new NoexServerError('UNAUTHORIZED', 'Authentication required')
  }

  /**
   * The records to which the request is confined, by operation and bucket; `undefined` when it is not.
   * @throws `FORBIDDEN`
   */
  authorize (
    client: Caller,
    operation: GuardedOperation | undefined,
    request: RequestMessage
  ): ReadonlyMap<string, WhereFilter> | undefined {
    switch (operation?.accessLevel) {
      case 'everyone':
      case 'session':
        return undefined
      case 'admin':
      case 'superadmin':
        return this.#requireRole(client, operation.accessLevel)
      case 'permission':
        return this.#permit(client, operation, operation.resources(request))
      case undefined:
        if (OWN_RULES.test(request.type)) return undefined
        return this.#permit(client, undefined, [
          { operation: request.type, tier: undefined, type: 'server', name: '*', records: false }
        ])
    }
  }

  #requireRole ({ session }: Caller, role: 'admin' | 'superadmin'): undefined {
    if (session?.roles.includes('superadmin') === true) return
    if (role === 'admin' && session?.roles.includes('admin') === true) return
    throw new NoexServerError('FORBIDDEN', `This takes the role ${role}`)
  }

  #permit (
    { session }: Caller,
    operation: GuardedOperation | undefined,
    touches: readonly ResourceAccess[]
  ): ReadonlyMap<string, WhereFilter> | undefined {
    const { policy, store } = this.#options
    if (operation?.tier !== undefined && !policy.admits(session, operation.tier)) {
      throw new NoexServerError('FORBIDDEN', `${operation.name} requires ${operation.tier} access`)
    }
    let rows: Map<string, WhereFilter> | undefined
    for (const resource of touches) {
      const verdict = policy.decide(session, resource)
      if (verdict === false) throw forbidden(resource.operation, resource.name)
      if (verdict !== true) (rows ??= new Map()).set(rowAccessKey(resource.operation, resource.name), verdict)
      if (isOfStore(resource) && isSystemBucket(resource.name, store)) {
        throw new NoexServerError('FORBIDDEN', `"${resource.name}" is the name of a system bucket`)
      }
    }
    return rows
  }

  /** A gate that lets everybody do everything, but for what is nobody's to do. */
  unrestricted (): Authorizer {
    return new Authorizer({ ...this.#options, required: false, policy: unlimited, authenticator: undefined })
  }

  /** Units of work that one request may take. */
  get workBudget (): number {
    return this.#options.workBudget
  }

  /** Records that one request may change at once. */
  get maxCommitChanges (): number {
    return this.#options.maxCommitChanges
  }

  /** Whether the client's right to a live query must be asked for before each push. */
  get isVolatile (): boolean {
    return this.#options.policy.isVolatile
  }

  /** What a query may read for a client when it runs under `operation`. */
  scope (client: Caller, operation: string, query: string): Scope {
    const { policy, factsOf, store } = this.#options
    const { key, rows } = policy.scope(client.session, operation, factsOf(query))
    return { key, rows: bucket => !isSystemBucket(bucket, store) && rows(bucket) }
  }

  /**
   * What a live query may go on to read for a client; `undefined` when the client may not watch it any more.
   */
  scopeOfSubscription (client: Caller, query: string): Scope | undefined {
    const { subscribe } = this.#options
    return this.#allowed(() => {
      this.#ask(client, subscribe, { query })
      return this.scope(client, subscribe.name, query)
    })
  }

  /**
   * What of a pattern of topics a client may hear; `undefined`: nothing. A permission for `stem.*` is none
   * for `stem`, which the pattern matches too.
   */
  topicScope (client: Caller, pattern: string): TopicScope | undefined {
    const { subscribeToEvents } = this.#options
    return this.#allowed(() => {
      this.#ask(client, subscribeToEvents, { pattern })
      const stem = stemOf(pattern)
      if (stem === undefined) return 'whole'
      return (
        this.#allowed(() => { this.#ask(client, subscribeToEvents, { pattern: stem }); return 'whole' }) ??
        'below'
      )
    })
  }

  /** Whether a client may do this to that, at least to some of its records. */
  mayAccess ({ session }: Caller, resource: ResourceAccess): boolean {
    const { policy, store } = this.#options
    if (isOfStore(resource) && isSystemBucket(resource.name, store)) return false
    return this.#allowed(() => {
      const isInTier = resource.tier === undefined || policy.admits(session, resource.tier)
      return isInTier && policy.decide(session, resource) !== false
    }) === true
  }

  /** Whether a client would be let in with a request; unlike `admit`, this changes nothing. */
  mayAsk (client: Caller, operation: GuardedOperation, request: RequestMessage): boolean {
    const needsLogin = this.#options.required && operation.accessLevel !== 'everyone'
    if (needsLogin && client.session === undefined) return false
    return this.#allowed(() => { this.authorize(client, operation, request); return true }) === true
  }

  #ask (client: Caller, operation: GuardedOperation, fields: Readonly<Record<string, string>>): void {
    this.authenticate(client, operation, operation.name)
    this.authorize(client, operation, { id: 0, type: operation.name, ...fields })
  }

  /**
   * Returns what `work` finds, or `undefined` where that is refused. What a function of the application
   * throws is logged where it is called.
   */
  #allowed<Found> (work: () => Found): Found | undefined {
    try {
      return work()
    } catch {
      return undefined
    }
  }
}

/** Whether the name of what is touched is one of the store's. */
function isOfStore ({ type }: ResourceAccess): boolean {
  return type === 'bucket' || type === 'query'
}

/** Builds the refusal of something that the policy does not allow. */
export function forbidden (operation: string, resource: string): NoexServerError {
  return new NoexServerError('FORBIDDEN', `No permission for ${operation} on ${resource}`)
}

/** The client for which the gate has made a grant, as the gate sees it. */
export function callerOf (grant: Grant): Caller {
  if (!(grant instanceof RequestGrant)) throw new Error('the gate has not made this grant')
  return grant.client
}

class RequestGrant implements Grant {
  readonly client: Caller
  readonly user: string | undefined
  readonly note: NoteOf | undefined
  readonly #authorizer: Authorizer
  readonly #operation: GuardedOperation | undefined
  readonly #request: RequestMessage
  readonly #rows: ReadonlyMap<string, WhereFilter> | undefined
  /** The query that the request runs, and the key of what it may read. */
  #scope: { readonly query: string, readonly key: string } | undefined
  #version: number
  #work: Work | undefined

  constructor (
    authorizer: Authorizer, client: Caller, operation: GuardedOperation | undefined, request: RequestMessage,
    note: NoteOf | undefined
  ) {
    this.client = client
    this.note = note
    this.#authorizer = authorizer
    this.#operation = operation
    this.#request = request
    authorizer.authenticate(client, operation, request.type)
    const { session } = client
    let rows = authorizer.authorize(client, operation, request)
    if (!client.open || client.session !== session) {
      // A function of the application that was asked has ended the session: what it has decided was about
      // another client.
      authorizer.authenticate(client, operation, request.type)
      rows = authorizer.authorize(client, operation, request)
    }
    this.#rows = rows
    this.user = client.session?.userId
    this.#version = client.version
  }

  rows (operation: string, bucket: string): WhereFilter | undefined {
    return this.#rows?.get(rowAccessKey(operation, bucket))
  }

  scope (query: string): Scope {
    const scope = this.#authorizer.scope(this.client, this.#request.type, query)
    this.#scope = { query, key: scope.key }
    return scope
  }

  /** Made when it is first asked for: most requests take none. */
  get work (): Work {
    this.#work ??= new Work(this.#authorizer.workBudget)
    return this.#work
  }

  get maxChanges (): number {
    return this.#authorizer.maxCommitChanges
  }

  assertStillAllowed (): void {
    const { client } = this
    if (client.open && client.version === this.#version) return
    this.#authorizer.authenticate(client, this.#operation, this.#request.type)
    const rows = this.#authorizer.authorize(client, this.#operation, this.#request)
    // What has been prepared was prepared for other records.
    if (!sameRows(rows, this.#rows) || !this.#hasSameScope()) {
      throw new NoexServerError('FORBIDDEN', 'Permissions have changed while the request waited; send it again')
    }
    this.#version = client.version
  }

  #hasSameScope (): boolean {
    return (
      this.#scope === undefined ||
      this.#authorizer.scope(this.client, this.#request.type, this.#scope.query).key === this.#scope.key
    )
  }
}

function rowAccessKey (operation: string, bucket: string): string {
  return `${operation} ${bucket}`
}

function sameRows (
  a: ReadonlyMap<string, WhereFilter> | undefined,
  b: ReadonlyMap<string, WhereFilter> | undefined
): boolean {
  return a === b || (a !== undefined && b !== undefined && JSON.stringify([...a]) === JSON.stringify([...b]))
}
