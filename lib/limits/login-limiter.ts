import type { Clock } from '../util/clock.js'
import { option, options, type Resolved } from '../util/option-schema.js'
import { integer, MAX_INTEGER } from '../util/option-types.js'
import { NoexServerError } from '../protocol/errors.js'
import type { Rejections } from './rejections.js'
import { WindowLimiter } from './window-limiter.js'

/** Unsuccessful attempts of one address, as a multiple of those of one account: many users may share it. */
const ACCOUNTS_PER_ADDRESS = 10

/** Unsuccessful attempts of all addresses, as a multiple, before each has only as many as one account. */
const ACCOUNTS_IN_ALL = 40

/** The one key under which the attempts of all addresses are counted. */
const ALL = ''

/** The option `auth.loginRateLimit`. */
export interface LoginRateLimitOptions {
  /**
   * Failed logins to one account within the window; ten times as many from one address.
   * @limit `RATE_LIMITED` with `details.retryAfterMs`
   * @default 5
   */
  maxAttempts?: number | undefined
  /**
   * Length of the window, in milliseconds.
   * @default 900_000
   */
  windowMs?: number | undefined
}

export const loginRateLimit = options<LoginRateLimitOptions>()({
  maxAttempts: option(integer(1, 1e9), 5),
  windowMs: option(integer(1, MAX_INTEGER), 900_000)
})

/** How often a password may be guessed. */
export type LoginLimits = Resolved<typeof loginRateLimit>

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
 * Limits how often passwords and the admin secret can be guessed. An attempt is counted before the password
 * is looked at, so guesses sent at the same time are limited like those sent one after the other. A locked
 * account is refused with the right password too. An attempt that one limit refuses is counted by none.
 *
 * - An account has `maxAttempts`. When they are used up, that account is locked, and no other.
 * - An address has ten times as many for logins, and `maxAttempts` of its own for the secret. Successful
 *   logins do not count, so an address shared by many people stays open to them.
 * - All addresses together have forty times as many. When these are used up no account is locked by it: until
 *   their window ends, each address has `maxAttempts` instead of ten times as many. Thus an attacker with
 *   many addresses gets fewer guesses from each, and an address that has not failed still logs in.
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
  readonly #all: WindowLimiter
  /** Attempts that an address must keep unused while those of all are used up. */
  readonly #reserve: number
  readonly #rejections: Rejections

  constructor ({ maxAttempts, windowMs }: LoginLimits, clock: Clock, rejections: Rejections) {
    this.#rejections = rejections
    this.#accounts = new WindowLimiter({ max: maxAttempts, windowMs }, clock)
    this.#addresses = new WindowLimiter({ max: ACCOUNTS_PER_ADDRESS * maxAttempts, windowMs }, clock)
    this.#secrets = new WindowLimiter({ max: maxAttempts, windowMs }, clock)
    this.#all = new WindowLimiter({ max: ACCOUNTS_IN_ALL * maxAttempts, windowMs }, clock)
    this.#reserve = (ACCOUNTS_PER_ADDRESS - 1) * maxAttempts
  }

  /** Number of user names and addresses in memory. */
  get size (): number {
    return this.#accounts.size + this.#addresses.size + this.#secrets.size
  }

  /**
   * Counts an attempt to log in with a password. `addressKey` is the result of `addressKey()` for the address
   * of the client.
   * @throws `RATE_LIMITED` with `retryAfterMs`, the same whether the account or the address is locked
   */
  attemptLogin (username: string, addressKey: string): Attempt {
    const needed = this.#all.retryAfterMs(ALL) === 0 ? 1 : this.#reserve + 1
    const retryAfterMs = Math.max(
      this.#accounts.retryAfterMs(username),
      this.#addresses.retryAfterMs(addressKey, needed)
    )
    if (retryAfterMs > 0) throw this.#refusal(retryAfterMs)
    return this.#attempt(this.#accounts, username, [
      this.#addresses.take(addressKey),
      this.#all.take(ALL)
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
   * Counts an attempt of a user who is logged in to prove the own password; on the account, like one to log
   * in.
   * @throws `RATE_LIMITED` with `retryAfterMs`
   */
  attemptPassword (username: string): Attempt {
    return this.#attempt(this.#accounts, username)
  }

  /**
   * Counts on the key that a success clears. `elsewhere` are counts that go back as well, where they were
   * taken.
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
