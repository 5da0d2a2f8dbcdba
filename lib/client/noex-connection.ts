import { mustBe, TEXT } from './checks.js'
import { resolveUrl } from './client-options.js'
import { createConnection, type Connection } from './connection.js'
import { delayOf, withRemedies } from './ending.js'
import { environment } from './environment.js'
import { DisconnectedError, NoexClientError, TimeoutError } from './errors.js'
import type { LinkListener } from './link.js'
import { checkHandler, reconnectDefaults, resolveNoexOptions } from './noex-options.js'
import { NoexSubscriptions } from './noex-subscriptions.js'
import type {
  NoexClientEvents, NoexClientOptions, NoexClientState, Unsubscribe, WelcomeInfo
} from './noex-types.js'
import type { SendRequest } from './optimistic.js'
import { callEach, shownUrl } from './report.js'
import { createRequests } from './requests.js'
import { socketTransport } from './socket-transport.js'
import { chooseTransport } from './transport-choice.js'
import type { Credentials, RequestOptions } from './types.js'

/** Reason of a connection that the program has ended. */
const DISCONNECT = 'disconnect'

/** Refusals of a login that may not come again. */
const passing = /^(RATE_LIMITED|INTERNAL_ERROR|TIMEOUT)$/

type Settle = readonly [resolve: (info: WelcomeInfo) => void, reject: (error: NoexClientError) => void]

/** The connection of a `NoexClient`: one after the other, each with its login and its subscriptions. */
export class NoexConnection {
  readonly #connection: Connection
  readonly #send: SendRequest
  readonly #subscriptions: NoexSubscriptions
  readonly #handlers = new Map<string, Set<(...args: any[]) => void>>()
  #credentials: Credentials | undefined
  #token: string | undefined
  #isOpen = false
  /** Whether a connection that is lost is to be made again. */
  #isKept = false
  #attempt = 0
  /** Why the connection has ended. */
  #reason = ''
  #failure: NoexClientError | undefined
  #connecting: Promise<WelcomeInfo> | undefined
  #settle: Settle | undefined

  constructor (url: string, options: NoexClientOptions) {
    const resolved = resolveNoexOptions(options)
    const { auth, reconnect, heartbeat, WebSocket, requestTimeoutMs, connectTimeoutMs } = resolved
    const { maxRetries, initialDelayMs, maxDelayMs, backoffMultiplier, jitterMs } =
      reconnect || reconnectDefaults
    this.#token = auth.token
    this.#credentials = auth.credentials
    const fullUrl = resolveUrl('NoexClient', url)
    const choice = chooseTransport([socketTransport(fullUrl, WebSocket)], connectTimeoutMs, environment)
    const open = withRemedies(choice.open)
    this.#connection = createConnection({
      open: listener => open({
        onMessage: listener.onMessage,
        onClose: (code, reason, problem) => {
          this.#reason = reason || problem || String(code)
          listener.onClose(code, reason, problem)
        }
      }),
      place: shownUrl(fullUrl),
      isLoginManual: true,
      heartbeatMs: heartbeat ? undefined : Infinity,
      connectTimeoutMs,
      minDelayMs: initialDelayMs,
      maxDelayMs,
      nextDelay: openMs => {
        if (openMs !== undefined) this.#attempt = 0
        if (!this.#isKept || reconnect === false || this.#attempt >= maxRetries) return undefined
        const delayMs = initialDelayMs * backoffMultiplier ** this.#attempt++
        return Math.min(delayMs, maxDelayMs) + Math.random() * jitterMs
      },
      environment
    })
    this.#subscriptions = new NoexSubscriptions(this.#connection, requestTimeoutMs, error => {
      this.#emit('error', error)
    })
    // Before the requests, so that the login comes before those that have waited.
    this.#connection.listeners.push(this.#listener)
    this.#connection.state.subscribe(() => { this.#onState() })
    this.#send = createRequests(this.#connection, requestTimeoutMs, environment)
  }

  get state (): NoexClientState {
    if (this.#isOpen) return 'connected'
    if (this.#isKept) return 'reconnecting'
    return this.#connecting === undefined ? 'disconnected' : 'connecting'
  }

  on<E extends keyof NoexClientEvents> (
    event: E, handler: (...args: NoexClientEvents[E]) => void
  ): Unsubscribe {
    checkHandler(event, handler)
    const handlers = this.#handlers.get(event) ?? new Set()
    this.#handlers.set(event, handlers)
    handlers.add(handler as () => void)
    return () => { handlers.delete(handler as () => void) }
  }

  async connect (): Promise<WelcomeInfo> {
    if (this.#isOpen) return this.#info()
    if (this.#connecting === undefined) {
      this.#connecting = new Promise((...settle) => { this.#settle = settle })
      this.#connection.reconnect()
    }
    return await this.#connecting
  }

  disconnect (): void {
    this.#isKept = false
    this.#reason = DISCONNECT
    this.#connection.close()
  }

  async request (type: string, members?: object, options?: RequestOptions): Promise<any> {
    mustBe('request: type', type, TEXT)
    this.#assertUsable(type, this.#isOpen || (this.#isKept && options?.retry === true))
    const isLogin = /^(auth|identity)\.login/.test(type)
    const data = await this.#send(type, isLogin ? this.#noticed(members) : members, options)
    if (/^identity\.(login|refresh)/.test(type)) {
      this.#token = data?.token
    } else if (type === 'auth.login') {
      this.#token = (members as { token?: string } | undefined)?.token
    } else if (/^(auth|identity)\.logout$/.test(type)) {
      this.#token = this.#credentials = undefined
      this.#subscriptions.onRest('LOGGED_OUT', 'The user has logged out')
    }
    return data
  }

  /** Returns the members of a login that asks for the notice of its end, where the server has that. */
  #noticed (members: object | undefined): object | undefined {
    return this.#connection.has('session') ? { sessionNotice: true, ...members } : members
  }

  async subscribe (...subscription: Parameters<NoexSubscriptions['add']>): Promise<Unsubscribe> {
    mustBe(`${subscription[0]}.subscribe: callback`, subscription[2], 'a function')
    this.#assertUsable(`${subscription[0]}.subscribe`, this.#isOpen)
    return await this.#subscriptions.add(...subscription)
  }

  /** Ends the subscription of an id of the server; does nothing where there is none. */
  unsubscribe (id: string): void {
    this.#subscriptions.remove(id)
  }

  /** @throws `DisconnectedError` */
  #assertUsable (type: string, isUsable: boolean): void {
    if (!isUsable) throw new DisconnectedError(`${type}: the client is not connected`, 'not-done')
  }

  readonly #listener: LinkListener = {
    onReady: async () => {
      const { welcome } = this.#connection
      this.#reason = ''
      this.#emit('welcome', this.#info())
      try {
        await this.#logIn()
      } catch (error) {
        if (this.#connection.welcome === welcome) await this.#onLoginFailed(error as NoexClientError)
        return
      }
      await this.#subscriptions.renew()
    },
    onPush: message => { this.#subscriptions.onPush(message) },
    onSystem: message => {
      const { event, reason } = message
      if (event === 'session_revoked') this.#emit(event, String(reason))
      else if (event === 'session_ended') this.#subscriptions.onRest('SESSION_ENDED', 'The session has ended')
      else if (event === 'shutdown') this.#reason = 'server_shutdown'
      else if (event === 'subscription_closed') this.#subscriptions.onClosed(message)
    },
    onLost: () => { this.#subscriptions.onLost() }
  }

  /** Logs in where the server wants that: as before, by the token of the options, or by name and password. */
  async #logIn (): Promise<void> {
    if (this.#connection.welcome?.['requiresAuth'] !== true) return
    if (this.#token !== undefined) {
      try {
        return await this.#send('auth.login', this.#noticed({ token: this.#token }))
      } catch (error) {
        if (this.#credentials === undefined || (error as NoexClientError).code !== 'UNAUTHORIZED') throw error
      }
    }
    if (this.#credentials === undefined) return
    this.#token = (await this.#send('identity.login', this.#noticed(this.#credentials)))?.token
  }

  async #onLoginFailed (error: NoexClientError): Promise<void> {
    if (!this.#isKept || !passing.test(error.code)) {
      this.#isKept = false
      this.#failure = error
      return this.#connection.close()
    }
    const { welcome } = this.#connection
    this.#emit('error', error)
    const delayMs = Math.max(delayOf(Object(error.details).retryAfterMs), 1_000)
    await new Promise<void>(resolve => { environment.after(delayMs, resolve) })
    if (this.#connection.welcome === welcome) this.#connection.reconnect()
  }

  #onState (): void {
    const { value, error } = this.#connection.state
    const wasOpen = this.#isOpen
    const isOpen = this.#isOpen = value === 'open' || (wasOpen && value === 'leaving')
    if (isOpen && !wasOpen) {
      const event = this.#isKept ? 'reconnected' : 'connected'
      this.#isKept = true
      this.#emit(event)
      this.#settled(([resolve]) => { resolve(this.#info()) })
    } else if (wasOpen && !isOpen) {
      this.#emit('disconnected', this.#reason || String(error?.message))
    } else if (value === 'waiting' && error !== undefined) {
      this.#emit('error', error)
    }
    // A handler may have ended it, or begun another.
    if (value !== this.#connection.state.value) return
    if (value === 'waiting' || value === 'offline') this.#emit('reconnecting', this.#attempt || 1)
    else if (value === 'refused') this.#refused(this.#failure ?? error)
  }

  #refused (error = new NoexClientError('DISCONNECTED', this.#reason)): void {
    this.#isKept = false
    this.#failure = undefined
    const isLate = this.#reason.startsWith('no welcome')
    const cause = isLate ? new TimeoutError(error.message, 'not-done') : error
    if (this.#settle !== undefined) this.#settled(([, reject]) => { reject(cause) })
    else if (this.#reason !== DISCONNECT) this.#emit('error', cause)
  }

  /** Ends `connect`. */
  #settled (call: (settle: Settle) => void): void {
    const settle = this.#settle
    this.#settle = this.#connecting = undefined
    if (settle !== undefined) call(settle)
  }

  #info (): WelcomeInfo {
    const { version, serverTime, requiresAuth } = this.#connection.welcome as WelcomeInfo
    return { version, serverTime, requiresAuth }
  }

  #emit<E extends keyof NoexClientEvents> (event: E, ...args: NoexClientEvents[E]): void {
    callEach(this.#handlers.get(event) ?? [], handler => { handler(...args) })
  }
}
