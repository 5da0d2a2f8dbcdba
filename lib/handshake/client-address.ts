import { isIP, isIPv6 } from 'node:net'
import { checkHeaderName, headerReader, type HeaderRefusal } from './raw-headers.js'

/** An address in IPv6 notation has at most 45 characters; what is longer is some other text. */
const MAX_CHARS = 64

/** An address with a port, or in brackets, or both: `203.0.113.7:80`, `[2001:db8::1]`, `[2001:db8::1]:80`. */
const WRAPPED = /^(?:\[([^[\]]*:[^[\]]*)\](?::(\d{1,5}))?|([^[\]]*\.\d+):(\d{1,5}))$/

const MAX_PORT = 65_535

/** The zone of an address, behind the letters and digits of the address itself. */
const ZONE = /^([0-9a-f:.]+)%[\w.~-]+$/i

/** An IPv4 address in IPv6 notation, as `compressed` writes it. */
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/

/**
 * Writes an address in its one spelling: IPv4 also where a dual-stack socket reports it as IPv6, IPv6
 * compressed (RFC 5952) and without zone. Other text is returned as it is, cut after 64 characters;
 * `undefined`, the peer of a Unix socket, is `unknown`.
 */
export function plainAddress (address: string | undefined): string {
  if (address === undefined) return 'unknown'
  // The zone goes first: names of network interfaces may have characters that isIPv6 does not take.
  const [withoutZone = ''] = address.split('%', 1)
  if (!isIPv6(withoutZone)) return address.slice(0, MAX_CHARS)
  const ipv6 = compressed(withoutZone)
  const [, high, low] = MAPPED.exec(ipv6) ?? []
  return high === undefined || low === undefined ? ipv6 : [...bytes(high), ...bytes(low)].join('.')
}

/**
 * Reads an address as proxies write it into headers: with or without port (0 to 65535), brackets (RFC 3986)
 * and zone. Returns it as `plainAddress` spells it, or `undefined` for text that is not one address: a name,
 * a list, `unknown` or another identifier of RFC 7239.
 */
export function readAddress (text: string): string | undefined {
  if (text.length > MAX_CHARS) return undefined
  const [, inBrackets, portBehind, beforePort, port = portBehind ?? '0'] = WRAPPED.exec(text) ?? []
  if (Number(port) > MAX_PORT) return undefined
  const address = inBrackets ?? beforePort ?? text
  const [, withoutZone] = ZONE.exec(address) ?? []
  const isAddress = withoutZone === undefined ? isIP(address) !== 0 : isIPv6(withoutZone)
  return isAddress ? plainAddress(address) : undefined
}

/**
 * What limiters count a client by: an IPv4 address, the /64 network of an IPv6 address (one customer has at
 * least that much, so a whole address would be a new key at will), or other text as `plainAddress` returns
 * it.
 */
export function addressKey (address: string | undefined): string {
  const plain = plainAddress(address)
  return isIPv6(plain) ? `${compressed(`${ipv6Groups(plain).slice(0, 4).join(':')}::`)}/64` : plain
}

/**
 * The eight groups of an IPv6 address that `plainAddress` has written, in hexadecimal without leading zeros.
 */
export function ipv6Groups (plain: string): string[] {
  const [before = [], after = []] = plain.split('::').map(half => half === '' ? [] : half.split(':'))
  return [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after]
}

/**
 * URLs write IPv6 addresses as RFC 5952 does, except that those in IPv4-mapped notation are all hexadecimal.
 */
function compressed (ipv6: string): string {
  return new URL(`http://[${ipv6}]`).hostname.slice(1, -1)
}

function bytes (group: string): [high: number, low: number] {
  const value = Number.parseInt(group, 16)
  return [value >> 8, value & 0xff]
}

/** Tells the address of the client behind `peer`, spelled as `plainAddress` does, or refuses the request. */
export type ClientAddress = (
  peer: string | undefined,
  rawHeaders: readonly string[]
) => { readonly address: string } | HeaderRefusal

/**
 * Builds what finds the client's address with the option `realIpHeader`. From a trusted peer the header
 * counts: it must be there once, under exactly this name, with one address; without it, the peer itself is
 * the client. From any other peer the header is ignored.
 * @throws {NoexOptionsError} when `realIpHeader` cannot be the name of such a header.
 */
export function clientAddress (
  realIpHeader: string,
  isTrusted: (peer: string | undefined) => boolean
): ClientAddress {
  checkHeaderName(realIpHeader, 'realIpHeader')
  const read = headerReader([realIpHeader])
  return (peer, rawHeaders) => {
    if (!isTrusted(peer)) return { address: plainAddress(peer) }
    const found = read(rawHeaders)
    if ('refused' in found) return found
    const value = found.get(realIpHeader)
    if (value === undefined) return { address: plainAddress(peer) }
    const address = readAddress(value)
    if (address !== undefined) return { address }
    return { refused: 400, reason: `header "${realIpHeader}" is not one IP address` }
  }
}
