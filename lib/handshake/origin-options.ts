import { NoexOptionsError, option, options, type Resolved, type ValueType } from '../util/option-schema.js'
import { textArray } from '../util/option-types.js'
import { checkHeaderName } from './raw-headers.js'
import { trustedProxyMatcher } from './trusted-proxies.js'

/** The options that say which pages may connect, and which address a client has. */
export interface OriginOptions {
  /**
   * Values of the `Origin` header that may connect, compared byte by byte; any other, or several, get 403. A
   * client that sends no `Origin` is no browser and passes, except with `auth.gateway`, where this option is
   * required.
   * @default every origin
   */
  allowedOrigins?: readonly string[] | undefined
  /**
   * Header in which a proxy says the address of the client, with or without port, for instance `X-Real-IP`:
   * see [Behind a proxy](deployment.md#behind-a-proxy). It counts from the peers in `trustedProxies` only.
   * Instead of it, Fastify's `trustProxy` can say what `request.ip` is.
   * @default `request.ip`
   */
  realIpHeader?: string | undefined
  /**
   * Addresses and networks (CIDR) of the proxies whose `realIpHeader` counts.
   * @default none
   */
  trustedProxies?: readonly string[] | undefined
}

/** Origins as browsers send them: one that is spelled otherwise would keep its pages out. */
const origins: ValueType = {
  text: 'array of origins, such as `"https://app.example.com"`',
  check (value, path) {
    textArray.check(value, path)
    // A hole of the array is an origin that is `undefined`.
    for (const origin of value as string[]) {
      if (isOrigin(origin)) continue
      throw new NoexOptionsError(
        path,
        `must be origins as browsers send them, such as "https://app.example.com"; "${origin}" is none`
      )
    }
  }
}

/** Other schemes than http, those of extensions for instance, have no spelling that could be checked. */
function isOrigin (text: string | undefined): boolean {
  if (text === undefined) return false
  const url = /^https?:/i.test(text) && URL.canParse(text) ? new URL(text).origin : text
  return text === url && /^(?:null|[a-z][a-z0-9+.-]*:\/\/[^/?#@*\s]+)$/.test(text)
}

export const headerName: ValueType = { text: 'name of a header', check: checkHeaderName }

export const proxyNetworks: ValueType = {
  text: 'array of addresses and networks',
  check (value, path) { trustedProxyMatcher(value as string[], path) }
}

export const originOptions = options<OriginOptions>()({
  allowedOrigins: option(origins, undefined),
  realIpHeader: option(headerName, undefined),
  trustedProxies: option(proxyNetworks, undefined)
})

/** Throws where one of `realIpHeader` and `trustedProxies` stands without the other. */
export function checkProxies ({ realIpHeader, trustedProxies }: Resolved<typeof originOptions>): void {
  if (realIpHeader !== undefined && trustedProxies === undefined) {
    throw new NoexOptionsError(
      'trustedProxies',
      'is required with realIpHeader: without it, every client could choose its address'
    )
  }
  if (trustedProxies !== undefined && realIpHeader === undefined) {
    throw new NoexOptionsError('trustedProxies', 'has no effect without realIpHeader')
  }
}
