import { closeReasons } from '../protocol/close-codes.js'

/**
 * Why a connection has ended: the reason of a close that the server began, or `client`: the client began it,
 * `lost`: it, or the network, has gone without a close, `failed`: it broke RFC 6455.
 */
export type CloseCause =
  (typeof closeReasons)[keyof typeof closeReasons]['reason'] | 'client' | 'lost' | 'failed'

const closeCauses: readonly CloseCause[] = [
  ...Object.values(closeReasons).map(({ reason }) => reason),
  'client',
  'lost',
  'failed'
]

/** What `ws` calls the end of a socket without a close frame. */
const LOST = 1006

/** Counts how the connections of a service end: each once, when it takes no more requests. */
export class CloseCounters {
  readonly #counts = new Map<string, number>(closeCauses.map(ending => [ending, 0]))

  /**
   * `ending`: an `Ending`, or the code with which the socket has ended by itself. Nothing else is counted.
   */
  count (ending: string | number): void {
    const name = typeof ending === 'string' ? ending : ending === LOST ? 'lost' : 'client'
    const count = this.#counts.get(name)
    if (count !== undefined) this.#counts.set(name, count + 1)
  }

  /** Since the start, by `Ending`. */
  get counts (): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts)
  }
}
