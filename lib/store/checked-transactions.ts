import type {
  BucketEvent, BucketHandle, TransactionBucketHandle, TransactionContext
} from '@hamicek/noex-store'
import { checkedBucket } from './checked-bucket.js'
import type { NoexStore } from './noex-store.js'
import { override } from './override.js'
import type { StoreChange } from './schema-watch.js'
import { ReadIndex, TransactionReads } from './transaction-reads.js'

const READS = Symbol('reads')

type CheckedContext = TransactionContext & { readonly [READS]?: TransactionReads }

/**
 * Makes the transactions of a store serializable: everything that one has read must still hold in the moment
 * in which it is committed, and otherwise it is refused. noex-store itself compares versions of the records
 * that a transaction writes, as they were when it wrote. Every change of the store is an event that is
 * delivered within the write, so the check needs no wait: the commit of the first bucket follows it in the
 * same step. Commits come one after the other, because the events of one come after the last of its buckets.
 */
export class CheckedTransactions {
  readonly #store: NoexStore
  readonly #open: (bucket: string) => BucketHandle
  readonly #reads = new ReadIndex()
  #listening: Promise<(() => unknown) | undefined> | undefined
  #committing: Promise<void> | undefined

  constructor (store: NoexStore, open: (bucket: string) => BucketHandle) {
    this.#store = store
    this.#open = open
  }

  /** Begins to answer for the store's `transaction`. Returns what gives the store its own method back. */
  install (): () => void {
    const restore = override(this.#store, 'transaction', original => async work => {
      this.#listen()
      const reads = new TransactionReads(this.#reads)
      try {
        return await original(async tx => await work(this.#checked(tx, reads)))
      } finally {
        reads.release()
      }
    })
    return () => {
      restore()
      this.#listening?.then(stop => stop?.()).catch(() => {})
      this.#listening = undefined
    }
  }

  /** Hears of a change that has no event. */
  announced (change: StoreChange): void {
    if (change.type === 'reset') this.#reads.reset(change.bucket)
    else if (change.type === 'bucket_dropped') this.#reads.reset(change.bucket)
  }

  /** Listens from the first transaction on: a store without transactions need not pay for it. */
  #listen (): void {
    // A trailing star matches any number of segments, so bucket names may have dots.
    const onEvent = (event: BucketEvent): void => { this.#reads.changed(event) }
    this.#listening ??= this.#store.on('bucket.*', onEvent).catch(() => undefined)
  }

  #checked (tx: TransactionContext, reads: TransactionReads): TransactionContext {
    const handles = new Map<string, Promise<TransactionBucketHandle>>()
    const open = tx.bucket.bind(tx)
    const commit = tx.commit.bind(tx)
    return Object.assign(tx, {
      [READS]: reads,
      bucket: async (name: string) => {
        // Asked for twice at once, the store would make two.
        const handle = handles.get(name) ?? this.#checkedBucket(open(name), name, reads)
        handles.set(name, handle)
        return await handle
      },
      commit: async () => { await this.#commit(commit, reads, [...handles.keys()]) }
    })
  }

  async #checkedBucket (
    opening: Promise<TransactionBucketHandle>, name: string, reads: TransactionReads
  ): Promise<TransactionBucketHandle> {
    const handle = await opening
    return checkedBucket(handle, this.#store.getBucketSchema(name)?.key ?? '', reads, () => this.#open(name))
  }

  /** @throws `TransactionConflictError` when something that was read does not hold any more */
  async #commit (
    commit: () => Promise<void>, reads: TransactionReads, buckets: readonly string[]
  ): Promise<void> {
    while (this.#committing !== undefined) await this.#committing
    reads.check()
    let isCommitted = false
    let end!: () => void
    this.#committing = new Promise(resolve => { end = resolve })
    try {
      await commit()
      isCommitted = true
    } catch (error) {
      // Something may have changed between two buckets.
      reads.check()
      throw error
    } finally {
      reads.release()
      // No event tells of what was written to one bucket and taken back because of another.
      if (!isCommitted && buckets.length > 1) for (const bucket of buckets) this.#reads.reset(bucket)
      this.#committing = undefined
      end()
    }
  }
}

/** Returns what a transaction has read; `undefined` where the store is not checked. */
export function readsOf (tx: TransactionContext): TransactionReads | undefined {
  return (tx as CheckedContext)[READS]
}
