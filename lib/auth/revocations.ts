import type { Clock } from '../util/clock.js'

/** Keeps the users who cannot log in for a time. In memory only: a restart ends all revocations. */
export class Revocations {
  readonly #ttlMs: number
  readonly #clock: Clock
  /** End of each revocation by user, in ticks of the clock and in the order of the ends. */
  readonly #until = new Map<string, number>()

  constructor (ttlMs: number, clock: Clock) {
    this.#ttlMs = ttlMs
    this.#clock = clock
  }

  static readonly #shared = new WeakMap<object, Revocations>()

  /** Returns the revocations that all services of `store` share. The first call sets their duration. */
  static of (store: object, ttlMs: number, clock: Clock): Revocations {
    const revocations = Revocations.#shared.get(store) ?? new Revocations(ttlMs, clock)
    Revocations.#shared.set(store, revocations)
    return revocations
  }

  /** Revokes a user from now on; an earlier revocation begins anew. */
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
