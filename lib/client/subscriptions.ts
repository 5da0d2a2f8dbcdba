import { NoexClientError } from './errors.js'
import type { Link } from './link.js'
import { none } from './report.js'

/** The longest and the shortest delay of a timer, in milliseconds: a longer one would be none. */
export const MAX_DELAY_MS = 2 ** 31 - 1
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
  /** The timer of the next try, once it is refused for a time. */
  timer?: ReturnType<typeof setTimeout>
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
  /** Takes note that the server has ended that of an id. Returns it. */
  readonly ended: (id: unknown) => T | undefined
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

  const unsubscribe = ({ type }: T, subscriptionId: string): void => {
    if (link.isReady) link.ask(type + '.unsubscribe', { subscriptionId }, none, none)
  }

  const forget = (subscription: T): string | undefined => {
    const { id, timer } = asks.get(subscription) ?? {}
    clearTimeout(timer)
    asks.delete(subscription)
    byId.delete(id)
    return id
  }

  const end = (subscription: T): void => {
    const id = forget(subscription)
    if (id !== undefined) unsubscribe(subscription, id)
  }

  const start = async (subscription: T): Promise<void> => {
    end(subscription)
    link.wake?.()
    if (!link.isReady) return
    const ask: Ask = {}
    const present = asks.set(subscription, ask)
    const isCurrent = (): boolean => asks.get(subscription) === ask
    await new Promise<void>(resolve => {
      const refuse = (error: NoexClientError): void => {
        resolve()
        if (!isCurrent() || error.code === 'DISCONNECTED') return
        const { retryAfterMs } = Object(error.details)
        if (retryAfterMs > 0) {
          const delayMs = Math.min(Math.max(retryAfterMs, MIN_RETRY_MS), MAX_DELAY_MS)
          ask.timer = setTimeout(() => { start(subscription) }, delayMs)
        }
        onError(subscription, error)
      }
      try {
        link.ask(subscription.type + '.subscribe', subscription.members(link), reply => {
          const id = reply?.subscriptionId
          if (typeof id !== 'string') {
            refuse(new NoexClientError('PROTOCOL_ERROR', 'The server has answered without an id'))
          } else if (isCurrent()) {
            ask.id = id
            byId.set(id, subscription)
            resolve(onReply(subscription, reply))
          } else {
            resolve()
            if (present === asks) unsubscribe(subscription, id)
          }
        }, refuse)
      } catch (error) {
        refuse(error as NoexClientError)
      }
    })
  }

  return {
    get: id => byId.get(id),
    start,
    end,
    ended: id => {
      const subscription = byId.get(id)
      if (subscription !== undefined) forget(subscription)
      return subscription
    },
    lost: () => {
      for (const subscription of asks.keys()) forget(subscription)
      asks = new Map()
    }
  }
}
