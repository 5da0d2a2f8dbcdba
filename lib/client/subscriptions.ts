import { assertFits } from './delta.js'
import { environment } from './environment.js'
import type { NoexClientError } from './errors.js'
import type { Link } from './link.js'
import { none } from './report.js'

/** The shortest pause after which a refused subscription is tried again, in milliseconds. */
const MIN_RETRY_MS = 1_000

/** Something that is subscribed on each connection. */
export interface Subscription {
  /** The namespace of its operations: `<type>.subscribe` and `<type>.unsubscribe`. */
  readonly type: 'store' | 'rules'
  /** Returns the members of its request. @throws NoexClientError where the server cannot serve it */
  readonly members: (link: Link) => object
}

/** The request of a subscription on the present connection. */
interface Ask {
  /** The id of the subscription, once it is answered. */
  id?: string
  /** Prevents the next try, once it is refused for a time. */
  cancel?: () => void
}

/** The subscriptions of the present connection. */
export interface Subscriptions<T extends Subscription> {
  readonly get: (id: unknown) => T | undefined
  /**
   * Subscribes, anew where it is subscribed. Resolves when the server has answered, or the connection has
   * ended; at once where there is none.
   */
  readonly start: (subscription: T) => Promise<void>
  /** Unsubscribes; what is not answered yet, when it is. */
  readonly end: (subscription: T) => void
  /** Takes note that the server has ended that of an id. */
  readonly ended: (id: unknown, error: NoexClientError) => void
  /** Forgets all of a connection that has ended. */
  readonly lost: () => void
}

/** `onReply` is called with each reply; a promise that it returns is waited for. */
export function subscribeOver<T extends Subscription> (
  link: Link, onReply: (subscription: T, reply: any) => Promise<void> | void,
  onError: (subscription: T, error: NoexClientError) => void
): Subscriptions<T> {
  const byId = new Map<unknown, T>()
  /** Those of the present connection. */
  let asks = new Map<T, Ask>()

  const forget = (subscription: T): string | undefined => {
    const { id, cancel = none } = asks.get(subscription) ?? {}
    cancel()
    asks.delete(subscription)
    byId.delete(id)
    return id
  }

  const unsubscribe = ({ type }: T, subscriptionId: string | undefined): void => {
    if (subscriptionId && link.isReady) link.ask(type + '.unsubscribe', { subscriptionId }, none, none)
  }

  const end = (subscription: T): void => { unsubscribe(subscription, forget(subscription)) }

  const start = async (subscription: T): Promise<void> => await new Promise(resolve => {
    end(subscription)
    link.wake?.()
    if (!link.isReady) return resolve()
    const ask: Ask = {}
    const present = asks.set(subscription, ask)
    const refuse = (error: any): void => {
      resolve()
      if (asks.get(subscription) !== ask || error.code === 'DISCONNECTED') return
      const delayMs = error.details?.retryAfterMs
      if (delayMs > 0) {
        ask.cancel = environment.after(Math.max(delayMs, MIN_RETRY_MS), () => { start(subscription) })
      }
      onError(subscription, error)
    }
    try {
      link.ask(subscription.type + '.subscribe', subscription.members(link), reply => {
        const id = reply?.subscriptionId
        if (asks.get(subscription) === ask) {
          try {
            assertFits(typeof id === 'string')
            byId.set(ask.id = id, subscription)
            resolve(onReply(subscription, reply))
          } catch (error) {
            refuse(error)
          }
        } else {
          resolve()
          if (present === asks) unsubscribe(subscription, id)
        }
      }, refuse)
    } catch (error) {
      refuse(error)
    }
  })

  return {
    get: id => byId.get(id),
    start,
    end,
    ended: (id, error) => {
      const subscription = byId.get(id)
      if (!subscription) return
      forget(subscription)
      onError(subscription, error)
    },
    lost: () => {
      for (const subscription of asks.keys()) forget(subscription)
      asks = new Map()
    }
  }
}
