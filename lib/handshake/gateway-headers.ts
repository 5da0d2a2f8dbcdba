import { createHash, timingSafeEqual } from 'node:crypto'
import { checkGroup, isPlainObject, NoexOptionsError, type Checks } from '../util/option-schema.js'
import { checkHeaderName, headerReader, reducedName, type HeaderRefusal } from './raw-headers.js'
import { trustedProxyMatcher } from './trusted-proxies.js'

/** The option `auth.gateway`: a proxy in front knows the user and says so in headers. */
export interface GatewayOptions {
  /** The header that names the user, for instance `X-Forwarded-User`. */
  userHeader: string
  /**
   * The header that lists the user's roles, separated by commas.
   * @default none: users have no roles
   */
  rolesHeader?: string | undefined
  /** Addresses and networks (CIDR notation) of the proxies. The headers count from there only. */
  trustedProxies: readonly string[]
  /**
   * A header by which the proxy proves that it is the proxy, and not another program at its address.
   * @default none
   */
  secretHeader?: string | undefined
  /** What `secretHeader` must say: 1 to 1,024 visible ASCII characters without blanks. */
  secret?: string | undefined
}

/** Who a request comes from, as the gateway says. */
export interface GatewayIdentity {
  readonly userId: string
  /** Each once, in the order of the header. */
  readonly roles: readonly string[]
}

/**
 * Tells who a request comes from by its peer and its headers as they came, name and value by turns, or
 * refuses it.
 */
export type Gateway = (
  peer: string | undefined,
  rawHeaders: readonly string[]
) => GatewayIdentity | HeaderRefusal

const PATH = 'auth.gateway'
const MAX_ROLES = 64
const MAX_ROLES_CHARS = 4_096

/**
 * A proxy joins repeated headers with commas, and some parse quotes and parameters: none of it can be part of
 * a name.
 */
const CHAR = '(?:(?![,;"\'])[!-~])'
const USER = new RegExp(`^${CHAR}{1,256}$`)
const ROLE = new RegExp(`^[ \\t]*(${CHAR}{1,64})[ \\t]*$`)
const SECRET = /^[!-~]{1,1024}$/

/**
 * Headers by which proxies tell where a request comes from, which clients choose or everybody shares. By
 * reduced name.
 */
const aboutRequests = new Set([
  'x-client-ip', 'x-forwarded-by', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-method', 'x-forwarded-port',
  'x-forwarded-prefix', 'x-forwarded-proto', 'x-forwarded-server', 'x-forwarded-uri', 'x-real-ip', 'x-request-id'
].map(reducedName))

const checks: Checks = {
  userHeader: checkName,
  rolesHeader: checkName,
  trustedProxies: (value, path) => { trustedProxyMatcher(value as string[], path) },
  secretHeader: checkName,
  secret: checkSecret
}

/**
 * Builds what takes identities from a gateway's headers. Only a peer inside `trustedProxies` can name
 * somebody, with `userHeader` exactly once, and nobody is anonymous: every other request is refused. The
 * headers from another peer, repeated, in another spelling or with bad characters are an attack or a bad
 * proxy (400); nobody named is 401, and that includes a header which a proxy removed because the client
 * listed it in `Connection`.
 * @throws {NoexOptionsError} for a bad option, with its path below `auth.gateway`.
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
    if (!isTrusted(peer)) return refusalOfStranger(found)
    if (
      secretHeader !== undefined &&
      secretHash !== undefined &&
      !timingSafeEqual(hash(found.get(secretHeader) ?? ''), secretHash)
    ) {
      return { refused: 401, reason: `header "${secretHeader}" does not have the secret` }
    }
    const userId = found.get(userHeader)
    if (userId === undefined || userId.trim() === '') {
      return { refused: 401, reason: `header "${userHeader}" names nobody` }
    }
    if (!USER.test(userId)) return { refused: 400, reason: `header "${userHeader}" is not one user id` }
    const roles = rolesHeader === undefined ? [] : rolesOf(found.get(rolesHeader) ?? '')
    if (roles === undefined) {
      return { refused: 400, reason: `header "${String(rolesHeader)}" is not a list of roles` }
    }
    return { userId, roles }
  }
}

function refusalOfStranger (found: ReadonlyMap<string, string>): HeaderRefusal {
  const [name] = found.keys()
  return name === undefined
    ? { refused: 401, reason: 'the peer is not one of trustedProxies' }
    : { refused: 400, reason: `header "${name}" comes from a peer that is not one of trustedProxies` }
}

/** `undefined` where the value is no list of roles. */
function rolesOf (value: string): string[] | undefined {
  if (value.trim() === '') return []
  if (value.length > MAX_ROLES_CHARS) return undefined
  const roles = value.split(',').map(part => ROLE.exec(part)?.[1])
  return roles.length <= MAX_ROLES && roles.every(role => role !== undefined)
    ? [...new Set(roles)]
    : undefined
}

/** Hashes are of equal length, so comparing them takes a time that tells nothing. */
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

/** A request must not be able to say two things with one header, nor one thing with two. */
function checkDistinct (options: GatewayOptions): void {
  const taken = new Map<string, string>()
  for (const member of ['userHeader', 'rolesHeader', 'secretHeader'] as const) {
    const reduced = reducedName(options[member] ?? '')
    const other = taken.get(reduced)
    if (other !== undefined) {
      throw new NoexOptionsError(
  `${PATH}.${member}`,
  `must not be the same header as ${other}, in no other spelling either`
      )
    }
    if (reduced !== '') taken.set(reduced, member)
  }
}
