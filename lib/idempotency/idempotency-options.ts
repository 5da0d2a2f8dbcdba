import { option, options, type Resolved } from '../util/option-schema.js'
import { integer, MAX_INTEGER } from '../util/option-types.js'

/** The option `idempotency`: requests with an `idempotencyKey`, which are done once. */
export interface IdempotencyOptions {
  /**
   * Time for which a key and its answer are remembered, in milliseconds, also over restarts of a durable
   * store. A request that is repeated later is done again.
   * @default 600_000
   */
  windowMs?: number | undefined
  /**
   * Keys of all users that the store remembers at a time. None is forgotten early to make room. Where there
   * is a login, a user may have as many as are left for others: one alone half of them, of two each a third.
   * @limit `RATE_LIMITED` with `details.retryAfterMs`, for a request with a new key
   * @default 100_000
   */
  maxKeys?: number | undefined
  /**
   * Bytes that the keys and answers take in memory, about; those of requests that are under way may come on
   * top. An answer has up to 65,536 bytes: of a longer one, only the key is remembered.
   * @limit `RATE_LIMITED` with `details.retryAfterMs`, for a request with a new key
   * @default 134_217_728
   */
  maxBytes?: number | undefined
}

const count = integer(1, MAX_INTEGER)

export const idempotencyOptions = options<IdempotencyOptions>()({
  windowMs: option(count, 600_000),
  maxKeys: option(count, 100_000),
  maxBytes: option(count, 134_217_728)
})

/** The option `idempotency` with its defaults. */
export type ResolvedIdempotency = Resolved<typeof idempotencyOptions>
