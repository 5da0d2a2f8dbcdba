import type { Clock } from '../util/clock.js'

/**
 * Users that are revoked at a time, for `server.revoke`; the application may revoke more.
 * @limit `RATE_LIMITED`
 */
const MAX_BY_CLIENTS = 65_536

/** Roles of which is known when they were revoked last; of others a login that has begun before fails. */
const MAX_ROLES = 1_000

/** Keeps the users who cannot log in for a time. In memory only: a restart ends all revocations. */
export class Revocations {
  readonly #ttlMs: number
  readonly #clock: Clock
  /** End of each revocation by user, in ticks of the clock and in the order of the ends. */
  readonly #until = new Map<string, number>()
  /** Number of the last revocation of each role, in the order of the numbers. */
  readonly #roles = new Map<string, number>()
  #lastNumber = 0
  /** Number of the last revocation of all roles. */
  #ofAll = 0

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
    this.#prune()
    this.#until.delete(userId)
    this.#until.set(userId, this.#clock.ticks() + this.#ttlMs)
  }

  /** Lets a user log in again, before the time is over. */
  lift (userId: string): void {
    this.#until.delete(userId)
  }

  #prune (): void {
    const now = this.#clock.ticks()
    for (const [user, until] of this.#until) {
      if (until > now) break
      this.#until.delete(user)
    }
  }

  /** Whether no client may revoke more users. */
  get isFull (): boolean {
    this.#prune()
    return this.#until.size >= MAX_BY_CLIENTS
  }

  /** Revokes those who are just logging in and turn out to have a role; `undefined`: all. */
  addRole (role: string | undefined): void {
    const number = ++this.#lastNumber
    if (role === undefined) {
      this.#ofAll = number
      return
    }
    this.#roles.delete(role)
    this.#roles.set(role, number)
    if (this.#roles.size <= MAX_ROLES) return
    const [[oldest, its]] = this.#roles as unknown as [[string, number]]
    this.#roles.delete(oldest)
    this.#ofAll = Math.max(this.#ofAll, its)
  }

  /** A mark of this moment, to be read when a login begins. */
  get mark (): number {
    return this.#lastNumber
  }

  /** Whether a login that began at `mark` finds a user who is revoked, or has a role that was since. */
  bars (
    { userId, roles }: { readonly userId: string, readonly roles: readonly string[] }, mark: number
  ): boolean {
    if (this.has(userId) || mark < this.#ofAll) return true
    return mark < this.#lastNumber && roles.some(role => (this.#roles.get(role) ?? 0) > mark)
  }

  has (userId: string): boolean {
    const until = this.#until.get(userId)
    return until !== undefined && until > this.#clock.ticks()
  }
}
