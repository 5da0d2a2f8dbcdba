import { isIPv4, isIPv6 } from 'node:net'
import { NoexOptionsError } from '../util/option-schema.js'
import { ipv6Groups, plainAddress } from './client-address.js'

const ENTRY = /^([0-9a-f.:]+)(?:\/(0|[1-9]\d{0,2}))?$/i

interface Family {
  readonly name: string
  readonly bits: number
  /** The shortest accepted prefix: a shorter one would trust a large part of the internet. */
  readonly shortest: number
}

const ipv4: Family = { name: 'IPv4', bits: 32, shortest: 8 }
const ipv6: Family = { name: 'IPv6', bits: 128, shortest: 7 }

/**
 * Builds the function that returns whether a peer is in `list`: addresses and networks in CIDR notation, IPv4
 * or IPv6. An IPv4 peer matches IPv4 entries only, also where a dual-stack socket reports it in IPv6
 * notation; the zone of a peer is ignored. `undefined`, the peer of a Unix socket, is never trusted.
 * @throws {NoexOptionsError} when the list at `path` is empty, or an entry is invalid or too large a network
 */
export function trustedProxyMatcher (
  list: readonly string[],
  path: string
): (address: string | undefined) => boolean {
  if (!Array.isArray(list) || list.length === 0) {
    throw new NoexOptionsError(path, 'must be an array of at least one IP address or network')
  }
  const prefixes = list.map((entry: unknown, i) => prefixOf(entry, `${path}[${i}]`))
  return address => {
    const bits = bitsOf(plainAddress(address))
    return bits !== undefined && prefixes.some(prefix => bits.startsWith(prefix))
  }
}

/** Returns the family and bits with which the addresses of an entry begin. */
function prefixOf (entry: unknown, path: string): string {
  const [, address = '', length] = typeof entry === 'string' ? ENTRY.exec(entry) ?? [] : []
  const plain = plainAddress(address)
  const bits = bitsOf(plain)
  if (bits === undefined) {
    throw new NoexOptionsError(path, 'must be an IP address without zone, or a network such as 10.0.0.0/8')
  }
  const family = isIPv4(plain) ? ipv4 : ipv6
  if (family === ipv4 && !isIPv4(address)) {
    throw new NoexOptionsError(path, 'is IPv4 in IPv6 notation: write it in IPv4 notation')
  }
  const prefix = length === undefined ? family.bits : Number(length)
  if (prefix < family.shortest || prefix > family.bits) {
    throw new NoexOptionsError(
      path,
      `has a bad prefix: ${family.name} networks are /${family.shortest} to /${family.bits}`
    )
  }
  // After the letter of the family.
  const end = 1 + prefix
  if (bits.includes('1', end)) {
    throw new NoexOptionsError(path, 'is no network: the bits behind its prefix must be zero')
  }
  return bits.slice(0, end)
}

/** Returns the bits of an address after a letter for its family; `undefined` for other text. */
function bitsOf (plain: string): string | undefined {
  if (isIPv4(plain)) return `4${plain.split('.').map(byte => binary(Number(byte), 8)).join('')}`
  if (isIPv6(plain)) {
    return `6${ipv6Groups(plain).map(group => binary(Number.parseInt(group, 16), 16)).join('')}`
  }
  return undefined
}

function binary (value: number, digits: number): string {
  return value.toString(2).padStart(digits, '0')
}
