import type { RetryDelays } from './backoff.js'
import { bodyOf, Conversation, type ConversationListener, type ConversationSettings } from './conversation.js'
import type { Ending } from './ending.js'
import { DisconnectedError, NoexClientError } from './errors.js'
import type { Link, LinkListener, ServerMessage } from './link.js'
import { ObservableState, report } from './observable.js'
import type { ConnectionStatus } from './types.js'

/** What a connection that is kept up needs to know. */
export interface ConnectionSettings extends ConversationSettings {
  readonly delays: RetryDelays
  /** Called before an attempt over what may be another network. */
  readonly onNetwork?: () => void
}

type Callbacks = [onReply: (data: any) => void, onError: (error: NoexClientError) => void]

/** One connection after the other: whenever one is lost, the next is made. */
export class Connection implements Link {
  readonly state = new ObservableState()
  /** The users of the link; each is told in this order. */
  readonly listeners: LinkListener[] = []
  readonly #settings: ConnectionSettings
  #present: Conversation | undefined
  #hasBegun = false
  #openedAt: number | undefined
  #cancelRetry = (): void => {}
  #unwatch: (() => void) | undefined

  constructor (settings: ConnectionSettings) {
    this.#settings = settings
  }

  get isReady (): boolean {
    return this.#present?.isReady === true
  }

  /** The welcome of the present connection. */
  get welcome (): ServerMessage | undefined {
    return this.#present?.welcome
  }

  has (extension: string): boolean {
    return this.#present?.has(extension) === true
  }

  /** Connects, where that has not begun. */
  wake (): void {
    if (!this.#hasBegun) this.reconnect()
  }

  /** Connects at once, anew where there is a connection. */
  reconnect (): void {
    this.#hasBegun = true
    this.#unwatch ??= this.#settings.environment.watch(() => { this.#onWake() }, () => { this.#onOffline() })
    this.#settings.onNetwork?.()
    this.#connect()
  }

  /** Ends the connection until `reconnect`. */
  close (): void {
    this.#hasBegun = true
    this.#unwatch?.()
    this.#unwatch = undefined
    this.#replace(undefined, 'refused', new NoexClientError('DISCONNECTED', 'The client is closed'))
  }

  ask (type: string, members: object, ...callbacks: Callbacks): void {
    this.send(bodyOf(type, members), ...callbacks)
  }

  /**
   * Sends a request of which `body` is all but the id, as `bodyOf` makes it. Returns the function that gives it
   * up: none of its callbacks is called any more.
   */
  send (body: string, ...[onReply, onError]: Callbacks): () => void {
    const present = this.#present
    if (present?.isReady !== true) {
      onError(new DisconnectedError('There is no connection', 'not-done'))
      return () => {}
    }
    const id = present.ask(body, onReply, onError)
    return () => { present.forget(id) }
  }

  /** Returns the time of the server, epoch milliseconds; that of the client before the first welcome. */
  serverNow (): number {
    return this.#present?.serverNow() ?? this.#settings.environment.date()
  }

  #connect (): void {
    this.#replace(new Conversation(this.#settings, this.#listener), 'connecting', this.state.error)
  }

  /** Ends the present connection. Any function that is told of it may end the next one, or make another. */
  #replace (next: Conversation | undefined, value: ConnectionStatus, error?: NoexClientError): void {
    this.#cancelRetry()
    this.#openedAt = undefined
    const former = this.#present
    this.#present = next
    this.#show(value, error)
    former?.end({})
  }

  readonly #listener: ConversationListener = {
    onReady: from => {
      const ready = this.listeners.map(async listener => { await listener.onReady() })
      Promise.all(ready.map(async one => { await one.catch(report) })).then(() => {
        if (from !== this.#present || !from.isReady) return
        this.#openedAt = this.#settings.environment.now()
        this.#show('open')
      })
    },
    onMessage: (_from, message) => {
      this.#tell(listener => {
        if (message['type'] === 'push') listener.onPush(message)
        else listener.onSystem(message)
      })
    },
    onLeaving: () => { this.#show('leaving') },
    onProblem: (_from, error) => { this.#show(this.state.value, error) },
    onEnd: (from, ending) => {
      if (from.welcome !== undefined) this.#tell(listener => { listener.onLost() })
      if (from !== this.#present) return
      this.#present = undefined
      this.#ended(ending)
    }
  }

  #ended ({ error, isFinal = false, afterMs = 0 }: Ending): void {
    const { delays, environment } = this.#settings
    const openMs = this.#openedAt === undefined ? 0 : environment.now() - this.#openedAt
    this.#openedAt = undefined
    const delayMs = isFinal ? undefined : delays.next(openMs)
    if (delayMs === undefined) return this.#show('refused', error)
    const totalMs = afterMs + delayMs
    this.#cancelRetry = environment.after(totalMs, () => { this.#connect() })
    this.#show('waiting', error, environment.date() + totalMs)
  }

  /** The network is back, or the page is seen again. */
  #onWake (): void {
    const { value } = this.state
    if (value === 'waiting' || value === 'offline') this.reconnect()
    else this.#present?.test()
  }

  #onOffline (): void {
    if (this.state.value === 'refused') return
    this.#replace(undefined, 'offline', new NoexClientError('DISCONNECTED', 'There is no network'))
  }

  #show (...[value, error, retryAt]: Parameters<ObservableState['set']>): void {
    this.state.set(value, error, retryAt, this.#present?.transport.kind)
  }

  #tell (call: (listener: LinkListener) => void): void {
    for (const listener of this.listeners) {
      try {
        call(listener)
      } catch (error) {
        report(error)
      }
    }
  }
}
