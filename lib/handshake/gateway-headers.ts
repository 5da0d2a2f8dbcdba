import { createHash, timingSafeEqual } from 'node:crypto'
import { requireObject } from '../util/option-schema.js'
import { gatewayOptions, type GatewayOptions } from './gateway-options.js'
import { headerReader, type HeaderRefusal } from './raw-headers.js'
import { trustedProxyMatcher } from './trusted-proxies.js'

/** Who a request comes from, as the gateway says. */
interface GatewayIdentity {
  readonly userId: string
  /** Each once, in the order of the header. */
  readonly roles: readonly string[]
}

/**
 * Returns the user of a request, or its refusal, by its peer and its raw headers (alternating names and
 * values).
 */
export type Gateway = (
  peer: string | undefined,
  rawHeaders: readonly string[]
) => GatewayIdentity | HeaderRefusal

const PATH = 'auth.gateway'
/**
 * Roles that a gateway names for one user.
 * @limit 400 in place of the upgrade
 */
const MAX_ROLES = 64
/**
 * Characters of the header in which a gateway names roles.
 * @limit 400 in place of the upgrade
 */
const MAX_ROLES_CHARS = 4_096

/** A character of a name. Proxies join repeated headers with commas, and some parse quotes and parameters. */
const CHAR = '(?:(?![,;"\'])[!-~])'
const USER = new RegExp(`^${CHAR}{1,256}$`)
const ROLE = new RegExp(`^[ \\t]*(${CHAR}{1,64})[ \\t]*$`)

/**
 * Builds the function that reads users from the headers of a gateway. Only a peer within `trustedProxies` can
 * name a user, with `userHeader` exactly once; every other request is refused, also one without a user.
 * Headers from another peer, repeated, in another spelling or with bad characters are an attack or the fault
 * of a proxy (400). A request without a user is answered 401, also where a proxy removed the header because
 * the client listed it in `Connection`.
 * @throws {NoexOptionsError} for a bad option, with its path below `auth.gateway`
 */
export function gatewayHeaders (options: GatewayOptions): Gateway {
  const {
    userHeader, rolesHeader, secretHeader, secret, trustedProxies
  } = gatewayOptions.resolve(requireObject(options, PATH), PATH)
  const isTrusted = trustedProxyMatcher(trustedProxies, `${PATH}.trustedProxies`)
  const secretHash = secret === undefined ? undefined : hash(secret)
  const read = headerReader([userHeader, rolesHeader, secretHeader].filter(name => name !== undefined))

  return (peer, rawHeaders) => {
    const found = read(rawHeaders)
    if ('refused' in found) return found
    if (!isTrusted(peer)) return refusalOfUntrusted(found)
    if (
      secretHeader !== undefined &&
      secretHash !== undefined &&
      !timingSafeEqual(hash(found.get(secretHeader) ?? ''), secretHash)
    ) {
      return { refused: 401, reason: `header "${secretHeader}" does not have the secret` }
    }
    const userId = found.get(userHeader)
    if (userId === undefined || userId.trim() === '') {
      return { refused: 401, reason: `header "${userHeader}" names no user` }
    }
    if (!USER.test(userId)) return { refused: 400, reason: `header "${userHeader}" is not one user id` }
    const roles = rolesHeader === undefined ? [] : rolesOf(found.get(rolesHeader) ?? '')
    if (roles === undefined) {
      return { refused: 400, reason: `header "${String(rolesHeader)}" is not a list of roles` }
    }
    return { userId, roles }
  }
}

function refusalOfUntrusted (found: ReadonlyMap<string, string>): HeaderRefusal {
  const [name] = found.keys()
  return name === undefined
    ? { refused: 401, reason: 'the peer is not one of trustedProxies' }
    : { refused: 400, reason: `header "${name}" comes from a peer that is not one of trustedProxies` }
}

/** Returns the roles in a header, each once; `undefined` where the value is no list of roles. */
function rolesOf (value: string): string[] | undefined {
  if (value.trim() === '') return []
  if (value.length > MAX_ROLES_CHARS) return undefined
  const roles = value.split(',').map(part => ROLE.exec(part)?.[1])
  return roles.length <= MAX_ROLES && roles.every(role => role !== undefined)
    ? [...new Set(roles)]
    : undefined
}

/** Hashes a secret. Hashes have equal length, so that the time of a comparison reveals nothing. */
function hash (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
