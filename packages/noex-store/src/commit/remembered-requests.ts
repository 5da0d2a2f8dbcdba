import { RequestRepeatedError } from '../errors.js'
import type { Commit, RememberedRequest } from '../types/commit.js'

/** Requests that are looked at in one step to forget those whose time is over. */
const MAX_FORGOTTEN = 1_000
/** Bytes that a remembered request takes beside its texts, about. */
const BYTES_EACH = 768

/**
 * The requests that are remembered, each until its time is over. It follows the commits, also those of
 * elsewhere and those that are taken back, and forgets nothing early: it is as large as its writers let it
 * become, see `count` and `bytes`.
 */
export class RememberedRequests {
  readonly #now: () => number
  /** In the order of their commits. */
  readonly #requests = new Map<string, RememberedRequest>()
  /** That of each user who has any. */
  readonly #shares = new Map<string | undefined, { count: number, bytes: number }>()
  #bytes = 0

  /** `now` returns the time in epoch milliseconds. */
  constructor (now: () => number) {
    this.#now = now
  }

  /** Number of the requests that are held. */
  get count (): number {
    this.forget()
    return this.#requests.size
  }

  /** Bytes that they take, about. */
  get bytes (): number {
    this.forget()
    return this.#bytes
  }

  /** Returns the number of the requests of a user, or of those without one, and the bytes that they take. */
  shareOf (user: string | undefined): { readonly count: number, readonly bytes: number } {
    return this.#shares.get(user) ?? { count: 0, bytes: 0 }
  }

  /** Time until the oldest request is forgotten, in milliseconds; 0 where there is none. */
  get msToNext (): number {
    const [oldest] = this.#requests.values()
    return oldest === undefined ? 0 : Math.max(0, oldest.until - this.#now())
  }

  /** Returns the request of a user, or of none, that has a key; `undefined` where none is remembered. */
  find (key: string, user?: string): RememberedRequest | undefined {
    const request = this.#requests.get(nameOf(key, user))
    return request !== undefined && request.until > this.#now() ? request : undefined
  }

  /** @throws RequestRepeatedError for a request that is remembered */
  assertNew (key: string, user: string | undefined): void {
    if (this.find(key, user) !== undefined) throw new RequestRepeatedError(key)
  }

  /** The requests whose time is not over, in the order of their commits. */
  list (): RememberedRequest[] {
    const now = this.#now()
    return Array.from(this.#requests.values()).filter(({ until }) => until > now)
  }

  /** Enters the request of a commit. */
  add ({ idempotency, user, revision }: Commit): void {
    if (idempotency === undefined) return
    this.put({ ...idempotency, revision, ...(user !== undefined && { user }) })
  }

  /** Enters a request, in the place of an earlier one that has the key. */
  put (request: RememberedRequest): void {
    this.forget()
    const name = nameOf(request.key, request.user)
    this.#remove(name)
    this.#requests.set(name, request)
    this.#count(request, 1)
  }

  /** Removes the request of a commit that is taken back. */
  undo ({ idempotency, user, revision }: Commit): void {
    if (idempotency === undefined) return
    const name = nameOf(idempotency.key, user)
    if (this.#requests.get(name)?.revision === revision) this.#remove(name)
  }

  /** Forgets requests whose time is over: those at the beginning, and not too many in one step. */
  forget (): void {
    const now = this.#now()
    let left = MAX_FORGOTTEN
    for (const [name, { until }] of this.#requests) {
      if (until > now || left-- === 0) return
      this.#remove(name)
    }
  }

  #remove (name: string): void {
    const request = this.#requests.get(name)
    if (request === undefined) return
    this.#requests.delete(name)
    this.#count(request, -1)
  }

  #count (request: RememberedRequest, sign: 1 | -1): void {
    const { user } = request
    const bytes = sign * bytesOf(request)
    const share = this.#shares.get(user) ?? { count: 0, bytes: 0 }
    this.#bytes += bytes
    share.count += sign
    share.bytes += bytes
    if (share.count === 0) this.#shares.delete(user)
    else this.#shares.set(user, share)
  }
}

/** Returns a text that is another one for each key of each user; requests without a user share one scope. */
function nameOf (key: string, user: string | undefined): string {
  return user === undefined ? key : `${key.length}:${key}${user}`
}

function bytesOf ({ key, user = '', request, answer = '', rights = '' }: RememberedRequest): number {
  return BYTES_EACH + key.length + user.length + request.length + rights.length + Buffer.byteLength(answer)
}
