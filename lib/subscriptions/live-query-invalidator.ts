import type { Change, Commit } from '@hamicek/noex-store'
import { bucketNotDefined, queryNotDefined, type NoexServerError } from '../protocol/errors.js'
import type { SubscriptionEnd } from '../protocol/messages.js'
import type { NoexStore } from '../store/noex-store.js'
import { CodeSource } from './code-source.js'
import type { DependencyIndex } from './dependency-index.js'
import type { LiveQuery } from './live-query.js'

/**
 * Follows the commits of the store: has queries in code evaluated anew that have read what has changed, and
 * ends live queries whose bucket or query is gone. Views follow by themselves.
 */
export class LiveQueryInvalidator {
  readonly #store: Pick<NoexStore, 'keyOf'>
  readonly #index: DependencyIndex
  readonly #liveQueries: Iterable<LiveQuery>

  /** `index` finds the queries in code among the live queries. */
  constructor (store: Pick<NoexStore, 'keyOf'>, index: DependencyIndex, liveQueries: Iterable<LiveQuery>) {
    this.#store = store
    this.#index = index
    this.#liveQueries = liveQueries
  }

  /** Invalidates for all changes of a commit, so that a query in code is evaluated once for all of them. */
  onCommit ({ changes, revision }: Commit): void {
    for (const change of changes) this.#onChange(change, revision)
  }

  #onChange (change: Change, revision: number): void {
    switch (change.type) {
      case 'insert':
      case 'update':
      case 'delete':
        this.#index.invalidate(change.bucket, this.#store.keyOf(change.bucket, change.key), revision)
        break
      case 'clear':
      case 'redefine':
        for (const dependent of this.#index.dependentsOf(change.bucket)) dependent.invalidate(revision)
        break
      case 'define':
        // A live query may have failed because this bucket did not exist.
        for (const liveQuery of this.#liveQueries) if (liveQuery.isFailing) liveQuery.source.retry()
        break
      case 'drop': {
        const dependents = this.#index.dependentsOf(change.bucket)
        const isReader = ({ source }: LiveQuery): boolean =>
          source instanceof CodeSource && dependents.has(source)
        this.#end(isReader, 'bucket_dropped', bucketNotDefined(change.bucket))
        break
      }
      case 'query':
        if (change.config === undefined) {
          const isOf = ({ request }: LiveQuery): boolean => request.query === change.query
          this.#end(isOf, 'query_undefined', queryNotDefined(change.query))
        }
    }
  }

  #end (
    isEnded: (liveQuery: LiveQuery) => boolean, reason: SubscriptionEnd, error: NoexServerError
  ): void {
    for (const liveQuery of [...this.#liveQueries]) if (isEnded(liveQuery)) liveQuery.end(reason, error)
  }
}
