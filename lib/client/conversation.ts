import { Backoff } from './backoff.js'
import type { Environment } from './environment.js'
import { delayOf, endingOfClose, type Ending } from './ending.js'
import { DisconnectedError, NoexClientError } from './errors.js'
import type { ServerMessage } from './link.js'
import { Liveness } from './liveness.js'
import { Login, loginRequired } from './login.js'
import type { OpenTransport, Transport } from './transport.js'
import type { LoginInput } from './types.js'

/** What a connection needs to know. Times are in milliseconds. */
export interface ConversationSettings {
  readonly open: OpenTransport
  /** Where it goes, for messages. */
  readonly place: string
  readonly getToken?: (() => LoginInput | Promise<LoginInput>) | undefined
  /** Whether it is ready without a login though the server wants one: the application sends it. */
  readonly isLoginManual?: boolean
  readonly heartbeatMs?: number | undefined
  readonly connectTimeoutMs: number
  readonly minDelayMs: number
  readonly maxDelayMs: number
  readonly environment: Environment
}

/** The receiver of what happens. `from` is the conversation, which may not be the present one any more. */
export interface ConversationListener {
  readonly onReady: (from: Conversation) => void
  readonly onMessage: (from: Conversation, message: ServerMessage) => void
  readonly onLeaving: (from: Conversation) => void
  readonly onProblem: (from: Conversation, error: NoexClientError | undefined) => void
  readonly onEnd: (from: Conversation, ending: Ending) => void
}

type OnReply = (data: any) => void
type OnError = (error: NoexClientError) => void

/** Silence of a server of which nothing else is known, in milliseconds. */
const SILENCE_MS = 30_000

/** Least silence that a server can ask for, in milliseconds. */
const MIN_SILENCE_MS = 1_000

/** One connection from its opening to its end: welcome, login, requests and their replies, signs of life. */
export class Conversation {
  readonly transport: Transport
  /** Whether requests can be sent. */
  isReady = false
  welcome: ServerMessage | undefined
  readonly #settings: ConversationSettings
  readonly #listener: ConversationListener
  readonly #pending = new Map<number, readonly [OnReply, OnError]>()
  readonly #liveness: Liveness
  #login: Login | undefined
  #cancelWelcome: () => void
  #extensions = new Set<unknown>()
  #lastId = 0
  #isOver = false
  #isLeaving = false
  #awayMs = 0
  #pingedAt: number | undefined
  #serverTime = 0
  #serverTimeAt = 0

  constructor (settings: ConversationSettings, listener: ConversationListener) {
    this.#settings = settings
    this.#listener = listener
    const { environment, heartbeatMs, connectTimeoutMs, open } = settings
    this.#liveness = new Liveness(environment, heartbeatMs ?? SILENCE_MS, () => {
      this.transport.send(`{"id":${++this.#lastId},"type":"ping"}`)
    }, () => { this.#fail('The connection is dead: the server does not answer') })
    // Each way to the server has a bound of its own; this one is for what stands before them.
    this.#cancelWelcome = environment.after(3 * connectTimeoutMs, () => { this.#closed(1006, '', 'no welcome') })
    this.transport = open({
      onMessage: text => { if (!this.#isOver) this.#receive(text) },
      onClose: (code, reason, problem) => { this.#closed(code, reason, problem) }
    })
  }

  /** Returns the time of the server, epoch milliseconds. */
  serverNow (): number {
    return this.#serverTime + this.#settings.environment.now() - this.#serverTimeAt
  }

  has (extension: string): boolean {
    return this.#extensions.has(extension)
  }

  /** Sends a request of which `body` has all but the id. Returns the id. */
  ask (body: string, onReply: OnReply, onError: OnError): number {
    const id = ++this.#lastId
    this.#pending.set(id, [onReply, onError])
    this.transport.send(`{"id":${id},${body}`)
    return id
  }

  /** Gives up a request: none of its callbacks is called any more. */
  forget (id: number): void {
    this.#pending.delete(id)
    this.#leaveWhenDone()
  }

  /** Tests whether the server still answers. */
  test (): void {
    if (this.welcome !== undefined) this.#liveness.test()
  }

  /** Ends it. Requests that have no reply yet are told, before `onEnd` is. */
  end (ending: Ending): void {
    if (this.#isOver) return
    this.#isOver = true
    this.isReady = false
    this.#cancelWelcome()
    this.#liveness.stop()
    this.#login?.stop()
    this.transport.close()
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    const error = new DisconnectedError('The connection has ended before the reply', 'unknown')
    for (const [, onError] of pending) onError(error)
    this.#listener.onEnd(this, ending)
  }

  #fail (message: string): void {
    this.end({ error: new NoexClientError('DISCONNECTED', message) })
  }

  #closed (code: number, reason: string, problem?: string): void {
    this.end(endingOfClose(this.#settings.place, this.welcome !== undefined, code, reason, problem))
  }

  #receive (text: string): void {
    let message: ServerMessage | undefined
    try {
      message = JSON.parse(text)
    } catch {}
    // Nothing that follows can be trusted to be complete.
    if (message === undefined || (message?.['type'] === 'welcome') !== (this.welcome === undefined)) {
      return this.#fail(`${this.#settings.place} is no server of this protocol: check the URL`)
    }
    this.#liveness.heard()
    switch (message?.['type']) {
      case 'welcome': return this.#welcomed(message)
      case 'ping': return this.#pinged(message['timestamp'])
      case 'result':
      case 'error': return this.#replied(message)
      case 'push': return this.#listener.onMessage(this, message)
      case 'system': return this.#informed(message)
    }
  }

  #welcomed (message: ServerMessage): void {
    const { environment, getToken, isLoginManual, connectTimeoutMs, minDelayMs, maxDelayMs } = this.#settings
    const { serverTime, extensions, heartbeatMs, requiresAuth } = message
    this.welcome = message
    this.#cancelWelcome()
    this.#setTime(serverTime)
    if (Array.isArray(extensions)) this.#extensions = new Set(extensions)
    this.#setSilence(heartbeatMs)
    const isRequired = requiresAuth === true
    const onReady = (): void => {
      this.isReady = true
      this.#listener.onReady(this)
    }
    if (getToken !== undefined) {
      this.#login = new Login({
        environment,
        getToken,
        timeoutMs: connectTimeoutMs,
        delays: new Backoff(minDelayMs, maxDelayMs, environment.random),
        isRequired,
        request: async (type, members) => await new Promise((resolve, reject) => {
          this.ask(bodyOf(type, members), resolve, reject)
        }),
        serverNow: () => this.serverNow(),
        onReady,
        onProblem: error => { this.#listener.onProblem(this, error) },
        onFailed: (error, isFinal, afterMs) => { this.end({ error, isFinal, afterMs }) }
      })
    } else if (isRequired && isLoginManual !== true) {
      this.end({ error: loginRequired(), isFinal: true })
    } else {
      onReady()
    }
  }

  #pinged (timestamp: unknown): void {
    this.transport.send(JSON.stringify({ type: 'pong', timestamp }))
    this.#setTime(timestamp)
    const now = this.#settings.environment.now()
    // A server that does not say how often it pings.
    if (this.#pingedAt !== undefined && this.welcome?.['heartbeatMs'] === undefined) {
      this.#setSilence(now - this.#pingedAt)
    }
    this.#pingedAt = now
  }

  #setTime (serverTime: unknown): void {
    if (typeof serverTime !== 'number') return
    this.#serverTime = serverTime
    this.#serverTimeAt = this.#settings.environment.now()
    this.#login?.arm()
  }

  #setSilence (silenceMs: unknown): void {
    if (typeof silenceMs !== 'number' || this.#settings.heartbeatMs !== undefined) return
    this.#liveness.silenceMs = Math.max(MIN_SILENCE_MS, silenceMs)
    this.#liveness.heard()
  }

  #replied ({ id, type, data, code, message, details }: ServerMessage): void {
    const callbacks = this.#pending.get(id)
    if (callbacks === undefined) return
    this.#pending.delete(id)
    if (type === 'result') {
      callbacks[0](data)
    } else {
      callbacks[1](new NoexClientError(String(code), String(message), details))
      if (code === 'UNAUTHORIZED') this.#login?.doubt()
    }
    this.#leaveWhenDone()
  }

  #informed (message: ServerMessage): void {
    this.#listener.onMessage(this, message)
    const { event, reason, reconnectAfterMs } = message
    if (event === 'session_revoked') {
      this.end({ isFinal: true, error: new NoexClientError('SESSION_REVOKED', String(reason)) })
    } else if (event === 'shutdown') {
      this.#isLeaving = true
      this.isReady = false
      this.#awayMs = delayOf(reconnectAfterMs)
      this.#listener.onLeaving(this)
      this.#leaveWhenDone()
    }
  }

  /** Leaves a server that is about to stop, as soon as every request is answered: it waits for its clients. */
  #leaveWhenDone (): void {
    if (this.#isLeaving && this.#pending.size === 0) this.end({ afterMs: this.#awayMs })
  }
}

/** Returns the JSON of a request without its beginning, which has the id. */
export function bodyOf (type: string, members: object): string {
  return JSON.stringify({ ...members, id: undefined, type }).slice(1)
}
