import type { Rejections } from '../limits/rejections.js'
import { NoexServerError } from '../protocol/errors.js'
import type { LiveQuery } from './live-query.js'

/** Bounds of what live queries keep, in estimated bytes. */
export interface LiveMemoryLimits {
  readonly maxBytesPerUser: number
  readonly maxBytes: number
}

/**
 * Characters of encoded results that are kept for the clients that come next; the oldest are dropped, and
 * made again when they are needed.
 */
const MAX_TEXT_CHARS = 16_777_216

/** Counts what live queries keep, of each user and of all together. */
export class LiveMemory {
  readonly #limits: LiveMemoryLimits
  readonly #rejections: Rejections
  readonly #bytes = new Map<LiveQuery, number>()
  readonly #accounts = new Map<string, number>()
  readonly #texts = new Map<LiveQuery, number>()
  #total = 0
  #chars = 0

  constructor (limits: LiveMemoryLimits, rejections: Rejections) {
    this.#limits = limits
    this.#rejections = rejections
  }

  /** Estimated bytes of all live queries. */
  get total (): number {
    return this.#total
  }

  /** Counts a live query as it is now. Returns the name of the limit that it has gone beyond. */
  count (liveQuery: LiveQuery): keyof LiveMemoryLimits | undefined {
    const { account } = liveQuery.request
    this.#add(account, liveQuery, liveQuery.bytes)
    if ((this.#accounts.get(account) ?? 0) > this.#limits.maxBytesPerUser) return 'maxBytesPerUser'
    return this.#total > this.#limits.maxBytes ? 'maxBytes' : undefined
  }

  /** Counts the encoded result of a live query, and drops others where there are too many. */
  countText (liveQuery: LiveQuery, chars: number): void {
    this.#chars += chars - (this.#texts.get(liveQuery) ?? 0)
    this.#texts.delete(liveQuery)
    this.#texts.set(liveQuery, chars)
    for (const [oldest, length] of this.#texts) {
      if (this.#chars <= MAX_TEXT_CHARS || oldest === liveQuery) return
      this.#texts.delete(oldest)
      this.#chars -= length
      oldest.encoded.drop()
    }
  }

  /** Forgets a live query that has ended. */
  release (liveQuery: LiveQuery): void {
    this.#add(liveQuery.request.account, liveQuery, 0)
    this.#bytes.delete(liveQuery)
    this.#chars -= this.#texts.get(liveQuery) ?? 0
    this.#texts.delete(liveQuery)
  }

  /** Builds the refusal of a live query that goes beyond a limit. */
  refusal (limit: keyof LiveMemoryLimits): NoexServerError {
    this.#rejections.count('live_query_bytes')
    const whose = limit === 'maxBytes' ? 'all live queries' : 'your live queries'
    const problem = `The results of ${whose} would take more than liveQueries.${limit} of ` +
      `${this.#limits[limit]} bytes: end some, or ask for less`
    return new NoexServerError('RATE_LIMITED', problem, { limit: `liveQueries.${limit}` })
  }

  #add (account: string, liveQuery: LiveQuery, bytes: number): void {
    const change = bytes - (this.#bytes.get(liveQuery) ?? 0)
    if (change === 0 && this.#bytes.has(liveQuery)) return
    this.#bytes.set(liveQuery, bytes)
    this.#total += change
    const sum = (this.#accounts.get(account) ?? 0) + change
    if (sum === 0) this.#accounts.delete(account)
    else this.#accounts.set(account, sum)
  }
}
