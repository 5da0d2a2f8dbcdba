import { randomBytes } from 'node:crypto'

/** The receiver of pushes: the outbox of a connection. */
export interface PushTarget {
  /** Whether pushes must wait until the client has read more. */
  readonly isCongested: boolean
  send: (text: string) => void
  sendFrame: (frame: Buffer) => void
  /** Sends a frame that no other one of the same turn follows. */
  sendLast: (frame: Buffer) => void
}

/** The owner of subscriptions. */
export interface Subscriber {
  /** Whether there is a session. */
  readonly isLoggedIn: boolean
  /** The number of its subscriptions of all kinds. */
  readonly subscriptionCount: number
  /** Whether the right to a subscription must be checked before each push. */
  readonly isVolatile: boolean
  /** Returns the wall clock, in epoch milliseconds. */
  now: () => number
  /** Whether pushes may be sent now; if not, `resume` is called once they may. */
  mayPush: () => boolean
}

/** One subscription of a connection, without its parameters and results. */
export interface SubscriptionInfo {
  readonly subscriptionId: string
  readonly kind: 'store' | 'rules'
  /** The name of the query; absent for a search. */
  readonly query?: string
  /** The bucket of a search. */
  readonly bucket?: string
  /** The pattern of topics. */
  readonly topic?: string
  /** Epoch milliseconds. */
  readonly since: number
}

/** Returns a new random subscription id, which reveals nothing about other clients. */
export function subscriptionId (): string {
  return `sub-${randomBytes(9).toString('base64url')}`
}

/** Returns the first `max` values. */
export function firstOf<T> (values: Iterable<T>, max: number): T[] {
  const first: T[] = []
  for (const value of values) {
    if (first.length === max) break
    first.push(value)
  }
  return first
}

/** The number of ids that are kept; the oldest are dropped. */
const MAX_ENDED = 100

/** Ids of subscriptions that the server has ended: the client may still unsubscribe from each, once. */
class EndedSubscriptions {
  /** Made when the first one ends: most clients have none. */
  #ids: Set<string> | undefined

  has (id: string): boolean {
    return this.#ids?.has(id) === true
  }

  add (id: string): void {
    this.#ids ??= new Set()
    this.#ids.add(id)
    const [oldest] = this.#ids
    if (this.#ids.size > MAX_ENDED && oldest !== undefined) this.#ids.delete(oldest)
  }

  /** Removes an id. Returns whether it was there. */
  take (id: string): boolean {
    return this.#ids?.delete(id) === true
  }
}

/** The subscriptions of one client, of one kind. */
export abstract class SubscriptionsById<Subscription> {
  protected readonly byId = new Map<string, Subscription>()
  protected readonly ended = new EndedSubscriptions()

  /**
   * Ends a subscription. Returns whether there was one, or one that the server has ended and that was
   * not unsubscribed since.
   */
  remove (id: string): boolean {
    const subscription = this.byId.get(id)
    if (subscription === undefined) return this.ended.take(id)
    this.drop(subscription)
    return true
  }

  /** Returns the id that subscribers share, and so the frame; a new one for a second subscription. */
  protected freeId (sharedId: string): string {
    return this.byId.has(sharedId) || this.ended.has(sharedId) ? subscriptionId() : sharedId
  }

  /** Forgets a subscription and frees its slot. */
  protected abstract drop (subscription: Subscription): void
}
