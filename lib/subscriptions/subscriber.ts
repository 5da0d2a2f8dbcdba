/** Whose subscriptions they are. */
export interface Subscriber {
  /** Whether somebody is logged in. */
  readonly isLoggedIn: boolean
  /** Subscriptions of all kinds. */
  readonly subscriptionCount: number
  /** Whether the right to a subscription must be asked for before each push. */
  readonly isVolatile: boolean
  /** Whether pushes may go out now. If not, `resume` is called once they may. */
  mayPush: () => boolean
}

/** More are forgotten, the oldest first. */
const MAX_ENDED = 100

/** Ids of subscriptions that have ended by themselves: a connection may still unsubscribe from each, once. */
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

  /** Returns whether it was there. */
  take (id: string): boolean {
    return this.#ids.delete(id)
  }
}
