import type { AccessOptions, BucketDefinition, BucketHandle, ReadObserver } from '@hamicek/noex-store'
import { NoexServerError } from '../protocol/errors.js'
import { systemClock } from '../util/clock.js'
import { withTimeout } from '../util/with-timeout.js'
import { KnownFields } from './known-fields.js'
import { definitionOf, type NoexStore } from './noex-store.js'
import { PresenceTable } from './presence-table.js'
import type { RowAccess } from './row-scope.js'
import { Work } from './work.js'

/** Options of one run of a query. */
interface RunOptions {
  /** Called before each read. */
  readonly observer?: ReadObserver | undefined
  /**
   * Counts the run, and limits it where the query is declarative: the application's own code is not limited.
   */
  readonly work?: Work | undefined
}

/** Holds the state of a store that all plugin instances which serve it share. */
export class SharedStore {
  readonly store: NoexStore
  /** The queue of transactions that run again after a conflict. */
  readonly repeats = new RepeatQueue()
  /** The fields of the records of each bucket. */
  readonly fields: KnownFields
  /** Whether the store holds the accounts of the built-in identity: see `SystemBuckets`. */
  hasSystemBuckets = false
  /** Buckets without a complete definition, of which the log has been warned. */
  readonly incomplete = new Set<string>()

  /** The connections whose records end with them. */
  readonly presences: PresenceTable

  private constructor (store: NoexStore) {
    this.store = store
    this.presences = new PresenceTable(store)
    this.fields = new KnownFields(store)
  }

  static readonly #shared = new WeakMap<NoexStore, SharedStore>()

  /** Returns the one `SharedStore` of a store. */
  static of (store: NoexStore): SharedStore {
    let sharedStore = SharedStore.#shared.get(store)
    if (sharedStore === undefined) {
      sharedStore = new SharedStore(store)
      SharedStore.#shared.set(store, sharedStore)
    }
    return sharedStore
  }

  /** Returns a bucket, with the limits of `options`. @throws BucketNotDefinedError */
  bucket (name: string, options?: AccessOptions): BucketHandle {
    return this.store.bucket(name, options)
  }

  /** Returns the definition of a bucket. @throws `BUCKET_NOT_DEFINED` */
  definition (bucket: string): BucketDefinition {
    return definitionOf(this.store, bucket)
  }

  /**
   * Returns the bucket that a declarative query reads; `undefined` for other queries, whose reads are known
   * only when they run.
   */
  queryFacts (name: string): { readonly name: string, readonly bucket: string | undefined } {
    return { name, bucket: this.store.getQueryInfo(name)?.config?.bucket }
  }

  /** Names of all buckets. */
  bucketNames (): readonly string[] {
    return this.store.bucketNames
  }

  /**
   * Runs a defined query once. `rows` returns the records of each bucket that it may read.
   * @throws the errors of the query; `FORBIDDEN` where it opens a bucket that it may not read
   */
  async runQuery (
    query: string, params: unknown, rows: (bucket: string) => RowAccess, { observer, work }: RunOptions = {}
  ): Promise<unknown> {
    const isDeclarative = this.store.getQueryInfo(query)?.config !== undefined
    const counted = isDeclarative && work !== undefined ? work : new Work(Infinity)
    try {
      return await this.store.runQuery(query, params, bucket => {
        const access = rows(bucket)
        if (access === false) throw unreadable()
        return access === true ? null : access
      }, { ...observer, work: counted })
    } finally {
      if (counted !== work) work?.add(counted.spent)
    }
  }
}

/** Builds the refusal of a query that opens a bucket which it may not read. */
export function unreadable (): NoexServerError {
  return new NoexServerError('FORBIDDEN', 'The query reads a bucket that you may not read')
}

/** Time that a transaction waits for its turn, in milliseconds: a longer turn does not hold up the others. */
const MAX_WAIT_MS = 500

/**
 * Runs transactions that have met a conflict one after the other, so that they cause no further conflicts.
 */
class RepeatQueue {
  #last: Promise<void> = Promise.resolve()

  /** Waits for a turn, at most 500 ms. Resolves with the function that ends the turn. */
  async takeTurn (): Promise<() => void> {
    const before = this.#last
    let endTurn!: () => void
    const turn = new Promise<void>(resolve => { endTurn = resolve })
    this.#last = before.then(async () => { await turn })
    await withTimeout(MAX_WAIT_MS, before, systemClock)
    return endTurn
  }
}
