import { backoff } from './backoff.js'
import { resolveOptions, resolveUrl, shownUrl, type ResolvedOptions } from './client-options.js'
import { createConnection } from './connection.js'
import { environment as realEnvironment, type Environment } from './environment.js'
import type { Link, LinkListener } from './link.js'
import { createRequests } from './requests.js'
import { socketTransport } from './socket-transport.js'
import type { OpenTransport } from './transport.js'
import { chooseTransport } from './transport-choice.js'
import type { Client, ClientOptions } from './types.js'

/** The live queries of a client. */
export interface Live extends LinkListener, Pick<Client, 'query' | 'events' | 'hydrate'> {
  optimistic: (
    change: Parameters<Client['optimistic']>[0],
    options: Parameters<Client['optimistic']>[1],
    send: Client['request']
  ) => Promise<any>
  close: () => void
}

/** Makes the live queries of a client. */
export type LiveClass = new (link: Link, options: { readonly lingerMs: number }) => Live

/** Has what `createClient` has, and the surroundings and live queries that a test brings. */
export function composeClient (
  LiveQueries: LiveClass,
  url: string | { readonly href: string },
  options: ClientOptions = {},
  environment: Environment = realEnvironment
): Client {
  const settings = resolveOptions(options)
  const { minDelayMs, maxDelayMs, connectTimeoutMs } = settings
  const fullUrl = resolveUrl(url)
  const choice = chooseTransport(waysTo(fullUrl, settings), connectTimeoutMs, environment)
  const connection = createConnection({
    ...settings,
    open: choice.open,
    place: shownUrl(fullUrl),
    nextDelay: backoff(minDelayMs, maxDelayMs),
    onNetwork: choice.reset,
    environment
  })
  const live = new LiveQueries(connection, settings)
  connection.listeners.push(live)
  const request = createRequests(connection, settings.timeoutMs, environment)
  let isClosed = false
  if (settings.connect !== false) connection.wake()
  return {
    state: connection.state,
    request,
    query: (...query) => live.query(...query),
    events: (...subscription) => live.events(...subscription),
    optimistic: async (change, changeOptions) => await live.optimistic(change, changeOptions, request),
    hydrate: preloaded => { live.hydrate(preloaded) },
    reconnect: () => { if (!isClosed) connection.reconnect() },
    close: () => {
      isClosed = true
      live.close()
      connection.close()
    }
  }
}

/** Returns the ways to a server, the best first. */
function waysTo (url: string, { WebSocket }: ResolvedOptions): readonly OpenTransport[] {
  return [socketTransport(url, WebSocket)]
}
