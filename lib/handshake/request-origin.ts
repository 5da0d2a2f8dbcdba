import { clientAddress, plainAddress, readAddress, type ClientAddress } from './client-address.js'
import { gatewayHeaders, type Gateway } from './gateway-headers.js'
import type { GatewayOptions } from './gateway-options.js'
import { refuseTooMany, type HeaderRefusal } from './raw-headers.js'
import type { RequestHeaders, Session } from '../protocol/session.js'
import { trustedProxyMatcher } from './trusted-proxies.js'

/** The part of an HTTP request that shows where it comes from. */
export interface IncomingRequest {
  /** `request.ip`: the address that Fastify finds, with or without `trustProxy`. */
  readonly ip: string | undefined
  /** Whether Fastify reads `ip` from `X-Forwarded-For`, for trusted peers. */
  readonly readsForwarded?: boolean
  /** The address at the other end of the socket; `undefined` for a Unix socket. */
  readonly peer: string | undefined
  /** Alternating names and values, as received. */
  readonly rawHeaders: readonly string[]
  readonly headers: RequestHeaders
}

/** The address of a client, and its session where a gateway names the user. */
export interface RequestOrigin {
  readonly remoteAddress: string
  readonly session: Session | undefined
}

/** The refusal of a request. 403: its user is revoked. */
export interface RequestOriginRefusal extends Omit<HeaderRefusal, 'refused'> {
  readonly refused: HeaderRefusal['refused'] | 403
}

/** The options and state on which the origin of a request depends. */
export interface RequestOriginOptions {
  /** `undefined` where no gateway names the users. */
  readonly gateway: GatewayOptions | undefined
  readonly realIpHeader: string | undefined
  readonly trustedProxies: readonly string[] | undefined
  readonly isRevoked: (userId: string) => boolean
}

/** Finds the origin of requests, before they become connections. */
export class RequestOriginResolver {
  readonly #clientAddress: ClientAddress | undefined
  readonly #gateway: Gateway | undefined
  readonly #isRevoked: (userId: string) => boolean

  constructor ({ gateway, realIpHeader, trustedProxies, isRevoked }: RequestOriginOptions) {
    this.#clientAddress =
      realIpHeader === undefined
        ? undefined
        : clientAddress(realIpHeader, trustedProxyMatcher(trustedProxies ?? [], 'trustedProxies'))
    this.#gateway = gateway && gatewayHeaders(gateway)
    this.#isRevoked = isRevoked
  }

  /** Returns the origin of a request, or its refusal. */
  resolve (request: IncomingRequest): RequestOrigin | RequestOriginRefusal {
    const { peer, rawHeaders } = request
    const found = this.#find(request)
    if ('refused' in found) return found
    const remoteAddress = found.address
    if (this.#gateway === undefined) return { remoteAddress, session: undefined }
    const identity = this.#gateway(peer, rawHeaders)
    if ('refused' in identity) return identity
    if (this.#isRevoked(identity.userId)) return { refused: 403, reason: 'the user is revoked' }
    return { remoteAddress, session: { ...identity, state: 'live' } }
  }

  /**
   * Returns the address of the client, also of a refused request: the peer's, where headers name no client.
   */
  addressOf (request: IncomingRequest): string {
    const found = this.#find(request)
    return 'refused' in found ? plainAddress(request.peer) : found.address
  }

  #find (request: IncomingRequest): ReturnType<ClientAddress> {
    const { peer, rawHeaders } = request
    const address = refuseTooMany(rawHeaders) ?? this.#clientAddress?.(peer, rawHeaders)
    return address ?? addressFromFastify(request)
  }
}

/**
 * Returns the address that Fastify finds: the peer's, or with `trustProxy` one of `X-Forwarded-For`. Where
 * that header has no address, Fastify returns that of the proxy: such a request is refused, from any peer,
 * since Fastify does not show which ones it trusts.
 */
function addressFromFastify (
  { ip, peer, readsForwarded = false, headers }: IncomingRequest
): ReturnType<ClientAddress> {
  const forwarded = headers['x-forwarded-for']
  if (readsForwarded && forwarded !== undefined && /^[\s,]*$/.test(String(forwarded))) {
    return namesNoClient
  }
  if (ip === undefined || ip === peer) return { address: plainAddress(peer) }
  const address = typeof ip === 'string' ? readAddress(ip) : undefined
  if (address !== undefined) return { address }
  return namesNoClient
}

const namesNoClient = {
  refused: 400, reason: 'X-Forwarded-For does not name the client by one IP address'
} as const
