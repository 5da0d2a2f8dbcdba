import { ReadDependencies, type DependencyIndex } from './dependency-index.js'

/** Hears that something which it has read has changed. */
export interface Dependent {
  invalidate: () => void
}

/** Runs of a query that are thrown away because they mix moments, before one counts all the same. */
export const MAX_RERUNS = 5

/**
 * Tells whether all reads of one run of a query are of one moment: that of the last one, unless what was read
 * before had changed by then.
 */
export class ReadMoment implements Dependent {
  readonly #index: DependencyIndex<Dependent>
  readonly #dependencies = new ReadDependencies()
  #hasChanged = false
  #isMixed = false
  #isEnded = false

  constructor (index: DependencyIndex<Dependent>) {
    this.#index = index
  }

  /** Whether the results of the reads may never have been true together. */
  get isMixed (): boolean {
    return this.#isMixed
  }

  /** Notes a read of a whole bucket that has begun in this step. */
  onBucketRead (bucket: string): void {
    if (!this.#noteRead() || this.#dependencies.bucketLevel.has(bucket)) return
    this.#dependencies.bucketLevel.add(bucket)
    this.#index.addBucket(bucket, this)
  }

  /** Notes a read of a key in this step. */
  onRecordRead (bucket: string, key: unknown): void {
    if (!this.#noteRead()) return
    this.#dependencies.addRecord(bucket, key)
    this.#index.addRecord(bucket, key, this)
  }

  invalidate (): void {
    this.#hasChanged = true
  }

  /** Hears of nothing any more; reads that are made later do not count. */
  end (): void {
    this.#isEnded = true
    this.#index.remove(this.#dependencies, this)
  }

  #noteRead (): boolean {
    if (this.#hasChanged) this.#isMixed = true
    return !this.#isEnded
  }
}
