import type { CallAudit } from '../audit/call-audit.js'
import type { Operation } from '../operations/operation.js'
import type { Client } from '../operations/context.js'
import type { Decoded } from '../protocol/decode.js'
import type { Origin, Session } from '../protocol/session.js'
import { PresentResults } from '../subscriptions/present-results.js'
import { RingItem } from '../util/ring.js'
import type { Log } from '../util/log.js'
import { CallPrincipal } from './call-principal.js'
import type { Caller } from './caller.js'
import type { PrincipalHost } from './client-principal.js'
import { logFailure, type RequestClient } from './dispatch.js'
import type { Hold, Reply } from './held-replies.js'

/** The answer to a call: a reply message, and the error that it says. */
export type CallReply = Pick<Reply, 'text' | 'failure'>

/** The parts of the service that calls work with: one object for all of them. */
export interface CallHost extends PrincipalHost {
  /** `undefined` where there is no audit. */
  readonly callAudit: CallAudit | undefined
}

const nothing = (): void => {}

/** The client of one call: it asks once, is answered once, and has no connection. */
export class CallClient extends RingItem implements RequestClient {
  readonly message: Decoded
  readonly caller: Caller
  readonly principal: CallPrincipal
  answering: Operation | undefined
  requests = 0
  writing: Promise<unknown> | undefined
  readonly #host: CallHost
  readonly #onReply: (reply: CallReply) => void
  #isAnswered = false
  #ending: AbortController | undefined

  /** `onReply` is called once, with the answer to `message`. */
  constructor (message: Decoded, caller: Caller, host: CallHost, onReply: (reply: CallReply) => void) {
    super()
    this.message = message
    this.caller = caller
    this.#host = host
    this.#onReply = onReply
    this.principal = new CallPrincipal(this, caller.session, host)
  }

  get isConnected (): boolean {
    return false
  }

  /** Whether there is a client that waits for the answer. */
  get isAwaited (): boolean {
    return !this.#isAnswered && !this.caller.hasLeft()
  }

  /** Made on first use: few operations need it. */
  get ended (): AbortSignal {
    if (this.#ending === undefined) {
      const ending = this.#ending = new AbortController()
      // A caller asks for one thing at a time.
      this.caller.onLeft = () => { ending.abort() }
    }
    if (!this.isAwaited) this.#ending.abort()
    return this.#ending.signal
  }

  /** That of the caller: what is bounded for each client is bounded for all of its calls together. */
  get id (): string {
    return this.caller.account
  }

  get origin (): Origin {
    const { remoteAddress, headers } = this.caller
    return { remoteAddress, connectionId: null, headers }
  }

  get addressKey (): string {
    return this.caller.addressKey
  }

  get log (): Log {
    return this.caller.log
  }

  get flow (): this {
    return this
  }

  get subscriptions (): Client['subscriptions'] {
    const { quota, liveQueries } = this.#host
    const { account } = this.caller
    return new PresentResults(quota, { clientId: account, account }, liveQueries)
  }

  /** @throws always: the operations that use them take a connection */
  get eventSubscriptions (): never {
    throw new TypeError('a call has no subscriptions to events')
  }

  /** Has the rest of the call made as this user. */
  logIn (session: Session): void {
    this.principal.change(session)
  }

  /** Has the rest of the call made as an anonymous client. */
  logOut (): void {
    this.principal.change(undefined)
  }

  reply (reply: Reply, hold?: Hold): void {
    if (hold === undefined) this.#answer(reply)
    else hold.released.then(maySend => { this.#answer(maySend ? reply : this.#instead(reply, hold)) })
    reply.answered?.()
  }

  #instead ({ unsent }: Reply, { instead }: Hold): CallReply {
    unsent?.()
    return instead()
  }

  /** Returns a function without effect: no push could overtake the reply. */
  holdPushes (): () => void {
    return nothing
  }

  /** Answers the call at once, with a failure: nothing more is written for it. */
  abandon (reply: CallReply): void {
    this.#answer(reply)
  }

  #answer (reply: CallReply): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    this.#ending?.abort()
    this.#onReply(reply)
  }

  onMalformed (problem: string): void {
    this.#host.callAudit?.malformed(this, problem)
  }

  onRateLimited (operation: string | undefined): void {
    this.#host.callAudit?.limited(this, operation)
  }

  logFailure (error: unknown, operation: string, resource?: string): void {
    logFailure(this.log, error, operation, resource)
  }
}
