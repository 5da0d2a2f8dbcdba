import type {
  RequestOrigin,
  RequestOriginRefusal,
  RequestOriginResolver,
  IncomingRequest
} from './request-origin.js'
import type { ConnectionQuota } from '../limits/connection-quota.js'
import type { Rejections } from '../limits/rejections.js'

/** An upgrade that is let in: a place is kept for its connection. */
export interface AcceptedUpgrade extends RequestOrigin {
  /** Gives the place back when the socket closes before it is a WebSocket. */
  readonly release: () => void
}

/**
 * Why an upgrade is refused. 403: its user is revoked, or its origin not allowed. 429: its user has too many
 * connections. 503: the server has, or it stops.
 */
export interface UpgradeRefusal extends Omit<RequestOriginRefusal, 'refused'> {
  readonly refused: RequestOriginRefusal['refused'] | 429 | 503
}

/** What upgrades are let in by. */
export interface UpgradeAdmissionOptions {
  readonly originResolver: RequestOriginResolver
  readonly connectionQuota: ConnectionQuota
  readonly rejections: Rejections
  /** `undefined`: every origin. */
  readonly allowedOrigins: readonly string[] | undefined
  /** Whether a browser logs in without knowing it: then the page must say where it comes from. */
  readonly requiresOrigin: boolean
}

/** Decides about upgrades before they become connections. PROTOCOL.md, "Connection". */
export class UpgradeAdmission {
  readonly #options: UpgradeAdmissionOptions
  #isClosed = false

  constructor (options: UpgradeAdmissionOptions) {
    this.#options = options
  }

  /** Lets nobody in from now on. */
  close (): void {
    this.#isClosed = true
  }

  get isClosed (): boolean {
    return this.#isClosed
  }

  /** Lets an upgrade in, or tells why not. */
  admit (request: IncomingRequest): AcceptedUpgrade | UpgradeRefusal {
    const { originResolver, connectionQuota, rejections } = this.#options
    if (this.#isClosed) return { refused: 503, reason: 'the server is shutting down' }
    if (!this.#isAllowedOrigin(request)) {
      rejections.count('origin')
      return { refused: 403, reason: 'the origin is not allowed' }
    }
    const arrival = originResolver.resolve(request)
    if ('refused' in arrival) return arrival
    const place = connectionQuota.acquire(arrival.session?.userId)
    return typeof place === 'function' ? { ...arrival, release: place } : place
  }

  /** A client that sends no origin is no browser. One that sends several is nobody honest. */
  #isAllowedOrigin ({ rawHeaders }: IncomingRequest): boolean {
    const { allowedOrigins, requiresOrigin } = this.#options
    if (allowedOrigins === undefined) return true
    const origins = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === 'origin')
    if (origins.length === 0) return !requiresOrigin
    return origins.length === 1 && allowedOrigins.includes(origins[0] as string)
  }
}
