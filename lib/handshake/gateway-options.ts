import { NoexOptionsError, option, options, required, type ValueType } from '../util/option-schema.js'
import { type } from '../util/option-types.js'
import { headerName, proxyNetworks } from './origin-options.js'
import { reducedName } from './raw-headers.js'

/** The option `auth.gateway`: a proxy in front knows the user and says so in headers. */
export interface GatewayOptions {
  /**
   * Header that names the user, for instance `X-Forwarded-User`: 1 to 256 visible ASCII characters, no comma,
   * semicolon or quote.
   */
  userHeader: string
  /**
   * Header that lists the roles of the user, separated by commas. Without it users have no roles.
   * @default none
   */
  rolesHeader?: string | undefined
  /** Addresses and networks (CIDR) of the proxies. The headers count from there only. */
  trustedProxies: readonly string[]
  /**
   * Header by which the proxy proves that it is the proxy, and not another program at its address.
   * @default none
   */
  secretHeader?: string | undefined
  /**
   * Value that `secretHeader` must have. A warning below 16 characters.
   * @default none
   */
  secret?: string | undefined
}

/**
 * Headers by which proxies tell where a request comes from, which clients choose or many users share. By
 * reduced name.
 */
const aboutRequests = new Set([
  'x-client-ip', 'x-forwarded-by', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-method',
  'x-forwarded-port', 'x-forwarded-prefix', 'x-forwarded-proto', 'x-forwarded-server', 'x-forwarded-uri',
  'x-real-ip', 'x-request-id'
].map(reducedName))

const identityHeader: ValueType = {
  text: headerName.text,
  check (value, path) {
    headerName.check(value, path)
    if (aboutRequests.has(reducedName(String(value)))) {
      throw new NoexOptionsError(path, 'must not be a header that proxies fill with something else')
    }
  }
}

const secret = type(
  'text of 1 to 1,024 visible ASCII characters without blanks',
  'must be 1 to 1,024 visible ASCII characters without blanks',
  value => typeof value === 'string' && /^[!-~]{1,1024}$/.test(value)
)

export const gatewayOptions = options<GatewayOptions>()({
  userHeader: required(identityHeader),
  rolesHeader: option(identityHeader, undefined),
  trustedProxies: required(proxyNetworks),
  secretHeader: option(identityHeader, undefined),
  secret: option(secret, undefined)
}, (values, path) => {
  const { secretHeader, secret } = values
  if (secret === undefined && secretHeader !== undefined) {
    throw new NoexOptionsError(`${path}.secret`, 'is required with secretHeader')
  }
  if (secret !== undefined && secretHeader === undefined) {
    throw new NoexOptionsError(`${path}.secretHeader`, 'is required with secret')
  }
  checkDistinct(values, path)
  return values
})

/** A request must not be able to say two things with one header, nor one thing with two. */
function checkDistinct (
  values: Readonly<Record<'userHeader' | 'rolesHeader' | 'secretHeader', string | undefined>>,
  path: string
): void {
  const taken = new Map<string, string>()
  for (const member of ['userHeader', 'rolesHeader', 'secretHeader'] as const) {
    const reduced = reducedName(values[member] ?? '')
    const other = taken.get(reduced)
    if (other !== undefined) {
      throw new NoexOptionsError(
        `${path}.${member}`,
        `must not be the same header as ${other}, in no other spelling either`
      )
    }
    if (reduced !== '') taken.set(reduced, member)
  }
}
