import { checkOptions, MILLISECONDS, mustBe, TEXT } from './checks.js'
import type { ClientOptions } from './types.js'

/** The options, checked, with their defaults. */
export type ResolvedOptions = ClientOptions & typeof defaults

const defaults = {
  timeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  minDelayMs: 500,
  maxDelayMs: 30_000,
  lingerMs: 5_000
}

const kinds = {
  getToken: 'a function',
  WebSocket: 'a class (a function)',
  heartbeatMs: MILLISECONDS,
  timeoutMs: MILLISECONDS,
  connectTimeoutMs: MILLISECONDS,
  minDelayMs: MILLISECONDS,
  maxDelayMs: MILLISECONDS,
  lingerMs: '0 or a greater number',
  tabs: 'a boolean or a non-empty string',
  fallback: 'an object or false',
  connect: 'a boolean'
}

/**
 * Checks options and adds the defaults. An option that is `undefined` counts as absent.
 * @throws `TypeError` that names the option and says what it must be.
 */
export function resolveOptions (given: ClientOptions): ResolvedOptions {
  const options = checkOptions('createClient', given, kinds)
  const { tabs, getToken, fallback } = options
  if (tabs && getToken) mustBe('createClient: tabs, with getToken,', tabs, 'a string that names the user')
  if (fallback) {
    mustBe('createClient: fallback.rpc', fallback.rpc, TEXT)
    mustBe('createClient: fallback.events', fallback.events, TEXT)
  }
  return { ...defaults, ...options }
}

/**
 * Returns the URL of the WebSocket, absolute and without a fragment: http and https are made ws and wss, a
 * URL that is relative belongs to the page. `owner` begins the message of an error.
 * @throws `TypeError` for anything else.
 */
export function resolveUrl (owner: string, url: string | { readonly href: string }): string {
  const { location } = globalThis as { location?: { href: string } }
  const text: unknown = Object(url).href ?? url
  mustBe(`${owner}: the URL`, text, TEXT)
  let absolute = (text as string).trim()
  try {
    // The URL itself: that of React Native would be changed.
    const { href } = new URL(absolute, location?.href)
    if (location) absolute = href
  } catch {
    absolute = ''
  }
  const [, security, host, rest] = /^(?:ws|http)(s?):\/\/([^/?#]+)([^#]*)/i.exec(absolute) ?? []
  if (!host) throw new TypeError(`${owner}: ${text} is no URL like wss://example.com/live`)
  // With a path, so that others can stand beside it.
  return `ws${security}://${host}/${rest?.replace(/^\//, '')}`
}
