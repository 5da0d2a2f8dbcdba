import type { CallAudit } from '../audit/call-audit.js'
import type { CallReply } from '../connection/call-client.js'
import type { Caller } from '../connection/caller.js'
import type { CallerRefusal, CallerRequest, Callers } from '../connection/callers.js'
import type { Calls } from '../connection/calls.js'
import type { RefusalLog } from '../connection/refusal-log.js'
import type { IncomingRequest, RequestOriginResolver } from '../handshake/request-origin.js'
import type { CallQuota, CountedCall } from '../limits/call-quota.js'
import type { RequestMetrics } from '../metrics/request-metrics.js'
import type { Decoded } from '../protocol/decode.js'
import { encodeError } from '../protocol/encode.js'
import type { NoexServerError } from '../protocol/errors.js'
import type { Log } from '../util/log.js'

/** The parts and bounds of requests over HTTP. */
export interface HttpCallsParts {
  readonly calls: Calls
  readonly callers: Callers
  readonly callQuota: CallQuota
  readonly callAudit: CallAudit | undefined
  readonly originResolver: RequestOriginResolver
  readonly requestMetrics: RequestMetrics
  readonly refusals: RefusalLog
  /** Whether requests need the header `Origin`, because browsers are authenticated without a token. */
  readonly requiresOrigin: boolean
  /** Whether a client must log in. */
  readonly requiresAuth: boolean
  readonly maxPayloadBytes: number
  readonly maxUnauthenticatedPayloadBytes: number
  readonly exposeErrorDetails: boolean
}

/** A request over HTTP whose caller is known. */
export interface HttpCall {
  readonly caller: Caller
  /** Length limit of its body, in bytes. */
  readonly maxBytes: number
  /** Under way until it is released. */
  readonly counted: CountedCall
}

/** Handles requests over HTTP. PROTOCOL.md, "Requests over HTTP". */
export class HttpCalls {
  readonly #parts: HttpCallsParts

  constructor (parts: HttpCallsParts) {
    this.#parts = parts
  }

  /** Admits a request by its head, or refuses it; a promise, which never rejects, where it has a token. */
  admit (request: CallerRequest): HttpCall | CallerRefusal | Promise<HttpCall | CallerRefusal> {
    const { calls, callers, requiresOrigin } = this.#parts
    const { refusal } = calls
    if (refusal !== undefined) return { failure: refusal, refused: 'the server is shutting down' }
    const caller = callers.ofRequest(request, requiresOrigin)
    return caller instanceof Promise ? caller.then(found => this.#count(found)) : this.#count(caller)
  }

  #count (found: Caller | CallerRefusal): HttpCall | CallerRefusal {
    if ('refused' in found) return found
    const { callQuota, requiresAuth, maxPayloadBytes, maxUnauthenticatedPayloadBytes } = this.#parts
    const { session, addressKey } = found
    const isUnauthenticated = requiresAuth && session === undefined
    const counted = callQuota.acquire({ userId: session?.userId, addressKey, isUnauthenticated })
    if (counted instanceof Error) return { failure: counted, refused: 'too many requests are under way' }
    const maxBytes = isUnauthenticated ? maxUnauthenticatedPayloadBytes : maxPayloadBytes
    return { caller: found, maxBytes, counted }
  }

  /** Handles one message. Resolves with the reply; never rejects. */
  handle (message: Decoded, call: HttpCall): Promise<CallReply> {
    return new Promise(resolve => { this.run(message, call, resolve) })
  }

  /** Does the same, and calls `onReply` with the reply, once: a promise less for each request. */
  run (message: Decoded, { caller, counted }: HttpCall, onReply: (reply: CallReply) => void): void {
    counted.began()
    this.#parts.calls.run(message, caller, reply => {
      counted.ended()
      onReply(reply)
    })
  }

  /** Returns the text of a failure that concerns a request as a whole, and counts it. */
  textOf (failure: NoexServerError): string {
    const text = encodeError(0, failure, this.#parts.exposeErrorDetails)
    this.#parts.requestMetrics.ended(undefined, failure.code, 0, text.length)
    return text
  }

  /** Logs and records that a request is refused before it is read. */
  onRefused (incoming: IncomingRequest, { refused: reason, failure }: CallerRefusal, log: Log): void {
    const remoteAddress = this.#parts.originResolver.addressOf(incoming)
    log.warn({ remoteAddress, reason }, 'request refused')
    this.#parts.refusals.addRefused(remoteAddress, failure.code, reason)
    this.#parts.callAudit?.refused(remoteAddress, reason, log)
  }
}
