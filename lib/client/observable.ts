import { mustBe } from './checks.js'
import type { NoexClientError } from './errors.js'
import { callEach, none } from './report.js'
import type { ConnectionState, ConnectionStatus } from './types.js'

/**
 * Adds a listener, which is called as often as it was added. Returns the function that ends that; `onLast` is
 * called when none is left.
 */
export function listen<T extends (...args: any[]) => void> (
  listeners: Set<T>, listener: T, onLast = none
): () => void {
  mustBe('subscribe: listener', listener, 'a function')
  const own = ((...args) => { if (listeners.has(own)) listener(...args) }) as T
  listeners.add(own)
  return () => { if (listeners.delete(own) && listeners.size === 0) onLast() }
}

/** Whether a member of `next` is another than that of `former`. */
export function differs<T extends object> (next: Partial<T>, former: T): boolean {
  return Object.entries(next).some(([name, value]) => former[name as keyof T] !== value)
}

/** The state of a connection, which that connection sets. */
export class ObservableState implements ConnectionState {
  value: ConnectionStatus = 'waiting'
  error: NoexClientError | undefined
  retryAt: number | undefined
  transport: ConnectionState['transport'] = 'websocket'
  readonly #listeners = new Set<() => void>()

  /** Calls `listener` after each change. Returns what ends that. */
  readonly subscribe = (listener: () => void): (() => void) => listen(this.#listeners, listener)

  set (next: Partial<Pick<ConnectionState, 'value' | 'error' | 'retryAt' | 'transport'>>): void {
    if (!differs(next, this)) return
    Object.assign(this, next)
    callEach(this.#listeners, listener => { listener() })
  }
}
