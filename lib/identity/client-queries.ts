import type { NoexStore } from '../store/noex-store.js'

/** Names by store: they outlast the directory, since the next one on the store needs them. */
const namesByStore = new WeakMap<NoexStore, Set<string>>()

/** Keeps which queries of a store were defined by clients, and not by the application. */
export class ClientQueries {
  readonly #store: NoexStore
  readonly #names: Set<string>

  constructor (store: NoexStore) {
    this.#store = store
    this.#names = namesByStore.get(store) ?? new Set()
    namesByStore.set(store, this.#names)
  }

  /**
   * Returns whether a client has defined this query. A query from the store's log that the application of
   * this process has not defined is a client's: no query gets the rights of the application by a restart.
   */
  has (name: string): boolean {
    return this.#names.has(name) || this.#store.getQueryInfo(name)?.isRecovered === true
  }

  add (name: string): void {
    this.#names.add(name)
  }

  delete (name: string): void {
    this.#names.delete(name)
  }

  /** Removes the names of queries that the store does not have any more. */
  prune (): void {
    for (const name of this.#names) if (this.#store.getQueryInfo(name) === undefined) this.#names.delete(name)
  }
}
