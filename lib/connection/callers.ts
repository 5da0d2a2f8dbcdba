import type { HttpAuthorizer, HttpRefusal } from '../auth/http-authorizer.js'
import { pageOrigin } from '../handshake/page-origin.js'
import type { IncomingRequest, RequestOrigin } from '../handshake/request-origin.js'
import type { Rejections } from '../limits/rejections.js'
import { NoexServerError } from '../protocol/errors.js'
import { loginRequired, userRevoked } from '../protocol/refusals.js'
import { readSession, type RequestHeaders, type Session } from '../protocol/session.js'
import type { Clock } from '../util/clock.js'
import type { Log } from '../util/log.js'
import { Caller } from './caller.js'

/** The parts of the service that identify callers. */
export interface CallerHost {
  readonly httpAuthorizer: HttpAuthorizer
  /** Returns the headers that an authenticator may read. */
  readonly retainedHeaders: (headers: RequestHeaders) => RequestHeaders
  /** `undefined`: every origin. */
  readonly allowedOrigins: readonly string[] | undefined
  readonly rejections: Rejections
  readonly clock: Clock
  /** Whether the account of a user may not be used; `false` where there is no such account. */
  readonly isBarred: (userId: string) => boolean
}

/** The request of a caller. */
export interface CallerRequest {
  readonly incoming: IncomingRequest
  readonly log: () => Log
  readonly hasLeft: () => boolean
}

/** The refusal of a request as a whole. */
export interface CallerRefusal {
  readonly failure: NoexServerError
  /** For the log: may name headers as they are configured, never a value. */
  readonly refused: string
}

const noHeaders: RequestHeaders = {}

/** Finds out who calls. */
export class Callers {
  readonly #host: CallerHost

  constructor (host: CallerHost) {
    this.#host = host
  }

  /**
   * Returns the caller of a request, or its refusal; a promise, which never rejects, where it has a token.
   * `requiresOrigin`: whether the header `Origin` must be there, because browsers are authenticated without a
   * token.
   */
  ofRequest (
    request: CallerRequest, requiresOrigin: boolean
  ): Caller | CallerRefusal | Promise<Caller | CallerRefusal> {
    const { httpAuthorizer, retainedHeaders } = this.#host
    const { incoming } = request
    const origin = this.#pageOrigin(incoming, requiresOrigin)
    if (origin === 'refused') {
      this.#host.rejections.count('origin')
      const failure = new NoexServerError('FORBIDDEN', 'The origin is not allowed')
      return { failure, refused: 'the origin is not allowed' }
    }
    const retained = retainedHeaders(incoming.headers)
    // A browser adds cookies by itself, whichever page sends the request.
    const headers = origin === 'allowed' ? retained : withoutCookie(retained)
    const found = httpAuthorizer.identify(incoming, headers)
    if (!(found instanceof Promise)) return callerOf(found, headers, request)
    return found.then(
      settled => callerOf(settled, headers, request),
      (error: unknown) => {
        request.log().error({ err: error }, 'the authorization of a request could not be checked')
        const failure = error instanceof NoexServerError ? error : uncheckable()
        return { failure, refused: 'its token cannot be checked' }
      }
    )
  }

  /**
   * Returns the caller with a session that the application vouches for; `null` for an anonymous one.
   * @throws {TypeError} that names the member which is wrong
   */
  ofSession (session: object | null, log: Log): Caller {
    return new Caller({
      remoteAddress: '',
      session: session === null ? undefined : this.#vouched(session),
      headers: noHeaders,
      log: () => log,
      hasLeft: () => false
    })
  }

  #vouched (given: object): Session {
    const { clock, isBarred } = this.#host
    const read = readSession(given, clock.now())
    return { ...read, get state () { return isBarred(read.userId) ? 'barred' : 'live' } }
  }

  #pageOrigin (
    { rawHeaders }: IncomingRequest, requiresOrigin: boolean
  ): 'allowed' | 'absent' | 'refused' {
    const { allowedOrigins } = this.#host
    if (allowedOrigins === undefined) return 'absent'
    const origin = pageOrigin(rawHeaders, allowedOrigins)
    return origin === 'absent' && requiresOrigin ? 'refused' : origin
  }
}

function callerOf (
  found: RequestOrigin | HttpRefusal, headers: RequestHeaders, { log, hasLeft }: CallerRequest
): Caller | CallerRefusal {
  if ('refused' in found) return { failure: failureOf(found), refused: found.reason }
  const { remoteAddress, session } = found
  return new Caller({ remoteAddress, session, headers, log, hasLeft })
}

/** Returns the error for a refusal; its message does not reveal the reason. */
function failureOf ({ refused, failure, retryAfterMs }: HttpRefusal): NoexServerError {
  if (failure !== undefined) return failure
  switch (refused) {
    case 400: return new NoexServerError('INVALID_REQUEST', 'The request is not acceptable')
    case 401: return loginRequired()
    case 403: return userRevoked()
    case 429: return new NoexServerError('RATE_LIMITED', 'Too many wrong tokens', { retryAfterMs })
  }
}

function uncheckable (): NoexServerError {
  return new NoexServerError(
    'INTERNAL_ERROR', 'Whether the token is valid cannot be found out at the moment',
    { reason: 'auth_unavailable' }
  )
}

function withoutCookie (headers: RequestHeaders): RequestHeaders {
  if (headers['cookie'] === undefined) return headers
  const { cookie: _cookie, ...others } = headers
  return others
}
