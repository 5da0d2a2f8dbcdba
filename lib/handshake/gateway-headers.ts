import { createHash, timingSafeEqual } from 'node:crypto'
import { checkGroup, isPlainObject, NoexOptionsError, type Checks } from '../util/option-schema.js'
import { checkHeaderName, headerReader, reducedName, type HeaderRefusal } from './raw-headers.js'
import { trustedProxyMatcher } from './trusted-proxies.js'

/** The option `auth.gateway`: a proxy authenticates users and names them in headers. */
export interface GatewayOptions {
  /** The header that names the user, for instance `X-Forwarded-User`. */
  userHeader: string
  /**
   * The header that lists the user's roles, separated by commas.
   * @default none: users have no roles
   */
  rolesHeader?: string | undefined
  /** Addresses and networks (CIDR notation) of the proxies. The headers count only from these. */
  trustedProxies: readonly string[]
  /**
   * A header with which the proxy proves its identity, against other programs at its address.
   * @default none
   */
  secretHeader?: string | undefined
  /** The value of `secretHeader`: 1 to 1,024 visible ASCII characters without blanks. */
  secret?: string | undefined
}

/** The user of a request, as the gateway names it. */
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
const MAX_ROLES = 64
const MAX_ROLES_CHARS = 4_096

/** A character of a name. Proxies join repeated headers with commas, and some parse quotes and parameters. */
const CHAR = '(?:(?![,;"\'])[!-~])'
const USER = new RegExp(`^${CHAR}{1,256}$`)
const ROLE = new RegExp(`^[ \\t]*(${CHAR}{1,64})[ \\t]*$`)
const SECRET = /^[!-~]{1,1024}$/

/** Reduced names of headers that proxies fill with other data, or whose value clients can choose. */
const aboutRequests = new Set([
  'x-client-ip', 'x-forwarded-by', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-method',
  'x-forwarded-port', 'x-forwarded-prefix', 'x-forwarded-proto', 'x-forwarded-server', 'x-forwarded-uri',
  'x-real-ip', 'x-request-id'
].map(reducedName))

const checks: Checks = {
  userHeader: checkName,
  rolesHeader: checkName,
  trustedProxies: (value, path) => { trustedProxyMatcher(value as string[], path) },
  secretHeader: checkName,
  secret: checkSecret
}

/**
 * Builds the function that reads users from the headers of a gateway. Only a peer within `trustedProxies` can
 * name a user, with `userHeader` exactly once; every other request is refused, also one without a user.
 * Headers from another peer, repeated, in another spelling or with bad characters are an attack or the fault
 * of a proxy (400). A request without a user is answered 401, also where a proxy removed the header because
 * the client listed it in `Connection`.
 * @throws {NoexOptionsError} for a bad option, with its path below `auth.gateway`
 */
export function gatewayHeaders (options: GatewayOptions): Gateway {
  checkOptions(options)
  const { userHeader, rolesHeader, secretHeader } = options
  const isTrusted = trustedProxyMatcher(options.trustedProxies, `${PATH}.trustedProxies`)
  const secretHash = options.secret === undefined ? undefined : hash(options.secret)
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

function checkOptions (options: GatewayOptions): void {
  if (!isPlainObject(options)) throw new NoexOptionsError(PATH, 'must be an object')
  checkGroup(options, checks, `${PATH}.`)
  for (const member of ['userHeader', 'trustedProxies'] as const) {
    if (options[member] === undefined) throw new NoexOptionsError(`${PATH}.${member}`, 'is required')
  }
  const { secretHeader, secret } = options
  if (secret === undefined && secretHeader !== undefined) {
    throw new NoexOptionsError(`${PATH}.secret`, 'is required with secretHeader')
  }
  if (secret !== undefined && secretHeader === undefined) {
    throw new NoexOptionsError(`${PATH}.secretHeader`, 'is required with secret')
  }
  checkDistinct(options)
}

function checkName (name: unknown, path: string): void {
  checkHeaderName(name, path)
  if (aboutRequests.has(reducedName(String(name)))) {
    throw new NoexOptionsError(path, 'must not be a header that proxies fill with something else')
  }
}

function checkSecret (secret: unknown, path: string): void {
  if (typeof secret !== 'string' || !SECRET.test(secret)) {
    throw new NoexOptionsError(path, 'must be 1 to 1,024 visible ASCII characters without blanks')
  }
}

/** Refuses options that name the same header. */
function checkDistinct (options: GatewayOptions): void {
  const taken = new Map<string, string>()
  for (const member of ['userHeader', 'rolesHeader', 'secretHeader'] as const) {
    const reduced = reducedName(options[member] ?? '')
    const other = taken.get(reduced)
    if (other !== undefined) {
      throw new NoexOptionsError(
        `${PATH}.${member}`, `must not be the same header as ${other}, in no other spelling either`
      )
    }
    if (reduced !== '') taken.set(reduced, member)
  }
}
