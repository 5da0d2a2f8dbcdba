import { Backoff } from './backoff.js'
import { resolveOptions, resolveUrl, shownUrl, type ResolvedOptions } from './client-options.js'
import { Connection } from './connection.js'
import { environment as realEnvironment, type Environment } from './environment.js'
import type { Link, LinkListener } from './link.js'
import { Requests } from './requests.js'
import { socketTransport } from './socket-transport.js'
import { TransportChoice } from './transport-choice.js'
import type { Client, ClientOptions } from './types.js'

/** The live queries of a client. */
export interface Live extends LinkListener, Pick<Client, 'query' | 'events' | 'hydrate'> {
  optimistic: (
    change: Parameters<Client['optimistic']>[0],
    send: Client['request'],
    options?: Parameters<Client['optimistic']>[1]
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
  const resolved = resolveOptions(options)
  const { minDelayMs, maxDelayMs, connectTimeoutMs, lingerMs, timeoutMs } = resolved
  const place = resolveUrl(url)
  const choice = new TransportChoice(waysTo(place, resolved), connectTimeoutMs, environment)
  const connection = new Connection({
    ...resolved,
    open: choice.open,
    place: shownUrl(place),
    delays: new Backoff(minDelayMs, maxDelayMs, environment.random),
    onNetwork: () => { choice.reset() },
    environment
  })
  const live = new LiveQueries(connection, { lingerMs })
  connection.listeners.push(live)
  const requests = new Requests(connection, timeoutMs, environment)
  let isClosed = false
  const request: Client['request'] = async (type, members, requestOptions) =>
    await requests.request(type, members, requestOptions)
  if (options.connect !== false) connection.wake()
  return {
    state: connection.state,
    request,
    query: (...query) => live.query(...query),
    events: (...subscription) => live.events(...subscription),
    optimistic: async (change, changeOptions) => await live.optimistic(change, request, changeOptions),
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
function waysTo (url: string, { WebSocket }: ResolvedOptions): TransportChoice['ways'] {
  return [socketTransport(url, WebSocket)]
}
