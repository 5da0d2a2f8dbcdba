import type { Clock } from '../util/clock.js'

/** Users who may not log in for a while. In memory: a restart forgets them. */
export class Revocations {
  readonly #ttlMs: number
  readonly #clock: Clock
  /** Until when, by user; in the order in which they end. */
  readonly #until = new Map<string, number>()

  constructor (ttlMs: number, clock: Clock) {
    this.#ttlMs = ttlMs
    this.#clock = clock
  }

  static readonly #shared = new WeakMap<object, Revocations>()

  /**
   * Those that everybody shares who serves the accounts in `store`. The first to ask chooses how long they
   * last.
   */
  static of (store: object, ttlMs: number, clock: Clock): Revocations {
    const revocations = Revocations.#shared.get(store) ?? new Revocations(ttlMs, clock)
    Revocations.#shared.set(store, revocations)
    return revocations
  }

  /** Bars a user from now on; again, if it is barred already. */
  add (userId: string): void {
    const now = this.#clock.ticks()
    for (const [user, until] of this.#until) {
      if (until > now) break
      this.#until.delete(user)
    }
    this.#until.delete(userId)
    this.#until.set(userId, now + this.#ttlMs)
  }

  has (userId: string): boolean {
    const until = this.#until.get(userId)
    return until !== undefined && until > this.#clock.ticks()
  }
}
