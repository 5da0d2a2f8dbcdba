import { TokenRefusal } from '../auth/token-refusal.js'
import { userRevoked } from '../protocol/refusals.js'
import { isExpired, type Origin, type Session } from '../protocol/session.js'
import type { Presence } from '../store/presence.js'
import type { Log } from '../util/log.js'
import { confirmedSession, type PrincipalHost } from './client-principal.js'
import type { RequestPrincipal } from './dispatch.js'

/** The call of a principal. */
interface PrincipalCall {
  readonly origin: Origin
  readonly log: Log
  /** Whether there is a client that waits for the answer. */
  readonly isAwaited: boolean
}

/**
 * The session of one call. It has no timers: whether the session is over is looked at whenever its rights
 * are.
 */
export class CallPrincipal implements RequestPrincipal {
  session: Session | undefined
  readonly #call: PrincipalCall
  readonly #host: Pick<PrincipalHost, 'clock' | 'authenticator' | 'isRevoked' | 'presences'>
  #version = 0
  #hasExpired = false
  /** Whether the user must not have a session any more, so that nothing is done as an anonymous client. */
  #isBarred = false
  /** Created at the first write. */
  #presence: Presence | undefined

  constructor (
    call: PrincipalCall, session: Session | undefined,
    host: Pick<PrincipalHost, 'clock' | 'authenticator' | 'isRevoked' | 'presences'>
  ) {
    this.#call = call
    this.session = session
    this.#host = host
  }

  get isOpen (): boolean {
    return this.#call.isAwaited
  }

  get version (): number {
    this.#endIfOver()
    return this.#version
  }

  get presence (): Presence {
    this.#presence ??= this.#host.presences.begin(null)
    return this.#presence
  }

  get isStale (): boolean {
    return this.session !== undefined && this.#host.authenticator?.isStale(this.session) === true
  }

  /**
   * Ends the session if it is over. Returns whether it has expired since the last call.
   * @throws `SESSION_REVOKED` when its user must not have one any more
   */
  checkExpiry (): boolean {
    this.#endIfOver()
    if (this.#isBarred) throw userRevoked()
    const hasExpired = this.#hasExpired
    this.#hasExpired = false
    return hasExpired
  }

  /** Replaces the session; with `undefined` the call goes on as that of an anonymous client. */
  change (session: Session | undefined): void {
    this.session = session
    this.#version++
  }

  /** Ends the session of a user who must not have one any more. */
  revoke (): void {
    this.#isBarred = true
    this.change(undefined)
  }

  /** Has the rights of the user checked anew. */
  onPermissionsChanged (): void {
    this.#version++
  }

  async confirm (): Promise<void> {
    const { session } = this
    if (session === undefined) return
    const confirmed = await confirmedSession(session, this.#call.origin, this.#host)
    // It may have been revoked meanwhile.
    if (this.session !== session) return
    if (confirmed instanceof TokenRefusal) {
      this.#call.log.info({ reason: confirmed.reason }, 'token refused')
      this.change(undefined)
    } else if (confirmed !== session) {
      this.change(confirmed)
    }
  }

  /** Ends what the call has begun. */
  close (): void {
    if (this.#presence !== undefined) this.#host.presences.leave(this.#presence)
  }

  #endIfOver (): void {
    const { session } = this
    if (session === undefined) return
    if (isExpired(session, this.#host.clock.now())) {
      this.change(undefined)
      this.#hasExpired = true
    } else if (session.state === 'barred' || this.#host.isRevoked(session.userId)) {
      this.revoke()
    } else if (session.state === 'ended') {
      this.change(undefined)
    }
  }
}
