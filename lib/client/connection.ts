import { bodyOf, converse, type Callbacks, type Conversation } from './conversation.js'
import type { Ending } from './ending.js'
import { DisconnectedError, NoexClientError } from './errors.js'
import type { Link, LinkListener, ServerMessage } from './link.js'
import { ObservableState } from './observable.js'
import { callEach, none } from './report.js'
import type { ConnectionSettings } from './settings.js'
import type { ConnectionState } from './types.js'

/** One connection after the other: whenever one is lost, the next is made. */
export interface Connection extends Link {
  readonly state: ConnectionState
  /** The users of the link; each is told in this order. */
  readonly listeners: Array<Partial<LinkListener>>
  /** The welcome of the present connection. */
  readonly welcome: ServerMessage | undefined
  /** Connects, where that has not begun. */
  readonly wake: () => void
  /** The number of attempts to connect so far. */
  attempt: number
  /** Connects at once, anew where there is a connection. */
  readonly reconnect: () => void
  /** Takes note of who is logged in, by the reply to a login, or by a welcome. */
  readonly identify: (message: ServerMessage | undefined) => void
  /** Ends the connection until `reconnect`, and shows why. */
  readonly close: (error?: NoexClientError) => void
  /** Does what `ask` does, for a body as `bodyOf` makes it. Returns what gives the request up. */
  readonly send: (body: string, ...callbacks: Callbacks) => (() => void) | undefined
  /** Returns the time of the server, epoch milliseconds; 0 where there is none. */
  readonly serverNow: () => number
}

/** Makes a connection that `wake` or `reconnect` begins. */
export function createConnection (settings: ConnectionSettings): Connection {
  const { environment: { now, after, watch }, nextDelay, onNetwork = none } = settings
  const state = new ObservableState()
  const listeners: Connection['listeners'] = []
  let present: Conversation | undefined
  let hasBegun = false
  let openedAt: number | undefined
  let cancelRetry = none
  let unwatch: (() => void) | undefined

  const show = (value: ConnectionState['value'], error?: NoexClientError, retryAt?: number): void => {
    state.set({ value, error, retryAt, transport: present?.transport.kind ?? state.transport })
  }

  /** Any function that is told of it may end the next connection, or make another. */
  const replace = (next: Conversation | undefined, ...shown: Parameters<typeof show>): void => {
    const former = present
    cancelRetry()
    openedAt = undefined
    present = next
    show(...shown)
    former?.end({})
  }

  const identify = (message: ServerMessage | undefined): void => {
    const former = link.user
    link.user = message?.['userId'] ?? message?.['user']?.id
    const isOther = !!former && former !== link.user
    callEach(listeners, listener => { listener.onUser?.(isOther) })
  }

  const connect = (): void => {
    link.attempt++
    const own = converse(settings, {
      onUser: identify,
      onReady: () => {
        Promise.allSettled(listeners.map(async listener => await listener.onReady?.())).then(() => {
          if (own !== present || !own.isReady) return
          openedAt = now()
          show('open')
        })
      },
      onMessage: message => {
        callEach(listeners, listener => {
          listener[message['type'] === 'push' ? 'onPush' : 'onSystem']?.(message)
        })
      },
      onLeaving: () => { show('leaving') },
      onProblem: error => { show(state.value, error) },
      onEnd: ending => {
        if (own.welcome) callEach(listeners, listener => { listener.onLost?.() })
        if (own === present) lost(ending)
      }
    })
    replace(own, 'connecting', state.error)
  }

  const lost = ({ error, isFinal, afterMs = 0 }: Ending): void => {
    const delayMs = isFinal ? undefined : nextDelay(openedAt && now() - openedAt)
    present = openedAt = undefined
    if (delayMs === undefined) return show('refused', error)
    cancelRetry = after(afterMs + delayMs, connect)
    show('waiting', error, Date.now() + afterMs + delayMs)
  }

  const reconnect = (): void => {
    hasBegun = true
    unwatch ??= watch(() => {
      if (state.value === 'waiting' || state.value === 'offline') reconnect()
      else present?.test()
    }, () => {
      if (state.value !== 'refused') {
        replace(undefined, 'offline', new NoexClientError('DISCONNECTED', 'No network'))
      }
    })
    onNetwork()
    connect()
  }

  const send = (body: string, ...callbacks: Callbacks): (() => void) | undefined => {
    if (present?.isReady) return present.ask(body, ...callbacks)
    callbacks[1](new DisconnectedError('No connection', 'not-done'))
    return undefined
  }

  const link: Connection = {
    state,
    listeners,
    user: undefined,
    attempt: 0,
    get isReady () { return !!present?.isReady },
    get welcome () { return present?.welcome },
    has: extension => !!present?.has(extension),
    wake: () => { if (!hasBegun) reconnect() },
    reconnect,
    identify,
    close: (error = new NoexClientError('DISCONNECTED', 'The client is closed')) => {
      hasBegun = true
      unwatch?.()
      unwatch = undefined
      replace(undefined, 'refused', error)
    },
    ask: (type, members, ...callbacks) => { send(bodyOf(type, members), ...callbacks) },
    send,
    serverNow: () => present?.serverNow() ?? 0
  }
  return link
}
