import type { NoexClientError } from './errors.js'
import { callEach } from './report.js'
import type { ConnectionState, ConnectionStatus } from './types.js'

/** Functions that are called after each change of something. */
export class Listeners {
  readonly #listeners = new Set<() => void>()

  /** Calls `listener` after each change, as often as it was subscribed. Returns what ends that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    const own = (): void => { listener() }
    this.#listeners.add(own)
    return () => { this.#listeners.delete(own) }
  }

  notify (): void {
    callEach(this.#listeners, listener => { listener() })
  }
}

/** The state of a connection, which that connection sets. */
export class ObservableState extends Listeners implements ConnectionState {
  value: ConnectionStatus = 'waiting'
  error: NoexClientError | undefined
  retryAt: number | undefined
  transport: ConnectionState['transport'] = 'websocket'

  set (next: Partial<Pick<ConnectionState, 'value' | 'error' | 'retryAt' | 'transport'>>): void {
    const keys = Object.keys(next) as Array<keyof typeof next>
    if (keys.every(key => this[key] === next[key])) return
    Object.assign(this, next)
    this.notify()
  }
}
