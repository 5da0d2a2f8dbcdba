import type { Clock } from '../util/clock.js'
import { NoexServerError } from '../protocol/errors.js'
import type { Rejections } from './rejections.js'
import { WindowLimiter } from './window-limiter.js'

/** Unsuccessful attempts of one address, as a multiple of those of one account: many users may share it. */
const ACCOUNTS_PER_ADDRESS = 10

/** Unsuccessful attempts of all addresses, as a multiple, before each has only as many as one account. */
const ACCOUNTS_IN_ALL = 40

/** The only key of the limiter of all addresses together. */
const ALL = ''

/** Limits of attempts to guess a password. */
export interface LoginLimits {
  /** Unsuccessful attempts per account and window. The other limits are multiples. */
  readonly maxAttempts: number
  readonly windowMs: number
}

/** An attempt, which counts as unsuccessful until one of these functions is called. */
export interface Attempt {
  /**
   * Clears the unsuccessful attempts of the account, and takes back this one elsewhere: the password was
   * right.
   */
  readonly succeeded: () => void
  /** Takes back this attempt: no password was checked, for instance because too many wait. */
  readonly cancelled: () => void
}

/**
 * Limits guesses of passwords and of the admin secret. An attempt is counted before the password is checked,
 * so that concurrent guesses are limited like consecutive ones. A locked client is refused with the right
 * password, too. An attempt that one limit refuses is not counted by the others.
 *
 * - An account has `maxAttempts`. When they are used up, this account is locked, and no other.
 * - An address has ten times as many for logins, and `maxAttempts` for the secret. Successful logins do not
 *   count, so that an address shared by many users stays open to them.
 * - All addresses together have forty times as many. When these are used up, each address has `maxAttempts`
 *   instead of ten times as many until the window ends. Thus an attacker with many addresses gets fewer
 *   guesses from each, and an address without failures can still log in.
 *
 * User names, addresses and the secret are counted separately, so that a user named like an address does not
 * share its limit. Memory is bounded (`WindowLimiter`). To make the limiter drop a locked account takes
 * 65,536 attempts on others within one window, from thousands of addresses, and frees only `maxAttempts`
 * guesses.
 */
export class LoginLimiter {
  readonly #accounts: WindowLimiter
  readonly #addresses: WindowLimiter
  readonly #secrets: WindowLimiter
  readonly #allAddresses: WindowLimiter
  /** Attempts that an address must have left while those of all addresses are used up. */
  readonly #reserve: number
  readonly #rejections: Rejections

  constructor ({ maxAttempts, windowMs }: LoginLimits, clock: Clock, rejections: Rejections) {
    this.#rejections = rejections
    this.#accounts = new WindowLimiter({ max: maxAttempts, windowMs }, clock)
    this.#addresses = new WindowLimiter({ max: ACCOUNTS_PER_ADDRESS * maxAttempts, windowMs }, clock)
    this.#secrets = new WindowLimiter({ max: maxAttempts, windowMs }, clock)
    this.#allAddresses = new WindowLimiter({ max: ACCOUNTS_IN_ALL * maxAttempts, windowMs }, clock)
    this.#reserve = (ACCOUNTS_PER_ADDRESS - 1) * maxAttempts
  }

  /** Number of user names and addresses in memory. */
  get size (): number {
    return this.#accounts.size + this.#addresses.size + this.#secrets.size
  }

  /**
   * Counts an attempt to log in with a password. `addressKey` is the result of `addressKey()`.
   * @throws `RATE_LIMITED` with `retryAfterMs`, the same whether the account or the address is locked
   */
  attemptLogin (username: string, addressKey: string): Attempt {
    const needed = this.#allAddresses.retryAfterMs(ALL) === 0 ? 1 : this.#reserve + 1
    const retryAfterMs = Math.max(
      this.#accounts.retryAfterMs(username),
      this.#addresses.retryAfterMs(addressKey, needed)
    )
    if (retryAfterMs > 0) throw this.#refusal(retryAfterMs)
    return this.#attempt(this.#accounts, username, [
      this.#addresses.take(addressKey),
      this.#allAddresses.take(ALL)
    ])
  }

  /**
   * Counts an attempt to log in with the admin secret. Failed logins with passwords do not lock it.
   * @throws `RATE_LIMITED` with `retryAfterMs`
   */
  attemptSecret (addressKey: string): Attempt {
    return this.#attempt(this.#secrets, addressKey)
  }

  /**
   * Counts an attempt of a logged-in user to confirm its password; on the account, like a login.
   * @throws `RATE_LIMITED` with `retryAfterMs`
   */
  attemptPassword (username: string): Attempt {
    return this.#attempt(this.#accounts, username)
  }

  /**
   * Counts an attempt on the key that a success clears. `elsewhere`: functions that take back its other
   * counts.
   */
  #attempt (
    limiter: WindowLimiter,
    key: string,
    elsewhere: ReadonlyArray<(() => void) | undefined> = []
  ): Attempt {
    const takeBack = limiter.take(key)
    if (takeBack === undefined) throw this.#refusal(limiter.retryAfterMs(key))
    const takeBackElsewhere = (): void => { for (const each of elsewhere) each?.() }
    return {
      succeeded () {
        limiter.clear(key)
        takeBackElsewhere()
      },
      cancelled () {
        takeBack()
        takeBackElsewhere()
      }
    }
  }

  #refusal (retryAfterMs: number): NoexServerError {
    this.#rejections.count('login_attempts')
    return new NoexServerError('RATE_LIMITED', 'Too many attempts', { retryAfterMs })
  }
}
