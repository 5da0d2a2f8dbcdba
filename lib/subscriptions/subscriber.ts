/** The owner of subscriptions. */
export interface Subscriber {
  /** Whether there is a session. */
  readonly isLoggedIn: boolean
  /** The number of its subscriptions of all kinds. */
  readonly subscriptionCount: number
  /** Whether the right to a subscription must be checked before each push. */
  readonly isVolatile: boolean
  /** Whether pushes may be sent now; if not, `resume` is called once they may. */
  mayPush: () => boolean
}

/** The number of ids that are kept; the oldest are dropped. */
const MAX_ENDED = 100

/** Ids of subscriptions that the server has ended: the client may still unsubscribe from each, once. */
export class EndedSubscriptions {
  readonly #ids = new Set<string>()

  has (id: string): boolean {
    return this.#ids.has(id)
  }

  add (id: string): void {
    this.#ids.add(id)
    const [oldest] = this.#ids
    if (this.#ids.size > MAX_ENDED && oldest !== undefined) this.#ids.delete(oldest)
  }

  /** Removes an id. Returns whether it was there. */
  take (id: string): boolean {
    return this.#ids.delete(id)
  }
}
