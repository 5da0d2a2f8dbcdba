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

/**
 * Checks options and adds the defaults. An option that is `undefined` counts as absent.
 * @throws `TypeError` that names the option and says what it must be.
 */
export function resolveOptions (options: ClientOptions): ResolvedOptions {
  const resolved: Record<string, unknown> = { ...defaults }
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (!/^(\w+Ms|getToken|WebSocket|tabs|fallback|connect)$/.test(name)) {
      throw new TypeError(`createClient: no option ${name}`)
    }
    if (/Ms$/.test(name) && !(value > 0 || (value === 0 && name === 'lingerMs'))) {
      throw new TypeError(`createClient: ${name} must be milliseconds above 0`)
    }
    resolved[name] = value
  }
  if (options.tabs === true && options.getToken) {
    throw new TypeError('createClient: tabs must be a text that names the user where there is getToken')
  }
  return resolved as unknown as ResolvedOptions
}

/**
 * Returns the URL of the WebSocket, absolute and without a fragment: http and https are made ws and wss, a
 * URL that is relative belongs to the page.
 * @throws `TypeError` for anything else.
 */
export function resolveUrl (url: string | { readonly href: string }): string {
  const { location } = globalThis as { location?: { href: string } }
  const text = String(url)
  const absolute = location && !/^\w+:/.test(text) ? new URL(text, location.href).href : text
  const [, security, host, rest] = /^(?:ws|http)(s?):\/\/([^/?#\s]+)([^#\s]*)/i.exec(absolute) ?? []
  if (!host) throw new TypeError(`createClient: ${text} is no URL like wss://example.com/live`)
  // With a path, so that others can stand beside it.
  return `ws${security}://${host}${/^\//.test(rest as string) ? '' : '/'}${rest}`
}

/** Returns the URL of what stands beside a WebSocket: `name` in the place of the end of its path. */
export function besideUrl (url: string, name: string): string {
  return url.replace(/^ws/, 'http').replace(/[^/]*(\?.*)?$/, name)
}

/** Returns a URL as messages may show it: without a name, a password and what was asked. */
export function shownUrl (url: string): string {
  return url.replace(/^(\w+:\/\/)([^/]*@)?([^?]*).*/, '$1$3')
}
