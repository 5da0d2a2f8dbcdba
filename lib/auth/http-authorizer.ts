import type { Clock } from '../util/clock.js'
import { WindowLimiter } from '../limits/window-limiter.js'
import type { RequestOrigin, RequestOriginRefusal, IncomingRequest } from '../handshake/request-origin.js'
import type { Authenticator } from './authenticator.js'
import { addressKey } from '../handshake/client-address.js'
import type { Policy } from '../permissions/policy.js'
import { isExpired, type RequestHeaders, type Session } from '../protocol/session.js'
import { TokenRefusal } from './token-refusal.js'

/** The parts of the service that authorize plain HTTP requests. */
interface HttpAuthorizerOptions {
  /** Whether a client must log in before it may do anything. */
  readonly required: boolean
  readonly policy: Policy
  readonly authenticator: Authenticator | undefined
  readonly isRevoked: (userId: string) => boolean
  readonly clock: Clock
  readonly resolveOrigin: (request: IncomingRequest) => RequestOrigin | RequestOriginRefusal
  /** Limit of wrong tokens from one address; `undefined`: none. */
  readonly rateLimit: { readonly maxRequests: number, readonly windowMs: number } | undefined
  /** Returns the headers that an authenticator may read. */
  readonly retainedHeaders: (headers: RequestHeaders) => RequestHeaders
}

/** The refusal of a plain HTTP request. 429: its address has sent too many wrong tokens. */
export interface HttpRefusal extends Omit<RequestOriginRefusal, 'refused'> {
  readonly refused: RequestOriginRefusal['refused'] | 429
  /** With 429: time until the next try, in milliseconds. */
  readonly retryAfterMs?: number
}

/** Authorizes plain HTTP requests by the same rights as requests over the WebSocket. */
export class HttpAuthorizer {
  readonly #options: HttpAuthorizerOptions
  readonly #guesses: WindowLimiter | undefined

  constructor (options: HttpAuthorizerOptions) {
    const { rateLimit, clock } = options
    this.#options = options
    this.#guesses =
      rateLimit && new WindowLimiter({ max: rateLimit.maxRequests, windowMs: rateLimit.windowMs }, clock)
  }

  /**
   * Authorizes a request for statistics. Resolves with its session (`undefined`: an anonymous client) or with
   * its refusal. Rejects when the token cannot be checked at the moment.
   */
  async authorizeStats (
    request: IncomingRequest
  ): Promise<{ readonly session: Session | undefined } | HttpRefusal> {
    const { required, policy, authenticator, resolveOrigin } = this.#options
    const guesses = this.#guesses
    const origin = resolveOrigin(request)
    if ('refused' in origin) return origin
    const token = authenticator === undefined ? undefined : bearerToken(request.headers)
    const key = addressKey(origin.remoteAddress)
    // A token counts as wrong until it has been checked, since the check may take long.
    const takeBack = token === undefined ? undefined : guesses?.take(key)
    if (token !== undefined && guesses !== undefined && takeBack === undefined) {
      return { refused: 429, reason: 'too many wrong tokens', retryAfterMs: guesses.retryAfterMs(key) }
    }
    const session =
      token === undefined ? origin.session : await this.#sessionOf(token, origin, request.headers)
    if (session instanceof TokenRefusal) return { refused: 401, reason: `no valid token: ${session.reason}` }
    takeBack?.()
    if (session === undefined && required) return { refused: 401, reason: 'no token' }
    const resource = {
      operation: 'server.stats', tier: 'admin', type: 'server', name: '*', records: false
    } as const
    const mayRead = policy.admits(session, 'admin') && policy.decide(session, resource) === true
    return mayRead ? { session } : { refused: 403, reason: 'no permission for server.stats' }
  }

  async #sessionOf (
    token: string,
    { remoteAddress }: RequestOrigin,
    headers: RequestHeaders
  ): Promise<Session | TokenRefusal> {
    const { authenticator, clock, retainedHeaders, isRevoked } = this.#options
    const origin = { remoteAddress, connectionId: null, headers: retainedHeaders(headers) }
    const session = await authenticator?.identify(token, origin) ?? new TokenRefusal('there are no tokens')
    if (session instanceof TokenRefusal) return session
    if (isExpired(session, clock.now())) return new TokenRefusal('it has expired')
    if (session.state !== 'live' || isRevoked(session.userId)) {
      return new TokenRefusal('its session has ended, or its user may not log in')
    }
    return session
  }
}

/** Returns the bearer token of a request (RFC 6750). */
export function bearerToken ({ authorization }: RequestHeaders): string | undefined {
  return typeof authorization === 'string' ? /^Bearer +([!-~]+)$/i.exec(authorization)?.[1] : undefined
}
