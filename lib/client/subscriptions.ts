import { NoexClientError } from './errors.js'
import type { Link } from './link.js'

/** The longest delay of a timer, in milliseconds: a longer one would be none. */
export const MAX_DELAY_MS = 2 ** 31 - 1

/** The shortest pause after which a refused subscription is tried again, in milliseconds. */
const MIN_RETRY_MS = 1_000

/** Something that is subscribed on each connection. */
export interface Subscription {
  /** The namespace of its operations: `<type>.subscribe` and `<type>.unsubscribe`. */
  readonly type: 'store' | 'rules'
  /** Returns the members of its request. @throws NoexClientError where the server cannot serve it */
  readonly members: (link: Link) => object
  /** Called with the reply. A promise that it returns is waited for. */
  readonly onSubscribed: (reply: any) => Promise<void> | undefined
  readonly onRefused: (error: NoexClientError) => void
}

/** The request of a subscription on the present connection. */
interface Ask {
  /** The id of the subscription, once it is answered. */
  id?: string
  /** The timer of the next try, once it is refused for a time. */
  timer?: ReturnType<typeof setTimeout>
}

/** The subscriptions of the present connection. */
export class Subscriptions {
  readonly #link: Link
  readonly #byId = new Map<unknown, Subscription>()
  readonly #asks = new Map<Subscription, Ask>()
  /** Another object for each connection. */
  #connection = {}

  constructor (link: Link) {
    this.#link = link
  }

  /** Returns that of an id. */
  get (id: unknown): Subscription | undefined {
    return this.#byId.get(id)
  }

  /**
   * Subscribes, anew where it is subscribed. Resolves when the server has answered, or the connection has
   * ended; at once where there is none.
   */
  async start (subscription: Subscription): Promise<void> {
    this.end(subscription)
    if (!this.#link.isReady) return
    const ask: Ask = {}
    const connection = this.#connection
    const { type } = subscription
    this.#asks.set(subscription, ask)
    await new Promise<void>(resolve => {
      const onError = (error: NoexClientError): void => {
        resolve()
        if (this.#asks.get(subscription) !== ask || error.code === 'DISCONNECTED') return
        const { retryAfterMs } = Object(error.details)
        if (Number.isFinite(retryAfterMs)) {
          const delayMs = Math.min(Math.max(retryAfterMs, MIN_RETRY_MS), MAX_DELAY_MS)
          ask.timer = setTimeout(() => { this.start(subscription) }, delayMs)
        }
        subscription.onRefused(error)
      }
      const onReply = (reply: any): void => {
        const id = reply?.subscriptionId
        if (typeof id !== 'string') {
          onError(new NoexClientError('PROTOCOL_ERROR', 'The reply to a subscription has no id'))
        } else if (this.#asks.get(subscription) === ask) {
          ask.id = id
          this.#byId.set(id, subscription)
          resolve(subscription.onSubscribed(reply))
        } else {
          resolve()
          if (connection === this.#connection) this.#unsubscribe(type, id)
        }
      }
      try {
        this.#link.ask(type + '.subscribe', subscription.members(this.#link), onReply, onError)
      } catch (error) {
        onError(error as NoexClientError)
      }
    })
  }

  /** Unsubscribes. A request that is not answered yet is unsubscribed when it is. */
  end (subscription: Subscription): void {
    const ask = this.#asks.get(subscription)
    this.#forget(subscription, ask)
    if (ask?.id !== undefined) this.#unsubscribe(subscription.type, ask.id)
  }

  /** Takes note that the server has ended the subscription of an id. Returns it. */
  ended (id: unknown): Subscription | undefined {
    const subscription = this.#byId.get(id)
    if (subscription !== undefined) this.#forget(subscription, this.#asks.get(subscription))
    return subscription
  }

  /** Forgets all of a connection that has ended. */
  lost (): void {
    this.#connection = {}
    for (const [subscription, ask] of this.#asks) this.#forget(subscription, ask)
  }

  #forget (subscription: Subscription, ask: Ask | undefined): void {
    clearTimeout(ask?.timer)
    this.#asks.delete(subscription)
    this.#byId.delete(ask?.id)
  }

  #unsubscribe (type: string, subscriptionId: string): void {
    const done = (): void => {}
    if (this.#link.isReady) this.#link.ask(type + '.unsubscribe', { subscriptionId }, done, done)
  }
}
