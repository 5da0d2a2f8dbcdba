import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import type { Tier } from '../access/policy.js'
import type { Origin, Session } from '../access/session.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { AuditTrail } from './trail.js'

/** Who a request comes from, as the trail names it. */
export interface Subject {
  readonly origin: Origin
  readonly session: Session | undefined
  readonly log: Log
}

/** How an operation appears in the trail. Works on unchecked input. */
export interface AuditedOperation {
  readonly name: string
  readonly tier: Tier | undefined
  /** What the request concerns; `*` where it names nothing. */
  readonly resourceOf: (request: RequestMessage) => string
  /** What of the request may be recorded. */
  readonly detailsOf: (request: RequestMessage) => Readonly<Record<string, unknown>> | undefined
}

/** The entry of one request, from its arrival to its outcome. */
export class RequestRecord {
  readonly #trail: AuditTrail
  readonly #operation: AuditedOperation
  readonly #tier: Tier
  readonly #request: RequestMessage
  readonly #subject: Subject
  readonly #clock: Clock
  readonly #userBefore: string | undefined
  #reserved = false

  private constructor (trail: AuditTrail, operation: AuditedOperation, tier: Tier, request: RequestMessage, subject: Subject, clock: Clock) {
    this.#trail = trail
    this.#operation = operation
    this.#tier = tier
    this.#request = request
    this.#subject = subject
    this.#clock = clock
    this.#userBefore = subject.session?.userId
  }

  /** Begins the entry of a request; `undefined` when requests like it are not recorded. */
  static begin (trail: AuditTrail, operation: AuditedOperation | undefined, request: RequestMessage, subject: Subject, clock: Clock): RequestRecord | undefined {
    if (operation === undefined || !trail.covers(operation.tier)) return undefined
    return new RequestRecord(trail, operation, operation.tier, request, subject, clock)
  }

  /**
   * Makes sure that there is room for the entry before the request runs; returns a promise when it must be waited for.
   * @throws `INTERNAL_ERROR`, see `AuditTrail.reserve`
   */
  reserve (): Promise<void> | undefined {
    const waiting = this.#trail.reserve(this.#tier)
    if (waiting === undefined) {
      this.#reserved = true
      return undefined
    }
    return waiting.then(() => { this.#reserved = true })
  }

  /** Records the outcome; `error` is the message that the client gets. Returns a promise when the reply must wait, see `AuditTrail.record`. */
  end (error: string | undefined): Promise<boolean> | undefined {
    const { origin, session, log } = this.#subject
    const details = this.#operation.detailsOf(this.#request)
    return this.#trail.record({
      timestamp: this.#clock.now(),
      // Who has logged out is still who did it.
      userId: session?.userId ?? this.#userBefore ?? null,
      sessionId: origin.connectionId,
      operation: this.#operation.name,
      resource: this.#operation.resourceOf(this.#request),
      result: error === undefined ? 'success' : 'error',
      error,
      details,
      remoteAddress: origin.remoteAddress
    }, { tier: this.#tier, reserved: this.#reserved, log })
  }
}
