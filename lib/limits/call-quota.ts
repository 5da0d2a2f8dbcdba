import { NoexServerError } from '../protocol/errors.js'
import type { Rejections } from './rejections.js'

/**
 * Requests over HTTP of one user, or of one address without a login, that are under way at a time.
 * @limit 429 with `RATE_LIMITED`
 */
const MAX_PER_ACCOUNT = 256

/**
 * Bytes of all requests over HTTP that must have a token and have none, together, each counted with the most
 * that it may have.
 * @limit 429 with `RATE_LIMITED`
 */
const MAX_UNAUTHENTICATED_BYTES = 64 * 1_024 * 1_024

/** Users, or addresses, that are kept at least before those without a request are forgotten. */
const MIN_KEPT = 1_024

/** The time after which a client should come back, in milliseconds: requests are short. */
const RETRY_AFTER_MS = 1_000

/** The requests of one user or address that are under way. */
interface Account {
  calls: number
}

/** The client of a request. */
interface QuotaClient {
  readonly userId: string | undefined
  /** Counts where there is no user. */
  readonly addressKey: string
  /** Whether it must have a login and has none. */
  readonly isUnauthenticated: boolean
}

/**
 * A request that counts as under way until `release`, and until its operation has ended: a client that leaves
 * and asks again would have any number of them run.
 */
export class CountedCall {
  readonly #quota: CallQuota
  readonly #account: Account
  readonly #isUnauthenticated: boolean
  #isRunning = false
  #isOver = false

  constructor (quota: CallQuota, account: Account, isUnauthenticated: boolean) {
    this.#quota = quota
    this.#account = account
    this.#isUnauthenticated = isUnauthenticated
  }

  /** Begins an operation, which `ended` ends. */
  began (): void {
    this.#isRunning = true
  }

  ended (): void {
    this.#isRunning = false
    if (this.#isOver) this.#uncount()
  }

  /** Ends the count, once, though not before the operation. */
  release (): void {
    if (this.#isOver) return
    this.#isOver = true
    if (!this.#isRunning) this.#uncount()
  }

  #uncount (): void {
    this.#account.calls--
    if (this.#isUnauthenticated) this.#quota.unauthenticated--
  }
}

/** Counts the requests over HTTP that are under way, from their head until their answer is out. */
export class CallQuota {
  /** Those that must have a login and have none. */
  unauthenticated = 0
  readonly #maxUnauthenticated: number
  readonly #rejections: Rejections
  readonly #users = new Accounts()
  readonly #addresses = new Accounts()

  /** `unauthenticatedBytes`: the most that a request may have without a login. */
  constructor (unauthenticatedBytes: number, rejections: Rejections) {
    this.#maxUnauthenticated = Math.max(1, Math.floor(MAX_UNAUTHENTICATED_BYTES / unauthenticatedBytes))
    this.#rejections = rejections
  }

  /** Counts a request. Returns its refusal where there are too many. */
  acquire ({ userId, addressKey, isUnauthenticated }: QuotaClient): CountedCall | NoexServerError {
    const account = userId === undefined ? this.#addresses.get(addressKey) : this.#users.get(userId)
    const isFull = isUnauthenticated && this.unauthenticated >= this.#maxUnauthenticated
    if (isFull || account.calls >= MAX_PER_ACCOUNT) {
      this.#rejections.count('calls')
      return new NoexServerError(
        'RATE_LIMITED', 'Too many requests are under way', { retryAfterMs: RETRY_AFTER_MS }
      )
    }
    account.calls++
    if (isUnauthenticated) this.unauthenticated++
    return new CountedCall(this, account, isUnauthenticated)
  }
}

/** Accounts by name. Those without a request are kept for a while: their next one is likely to come. */
class Accounts {
  readonly #byName = new Map<string, Account>()
  #maxKept = MIN_KEPT

  get (name: string): Account {
    let account = this.#byName.get(name)
    if (account === undefined) {
      if (this.#byName.size >= this.#maxKept) this.#forgetIdle()
      this.#byName.set(name, account = { calls: 0 })
    }
    return account
  }

  #forgetIdle (): void {
    for (const [name, { calls }] of this.#byName) if (calls === 0) this.#byName.delete(name)
    this.#maxKept = Math.max(MIN_KEPT, 2 * this.#byName.size)
  }
}
