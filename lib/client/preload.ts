import { besideUrl, resolveUrl } from './client-options.js'
import { NoexClientError } from './errors.js'
import type { LiveQuery, Preloaded } from './types.js'

/** The part of `fetch` that `preload` uses. */
export type PreloadFetch = (url: string, init: {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body: string
  readonly signal?: AbortSignal
}) => Promise<{ readonly status: number, readonly json: () => Promise<any> }>

/** The options of `preload`. */
export interface PreloadOptions {
  /** The token of the user who gets the page. @default none */
  readonly token?: string
  /** URL of the server's `routes.rpc`. @default `rpc` beside the URL of the WebSocket */
  readonly rpc?: string
  /** Gives up, and rejects with its reason. */
  readonly signal?: AbortSignal
  /** @default the global one */
  readonly fetch?: PreloadFetch
}

/**
 * Asks a server for the results of live queries by one HTTP request, for a page that is rendered on another
 * server. `client.hydrate` shows them there, and in the browser, where they become live. A query that is
 * refused has its error as result. The server has the option `routes.rpc`.
 * @throws `NoexClientError` where the server refuses the whole, or is none of ours
 * @example
 * const preloaded = await preload('wss://example.com/live', [api.openOrders], { token })
 */
export async function preload (
  url: string | { readonly href: string },
  queries: ReadonlyArray<Pick<LiveQuery<any>, 'key'>>,
  { token, rpc = besideUrl(resolveUrl(url), 'rpc'), signal, fetch = globalThis.fetch }: PreloadOptions = {}
): Promise<Preloaded> {
  if (queries.length === 0) return { queries: [] }
  const messages = queries.map(({ key }, id) =>
    ({ ...JSON.parse(key), id, type: 'store.subscribe', delta: true }))
  const response = await fetch(rpc, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(messages),
    ...(signal && { signal })
  })
  const replies = await response.json().catch(() => undefined)
  if (!Array.isArray(replies)) {
    const problem = replies?.message ?? 'no replies: is it the routes.rpc of the server?'
    throw new NoexClientError(String(replies?.code ?? 'HTTP'), `${rpc}: ${response.status}, ${problem}`)
  }
  return {
    queries: queries.map(({ key }, id) => {
      const reply = replies.find(reply => reply?.id === id)
      const { type, data, code = 'HTTP', message = 'There is no reply' } = reply ?? {}
      return [key, type === 'result' ? data : { error: { code, message } }]
    })
  }
}
