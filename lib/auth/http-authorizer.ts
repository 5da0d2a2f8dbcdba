import { createHash, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../util/clock.js'
import { WindowLimiter } from '../limits/window-limiter.js'
import type { RequestOrigin, RequestOriginRefusal, IncomingRequest } from '../handshake/request-origin.js'
import type { Authenticator } from './authenticator.js'
import { addressKey } from '../handshake/client-address.js'
import type { Policy } from '../permissions/policy.js'
import { isExpired, type Origin, type RequestHeaders, type Session } from '../protocol/session.js'
import { NoexServerError } from '../protocol/errors.js'
import { userRevoked } from '../protocol/refusals.js'
import type { Revocations } from './revocations.js'
import { TokenRefusal } from './token-refusal.js'

/** The parts of the service that authorize plain HTTP requests. */
interface HttpAuthorizerOptions {
  /** Whether a client must log in before it may do anything. */
  readonly required: boolean
  readonly policy: Policy
  readonly authenticator: Authenticator | undefined
  readonly revocations: Pick<Revocations, 'mark' | 'bars'>
  readonly clock: Clock
  /** Returns the address behind a request, also of one that comes past the gateway. */
  readonly addressOf: (request: IncomingRequest) => string
  /** The token that reads statistics and metrics; `undefined`: there is none. */
  readonly scrapeToken: string | undefined
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
  /** The error that a login with the token would have been answered with. */
  readonly failure?: NoexServerError
}

/** A token that is not taken, with the answer to it. */
class WrongToken {
  readonly reason: string
  readonly failure: NoexServerError

  constructor (reason: string, failure = new NoexServerError('UNAUTHORIZED', 'Invalid token')) {
    this.reason = reason
    this.failure = failure
  }
}

/** Authorizes plain HTTP requests by the same rights as requests over the WebSocket. */
export class HttpAuthorizer {
  readonly #options: HttpAuthorizerOptions
  readonly #guesses: WindowLimiter | undefined
  readonly #scrapeDigest: Buffer | undefined

  constructor (options: HttpAuthorizerOptions) {
    const { rateLimit, clock, scrapeToken } = options
    this.#options = options
    this.#scrapeDigest = scrapeToken === undefined ? undefined : digestOf(scrapeToken)
    this.#guesses =
      rateLimit && new WindowLimiter({ max: rateLimit.maxRequests, windowMs: rateLimit.windowMs }, clock)
  }

  /**
   * Finds the address and the session of a request: by its bearer token, else what a gateway says. `headers`
   * are those that an authenticator may read. Returns a promise where there is a token, which rejects when
   * that cannot be checked at the moment.
   */
  identify (
    request: IncomingRequest, headers: RequestHeaders
  ): RequestOrigin | HttpRefusal | Promise<RequestOrigin | HttpRefusal> {
    const { authenticator, resolveOrigin } = this.#options
    const origin = resolveOrigin(request)
    if ('refused' in origin || authenticator === undefined) return origin
    const token = bearerToken(request.headers)
    return token === undefined ? origin : this.#identifyByToken(token, origin, headers)
  }

  async #identifyByToken (
    token: string, { remoteAddress }: RequestOrigin, headers: RequestHeaders
  ): Promise<RequestOrigin | HttpRefusal> {
    const guesses = this.#guesses
    const key = addressKey(remoteAddress)
    // A token counts as wrong until it has been checked, since the check may take long.
    const takeBack = guesses?.take(key)
    if (guesses !== undefined && takeBack === undefined) {
      return { refused: 429, reason: 'too many wrong tokens', retryAfterMs: guesses.retryAfterMs(key) }
    }
    const session = await this.#sessionOf(token, { remoteAddress, connectionId: null, headers })
    if (session instanceof WrongToken) {
      const { reason, failure } = session
      return { refused: 401, reason: `no valid token: ${reason}`, failure }
    }
    takeBack?.()
    return { remoteAddress, session }
  }

  /**
   * Authorizes a request by `auth.scrapeToken`. `undefined`: it has another token or none, which counts by
   * itself where there are tokens, and here where there are not.
   */
  #authorizeScrape (request: IncomingRequest): { readonly session: undefined } | HttpRefusal | undefined {
    const digest = this.#scrapeDigest
    const token = digest && bearerToken(request.headers)
    if (digest === undefined || token === undefined) return undefined
    const isRight = timingSafeEqual(digestOf(token), digest)
    const guesses = this.#guesses
    if (guesses === undefined) return isRight ? { session: undefined } : undefined
    const key = addressKey(this.#options.addressOf(request))
    const takeBack = guesses.take(key)
    if (takeBack === undefined) {
      return { refused: 429, reason: 'too many wrong tokens', retryAfterMs: guesses.retryAfterMs(key) }
    }
    if (isRight || this.#options.authenticator !== undefined) takeBack()
    return isRight ? { session: undefined } : undefined
  }

  /**
   * Authorizes a request for statistics. Resolves with its session (`undefined`: an anonymous client) or with
   * its refusal. Rejects when the token cannot be checked at the moment.
   */
  async authorizeStats (
    request: IncomingRequest
  ): Promise<{ readonly session: Session | undefined } | HttpRefusal> {
    const { required, policy, retainedHeaders } = this.#options
    const scrape = this.#authorizeScrape(request)
    if (scrape !== undefined) return scrape
    const found = await this.identify(request, retainedHeaders(request.headers))
    if ('refused' in found) return found
    const { session } = found
    if (session === undefined && required) return { refused: 401, reason: 'no token' }
    const resource = {
      operation: 'server.stats', tier: 'admin', type: 'server', name: '*', records: false
    } as const
    const mayRead = policy.admits(session, 'admin') && policy.decide(session, resource) === true
    return mayRead ? { session } : { refused: 403, reason: 'no permission for server.stats' }
  }

  async #sessionOf (token: string, origin: Origin): Promise<Session | WrongToken> {
    const { authenticator, clock, revocations } = this.#options
    const { mark } = revocations
    const session = await authenticator?.identify(token, origin) ?? new TokenRefusal('there are no tokens')
    if (session instanceof TokenRefusal) return new WrongToken(session.reason)
    if (isExpired(session, clock.now())) {
      return new WrongToken('it has expired', new NoexServerError('UNAUTHORIZED', 'Token has expired'))
    }
    if (revocations.bars(session, mark)) return new WrongToken('its user may not log in', userRevoked())
    return session.state === 'live' ? session : new WrongToken('its session has ended')
  }
}

/** Returns a digest of a token: two of them are compared in constant time, for tokens of any length. */
function digestOf (token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** Returns the bearer token of a request (RFC 6750). */
export function bearerToken ({ authorization }: RequestHeaders): string | undefined {
  return typeof authorization === 'string' ? /^Bearer +([!-~]+)$/i.exec(authorization)?.[1] : undefined
}
