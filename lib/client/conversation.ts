import { jsonOf } from './checks.js'
import { delayOf, endingOfClose, endingOfSession, type Ending } from './ending.js'
import { DisconnectedError, NoexClientError } from './errors.js'
import type { ServerMessage } from './link.js'
import { watchLiveness } from './liveness.js'
import { logIn } from './lazy-login.js'
import type { Login } from './login.js'
import { callEach, none } from './report.js'
import type { ConnectionSettings } from './settings.js'
import { LOST, type Transport } from './transport.js'

/** The receiver of all that happens in a conversation. */
export interface ConversationListener {
  /** Called before `onReady` and at each renewal, with the first message that may say who is logged in. */
  readonly onUser: (message: ServerMessage) => void
  readonly onReady: () => void
  /** Called with each push and each message `system`. */
  readonly onMessage: (message: ServerMessage) => void
  readonly onLeaving: () => void
  /** Called when the session cannot be renewed, and without an error when it is. */
  readonly onProblem: (error?: NoexClientError) => void
  /** Called once, after all requests without a reply have been told. */
  readonly onEnd: (ending: Ending) => void
}

/** One connection from its opening to its end: welcome, login, requests and replies, signs of life. */
export interface Conversation {
  readonly transport: Transport
  /** Whether requests can be sent. */
  readonly isReady: boolean
  readonly welcome: ServerMessage | undefined
  readonly has: (extension: string) => boolean
  /** Returns the time of the server, epoch milliseconds. */
  readonly serverNow: () => number
  /**
   * Sends a request of which `body` has all but the id. Returns the function that gives it up: none of its
   * callbacks is called any more.
   */
  readonly ask: (body: string, ...callbacks: Callbacks) => () => void
  /** Tests whether the server still answers. */
  readonly test: () => void
  readonly end: (ending: Ending) => void
}

/** Called in the turn in which a reply comes, before the next message is handled; `reply` is all of it. */
export type Callbacks = [
  onReply: (data: any, reply: ServerMessage) => void, onError: (error: NoexClientError) => void
]

/** Silence of a server of which nothing is known, and the least that it can ask for, in milliseconds. */
const SILENCE_MS = 30_000
const MIN_SILENCE_MS = 1_000

/** Bytes of the id that stands before a request, also where tabs share a connection. */
const ID_BYTES = 24

/** Begins a connection. */
export function converse (settings: ConnectionSettings, listener: ConversationListener): Conversation {
  const { environment, place, getToken, heartbeatMs, connectTimeoutMs } = settings
  const { now, after } = environment
  const pending = new Map<number, Callbacks>()
  let welcome: ServerMessage | undefined
  let login: Login | undefined
  let isReady = false
  let isOver = false
  let awayMs: number | undefined
  let lastId = 0
  let silenceMs = heartbeatMs ?? SILENCE_MS
  let pingedAt: number | undefined
  /** The time of the server at the zero of our clock. */
  let serverZero = 0

  const serverNow = (): number => serverZero + now()

  const end = (ending: Ending): void => {
    if (isOver) return
    isOver = true
    isReady = false
    cancelWelcome()
    liveness.stop()
    login?.stop()
    transport.close()
    callEach(pending.values(), ([, onError]) => {
      onError(new DisconnectedError(ending.error?.message ?? 'the connection has ended', 'unknown'))
    })
    listener.onEnd({ afterMs: awayMs, ...ending })
  }

  const closed = (code: number, reason: string, problem?: string): void => {
    end(endingOfClose(place, code, reason, problem))
  }

  const ask = (body: string, ...callbacks: Callbacks): (() => void) => {
    const maxBytes: unknown = welcome?.['maxPayloadBytes']
    // A character has three bytes at most.
    const isLong = typeof maxBytes === 'number' && body.length > maxBytes / 4
    if (isLong && new Blob([body]).size > maxBytes - ID_BYTES) {
      callbacks[1](new NoexClientError('PAYLOAD_TOO_LARGE',
        `The request is longer than maxPayloadBytes of the server: ${maxBytes}`))
      return none
    }
    const id = ++lastId
    pending.set(id, callbacks)
    transport.send(`{"id":${id},${body}`)
    return () => {
      pending.delete(id)
      leaveWhenDone()
    }
  }

  /** Leaves a server that is about to stop, when every request is answered: it waits for its clients. */
  const leaveWhenDone = (): void => {
    if (awayMs !== undefined && pending.size === 0) end({})
  }

  const setSilence = (ms: unknown): void => {
    if (!heartbeatMs && typeof ms === 'number') silenceMs = Math.max(MIN_SILENCE_MS, ms)
  }

  const ready = (): void => {
    if (isOver) return
    isReady = true
    listener.onReady()
  }

  const welcomed = (message: ServerMessage): void => {
    welcome = message
    cancelWelcome()
    serverZero = Number(message['serverTime']) - now()
    setSilence(message['heartbeatMs'])
    const isRequired = message['requiresAuth'] === true
    if (!getToken && (!isRequired || settings.isLoginManual)) {
      listener.onUser(message)
      return ready()
    }
    login = logIn(settings, {
      isRequired,
      request: async (type, members) => await new Promise((resolve, reject) => {
        ask(bodyOf(type, members), resolve, reject)
      }),
      serverNow,
      onUser: reply => { listener.onUser(reply ?? message) },
      onReady: ready,
      onProblem: listener.onProblem,
      onFailed: end
    })
  }

  const handle = (message: ServerMessage, type: unknown): void => {
    const { event, timestamp } = message ?? {}
    switch (type) {
      case 'welcome':
        return welcomed(message)
      case 'ping':
        transport.send(JSON.stringify({ type: 'pong', timestamp }))
        // A server that does not say how often it pings.
        if (pingedAt) setSilence(welcome?.['heartbeatMs'] ?? now() - pingedAt)
        pingedAt = now()
        break
      case 'result':
      case 'error':
        settle(message)
        break
      case 'push':
      case 'system':
        listener.onMessage(message)
        if (type === 'push') break
        if (event === 'session_revoked') {
          end(endingOfSession('SESSION_REVOKED', `The session was revoked: ${message['reason']}`))
        } else if (event === 'shutdown' || (event === 'session_ended' && !settings.isLoginManual)) {
          isReady = false
          awayMs = delayOf(message['reconnectAfterMs'])
          listener.onLeaving()
          leaveWhenDone()
        }
    }
  }

  const settle = (reply: ServerMessage): void => {
    const { id, type, data, code, message, details } = reply
    const callbacks = pending.get(id)
    if (!callbacks) return
    pending.delete(id)
    if (type === 'result') {
      callbacks[0](data, reply)
    } else {
      callbacks[1](new NoexClientError(String(code), String(message), details))
      if (code === 'UNAUTHORIZED') login?.doubt()
    }
    leaveWhenDone()
  }

  const onMessage = (text: string): void => {
    if (isOver) return
    let message: ServerMessage | undefined
    let type: unknown
    try {
      message = JSON.parse(text)
      type = message?.['type']
    } catch {}
    // Nothing that follows could be trusted to be complete.
    if (message === undefined || (type === 'welcome') !== !welcome) {
      return closed(LOST, '', 'no server of this protocol')
    }
    callEach([message], () => { handle(message, type) })
    if (!isOver) liveness.heard(silenceMs)
  }

  const liveness = watchLiveness(environment, () => {
    transport.send(`{"id":${++lastId},"type":"ping"}`)
  }, () => { closed(LOST, '', 'the server does not answer') })
  // Each way to a server has a bound of its own; this one is for what stands before them.
  const cancelWelcome = after(3 * connectTimeoutMs, () => { closed(LOST, '', 'no welcome') })
  const transport = settings.open({ onMessage, onClose: closed })

  return {
    transport,
    get isReady () { return isReady },
    get welcome () { return welcome },
    has: extension => {
      const extensions: unknown = welcome?.['extensions']
      return Array.isArray(extensions) && extensions.includes(extension)
    },
    serverNow,
    ask,
    test: () => { if (welcome) liveness.test() },
    end
  }
}

/** Returns the JSON of a request without its beginning, which has the id. @throws `TypeError` without one */
export function bodyOf (type: string, members: object): string {
  return jsonOf(type, { ...members, toJSON: undefined, id: undefined, type }).slice(1)
}
