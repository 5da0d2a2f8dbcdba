import type { BucketHandle, QueryBucket } from '@hamicek/noex-store'
import type { NoexStore } from './noex-store.js'
import { override } from './override.js'

/** Learns what a query reads, while it reads it. */
export interface ReadListener {
  /** The query depends on every record of the bucket. */
  readBucket: (bucket: string) => void
  /** The query depends on this record only. */
  readRecord: (bucket: string, key: unknown) => void
}

/**
 * Runs queries and tells what they read. noex-store says which bucket a query opens (`readFilter`), and
 * opens it synchronously afterwards with `store.bucket()`: an own property of that name on the store can
 * therefore answer with a handle that tells a read of one record from a read of the bucket. If the store
 * ever stopped doing so, every opened bucket would count as read whole: coarser, never wrong.
 */
export class QueryRecorder {
  readonly #store: NoexStore
  #announced: { readonly bucket: string, readonly listener: ReadListener } | undefined

  constructor (store: NoexStore) {
    this.#store = store
  }

  /** Begins to answer for the store's `bucket`. Returns what gives the store its own method back. */
  install (): () => void {
    return override(this.#store, 'bucket', open => name => {
      const announced = this.#announced
      // Forgotten first, because opening throws when the bucket does not exist.
      this.#announced = undefined
      const handle = open(name)
      return announced === undefined ? handle : recording(handle, name, announced.listener)
    })
  }

  /** Runs a defined query once; `listener` hears of each read before it happens. Rejects as the query does. */
  async run (query: string, params: unknown, listener: ReadListener): Promise<unknown> {
    return await this.#store.runQuery(query, params, bucket => {
      this.#settle()
      this.#announced = { bucket, listener }
      queueMicrotask(() => { this.#settle() })
      // Never a filter of our own: it would change the order of first, last and paginate.
      return null
    })
  }

  /** An announcement that no `bucket()` call took is taken for a read of the whole bucket. */
  #settle (): void {
    const announced = this.#announced
    if (announced === undefined) return
    this.#announced = undefined
    announced.listener.readBucket(announced.bucket)
  }
}

/** A handle for queries: `get` reads one record, everything else the bucket. */
function recording (handle: BucketHandle, bucket: string, listener: ReadListener): BucketHandle {
  const whole = <A extends unknown[], R> (read: (...args: A) => R) => (...args: A): R => {
    listener.readBucket(bucket)
    return read.apply(handle, args)
  }
  const reads: QueryBucket = {
    get (key) {
      listener.readRecord(bucket, key)
      return handle.get(key)
    },
    all: whole(handle.all),
    where: whole(handle.where),
    findOne: whole(handle.findOne),
    count: whole(handle.count),
    first: whole(handle.first),
    last: whole(handle.last),
    paginate: whole(handle.paginate),
    sum: whole(handle.sum),
    avg: whole(handle.avg),
    min: whole(handle.min),
    max: whole(handle.max),
    groupBy: whole(handle.groupBy)
  }
  return reads as BucketHandle
}
