import type { Bucket } from '../bucket/bucket.js'
import { changed } from '../commit/check.js'
import { whenPurged } from '../commit/expiry.js'
import { Plan } from '../commit/plan.js'
import type { Engine } from '../engine.js'
import { CommitTooLargeError, StoreStoppedError } from '../errors.js'
import { OperationBudget } from '../schema/size.js'
import type { Commit, WriteOptions } from '../types/commit.js'
import { Overlay, type Written } from './overlay.js'
import { ReadSet } from './read-set.js'
import { TransactionBucketHandle } from './transaction-bucket.js'

/**
 * A transaction: writes are kept back until the commit, and what was read is checked in the step that
 * commits, so that the whole is as if it had happened at that moment.
 */
export class TransactionContext {
  readonly #engine: Engine
  readonly #options: WriteOptions
  readonly #reads = new ReadSet()
  readonly #overlays = new Map<Bucket, Overlay>()
  readonly #handles = new Map<string, TransactionBucketHandle>()
  readonly #endHistory: () => void
  /** Written keys in the order of their first write. */
  readonly #keys: Array<readonly [Overlay, unknown]> = []
  readonly #budget: OperationBudget
  #isEnded = false

  /** Made by `Store.transaction`. */
  constructor (engine: Engine, options: WriteOptions) {
    this.#engine = engine
    this.#options = options
    this.#budget = new OperationBudget(engine.options.maxOperationBytes)
    this.#endHistory = engine.history.begin()
  }

  /**
   * The bucket of that name, as this transaction sees it.
   * @throws BucketNotDefinedError
   */
  async bucket (name: string): Promise<TransactionBucketHandle> {
    this.#assertOpen()
    const known = this.#handles.get(name)
    if (known !== undefined) return known
    const bucket = this.#engine.bucket(name)
    const handle = new TransactionBucketHandle(
      this.#engine, bucket, this.#reads, this.#overlayOf(bucket), () => { this.#assertOpen() },
      this.#budget
    )
    this.#handles.set(name, handle)
    return handle
  }

  /**
   * Commits all writes in one step, or none. Without writes nothing is committed, but what was read is
   * checked.
   * @throws TransactionConflictError, and the errors of the single writes
   */
  async commit (): Promise<void> {
    await this.whenPurged()
    this.commitNow()
  }

  /** Waits until the buckets that are written to have no hidden records whose time is up. */
  async whenPurged (): Promise<void> {
    for (const { name } of this.#overlays.keys()) await whenPurged(this.#engine, name)
  }

  /** Does `commit` at once. Returns the commit, `undefined` without writes. */
  commitNow (): Commit | undefined {
    if (this.#isEnded) throw new Error('Transaction already committed')
    try {
      this.#reads.check(this.#engine)
      return this.#engine.commit(this.#plan(), this.#options)
    } finally {
      this.end()
    }
  }

  /** Ends the transaction; what was not committed never happened. */
  end (): void {
    this.#isEnded = true
    this.#endHistory()
  }

  #plan (): Plan {
    const plan = new Plan(this.#options.maxChanges)
    for (const [overlay, key] of this.#keys) {
      const { bucket } = overlay
      const { before, after } = overlay.get(key) as Written
      if (before === undefined && after === undefined) continue
      const row = bucket.contents.rows.get(key)
      if (row?.record !== before) throw changed(bucket, key, before)
      plan.add(bucket, key, row, after)
    }
    return plan
  }

  #overlayOf (bucket: Bucket): Overlay {
    let overlay = this.#overlays.get(bucket)
    if (overlay === undefined) {
      const made = new Overlay(bucket, key => { this.#noteKey(made, key) })
      this.#overlays.set(bucket, overlay = made)
    }
    return overlay
  }

  #noteKey (overlay: Overlay, key: unknown): void {
    const { maxChanges = Infinity } = this.#options
    if (this.#keys.push([overlay, key]) > maxChanges) {
      throw new CommitTooLargeError(this.#keys.length, maxChanges)
    }
  }

  #assertOpen (): void {
    if (this.#isEnded) throw new Error('Transaction already committed')
    if (this.#engine.isStopped) throw new StoreStoppedError(this.#engine.options.name)
  }
}
