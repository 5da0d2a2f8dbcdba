import type { Clock } from '../util/clock.js'
import { WindowLimiter } from '../limits/window-limiter.js'
import type { RequestOrigin, RequestOriginRefusal, IncomingRequest } from '../handshake/request-origin.js'
import type { Authenticator } from './authenticator.js'
import { addressKey } from '../handshake/client-address.js'
import type { Policy } from '../permissions/policy.js'
import { isExpired, type RequestHeaders, type Session } from '../protocol/session.js'
import { TokenRefusal } from './token-refusal.js'

/** What decides about plain HTTP requests. */
export interface HttpAuthorizerOptions {
  /** Whether a client must log in before it may do anything. */
  readonly required: boolean
  readonly policy: Policy
  readonly authenticator: Authenticator | undefined
  readonly isRevoked: (userId: string) => boolean
  readonly clock: Clock
  readonly resolveOrigin: (request: IncomingRequest) => RequestOrigin | RequestOriginRefusal
  /** How many wrong tokens an address may send; `undefined`: any number. */
  readonly rateLimit: { readonly maxRequests: number, readonly windowMs: number } | undefined
  /** What of the headers whoever checks a token may see. */
  readonly retainedHeaders: (headers: RequestHeaders) => RequestHeaders
}

/** Why a plain HTTP request is refused. 429: its address has sent too many wrong tokens. */
export interface HttpRefusal extends Omit<RequestOriginRefusal, 'refused'> {
  readonly refused: RequestOriginRefusal['refused'] | 429
  /** With 429: milliseconds. */
  readonly retryAfterMs?: number
}

/** Lets plain HTTP requests in by the same rights as requests over the WebSocket. */
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
   * Who sends a request that is to read the statistics (`undefined`: somebody anonymous who may), or the
   * status and the reason of its refusal. Rejects when nobody can tell.
   */
  async authorizeStats (
    request: IncomingRequest
  ): Promise<{ readonly session: Session | undefined } | HttpRefusal> {
    const { required, policy, authenticator, resolveOrigin } = this.#options
    const guesses = this.#guesses
    const arrival = resolveOrigin(request)
    if ('refused' in arrival) return arrival
    const token = authenticator === undefined ? undefined : bearerToken(request.headers)
    const key = addressKey(arrival.remoteAddress)
    // A token counts as wrong until it is known to be right: to look at it may be dear.
    const giveBack = token === undefined ? undefined : guesses?.take(key)
    if (token !== undefined && guesses !== undefined && giveBack === undefined) {
      return { refused: 429, reason: 'too many wrong tokens', retryAfterMs: guesses.retryAfterMs(key) }
    }
    const session =
      token === undefined ? arrival.session : await this.#sessionOf(token, arrival, request.headers)
    if (session instanceof TokenRefusal) return { refused: 401, reason: `no valid token: ${session.reason}` }
    giveBack?.()
    if (session === undefined && required) return { refused: 401, reason: 'no token' }
    const touch = {
      operation: 'server.stats',
      tier: 'admin',
      type: 'server',
      name: '*',
      records: false
    } as const
    const mayRead = policy.admits(session, 'admin') && policy.decide(session, touch) === true
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

/** The token of a request, as RFC 6750 has it sent. */
function bearerToken ({ authorization }: RequestHeaders): string | undefined {
  return typeof authorization === 'string' ? /^Bearer +([!-~]+)$/i.exec(authorization)?.[1] : undefined
}
