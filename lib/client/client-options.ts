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
    const isTime = /Ms$/.test(name) && (value > 0 || (value === 0 && name === 'lingerMs'))
    assert(isTime || /^(getToken|WebSocket|tabs|fallback|connect)$/.test(name),
      `${name} is no option, or no milliseconds above 0`)
    resolved[name] = value
  }
  assert(options.tabs !== true || !options.getToken, 'with getToken, tabs must be a text that names the user')
  return resolved as unknown as ResolvedOptions
}

function assert (isRight: unknown, problem: string): void {
  if (!isRight) throw new TypeError(`createClient: ${problem}`)
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
  assert(host, `${text} is no URL like wss://example.com/live`)
  // With a path, so that others can stand beside it.
  return `ws${security}://${host}/${rest?.replace(/^\//, '')}`
}

/** Returns a URL as messages may show it: without a name, a password and what was asked. */
export function shownUrl (url: string): string {
  return url.replace(/^(\w+:\/\/)([^/]*@)?([^?]*).*/, '$1$3')
}
