import type { ConnectionState, ConnectionStatus } from './types.js'
import type { NoexClientError } from './errors.js'

/** The part of the global object that says how errors are shown. */
const globals = globalThis as { document?: unknown, reportError?: (error: unknown) => void }

/**
 * Shows an error of a function of the application, which has no caller to throw it to. Elsewhere than in pages
 * `reportError` may end the program.
 */
export function report (error: unknown): void {
  if (globals.document !== undefined && globals.reportError !== undefined) globals.reportError(error)
  else console.error(error)
}

/** Functions that are called after each change of something. One that throws is shown, and harms no other. */
export class Listeners {
  readonly #listeners = new Set<() => void>()

  /** Calls `listener` after each change, as often as it was subscribed. Returns the function that ends that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    const own = (): void => { listener() }
    this.#listeners.add(own)
    return () => { this.#listeners.delete(own) }
  }

  notify (): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener()
      } catch (error) {
        report(error)
      }
    }
  }
}

/** The state of a connection, which that connection sets. */
export class ObservableState extends Listeners implements ConnectionState {
  value: ConnectionStatus = 'waiting'
  error: NoexClientError | undefined
  retryAt: number | undefined
  transport: ConnectionState['transport'] = 'websocket'

  set (
    value: ConnectionStatus,
    error?: NoexClientError,
    retryAt?: number,
    transport: ConnectionState['transport'] = this.transport
  ): void {
    if (
      this.value === value && this.error === error && this.retryAt === retryAt && this.transport === transport
    ) return
    Object.assign(this, { value, error, retryAt, transport })
    this.notify()
  }
}
