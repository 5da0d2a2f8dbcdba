import type { ClientOptions } from './types.js'

/** The options, checked, with their defaults. */
export type ResolvedOptions = ClientOptions &
  Required<Pick<ClientOptions, 'timeoutMs' | 'connectTimeoutMs' | 'minDelayMs' | 'maxDelayMs' | 'lingerMs'>>

const isTime = (value: unknown): boolean => typeof value === 'number' && value > 0 && value < Infinity
const time = [isTime, 'a number of milliseconds above 0'] as const
const callable = [(value: unknown) => typeof value === 'function', 'a function'] as const

type Check = readonly [holds: (value: any) => boolean, must: string]

const checks: { readonly [Name in keyof ClientOptions]-?: Check } = {
  getToken: callable,
  WebSocket: [callable[0], 'a class'],
  heartbeatMs: time,
  timeoutMs: [value => isTime(value) || value === Infinity, `${time[1]}, or Infinity`],
  connectTimeoutMs: time,
  minDelayMs: time,
  maxDelayMs: time,
  lingerMs: [value => value === 0 || isTime(value), `${time[1]}, or 0`],
  tabs: [value => /^(boolean|string)$/.test(typeof value), 'true, false or a name of the user'],
  fallback: [
    value => value === false || (typeof value?.rpc === 'string' && typeof value.events === 'string'),
    'false or { rpc, events }'
  ],
  connect: [value => typeof value === 'boolean', 'true or false']
}

const defaults = {
  timeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  minDelayMs: 500,
  maxDelayMs: 30_000,
  lingerMs: 5_000
}

/**
 * Checks options and adds the defaults. An option that is `undefined` counts as absent.
 * @throws `TypeError` that names the option and says what it must be.
 */
export function resolveOptions (options: ClientOptions): ResolvedOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  for (const [name, value] of given) {
    const check = Object.hasOwn(checks, name) ? checks[name as keyof ClientOptions] : undefined
    if (check === undefined) {
      throw new TypeError(`The client has no option ${name}; it has ${Object.keys(checks).join(', ')}`)
    }
    if (!check[0](value)) throw new TypeError(`Option ${name} of the client must be ${check[1]}`)
  }
  return { ...defaults, ...Object.fromEntries(given) }
}

/**
 * Returns the URL of the WebSocket, absolute and without a fragment: http and https are made ws and wss, a URL
 * that is relative belongs to the page.
 * @throws `TypeError` for anything else.
 */
export function resolveUrl (url: string | { readonly href: string }): string {
  const { location } = globalThis as { location?: { href: string } }
  let text = typeof url === 'string' ? url : String(url?.href)
  if (location !== undefined && !/^\w+:\/\//.test(text)) text = new URL(text, location.href).href
  const [, security, rest] = /^(?:ws|http)(s?):(\/\/[^/?#\s][^#\s]*)/i.exec(text) ?? []
  if (rest === undefined) {
    throw new TypeError(`The URL of the client must be like wss://example.com/live, not ${JSON.stringify(text)}`)
  }
  // A path, so that others can stand beside it.
  return `ws${security}:${rest.replace(/^\/\/[^/?]*(?=\?|$)/, '$&/')}`
}

/** Returns the URL of what stands beside a WebSocket: `name` in the place of the end of its path. */
export function besideUrl (url: string, name: string): string {
  return url.replace(/^ws/, 'http').replace(/[^/]*(\?.*)?$/, name)
}

/** Returns a URL as messages may show it: without a name, a password and what was asked. */
export function shownUrl (url: string): string {
  return url.replace(/\?.*/, '').replace(/\/\/[^/]*@/, '//')
}
