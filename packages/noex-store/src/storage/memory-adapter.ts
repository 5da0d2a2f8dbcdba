import type { PersistedState, StorageAdapter } from './adapter.js'
import { StorageError, toError } from './errors.js'

/** How a memory adapter begins. */
export interface MemoryAdapterOptions {
  /** States that are there from the start; copied. */
  readonly initialData?: ReadonlyMap<string, PersistedState<unknown>>
}

/**
 * Keeps states in memory, as deep copies both ways.
 *
 * It outlives the store that uses it: `close` keeps everything, so a store can be stopped and started again
 * on the same adapter.
 */
export class MemoryAdapter implements StorageAdapter {
  readonly #states = new Map<string, PersistedState<unknown>>()

  /** Throws `StorageError` when the initial data cannot be copied. */
  constructor (options: MemoryAdapterOptions = {}) {
    for (const [key, data] of options.initialData ?? []) this.#states.set(key, copyOf(data))
  }

  /** How many states there are. */
  get size (): number {
    return this.#states.size
  }

  /** Deletes every state. */
  clear (): void {
    this.#states.clear()
  }

  /** Saves a copy. Rejects with `StorageError` for what cannot be copied, such as a function. */
  async save (key: string, data: PersistedState<unknown>): Promise<void> {
    this.#states.set(key, copyOf(data))
  }

  /** Loads a copy; `undefined` when there is none. */
  async load<T> (key: string): Promise<PersistedState<T> | undefined> {
    const data = this.#states.get(key)
    return data === undefined ? undefined : structuredClone(data) as PersistedState<T>
  }

  /** Deletes a state; false when there was none. */
  async delete (key: string): Promise<boolean> {
    return this.#states.delete(key)
  }

  /** Tells whether there is a state. */
  async exists (key: string): Promise<boolean> {
    return this.#states.has(key)
  }

  /** Lists the keys that begin with `prefix`, oldest first. */
  async listKeys (prefix = ''): Promise<readonly string[]> {
    return [...this.#states.keys()].filter(key => key.startsWith(prefix))
  }

  /** Deletes the states saved longer than `maxAgeMs` milliseconds ago, and counts them. */
  async cleanup (maxAgeMs: number): Promise<number> {
    const now = Date.now()
    let deleted = 0
    for (const [key, { metadata }] of this.#states) {
      if (now - metadata.persistedAt > maxAgeMs && this.#states.delete(key)) deleted++
    }
    return deleted
  }

  /** Does nothing: the states stay. */
  async close (): Promise<void> {}
}

function copyOf (data: PersistedState<unknown>): PersistedState<unknown> {
  try {
    return structuredClone(data)
  } catch (error) {
    const cause = toError(error)
    throw new StorageError('save', `MemoryAdapter could not copy the state: ${cause.message}`, cause)
  }
}
