import { CodeGroups } from './code-groups.js'
import type { LiveQuery } from './live-query.js'
import type { LiveRequest } from './live-request.js'
import type { UsedNames } from './recorded-params.js'

/** All live queries, found by what they show: those of data by their keys, those in code by parameters. */
export class LiveQueryIndex implements Iterable<LiveQuery> {
  readonly #all = new Set<LiveQuery>()
  /** Those of queries that are given as data, and their keys. */
  readonly #byKey = new Map<string, LiveQuery>()
  readonly #keys = new Map<LiveQuery, string>()
  /** Pages by their epochs: two of one key may have different ends. */
  readonly #pages = new Map<string, LiveQuery>()
  readonly #byParams = new CodeGroups()

  get size (): number {
    return this.#all.size
  }

  [Symbol.iterator] (): Iterator<LiveQuery> {
    return this.#all.values()
  }

  /** Returns the live query of a request; `key` is `undefined` for one in code. */
  find (request: LiveRequest, key: string | undefined): LiveQuery | undefined {
    return key === undefined ? this.#byParams.find(request) : this.#findByKey(request, key)
  }

  /** Returns the live query with a key; of a page one whose ends are those that a client asks for. */
  #findByKey ({ page, since }: LiveRequest, key: string): LiveQuery | undefined {
    const known = this.#byKey.get(key)
    if (page === undefined) return known
    const former = since && this.#pages.get(since.epoch)
    if (former !== undefined && this.#keys.get(former) === key) return former
    if (known?.hasResult !== true) return known
    const { size, page: ends } = known.source
    // A page that has grown, or has lost rows while there are more, is not the one that begins now.
    return size === page.limit || (size < page.limit && ends?.hasMore !== true) ? known : undefined
  }

  /** Adds a live query; one in code, without `key`, is found by all of its parameters at first. */
  add (liveQuery: LiveQuery, key: string | undefined): void {
    this.#all.add(liveQuery)
    if (key === undefined) {
      this.#byParams.put(liveQuery, 'all')
    } else {
      this.#byKey.set(key, liveQuery)
      this.#keys.set(liveQuery, key)
      if (liveQuery.request.page !== undefined) this.#pages.set(liveQuery.epoch, liveQuery)
    }
  }

  /** Returns the key of a live query of data; `undefined` for one in code. */
  keyOf (liveQuery: LiveQuery): string | undefined {
    return this.#keys.get(liveQuery)
  }

  /**
   * Has a live query in code found by the parameters that it uses. Returns whether it is: another one may
   * have the same values already.
   */
  use (liveQuery: LiveQuery, used: UsedNames): boolean {
    return this.#byParams.put(liveQuery, used) === liveQuery
  }

  /** Removes a live query. Returns whether it was there. */
  delete (liveQuery: LiveQuery): boolean {
    if (!this.#all.delete(liveQuery)) return false
    this.#byParams.delete(liveQuery)
    const key = this.#keys.get(liveQuery)
    this.#keys.delete(liveQuery)
    if (key !== undefined && this.#byKey.get(key) === liveQuery) this.#byKey.delete(key)
    this.#pages.delete(liveQuery.epoch)
    return true
  }
}
