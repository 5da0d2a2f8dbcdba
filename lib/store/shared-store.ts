import type { AccessOptions, BucketDefinition, BucketHandle, ReadObserver } from '@hamicek/noex-store'
import { NoexServerError } from '../protocol/errors.js'
import { systemClock } from '../util/clock.js'
import { withTimeout } from '../util/with-timeout.js'
import { KnownFields } from './known-fields.js'
import { definitionOf, type NoexStore } from './noex-store.js'
import type { RowAccess } from './row-scope.js'
import { Work } from './work.js'

/** Options of one run of a query. */
export interface RunOptions {
  /** Hears of each read before it happens. */
  readonly observer?: ReadObserver | undefined
  /** Counts the run. A declarative query may be too much; what the application's own code reads never is. */
  readonly work?: Work | undefined
}

/** Shares among all plugin instances that serve one store what they know about it. */
export class SharedStore {
  readonly store: NoexStore
  /** Where transactions wait that have to run again. */
  readonly repeats = new RepeatQueue()
  /** The fields that the records of each bucket have. */
  readonly fields: KnownFields
  /** Whether the store holds the accounts of the built-in identity: see `SystemBuckets`. */
  hasSystemBuckets = false
  /**
   * Buckets that take no writes since the application has not completed their definition, as the log knows.
   */
  readonly incomplete = new Set<string>()

  private constructor (store: NoexStore) {
    this.store = store
    this.fields = new KnownFields(store)
  }

  static readonly #shared = new WeakMap<NoexStore, SharedStore>()

  /** Returns the one access to `store`, which knows what earlier users did. */
  static of (store: NoexStore): SharedStore {
    let sharedStore = SharedStore.#shared.get(store)
    if (sharedStore === undefined) {
      sharedStore = new SharedStore(store)
      SharedStore.#shared.set(store, sharedStore)
    }
    return sharedStore
  }

  /** Returns a bucket, confined and counted as `options` say. @throws BucketNotDefinedError */
  bucket (name: string, options?: AccessOptions): BucketHandle {
    return this.store.bucket(name, options)
  }

  /** The definition of a bucket. Throws `BUCKET_NOT_DEFINED`. */
  definition (bucket: string): BucketDefinition {
    return definitionOf(this.store, bucket)
  }

  /**
   * A query by its name, and the bucket that it reads where it is declarative: only running another one tells
   * what it reads.
   */
  queryFacts (name: string): { readonly name: string, readonly bucket: string | undefined } {
    return { name, bucket: this.store.getQueryInfo(name)?.config?.bucket }
  }

  /** Names of all buckets. */
  bucketNames (): readonly string[] {
    return this.store.bucketNames
  }

  /**
   * Runs a defined query once for a client that may read of each bucket what `rows` answers.
   * @throws what the query throws; `FORBIDDEN` where it opens a bucket that may not be read
   */
  async runQuery (
    query: string, params: unknown, rows: (bucket: string) => RowAccess, { observer, work }: RunOptions = {}
  ): Promise<unknown> {
    const isDeclarative = this.store.getQueryInfo(query)?.config !== undefined
    const counted = isDeclarative && work !== undefined ? work : new Work(Infinity)
    try {
      return await this.store.runQuery(query, params, bucket => {
        const verdict = rows(bucket)
        if (verdict === false) throw unreadable()
        return verdict === true ? null : verdict
      }, { ...observer, work: counted })
    } finally {
      if (counted !== work) work?.add(counted.spent)
    }
  }
}

/** Builds the refusal of a query that opens a bucket which may not be read. */
function unreadable (): NoexServerError {
  return new NoexServerError('FORBIDDEN', 'The query reads a bucket that you may not read')
}

/** Time that a transaction waits for its turn, in milliseconds: a longer turn does not hold up the others. */
const MAX_WAIT_MS = 500

/** Runs transactions that have met a conflict one after the other, so that they cause no further conflicts. */
class RepeatQueue {
  #last: Promise<void> = Promise.resolve()

  /** Waits for a turn, at most 500 ms. Resolves with the function that ends the turn. */
  async enter (): Promise<() => void> {
    const before = this.#last
    let leave!: () => void
    const turn = new Promise<void>(resolve => { leave = resolve })
    this.#last = before.then(async () => { await turn })
    await withTimeout(MAX_WAIT_MS, before, systemClock)
    return leave
  }
}
