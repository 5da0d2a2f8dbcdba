import { backoff } from './backoff.js'
import { mustBe, TEXT } from './checks.js'
import { resolveOptions, resolveUrl, type ResolvedOptions } from './client-options.js'
import { createConnection } from './connection.js'
import { endingOfSession, withRemedies } from './ending.js'
import { environment as realEnvironment, type Environment } from './environment.js'
import { loadLogin } from './lazy-login.js'
import { lazyTransport } from './lazy-transport.js'
import { createLiveQueries } from './live-queries.js'
import type { SendRequest } from './optimistic.js'
import { none, shownUrl } from './report.js'
import { createRequests } from './requests.js'
import { socketTransport } from './socket-transport.js'
import type { OpenTransport } from './transport.js'
import { chooseTransport } from './transport-choice.js'
import type { Client, ClientOptions } from './types.js'

/** Does what `createClient` does, in the surroundings that a test brings. */
export function composeClient (
  url: string | { readonly href: string },
  options: ClientOptions = {},
  environment: Environment = realEnvironment
): Client {
  const settings = resolveOptions(options)
  const { minDelayMs, maxDelayMs, connectTimeoutMs } = settings
  const fullUrl = resolveUrl('createClient', url)
  const choice = chooseTransport(waysTo(fullUrl, settings, environment), connectTimeoutMs, environment)
  const connection = createConnection({
    ...settings,
    open: withRemedies(throughTabs(fullUrl, choice.open, settings, environment)),
    place: shownUrl(fullUrl),
    nextDelay: backoff(minDelayMs, maxDelayMs),
    onNetwork: choice.reset,
    environment
  })
  // Before the live queries: then what is answered again comes before the results that have it.
  const send = createRequests(connection, settings.timeoutMs, environment)
  const live = createLiveQueries(connection, settings)
  const { state } = connection
  connection.listeners.push(live)
  state.subscribe(() => { live.refuse(state.value === 'refused' ? state.error : undefined) })
  const request: SendRequest = async (type, members, how) => {
    mustBe('request: type', type, TEXT)
    const end = /^(auth|identity)\.log(in|out)/.exec(type)?.[2]
    const isLogin = end === 'in'
    const leave = (): void => { connection.close(endingOfSession('LOGGED_OUT', 'Logged out').error) }
    return await send(type, isLogin ? { sessionNotice: true, ...members } : members, how, ({ data }) => {
      if (isLogin) connection.identify(data)
      else if (end) leave()
    }).catch(error => {
      if (end) loadLogin().then(({ onGivenUp }) => { onGivenUp(connection, isLogin, error, leave) }, none)
      throw error
    })
  }
  if (settings.getToken) loadLogin().catch(none)
  let isClosed = false
  if (settings.connect !== false) connection.wake()
  return {
    state,
    request,
    query: live.query,
    events: live.events,
    optimistic: async (change, changeOptions) => await live.optimistic(change, changeOptions, send),
    hydrate: live.hydrate,
    reconnect: () => { if (!isClosed) connection.reconnect() },
    close: () => {
      if (isClosed) return
      isClosed = true
      live.close()
      connection.close()
    }
  }
}

/** Returns the ways to a server, the best first. */
function waysTo (
  url: string, { WebSocket, fallback, connectTimeoutMs }: ResolvedOptions, environment: Environment
): readonly OpenTransport[] {
  const socket = socketTransport(url, WebSocket)
  if (fallback === false) return [socket]
  return [socket, lazyTransport('http', async () => {
    const { httpTransport, urlsBeside } = await import('./http-transport.js')
    return httpTransport(fallback ?? urlsBeside(url), connectTimeoutMs, environment)
  })]
}

/** Returns the way to a server by the connection that all tabs share, where the options ask for that. */
function throughTabs (
  url: string, open: OpenTransport, { tabs = false }: ResolvedOptions, environment: Environment
): OpenTransport {
  if (tabs === false) return open
  return lazyTransport('tab', async () => await import('./tab-transport.js').then(
    ({ tabTransport }) => tabTransport(`${url} ${tabs}`, open, environment),
    // The service may have other files by now.
    () => open
  ))
}
