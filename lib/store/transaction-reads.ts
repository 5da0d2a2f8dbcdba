import {
  matchesFilter, TransactionConflictError,
  type BucketEvent, type StoreRecord, type WhereFilter
} from '@hamicek/noex-store'

/** Filters that are kept of one bucket; a transaction that has used more has read the whole bucket. */
const MAX_FILTERS = 32

/** Tells that something that a transaction has read was changed before its commit. It may be run again. */
export class ReadConflictError extends TransactionConflictError {}

interface FilterRead {
  readonly filter: WhereFilter
  /** Whether only the number of records that match has been read. */
  readonly isCount: boolean
}

/** The record read that does not hold any more; without a key where a filter found it. */
interface Change {
  readonly bucket: string
  readonly key: unknown
}

/** The part of a store event that tells a record before and after a change. */
interface RecordChange {
  readonly before: StoreRecord | undefined
  readonly after: StoreRecord | undefined
}

/**
 * Remembers everything that one transaction has read: records, the absence of records, and results of
 * filters. Each change of the store is held against it, so that `check` can say at any moment whether all of
 * it still holds.
 */
export class TransactionReads {
  readonly #index: ReadIndex
  readonly #buckets = new Map<string, BucketReads>()
  #change: Change | undefined
  #isReleased = false

  constructor (index: ReadIndex) {
    this.#index = index
  }

  /** Remembers that the transaction has looked for a record, whether or not it was there. */
  addRecord (bucket: string, key: unknown): void {
    this.#of(bucket).keys.add(key)
  }

  /** Remembers that the transaction has looked for the records that match. */
  addFilter (bucket: string, read: FilterRead): void {
    const reads = this.#of(bucket)
    if (reads.filters.length < MAX_FILTERS) reads.filters.push(read)
    else reads.isWhole = true
  }

  /** Remembers that the transaction has read every record of the bucket. */
  addBucket (bucket: string): void {
    this.#of(bucket).isWhole = true
  }

  /**
   * Tells whether everything that was read still holds.
   * @throws `ReadConflictError` naming the first change that is known
   */
  check (): void {
    if (this.#change === undefined) return
    const { bucket, key } = this.#change
    throw new ReadConflictError(bucket, key, 'what the transaction has read was changed meanwhile')
  }

  /** Forgets everything, and what is read from now on: the transaction is over. */
  release (): void {
    this.#isReleased = true
    for (const [bucket, reads] of this.#buckets) this.#index.delete(bucket, reads)
    this.#buckets.clear()
  }

  #of (bucket: string): BucketReads {
    let reads = this.#buckets.get(bucket)
    if (reads === undefined) {
      reads = new BucketReads(key => { this.#change ??= { bucket, key } })
      this.#buckets.set(bucket, reads)
      if (!this.#isReleased) this.#index.add(bucket, reads)
    }
    return reads
  }
}

/** The reads of all transactions that are under way, by bucket. */
export class ReadIndex {
  readonly #readers = new Map<string, Set<BucketReads>>()

  add (bucket: string, reads: BucketReads): void {
    const readers = this.#readers.get(bucket)
    if (readers === undefined) this.#readers.set(bucket, new Set([reads]))
    else readers.add(reads)
  }

  delete (bucket: string, reads: BucketReads): void {
    const readers = this.#readers.get(bucket)
    readers?.delete(reads)
    if (readers?.size === 0) this.#readers.delete(bucket)
  }

  /** Holds one change of a record against all reads. */
  changed (event: BucketEvent): void {
    for (const reads of this.#readers.get(event.bucket) ?? []) reads.changed(event)
  }

  /** Takes it that any record of the bucket may have changed; without a name, any record of any bucket. */
  reset (bucket?: string): void {
    const all = bucket === undefined ? [...this.#readers.values()] : [this.#readers.get(bucket) ?? []]
    for (const readers of all) for (const reads of readers) reads.reset()
  }
}

/** Remembers what one transaction has read of one bucket, until it hears of a change of that. */
class BucketReads {
  readonly keys = new Set<unknown>()
  readonly filters: FilterRead[] = []
  isWhole = false
  readonly #onChange: (key: unknown) => void
  #hasChanged = false

  constructor (onChange: (key: unknown) => void) {
    this.#onChange = onChange
  }

  changed (event: BucketEvent): void {
    if (this.#hasChanged) return
    if (this.keys.has(event.key)) this.#note(event.key)
    // The record may be one that the client must not learn of, so it is not named.
    else if (this.isWhole || this.#hasFound(changeIn(event))) this.#note(undefined)
  }

  reset (): void {
    if (!this.#hasChanged) this.#note(undefined)
  }

  #note (key: unknown): void {
    this.#hasChanged = true
    this.#onChange(key)
  }

  #hasFound ({ before, after }: RecordChange): boolean {
    return this.filters.some(({ filter, isCount }) => {
      const wasFound = matches(before, filter)
      const isFound = matches(after, filter)
      return isCount ? wasFound !== isFound : wasFound || isFound
    })
  }
}

function changeIn (event: BucketEvent): RecordChange {
  switch (event.type) {
    case 'inserted': return { before: undefined, after: event.record }
    case 'updated': return { before: event.oldRecord, after: event.newRecord }
    case 'deleted': return { before: event.record, after: undefined }
  }
}

function matches (record: StoreRecord | undefined, filter: WhereFilter): boolean {
  try {
    return record !== undefined && matchesFilter(record, filter)
  } catch {
    // A filter of the application that no record had met yet.
    return true
  }
}
