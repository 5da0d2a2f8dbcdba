import type { Refusal } from '../operations/server-info.js'
import type { RefusalList, RefusalRecorder, RefusedClient } from '../operations/server-service.js'
import type { NoexServerError } from '../protocol/errors.js'
import type { Clock } from '../util/clock.js'

/**
 * Refusals of the process that are kept.
 * @limit the oldest is dropped
 */
const MAX_REFUSALS = 200

/**
 * Refusals of one connection that are kept.
 * @limit the oldest is dropped
 */
const MAX_OF_CONNECTION = 20

/** Connections whose refusals are kept; those of the one that was refused longest ago are dropped. */
const MAX_CONNECTIONS = 2_000

const MAX_MESSAGE_CHARS = 256
const MAX_OPERATION_CHARS = 64

/**
 * Keeps the newest refusals: of the process, and apart from them of each connection, so that a client that is
 * refused all the time does not hide those of others. At most some 14 MB, however many clients there are.
 */
export class RefusalLog implements RefusalList, RefusalRecorder {
  readonly #clock: Clock
  /** Oldest first. */
  readonly #newest: Refusal[] = []
  /** By the id of the connection; the one that was refused last is the last. */
  readonly #ofConnections = new Map<string, Refusal[]>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  add ({ origin, principal }: RefusedClient, operation: string | null, error: NoexServerError): void {
    const { connectionId, remoteAddress } = origin
    const { userId = null, userName = null } = principal.session ?? {}
    const refusal = this.#add({
      connectionId,
      address: remoteAddress,
      userId,
      userName,
      operation: operation === null ? null : copyOf(operation, MAX_OPERATION_CHARS),
      code: error.code,
      message: error.message
    })
    if (connectionId !== null) this.#addTo(connectionId, refusal)
  }

  /** Records that a connection, or a request over HTTP as a whole, is refused before it names a user. */
  addRefused (address: string, code: string, message: string): void {
    this.#add({ connectionId: null, address, userId: null, userName: null, operation: null, code, message })
  }

  newest (limit: number): Refusal[] {
    return this.#newest.slice(-limit).reverse()
  }

  /** Returns the refusals of an open connection, newest first. */
  of (connectionId: string): Refusal[] {
    return this.#ofConnections.get(connectionId)?.toReversed() ?? []
  }

  /** Forgets the refusals of a connection that has ended, apart from those of the process. */
  forget (connectionId: string): void {
    this.#ofConnections.delete(connectionId)
  }

  #add (given: Omit<Refusal, 'at'>): Refusal {
    const refusal = { at: this.#clock.now(), ...given, message: copyOf(given.message, MAX_MESSAGE_CHARS) }
    keepNewest(this.#newest, refusal, MAX_REFUSALS)
    return refusal
  }

  #addTo (connectionId: string, refusal: Refusal): void {
    const own = this.#ofConnections.get(connectionId) ?? []
    keepNewest(own, refusal, MAX_OF_CONNECTION)
    this.#ofConnections.delete(connectionId)
    this.#ofConnections.set(connectionId, own)
    if (this.#ofConnections.size <= MAX_CONNECTIONS) return
    const [first] = this.#ofConnections.keys()
    if (first !== undefined) this.#ofConnections.delete(first)
  }
}

function keepNewest (list: Refusal[], refusal: Refusal, max: number): void {
  list.push(refusal)
  if (list.length > max) list.shift()
}

/** Returns the beginning of a text as a text of its own: a slice would keep the whole in memory. */
function copyOf (text: string, maxChars: number): string {
  return Buffer.from(text.slice(0, maxChars)).toString()
}
