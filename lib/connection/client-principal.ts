import type { Authenticator } from '../auth/authenticator.js'
import { TokenRefusal } from '../auth/token-refusal.js'
import type { SubscriptionQuota } from '../limits/subscription-quota.js'
import type { ConnectionInfo } from '../operations/server-info.js'
import type { Authorizer } from '../permissions/authorizer.js'
import type { Scope, TopicScope } from '../permissions/policy.js'
import type { Principal } from '../permissions/principal.js'
import { REVOKED_REASON } from '../protocol/close-codes.js'
import type { SessionEnd } from '../protocol/messages.js'
import { endOf, type Origin, type Session } from '../protocol/session.js'
import type { Presence } from '../store/presence.js'
import type { LiveQueries } from '../subscriptions/live-queries.js'
import type { Watched } from '../subscriptions/live-request.js'
import { EventSubscriptions, type EventSubscriber } from '../subscriptions/event-subscriptions.js'
import { QuerySubscriptions, type QuerySubscriber } from '../subscriptions/query-subscriptions.js'
import type { PushTarget, SubscriptionInfo } from '../subscriptions/subscriber.js'
import type { Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import { MAX_TIMER_MS } from '../util/option-types.js'
import type { PresenceService } from './presence-service.js'

/** The parts of the service that principals work with: one object for all of them. */
export interface PrincipalHost {
  readonly clock: Clock
  readonly quota: SubscriptionQuota
  readonly liveQueries: LiveQueries
  readonly authorizer: Authorizer
  /** `undefined` where no tokens are used. */
  readonly authenticator: Authenticator | undefined
  readonly isRevoked: (userId: string) => boolean
  readonly presences: Pick<PresenceService, 'begin' | 'leave'>
}

/** The connection of a principal. */
export interface SessionOwner {
  readonly id: string
  readonly addressKey: string
  readonly origin: Origin
  readonly log: Log
  /** Closes the connection: the account of its session is gone. */
  revoke: (reason: string) => void
  /** Called before each change of the session. Throws when the user must not log in; never for a logout. */
  beforeSessionChange: (from: Session | undefined, to: Session | undefined) => void
  /** Called when the session has ended, and not by a logout of the client. */
  onSessionEnded: (reason: SessionEnd) => void
  logFailure: (error: unknown, operation: string) => void
}

/**
 * The session of a connection, with everything that depends on it: when the client logs in or out, when the
 * session expires or is ended elsewhere, and when rights change, its subscriptions change in the same tick.
 */
export class ClientPrincipal implements Principal, QuerySubscriber, EventSubscriber {
  session: Session | undefined
  version = 0
  isOpen = true
  readonly #owner: SessionOwner
  readonly #host: PrincipalHost
  readonly #target: PushTarget
  #subscriptions: QuerySubscriptions | undefined
  #eventSubscriptions: EventSubscriptions | undefined
  /** The last moment of the session, in epoch milliseconds; `undefined`: it has no end. */
  #endsAt: number | undefined
  /** Created at the first write. */
  #presence: Presence | undefined
  #hasExpired = false
  #cancelExpiry: (() => void) | undefined
  /** Of a stale session: `asked` while its issuer is asked, `confirmed` while waiting pushes are sent. */
  #confirmation: 'none' | 'asked' | 'confirmed' = 'none'

  constructor (owner: SessionOwner, host: PrincipalHost, target: PushTarget) {
    this.#owner = owner
    this.#host = host
    this.#target = target
  }

  /** Returns the subscriptions of both kinds, in the order in which they were made, at most `max` of each. */
  subscriptionInfos (max: number): SubscriptionInfo[] {
    return [...this.#subscriptions?.infos(max) ?? [], ...this.#eventSubscriptions?.infos(max) ?? []]
  }

  /** Whether it watches a query; `name` as `nameOf` returns it. */
  watches (name: string): boolean {
    return this.#subscriptions?.watches(name) === true
  }

  now (): number {
    return this.#host.clock.now()
  }

  get clientId (): string {
    return this.#owner.id
  }

  get account (): string {
    return this.session === undefined ? `address ${this.#owner.addressKey}` : `user ${this.session.userId}`
  }

  get isLoggedIn (): boolean {
    return this.session !== undefined
  }

  get presence (): Presence {
    this.#presence ??= this.#host.presences.begin(this.#owner.id)
    return this.#presence
  }

  /** Created on first use, so that an idle client does not pay for them. */
  get subscriptions (): QuerySubscriptions {
    const { quota, liveQueries } = this.#host
    this.#subscriptions ??= new QuerySubscriptions(this.#target, quota, this, liveQueries)
    return this.#subscriptions
  }

  get eventSubscriptions (): EventSubscriptions {
    this.#eventSubscriptions ??= new EventSubscriptions(this.#target, this.#host.quota, this)
    return this.#eventSubscriptions
  }

  get subscriptionCount (): number {
    return (this.#subscriptions?.size ?? 0) + (this.#eventSubscriptions?.size ?? 0)
  }

  /** The session's part of the connection info. */
  get info (): Pick<
    ConnectionInfo,
    'authenticated' | 'userId' | 'userName' | 'roles' | 'storeSubscriptionCount' | 'rulesSubscriptionCount'
  > {
    return {
      authenticated: this.isLoggedIn,
      userId: this.session?.userId ?? null,
      userName: this.session?.userName ?? null,
      roles: [...this.session?.roles ?? []],
      storeSubscriptionCount: this.#subscriptions?.size ?? 0,
      rulesSubscriptionCount: this.#eventSubscriptions?.size ?? 0
    }
  }

  /**
   * Replaces the session; with `undefined` the client becomes anonymous.
   * @throws the errors of `SessionOwner.beforeSessionChange`; nothing changes then
   */
  change (session: Session | undefined): void {
    this.#replace(session)
    this.#review()
  }

  checkExpiry (): boolean {
    this.#endIfOver()
    const hasExpired = this.#hasExpired
    this.#hasExpired = false
    return hasExpired
  }

  /** Ends a session that has expired, was ended elsewhere or whose user is barred. */
  #endIfOver (): void {
    const session = this.session
    if (session === undefined) return
    if (this.#endsAt !== undefined && this.#host.clock.now() > this.#endsAt) {
      this.#lose('expired')
      this.#hasExpired = true
    } else if (session.state === 'ended') {
      this.#lose('ended')
    } else if (session.state === 'barred') {
      this.#owner.revoke(REVOKED_REASON)
    }
  }

  #lose (reason: SessionEnd): void {
    this.change(undefined)
    this.#owner.onSessionEnded(reason)
  }

  /** Applies a change of the user's rights: subscriptions that are not allowed any more end. */
  onPermissionsChanged (): void {
    if (this.session === undefined) return
    this.#endIfOver()
    if (this.session === undefined) return
    this.version++
    this.#review()
  }

  /** Sends the pushes that have waited. */
  resume (): void {
    this.#subscriptions?.resume()
    this.#eventSubscriptions?.resume()
  }

  /** Ends session and subscriptions for good: the connection takes no more requests. */
  close (): void {
    this.isOpen = false
    this.end()
    if (this.#presence !== undefined) this.#host.presences.leave(this.#presence)
  }

  /** Ends session and subscriptions. */
  end (): void {
    this.#replace(undefined)
    this.#subscriptions?.close()
    this.#eventSubscriptions?.close()
  }

  get isVolatile (): boolean {
    return this.#host.authorizer.isVolatile
  }

  liveQueryScope (watched: Watched): Scope | undefined {
    return this.#host.authorizer.liveQueryScope(this, watched)
  }

  topicScope (pattern: string): TopicScope | undefined {
    return this.#host.authorizer.topicScope(this, pattern)
  }

  mayPush (): boolean {
    this.#endIfOver()
    if (this.#confirmation === 'confirmed' || !this.isStale) return true
    if (this.#confirmation === 'none') this.#confirmPushes()
    return false
  }

  /** Whether the session must be confirmed before a request is handled or anything is pushed. */
  get isStale (): boolean {
    const session = this.session
    return session !== undefined && this.#host.authenticator?.isStale(session) === true
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
      // Pushes go on waiting until the next change, which asks again.
      this.#owner.logFailure(error, 'auth.validate')
    }).finally(() => { this.#confirmation = 'none' })
  }

  /** Asks the issuer whether the session is still valid and applies the answer. Rejects without one. */
  async confirm (): Promise<void> {
    const session = this.session
    if (session === undefined) return
    const confirmed = await confirmedSession(session, this.#owner.origin, this.#host)
    // The client may have logged in or out meanwhile, or the connection may have ended.
    if (this.session !== session) return
    if (confirmed instanceof TokenRefusal) {
      this.#owner.log.info({ reason: confirmed.reason }, 'token refused')
      this.#lose('ended')
    } else if (confirmed !== session) {
      this.change(confirmed)
    }
  }

  #replace (session: Session | undefined): void {
    this.#owner.beforeSessionChange(this.session, session)
    this.#cancelExpiry?.()
    this.#cancelExpiry = undefined
    this.#hasExpired = false
    this.session = session
    this.version++
    this.#endsAt = session && endOf(session)
    if (this.#endsAt !== undefined) this.#awaitExpiry(this.#endsAt)
  }

  /** Ends the session after its last moment; waits in steps where that is later than a timer can wait. */
  #awaitExpiry (end: number): void {
    const leftMs = Math.max(0, end - this.#host.clock.now() + 1)
    this.#cancelExpiry = this.#host.clock.after(Math.min(leftMs, MAX_TIMER_MS), () => {
      if (this.#host.clock.now() > end) this.#endIfOver()
      else this.#awaitExpiry(end)
    })
  }
}

/** Returns the session as its issuer confirms it; a refusal where the user was revoked meanwhile. */
export async function confirmedSession (
  session: Session, origin: Origin,
  { authenticator, isRevoked }: Pick<PrincipalHost, 'authenticator' | 'isRevoked'>
): Promise<Session | TokenRefusal> {
  const confirmed = await authenticator?.confirm(session, origin) ?? session
  if (confirmed instanceof TokenRefusal || !isRevoked(confirmed.userId)) return confirmed
  return new TokenRefusal('its user is revoked')
}
