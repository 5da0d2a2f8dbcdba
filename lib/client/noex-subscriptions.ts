import { environment } from './environment.js'
import { DisconnectedError, NoexClientError, TimeoutError } from './errors.js'
import type { Link, ServerMessage } from './link.js'
import type { Unsubscribe } from './noex-types.js'
import { callEach, none } from './report.js'
import { subscribeOver, type Subscription, type Subscriptions } from './subscriptions.js'

type OnAnswer = (error?: NoexClientError) => void

/** A subscription to complete results, which every server has. */
class NoexSubscription implements Subscription {
  readonly type: 'store' | 'rules'
  /** Called when the server has answered, and with each error. */
  onAnswer: OnAnswer = none
  readonly #members: object
  readonly #callback: (data: any) => void

  constructor (type: NoexSubscription['type'], members: object, callback: (data: any) => void) {
    this.type = type
    this.#members = members
    this.#callback = callback
  }

  members (): object {
    return this.#members
  }

  onSubscribed ({ data }: any): void {
    this.onAnswer()
    if (this.type === 'store') this.onPush(data)
  }

  onRefused (error: NoexClientError): void {
    this.onAnswer(error)
  }

  onPush (data: unknown): void {
    callEach([this.#callback], callback => { callback(data) })
  }
}

/** The subscriptions of a `NoexClient`, which are asked for on each connection anew. */
export class NoexSubscriptions {
  readonly #present: Subscriptions<NoexSubscription>
  readonly #kept = new Set<NoexSubscription>()
  readonly #timeoutMs: number
  readonly #onError: OnAnswer

  /** `onError`: called with errors of subscriptions that the server has accepted before. */
  constructor (link: Link, timeoutMs: number, onError: (error: NoexClientError) => void) {
    this.#present = subscribeOver(
      link,
      (subscription, reply) => { subscription.onSubscribed(reply) },
      (subscription, error) => { subscription.onRefused(error) }
    )
    this.#timeoutMs = timeoutMs
    this.#onError = error => { if (error !== undefined) onError(error) }
  }

  /** Subscribes on the present connection. Resolves with the function that ends it. */
  async add (
    type: 'store' | 'rules', members: object, callback: (data: any) => void
  ): Promise<Unsubscribe> {
    const subscription = new NoexSubscription(type, members, callback)
    const name = `${type}.subscribe`
    this.#kept.add(subscription)
    let cancel = none
    try {
      await new Promise<void>((resolve, reject) => {
        subscription.onAnswer = error => {
          if (error === undefined) resolve()
          else reject(error)
        }
        cancel = environment.after(this.#timeoutMs, () => {
          reject(new TimeoutError(`${name} has no answer after ${this.#timeoutMs} ms`, 'unknown'))
        })
        this.#present.start(subscription).then(() => {
          reject(new DisconnectedError(`${name} has no answer: the connection has ended`, 'unknown'))
        })
      })
    } catch (error) {
      this.#end(subscription)
      throw error
    } finally {
      cancel()
      subscription.onAnswer = this.#onError
    }
    return () => { this.#end(subscription) }
  }

  /** Ends the subscription of an id of the server; does nothing where there is none. */
  remove (id: string): void {
    const subscription = this.#present.get(id)
    if (subscription !== undefined) this.#end(subscription)
  }

  /** Subscribes everything on a new connection. Resolves when the server has answered. */
  async renew (): Promise<void> {
    await Promise.all([...this.#kept].map(async subscription => { await this.#present.start(subscription) }))
  }

  onPush ({ subscriptionId, data }: ServerMessage): void {
    this.#present.get(subscriptionId)?.onPush(data)
  }

  /** Takes note that the server has ended a subscription. */
  onClosed ({ subscriptionId, reason }: ServerMessage): void {
    const message = `The server has ended a subscription: ${reason}`
    this.#present.ended(subscriptionId, new NoexClientError(String(reason), message))
  }

  /** Takes note that the session has ended, and tells the program where that has subscriptions. */
  onRest (code: string, why: string): void {
    if (this.#kept.size === 0) return
    this.#onError(new NoexClientError(code, `${why}: the subscriptions rest until the next login`))
  }

  onLost (): void {
    this.#present.lost()
  }

  #end (subscription: NoexSubscription): void {
    this.#kept.delete(subscription)
    this.#present.end(subscription)
  }
}
