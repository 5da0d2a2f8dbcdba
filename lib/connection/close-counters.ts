import { closeReasons } from '../protocol/close-codes.js'

/**
 * The cause for which a connection has ended: the reason of a close that the server began; `client`: the
 * client closed it; `lost`: the socket ended without a close frame; `failed`: the client broke RFC 6455.
 */
export type CloseCause =
  (typeof closeReasons)[keyof typeof closeReasons]['reason'] | 'client' | 'lost' | 'failed'

const closeCauses: readonly CloseCause[] = [
  ...Object.values(closeReasons).map(({ reason }) => reason),
  'client',
  'lost',
  'failed'
]

/** The code that `ws` reports when a socket has ended without a close frame. */
const LOST = 1006

/** Counts the connections of a service by the cause of their end, each when it takes no more requests. */
export class CloseCounters {
  readonly #counts = new Map<string, number>(closeCauses.map(cause => [cause, 0]))

  /** Counts a `CloseCause`, or the code with which the socket has ended. Any other text is ignored. */
  count (cause: string | number): void {
    const name = typeof cause === 'string' ? cause : cause === LOST ? 'lost' : 'client'
    const count = this.#counts.get(name)
    if (count !== undefined) this.#counts.set(name, count + 1)
  }

  /** The counts since the start, by `CloseCause`. */
  get counts (): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }
}
