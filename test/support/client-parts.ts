import type { Test } from 'tap'
import WebSocket from 'ws'
import { composeClient } from '../../lib/client/client.js'
import type { Client, ClientOptions, ConnectionStatus } from '../../lib/client/types.js'
import { until } from './until.js'

/** A client with the states that its connection has been in. */
export interface TestedClient extends Client {
  readonly states: ConnectionStatus[]
  /** The messages of the errors of its states, in order. */
  readonly problems: string[]
  /** Resolves when the connection is in this state; `waiting`: or has been, since the last call. */
  readonly reached: (status: ConnectionStatus) => Promise<void>
}

/** Makes a client over sockets of `ws` that comes back soon; it closes with the test. */
export function clientFor (t: Test, url: string, options: ClientOptions = {}): TestedClient {
  const client = composeClient(url, {
    WebSocket: WebSocket as never,
    minDelayMs: 10,
    maxDelayMs: 50,
    fallback: false,
    ...options
  })
  t.teardown(() => { client.close() })
  const states: ConnectionStatus[] = [client.state.value]
  const problems: string[] = []
  let seen = 0
  client.state.subscribe(() => {
    const { value, error } = client.state
    if (value !== states.at(-1)) states.push(value)
    if (error !== undefined && error.message !== problems.at(-1)) problems.push(error.message)
  })
  return Object.assign(client, {
    states,
    problems,
    reached: async (status: ConnectionStatus) => {
      await until(() =>
        client.state.value === status || (status === 'waiting' && states.includes(status, seen)))
      seen = states.length
    }
  })
}

/** A class of WebSockets that a browser or a network does not allow. */
class BlockedSocket {
  constructor () {
    throw new Error('blocked')
  }
}

/** Returns the options of a client that can have no WebSocket, for a server with `streamRoutes` on a port. */
export function withoutSocket (port: number): ClientOptions {
  const url = `http://127.0.0.1:${port}`
  return { WebSocket: BlockedSocket as never, fallback: { rpc: `${url}/rpc`, events: `${url}/events` } }
}
