import type { ReadObserver } from '@hamicek/noex-store'

/** The reader of records that may change. */
export interface Dependent {
  /** Called when the commit of `revision` has changed a record or bucket that it has read. */
  invalidate: (revision: number) => void
}

interface BucketDependents {
  readonly whole: Set<Dependent>
  readonly records: Map<unknown, Set<Dependent>>
}

/** Records the reads of dependents, so that a change invalidates only those that have read it. */
export class DependencyIndex {
  readonly #buckets = new Map<string, BucketDependents>()

  /** Returns a read set that records what `dependent` reads. */
  track (dependent: Dependent): ReadSet {
    return new ReadSet(dependent, this.#buckets)
  }

  /**
   * Invalidates the dependents that have read this record or its whole bucket; `key` as the store compares
   * it.
   */
  invalidate (bucket: string, key: unknown, revision: number): void {
    const readers = this.#buckets.get(bucket)
    if (readers === undefined) return
    for (const dependent of readers.whole) dependent.invalidate(revision)
    const ofRecord = readers.records.get(key)
    if (ofRecord !== undefined) for (const dependent of ofRecord) dependent.invalidate(revision)
  }

  /** Returns the dependents that have read anything of this bucket. */
  dependentsOf (bucket: string): Set<Dependent> {
    const readers = this.#buckets.get(bucket)
    if (readers === undefined) return new Set()
    return new Set([...readers.whole, ...[...readers.records.values()].flatMap(ofRecord => [...ofRecord])])
  }
}

/** The reads of one evaluation. Each is in the index before it happens, so that no change is missed. */
export class ReadSet implements ReadObserver {
  readonly #dependent: Dependent
  readonly #index: Map<string, BucketDependents>
  readonly #whole = new Set<string>()
  readonly #records = new Map<string, Set<unknown>>()

  constructor (dependent: Dependent, index: Map<string, BucketDependents>) {
    this.#dependent = dependent
    this.#index = index
  }

  /** Names of the buckets that have been read, first those that were read as a whole. */
  get buckets (): Set<string> {
    return new Set([...this.#whole, ...this.#records.keys()])
  }

  /** Number of reads. */
  get size (): number {
    let size = this.#whole.size
    for (const keys of this.#records.values()) size += keys.size
    return size
  }

  readonly onBucket = (bucket: string): void => {
    if (this.#whole.has(bucket)) return
    this.#whole.add(bucket)
    this.#dependentsOf(bucket).whole.add(this.#dependent)
  }

  readonly onRecord = (bucket: string, key: unknown): void => {
    let keys = this.#records.get(bucket)
    if (keys === undefined) this.#records.set(bucket, keys = new Set())
    if (keys.has(key)) return
    keys.add(key)
    const { records } = this.#dependentsOf(bucket)
    const readers = records.get(key)
    if (readers === undefined) records.set(key, new Set([this.#dependent]))
    else readers.add(this.#dependent)
  }

  /** Adds the reads of an earlier evaluation: after a failure, a change to either may matter. */
  include (earlier: ReadSet): void {
    for (const bucket of earlier.#whole) this.onBucket(bucket)
    for (const [bucket, keys] of earlier.#records) for (const key of keys) this.onRecord(bucket, key)
  }

  /** Removes these reads from the index, except those that `later` has made too. */
  release (later?: ReadSet): void {
    for (const bucket of this.#whole) {
      if (later === undefined || !later.#whole.has(bucket)) {
        this.#remove(bucket, readers => { readers.whole.delete(this.#dependent) })
      }
    }
    for (const [bucket, keys] of this.#records) {
      const kept = later === undefined ? undefined : later.#records.get(bucket)
      this.#remove(bucket, ({ records }) => {
        for (const key of keys) {
          if (kept?.has(key) === true) continue
          const readers = records.get(key)
          readers?.delete(this.#dependent)
          if (readers?.size === 0) records.delete(key)
        }
      })
    }
  }

  #dependentsOf (bucket: string): BucketDependents {
    let readers = this.#index.get(bucket)
    if (readers === undefined) this.#index.set(bucket, readers = { whole: new Set(), records: new Map() })
    return readers
  }

  #remove (bucket: string, remove: (readers: BucketDependents) => void): void {
    const readers = this.#index.get(bucket)
    if (readers === undefined) return
    remove(readers)
    if (readers.whole.size === 0 && readers.records.size === 0) this.#index.delete(bucket)
  }
}
