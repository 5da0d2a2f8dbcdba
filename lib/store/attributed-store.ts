import type {
  AccessOptions, BucketHandle, TransactionContext, UpsertOptions, WhereFilter, WorkMeter, WriteOptions
} from '@hamicek/noex-store'
import { ignoreRejection } from '../application/thenable.js'
import type { ApplicationStore } from './application-store.js'
import type { NoexStore } from './noex-store.js'
import { commitOptions, type Cause } from './row-scope.js'

/** The request for which the application reads and writes. */
export interface Attribution extends Cause {
  /** The records of `bucket` that the request is confined to; `undefined`: all. */
  readonly rows: (bucket: string) => WhereFilter | undefined
  /** Counts the work of the request. */
  readonly work: WorkMeter
  /**
   * Called in the step that commits.
   * @throws when the request is over, or not allowed any more
   */
  readonly assertStillAllowed: () => void
  /** Runs a write as one of the client: a change of its rights waits for it. */
  readonly writeFor: <T>(work: () => Promise<T>) => Promise<T>
}

const reads = [
  'get', 'all', 'where', 'find', 'findOne', 'count', 'first', 'last', 'paginate', 'sum', 'avg', 'min', 'max',
  'groupBy'
] as const satisfies ReadonlyArray<keyof BucketHandle>

const writes = [
  'insert', 'insertMany', 'update', 'updateMany', 'upsert', 'delete', 'deleteMany', 'clear'
] as const satisfies ReadonlyArray<keyof BucketHandle>

/** The index of the options among the parameters of each write. */
const optionsAt: Readonly<Record<typeof writes[number], number>> = {
  insert: 1, insertMany: 1, update: 2, updateMany: 2, upsert: 1, delete: 1, deleteMany: 1, clear: 0
}

type Method = (...args: unknown[]) => Promise<unknown>

/**
 * The store for one request that the application answers: its writes name the user and the connection of the
 * request. A promise of it that is not awaited may reject without harm.
 */
export class AttributedStore {
  readonly #store: NoexStore
  readonly #attribution: Attribution

  constructor (store: NoexStore, attribution: Attribution) {
    this.#store = store
    this.#attribution = attribution
  }

  /** Returns a store as the application sees it, which has the methods of this one. */
  static of (store: NoexStore, attribution: Attribution): ApplicationStore {
    return new AttributedStore(store, attribution) as unknown as ApplicationStore
  }

  get bucketNames (): readonly string[] {
    return this.#store.bucketNames
  }

  get revision (): number {
    return this.#store.revision
  }

  get epoch (): string {
    return this.#store.epoch
  }

  hasBucket (name: string): boolean {
    return this.#store.hasBucket(name)
  }

  /** @throws BucketNotDefinedError */
  bucket (name: string): object {
    const handle = this.#store.bucket(name, this.#accessTo(name))
    const bucket: Record<string, unknown> = { name }
    for (const read of reads) {
      bucket[read] = (...args: unknown[]) => floating((handle[read] as Method)(...args))
    }
    for (const write of writes) {
      bucket[write] = (...args: unknown[]) => {
        const at = optionsAt[write]
        const given = Array.from({ length: at }, (_, index) => args[index])
        return this.#write(async () => await (handle[write] as Method)(...given, this.#optionsWith(args[at])))
      }
    }
    return bucket
  }

  transaction<T> (
    fn: (tx: { readonly bucket: (name: string) => Promise<unknown> }) => T | Promise<T>, options?: unknown
  ): Promise<T> {
    return this.#write(async () => await this.#store.transaction(
      tx => fn({ bucket: async name => this.#open(tx, name) }), this.#optionsWith(options)
    ))
  }

  runQuery (query: string, params?: unknown): Promise<unknown> {
    return floating(this.#store.runQuery(query, params, undefined, { work: this.#attribution.work }))
  }

  #open (tx: TransactionContext, name: string): unknown {
    return tx.open(name, this.#accessTo(name))
  }

  #accessTo (bucket: string): AccessOptions {
    const { rows, work } = this.#attribution
    const scope = rows(bucket)
    return scope === undefined ? { work } : { scope, work }
  }

  /** Returns the options of a commit: those that the application may give, and those of the request. */
  #optionsWith (given: unknown): WriteOptions & UpsertOptions {
    const { user, expectedVersion, update } = (given ?? {}) as WriteOptions & UpsertOptions
    const { note, presence, assertStillAllowed } = this.#attribution
    const options = commitOptions({
      user: user ?? this.#attribution.user, note, presence, assertStillAllowed, maxChanges: Infinity
    })
    return {
      ...options,
      ...(expectedVersion !== undefined && { expectedVersion }),
      ...(update !== undefined && { update })
    }
  }

  #write<T> (work: () => Promise<T>): Promise<T> {
    return floating(this.#attribution.writeFor(work))
  }
}

/** Returns a promise whose rejection does not end the process where it is not awaited. */
function floating<T> (promise: Promise<T>): Promise<T> {
  ignoreRejection(promise)
  return promise
}
