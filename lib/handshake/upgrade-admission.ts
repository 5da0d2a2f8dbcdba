import type { ConnectionQuota } from '../limits/connection-quota.js'
import type { Rejections } from '../limits/rejections.js'
import { pageOrigin } from './page-origin.js'
import type {
  IncomingRequest, RequestOrigin, RequestOriginRefusal, RequestOriginResolver
} from './request-origin.js'

/** An accepted upgrade, which counts in the connection quota. */
export interface AcceptedUpgrade extends RequestOrigin {
  /** Takes the count back when the socket closes before it is a WebSocket. */
  readonly release: () => void
}

/**
 * The refusal of an upgrade. 403: its user is revoked, or its origin not allowed. 429: its user has too many
 * connections. 503: the server has too many, or is shutting down.
 */
export interface UpgradeRefusal extends Omit<RequestOriginRefusal, 'refused'> {
  readonly refused: RequestOriginRefusal['refused'] | 429 | 503
}

/** The checks of an upgrade. */
interface UpgradeAdmissionOptions {
  readonly originResolver: RequestOriginResolver
  readonly connectionQuota: ConnectionQuota
  readonly rejections: Rejections
  /** `undefined`: every origin. */
  readonly allowedOrigins: readonly string[] | undefined
  /** Whether an upgrade needs the header `Origin`, because browsers are authenticated without a token. */
  readonly requiresOrigin: boolean
}

/** Accepts or refuses upgrades, before they become connections. PROTOCOL.md, "Connection". */
export class UpgradeAdmission {
  readonly #options: UpgradeAdmissionOptions
  #isClosed = false

  constructor (options: UpgradeAdmissionOptions) {
    this.#options = options
  }

  /** Refuses all upgrades from now on. */
  close (): void {
    this.#isClosed = true
  }

  get isClosed (): boolean {
    return this.#isClosed
  }

  /** Accepts an upgrade, or returns its refusal. */
  admit (request: IncomingRequest): AcceptedUpgrade | UpgradeRefusal {
    const { originResolver, connectionQuota } = this.#options
    if (this.#isClosed) return { refused: 503, reason: 'the server is shutting down' }
    const refusal = this.refusalOfOrigin(request)
    if (refusal !== undefined) return refusal
    const origin = originResolver.resolve(request)
    if ('refused' in origin) return origin
    const release = connectionQuota.acquire(origin.session?.userId)
    return typeof release === 'function' ? { ...origin, release } : release
  }

  /** Returns the refusal of a request from a page of an origin that is not allowed, and counts it. */
  refusalOfOrigin (request: IncomingRequest): UpgradeRefusal | undefined {
    if (this.#isAllowedOrigin(request)) return undefined
    this.#options.rejections.count('origin')
    return { refused: 403, reason: 'the origin is not allowed' }
  }

  #isAllowedOrigin ({ rawHeaders, headers }: IncomingRequest): boolean {
    const { allowedOrigins, requiresOrigin } = this.#options
    if (allowedOrigins === undefined) return true
    const origin = pageOrigin(rawHeaders, allowedOrigins)
    if (origin !== 'absent') return origin === 'allowed'
    // With a GET a browser says less: of its own site, or where an image or a typed address asks for it.
    const site = headers['sec-fetch-site'] ?? 'none'
    if (site === 'none') return !requiresOrigin
    const host = headers['host'] ?? headers[':authority']
    return site === 'same-origin' && allowedOrigins.some(origin => isOfHost(origin, host))
  }
}

/** Returns whether pages of an origin are those of this server, as `Host` or `:authority` names it. */
function isOfHost (origin: string, host: string | string[] | undefined): boolean {
  return origin === `https://${String(host)}` || origin === `http://${String(host)}`
}
