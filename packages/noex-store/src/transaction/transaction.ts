import type { Bucket } from '../bucket/bucket.js'
import { commitCauses, MAX_STEPS_AT_ONCE, turnForCommit } from '../commit/commit-causes.js'
import { isOverdue, whenPurged } from '../commit/expiry.js'
import { Plan, type Step } from '../commit/plan.js'
import { WriteAccess } from '../write/write-access.js'
import type { Engine } from '../commit/engine.js'
import { CommitTooLargeError, StoreStoppedError } from '../errors.js'
import { OperationBudget } from '../schema/size.js'
import type { AccessOptions, WorkMeter } from '../types/access.js'
import type { PendingWrite, TransactionOptions } from '../types/commit.js'
import { Overlay } from './overlay.js'
import { ReadSet } from './read-set.js'
import { TransactionBucketHandle } from './transaction-bucket.js'

/**
 * A transaction: writes are kept back until the commit, and what was read is checked in the step that
 * commits, so that the whole is as if it had happened at that moment.
 */
export class TransactionContext {
  readonly #engine: Engine
  readonly #options: TransactionOptions
  readonly #reads = new ReadSet()
  readonly #overlays = new Map<Bucket, Overlay>()
  readonly #handles = new Map<string, TransactionBucketHandle>()
  /** Counts what the commit causes. */
  #work: WorkMeter | undefined
  readonly #endHistory: () => void
  /** Writes in the order of the first one of each key. */
  readonly #steps: Step[] = []
  readonly #budget: OperationBudget
  #isEnded = false
  #result: unknown

  /** Made by `Store.transaction`. */
  constructor (engine: Engine, options: TransactionOptions) {
    this.#engine = engine
    this.#options = options
    this.#budget = new OperationBudget(engine.options.maxOperationBytes)
    this.#endHistory = engine.history.begin()
  }

  /**
   * The bucket of that name, as this transaction sees it, confined and counted as `access` says. Opened
   * several times, each time with another `access`, it is still one: all see the same writes.
   * @throws BucketNotDefinedError
   */
  async bucket (name: string, access?: AccessOptions): Promise<TransactionBucketHandle> {
    return this.open(name, access)
  }

  /** Does `bucket` at once. @throws BucketNotDefinedError */
  open (name: string, access?: AccessOptions): TransactionBucketHandle {
    this.#assertOpen()
    const known = access === undefined ? this.#handles.get(name) : undefined
    if (known !== undefined) return known
    const bucket = this.#engine.bucket(name)
    if (access?.work !== undefined) this.#work = access.work
    const handle = new TransactionBucketHandle(
      this.#engine, this.#reads, this.#overlayOf(bucket), source => this.#overlayOf(source),
      () => { this.#assertOpen() }, access === undefined ? WriteAccess.unlimited : new WriteAccess(access),
      this.#budget
    )
    if (access === undefined) this.#handles.set(name, handle)
    return handle
  }

  /**
   * Checks that everything which was read so far would be read again as it was; what takes long in slices.
   * @throws TransactionConflictError naming what another writer has changed
   */
  async check (): Promise<void> {
    const checking = this.#reads.checkInSlices(this.#engine, this.#work)
    if (checking !== undefined) await checking
    this.#reads.check(this.#engine)
  }

  /**
   * Commits all writes in one step, or none, and resolves when they are durable. Without writes nothing is
   * committed, but what was read is checked. Long work is done in slices before that step.
   * @throws TransactionConflictError, and the errors of the single writes
   */
  async commit (): Promise<void> {
    await this.commitSoon()
  }

  /**
   * Does `commit`, at once where nothing takes long before it; `result` is the value that the transaction
   * resolves with. Returns `undefined` when all is done.
   */
  commitSoon (result?: unknown): Promise<void> | undefined {
    if (this.#isEnded) throw new Error('Transaction already committed')
    this.#isEnded = true
    this.#result = result
    if (!this.#isShort) return this.#commitInSlices()
    try {
      return this.#commit()
    } finally {
      this.#endHistory()
    }
  }

  /** Whether nothing is done in slices before the step that commits. */
  get #isShort (): boolean {
    if (this.#steps.length > MAX_STEPS_AT_ONCE || this.#steps.some(({ after }) => after === undefined)) {
      return false
    }
    if (this.#reads.isLong(this.#engine)) return false
    for (const { name } of this.#overlays.keys()) if (isOverdue(this.#engine, name)) return false
    return true
  }

  async #commitInSlices (): Promise<void> {
    try {
      for (const { name } of this.#overlays.keys()) {
        const purged = whenPurged(this.#engine, name)
        if (purged !== undefined) await purged
      }
      const checking = this.#reads.checkInSlices(this.#engine, this.#work)
      if (checking !== undefined) await checking
      const turn = turnForCommit(this.#engine, this.#steps.length)
      if (turn !== undefined) await turn
      await this.#commit()
    } finally {
      this.#endHistory()
    }
  }

  #commit (): Promise<void> | undefined {
    const beforeCommit = (writes: Iterable<PendingWrite>): void => {
      this.#reads.check(this.#engine)
      this.#options.beforeCommit?.(writes)
    }
    const options = { ...this.#options, beforeCommit }
    return commitCauses(this.#engine, () => this.#plan(), options, this.#endHistory)
  }

  /** Ends the transaction; what was not committed never happened. */
  end (): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#endHistory()
  }

  /** Copies the steps: what deletes cause is written into them. */
  #plan (): Plan {
    const plan = new Plan(this.#options.maxChanges, this.#work)
    for (const { bucket, key, row, before, after, isCaused } of this.#steps) {
      if (before === undefined && after === undefined) continue
      plan.add(bucket, key, row, after, before).isCaused = isCaused
    }
    plan.result = this.#result
    return plan
  }

  #overlayOf (bucket: Bucket): Overlay {
    let overlay = this.#overlays.get(bucket)
    if (overlay === undefined) {
      const { maxChanges = Infinity } = this.#options
      const made = new Overlay(bucket, maxChanges, step => { this.#noteStep(step) })
      this.#overlays.set(bucket, overlay = made)
    }
    return overlay
  }

  #noteStep (step: Step): void {
    const { maxChanges = Infinity } = this.#options
    if (this.#steps.length >= maxChanges) throw new CommitTooLargeError(this.#steps.length + 1, maxChanges)
    this.#steps.push(step)
  }

  #assertOpen (): void {
    if (this.#isEnded) throw new Error('Transaction already committed')
    if (this.#engine.isStopped) throw new StoreStoppedError(this.#engine.options.name)
  }
}
