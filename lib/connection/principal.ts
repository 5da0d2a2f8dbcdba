import type { Caller } from '../permissions/authorizer.js'
import type { Scope } from '../permissions/policy.js'
import { endOf, isExpired, type Session } from '../protocol/session.js'
import { TokenRefusal } from '../auth/token-refusal.js'
import type { Clock } from '../util/clock.js'
import { REVOKED_REASON } from '../protocol/close-codes.js'
import type { SubscriptionQuota } from '../limits/subscription-quota.js'
import {
  QuerySubscriptions,
  type PushTarget,
  type QuerySubscriber
} from '../subscriptions/query-subscriptions.js'
import {
  EventSubscriptions,
  type EventSubscriber,
  type TopicScope
} from '../subscriptions/event-subscriptions.js'
import type { ConnectionInfo } from '../operations/server-info.js'
import { MAX_TIMER_MS } from '../util/option-types.js'

/** What a principal needs from the service: one object for all of them. */
export interface PrincipalHost {
  readonly clock: Clock
  readonly quota: SubscriptionQuota
  /** Whether that must be asked before each push. */
  readonly isVolatile: boolean
  /** What a live query may read for a client; `undefined` when the client may not watch it. */
  scopeOf: (client: Caller, query: string) => Scope | undefined
  /** What of a pattern of topics a client may hear; `undefined`: nothing. */
  topicScope: (client: Caller, pattern: string) => TopicScope | undefined
  /** Whether the client's session must be confirmed before it is used again. */
  isStale: (client: Caller) => boolean
  /** See `Authenticator.confirm`. */
  confirm: (client: Caller, session: Session) => Promise<Session | TokenRefusal>
}

/** The connection that a principal belongs to. */
export interface PrincipalOwner extends Caller {
  /** The client's account is gone: nothing more may happen on its connection. */
  revoke: (reason: string) => void
  /** Somebody is about to log in or out. Throws when that must not be: nobody is kept from logging out. */
  beforeSessionChange: (from: Session | undefined, to: Session | undefined) => void
  logFailure: (error: unknown, operation: string) => void
}

/**
 * Who a client is, and what follows from it: when somebody logs in or out, when the session runs out or is
 * ended elsewhere, and when rights change, the client's subscriptions follow in the same moment.
 */
export class Principal implements QuerySubscriber, EventSubscriber {
  /** Counts the changes of who the client is and of what it may do. */
  version = 0
  readonly #owner: PrincipalOwner
  readonly #host: PrincipalHost
  readonly #target: PushTarget
  #subscriptions: QuerySubscriptions | undefined
  #eventSubscriptions: EventSubscriptions | undefined
  #session: Session | undefined
  #hasExpired = false
  #cancelExpiry: (() => void) | undefined
  /**
   * `asked`: whether the session is still good; `confirmed`: it is, and what has waited for it may go out.
   */
  #confirmation: 'none' | 'asked' | 'confirmed' = 'none'

  constructor (owner: PrincipalOwner, host: PrincipalHost, target: PushTarget) {
    this.#owner = owner
    this.#host = host
    this.#target = target
  }

  get session (): Session | undefined {
    return this.#session
  }

  get isLoggedIn (): boolean {
    return this.#session !== undefined
  }

  /** Made when they are first asked for: most of what an idle client does not have, it does not pay for. */
  get subscriptions (): QuerySubscriptions {
    this.#subscriptions ??= new QuerySubscriptions(this.#target, this.#host.quota, this)
    return this.#subscriptions
  }

  get eventSubscriptions (): EventSubscriptions {
    this.#eventSubscriptions ??= new EventSubscriptions(this.#target, this.#host.quota, this)
    return this.#eventSubscriptions
  }

  get subscriptionCount (): number {
    return (this.#subscriptions?.size ?? 0) + (this.#eventSubscriptions?.size ?? 0)
  }

  /** What the list of connections tells of the client. */
  get info (): Pick<
    ConnectionInfo,
    'authenticated' | 'userId' | 'roles' | 'storeSubscriptionCount' | 'rulesSubscriptionCount'
  > {
    return {
      authenticated: this.isLoggedIn,
      userId: this.#session?.userId ?? null,
      roles: [...this.#session?.roles ?? []],
      storeSubscriptionCount: this.#subscriptions?.size ?? 0,
      rulesSubscriptionCount: this.#eventSubscriptions?.size ?? 0
    }
  }

  /**
   * Makes `session` the client's; `undefined`: nobody is logged in. Throws what `PrincipalOwner.changing`
   * does, and changes nothing then.
   */
  change (session: Session | undefined): void {
    this.#replace(session)
    this.#review()
  }

  /** Ends a session that is over. */
  checkExpiry (): void {
    const session = this.#session
    if (session === undefined) return
    if (isExpired(session, this.#host.clock.now())) {
      this.change(undefined)
      this.#hasExpired = true
    } else if (session.state === 'ended') {
      this.change(undefined)
    } else if (session.state === 'barred') {
      this.#owner.revoke(REVOKED_REASON)
    }
  }

  /** What users may do has changed: whatever this client may not have any more ends. */
  onPermissionsChanged (): void {
    if (this.#session === undefined) return
    this.checkExpiry()
    if (this.#session === undefined) return
    this.version++
    this.#review()
  }

  /**
   * Whether a session has run out since the last login or the last call: whoever asks tells the client, once.
   */
  consumeExpiryNotice (): boolean {
    const hasExpired = this.#hasExpired
    this.#hasExpired = false
    return hasExpired
  }

  /** Sends what had to wait for the client to read on. */
  resume (): void {
    this.#subscriptions?.resume()
    this.#eventSubscriptions?.resume()
  }

  /** Ends session and subscriptions for good. */
  end (): void {
    this.#replace(undefined)
    this.#subscriptions?.close()
    this.#eventSubscriptions?.close()
  }

  get isVolatile (): boolean {
    return this.#host.isVolatile
  }

  scopeOf (query: string): Scope | undefined {
    return this.#host.scopeOf(this.#owner, query)
  }

  topicScope (pattern: string): TopicScope | undefined {
    return this.#host.topicScope(this.#owner, pattern)
  }

  mayPush (): boolean {
    this.checkExpiry()
    if (this.#confirmation === 'confirmed' || !this.#host.isStale(this.#owner)) return true
    if (this.#confirmation === 'none') this.#confirmPushes()
    return false
  }

  #review (): void {
    this.#subscriptions?.review()
    this.#eventSubscriptions?.review()
  }

  #confirmPushes (): void {
    this.#confirmation = 'asked'
    this.confirm().then(() => {
      this.#confirmation = 'confirmed'
      this.resume()
    }, error => {
      // What waits goes on waiting: the next change asks again.
      this.#owner.logFailure(error, 'auth.validate')
    }).finally(() => { this.#confirmation = 'none' })
  }

  /** Asks whoever issued the session whether it is still good. Rejects when that cannot be found out. */
  async confirm (): Promise<void> {
    const session = this.#session
    if (session === undefined) return
    const confirmed = await this.#host.confirm(this.#owner, session)
    // Somebody may have logged in or out meanwhile, or the client have gone.
    if (this.#session !== session) return
    if (confirmed instanceof TokenRefusal) {
      this.#owner.log.info({ reason: confirmed.reason }, 'token refused')
      this.change(undefined)
    } else if (confirmed !== session) {
      this.change(confirmed)
    }
  }

  #replace (session: Session | undefined): void {
    this.#owner.beforeSessionChange(this.#session, session)
    this.#cancelExpiry?.()
    this.#cancelExpiry = undefined
    this.#hasExpired = false
    this.#session = session
    this.version++
    const end = session && endOf(session)
    if (end !== undefined) this.#awaitExpiry(end)
  }

  /** The last moment still counts. What is longer than a timer can wait is waited for in steps. */
  #awaitExpiry (end: number): void {
    const leftMs = Math.max(0, end - this.#host.clock.now() + 1)
    this.#cancelExpiry = this.#host.clock.after(Math.min(leftMs, MAX_TIMER_MS), () => {
      if (this.#host.clock.now() > end) this.checkExpiry()
      else this.#awaitExpiry(end)
    })
  }
}
