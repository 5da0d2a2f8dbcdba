import { isIP, isIPv6 } from 'node:net'
import { checkHeaderName, headerReader, type HeaderRefusal } from './raw-headers.js'

/** Length limit of an address, in characters: one in IPv6 notation has at most 45. */
const MAX_CHARS = 64

/** An address with a port, or in brackets, or both: `203.0.113.7:80`, `[2001:db8::1]`, `[2001:db8::1]:80`. */
const WRAPPED = /^(?:\[([^[\]]*:[^[\]]*)\](?::(\d{1,5}))?|([^[\]]*\.\d+):(\d{1,5}))$/

const MAX_PORT = 65_535

/** An address with a zone. */
const ZONE = /^([0-9a-f:.]+)%[\w.~-]+$/i

/** An IPv4 address in IPv6 notation, as `compressed` writes it. */
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/

/**
 * Returns the canonical form of an address: IPv4 also where a dual-stack socket reports it as IPv6, IPv6
 * compressed (RFC 5952) and without zone. Other text is cut after 64 characters. Returns `unknown` for
 * `undefined`, the peer of a Unix socket.
 */
export function plainAddress (address: string | undefined): string {
  return address === undefined ? 'unknown' : remembered(plainAddresses, address, toPlainAddress)
}

/** Addresses that are remembered: clients send one request after the other. */
const MAX_REMEMBERED = 1_024

const plainAddresses = new Map<string, string>()
const addressKeys = new Map<string, string>()

/** Returns the result of a pure function, from the last results where it is there. */
function remembered (
  results: Map<string, string>, address: string, compute: (address: string) => string
): string {
  let result = results.get(address)
  if (result === undefined) {
    if (results.size >= MAX_REMEMBERED) results.clear()
    result = compute(address)
    if (address.length <= MAX_CHARS) results.set(address, result)
  }
  return result
}

function toPlainAddress (address: string): string {
  // The zone is the name of a network interface, whose characters isIPv6 may not accept.
  const [withoutZone = ''] = address.split('%', 1)
  if (!isIPv6(withoutZone)) return address.slice(0, MAX_CHARS)
  const ipv6 = compressed(withoutZone)
  const [, high, low] = MAPPED.exec(ipv6) ?? []
  return high === undefined || low === undefined ? ipv6 : [...bytes(high), ...bytes(low)].join('.')
}

/**
 * Reads an address from a header of a proxy: with or without port (0 to 65535), brackets (RFC 3986) and zone.
 * Returns its canonical form (`plainAddress`), or `undefined` for text that is not one address: a name, a
 * list, `unknown` or another identifier of RFC 7239.
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
 * Returns the key by which limiters count a client: an IPv4 address, the /64 network of an IPv6 address, or
 * the text that `plainAddress` returns. One customer has at least a /64 network, and could choose any address
 * in it.
 */
export function addressKey (address: string | undefined): string {
  return remembered(addressKeys, plainAddress(address), toAddressKey)
}

function toAddressKey (plain: string): string {
  return isIPv6(plain) ? `${compressed(`${ipv6Groups(plain).slice(0, 4).join(':')}::`)}/64` : plain
}

/** Returns the eight groups of a canonical IPv6 address, in hexadecimal without leading zeros. */
export function ipv6Groups (plain: string): string[] {
  const [before = [], after = []] = plain.split('::').map(half => half === '' ? [] : half.split(':'))
  return [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after]
}

/** Compresses an IPv6 address as RFC 5952 does, except that IPv4-mapped ones are all hexadecimal. */
function compressed (ipv6: string): string {
  return new URL(`http://[${ipv6}]`).hostname.slice(1, -1)
}

function bytes (group: string): [high: number, low: number] {
  const value = Number.parseInt(group, 16)
  return [value >> 8, value & 0xff]
}

/** Returns the canonical address of the client behind `peer`, or the refusal of its request. */
export type ClientAddress = (
  peer: string | undefined,
  rawHeaders: readonly string[]
) => { readonly address: string } | HeaderRefusal

/**
 * Builds the function that finds the client's address by the option `realIpHeader`. From a trusted peer, the
 * header counts: it must be present once, under exactly this name, with one address; without it, the peer
 * itself is the client. From any other peer the header is ignored.
 * @throws {NoexOptionsError} when `realIpHeader` cannot be the name of such a header
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
