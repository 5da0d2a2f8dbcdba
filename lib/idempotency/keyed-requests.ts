import type { RememberedRequest } from '@hamicek/noex-store'
import { invalid, NoexServerError } from '../protocol/errors.js'
import type { RequestMessage } from '../protocol/messages.js'
import type { NoexStore } from '../store/noex-store.js'
import type { ResolvedIdempotency } from './idempotency-options.js'

/**
 * Characters of an `idempotencyKey`, in UTF-16 units.
 * @limit `VALIDATION_ERROR`
 */
export const MAX_KEY_CHARS = 64

/** Pause that a client is told where nothing tells when there will be room, in milliseconds. */
const RETRY_AFTER_MS = 1_000

/** Requests with one key of one user that are under way. */
interface Turns {
  /** Digest of the request. */
  readonly request: string
  /** Settles when the last of them has ended. */
  last: Promise<void>
  count: number
}

/** Names a request with a key. */
interface KeyedRequest {
  readonly key: string
  /** `undefined` without a session: all such requests share one scope. */
  readonly user: string | undefined
  /** See `digestOf`. */
  readonly digest: string
}

/** The requests with keys that are under way on a store, for all plugin instances that serve it. */
export class KeyedRequests {
  readonly #store: NoexStore
  readonly #turns = new Map<string, Turns>()

  private constructor (store: NoexStore) {
    this.#store = store
  }

  static readonly #shared = new WeakMap<NoexStore, KeyedRequests>()

  /** Returns the one `KeyedRequests` of a store. */
  static of (store: NoexStore): KeyedRequests {
    let requests = KeyedRequests.#shared.get(store)
    if (requests === undefined) {
      requests = new KeyedRequests(store)
      KeyedRequests.#shared.set(store, requests)
    }
    return requests
  }

  /**
   * Waits until earlier requests with the same key have ended. Resolves with the function that ends the turn.
   * @throws `VALIDATION_ERROR` while another request with this key is under way
   */
  async takeTurn ({ key, user, digest }: KeyedRequest): Promise<() => void> {
    const name = JSON.stringify([key, user ?? null])
    const turns = this.#turns.get(name) ?? { request: digest, last: Promise.resolve(), count: 0 }
    if (turns.request !== digest) throw keyOfAnother()
    this.#turns.set(name, turns)
    turns.count++
    const before = turns.last
    let end!: () => void
    turns.last = new Promise(resolve => { end = resolve })
    await before
    return () => {
      if (--turns.count === 0) this.#turns.delete(name)
      end()
    }
  }

  /**
   * Returns the request with this key that has been done; `undefined` when it is new.
   * @throws `VALIDATION_ERROR` where that was another request
   */
  find ({ key, user, digest }: KeyedRequest): RememberedRequest | undefined {
    const known = this.#store.requests.find(key, user)
    if (known !== undefined && known.request !== digest) throw keyOfAnother()
    return known
  }

  /**
   * Requires room for the key of the present turn. A user may hold as much as is left for all others, so that
   * none can keep them from writing: one alone half of it, of two each a third.
   * @throws `RATE_LIMITED`
   */
  assertRoom ({ user }: KeyedRequest, { maxKeys, maxBytes }: ResolvedIdempotency): void {
    const { requests } = this.#store
    const keysLeft = maxKeys - requests.count - this.#turns.size
    const bytesLeft = maxBytes - requests.bytes
    if (keysLeft < 0) throw this.#full('maxKeys', maxKeys)
    if (bytesLeft <= 0) throw this.#full('maxBytes', maxBytes)
    if (user === undefined) return
    const { count, bytes } = requests.shareOf(user)
    if (count > keysLeft) throw this.#full('maxKeys', maxKeys, OWN_SHARE)
    if (bytes > bytesLeft) throw this.#full('maxBytes', maxBytes, OWN_SHARE)
  }

  #full (option: keyof ResolvedIdempotency, limit: number, share = ''): NoexServerError {
    const { count, msToNext } = this.#store.requests
    return new NoexServerError(
      'RATE_LIMITED',
      `The server remembers as many requests${share} as idempotency.${option} allows, ${limit}: no new ` +
        'idempotencyKey is taken at the moment',
      { retryAfterMs: count === 0 ? RETRY_AFTER_MS : Math.max(1, Math.ceil(msToNext)) }
    )
  }
}

/** Tells that the user alone has taken what is not left for others. */
const OWN_SHARE = ' of one user beside those of all others'

/**
 * Checks the key of a request that has one; `isTaken`: whether its operation takes keys.
 * @throws `VALIDATION_ERROR`
 */
export function checkKey (request: RequestMessage, operation: string, isTaken: boolean): void {
  const key = request['idempotencyKey']
  if (!isTaken) throw invalid('idempotencyKey', `is not taken by ${operation}: leave it out`)
  if (typeof key !== 'string' || key === '' || key.length > MAX_KEY_CHARS) {
    throw invalid('idempotencyKey', `must be a text of 1 to ${MAX_KEY_CHARS} characters`)
  }
}

function keyOfAnother (): NoexServerError {
  return invalid('idempotencyKey', 'is that of another request: each request takes a new key')
}
