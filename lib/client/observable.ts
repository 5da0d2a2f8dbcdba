import type { NoexClientError } from './errors.js'
import type { ConnectionState, ConnectionStatus } from './types.js'

/** The part of the global object that says how errors are shown. */
const globals = globalThis as { document?: unknown, reportError?: (error: unknown) => void }

/** Does nothing. */
export const none = (): void => {}

/**
 * Shows an error of a function of the application, which has no caller to throw it to. Elsewhere than in pages
 * `reportError` may end the program.
 */
export function report (error: unknown): void {
  if (globals.document && globals.reportError) globals.reportError(error)
  else console.error(error)
}

/** Calls `call` with each item; an error of one is shown, and harms no other. */
export function callEach<T> (items: Iterable<T>, call: (item: T) => void): void {
  for (const item of [...items]) {
    try {
      call(item)
    } catch (error) {
      report(error)
    }
  }
}

/** Functions that are called after each change of something. */
export class Listeners {
  readonly #listeners = new Set<() => void>()

  /** Calls `listener` after each change, as often as it was subscribed. Returns the function that ends that. */
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
