import { Bucket } from '../bucket/bucket.js'
import { BucketNotDefinedError, StoreStoppedError, TransactionConflictError } from '../errors.js'
import type { Change, Commit, WriteOptions } from '../types/commit.js'
import { applyStep, refuseTooManyBytes } from './apply-step.js'
import { checkQuotas, checkUnchanged, checkUnique, evict } from './check.js'
import { CommitHistory } from './history.js'
import { CommitNotifier, type CommitListener } from './commit-notifier.js'
import type { Plan, Step } from './plan.js'
import { RememberedRequests } from './remembered-requests.js'
import { checkReferences, followDeletes, hasCauses, type InboundReference } from './references.js'
import { UndoLog, type Undo } from './undo-log.js'
import { noteOf, requestOf } from './writer-texts.js'
import { BackgroundWork } from '../scan/background.js'
import { CheckWaiter } from '../schema/pending-checks.js'
import { slicer } from '../scan/slicer.js'

/** Options of a commit; `time` is that of a commit of elsewhere, in epoch milliseconds. */
type CommitOptions = WriteOptions & Partial<Pick<Commit, 'time'>>

/** Facts about the steps of a commit that are applied; `result` is the value that the write resolves with. */
interface FinishedSteps {
  readonly counters?: Record<string, number> | undefined
  readonly bytes?: number
  readonly result?: unknown
}

/** Bounds and callbacks of an engine, complete. */
interface EngineOptions {
  readonly name: string
  /** Returns the time in epoch milliseconds. */
  readonly now: () => number
  /** Deleted keys that a bucket remembers. */
  readonly maxDeletedKeys: number
  /** Estimated bytes of a record. */
  readonly maxRecordBytes: number
  /** Estimated bytes that one operation brings. */
  readonly maxOperationBytes: number
  /** Records times conditions that one read may look at. */
  readonly maxWork: number
  /** Time that an asynchronous validator may take, in milliseconds. */
  readonly validatorTimeoutMs: number
  /** Hears what a listener throws. */
  readonly onListenerError: (error: unknown) => void
}

/**
 * Commits the changes of a store, one after the other: every change of data or definitions is one synchronous
 * step over all buckets, that is checked as a whole, applied as a whole, numbered and told in order.
 */
export class Engine {
  readonly options: EngineOptions
  readonly buckets = new Map<string, Bucket>()
  /** Tells of commits when they are applied. */
  readonly appliedCommits: CommitNotifier
  /** Tells of commits when they are durable. */
  readonly durableCommits: CommitNotifier
  readonly history = new CommitHistory()
  readonly undoLog = new UndoLog()
  /** The requests that are done once, however often they come. */
  readonly requests = new RememberedRequests(() => this.now)
  /** That of the process: all long work together has 5 ms of a turn. */
  readonly slicer = slicer
  readonly background: BackgroundWork
  readonly checks: CheckWaiter
  /** Text that names the history which revisions count. */
  epoch: string
  isStopped = false
  /** Resolves when a revision is durable, rejects when it is taken back; `undefined`: each is at once. */
  whenDurable: ((revision: number) => Promise<void>) | undefined
  /** Waits until the present revision is durable; `undefined` where it is so at once. The store sets it. */
  whenPresentIsDurable: () => Promise<void> | undefined = () => undefined
  /** Number of times that commits were taken back. */
  takenBack = 0
  /** Why no commit is taken at the moment. */
  unavailable: Error | undefined
  #revision = 0
  /** Time of the commit that is made at the moment. */
  #time: number | undefined
  #inbound: Map<Bucket, InboundReference[]> | undefined
  readonly #onApplied = new Set<CommitListener>()
  readonly #onStart: Array<(revision: number) => void> = []
  readonly #loggedCounters = new WeakMap<Bucket, number>()

  constructor (options: EngineOptions, epoch: string) {
    this.options = options
    this.epoch = epoch
    this.checks = new CheckWaiter(options.validatorTimeoutMs)
    this.background = new BackgroundWork(options.onListenerError)
    const { slicer, background } = this
    const laneOptions = { onFailure: options.onListenerError, slicer, background }
    this.appliedCommits = new CommitNotifier(laneOptions)
    this.durableCommits = new CommitNotifier(laneOptions)
  }

  /** Revision of the last commit. */
  get revision (): number {
    return this.#revision
  }

  /** The time in epoch milliseconds; one and the same within the step of a commit. */
  get now (): number {
    return this.#time ?? this.options.now()
  }

  /**
   * Adds a part of the store that hears of each commit, and of each that is taken back, in its step and
   * before any listener. It neither writes nor throws. Returns what removes it.
   */
  onApplied (listener: CommitListener): () => void {
    this.#onApplied.add(listener)
    return () => { this.#onApplied.delete(listener) }
  }

  /** @throws BucketNotDefinedError, StoreStoppedError */
  bucket (name: string): Bucket {
    const bucket = this.buckets.get(name)
    if (bucket !== undefined) return bucket
    if (this.isStopped) throw new StoreStoppedError(this.options.name)
    throw new BucketNotDefinedError(name)
  }

  /** @throws StoreStoppedError, StoreUnavailableError, NotLeaderError */
  assertWritable (): void {
    if (this.isStopped) throw new StoreStoppedError(this.options.name)
    if (this.unavailable !== undefined) throw this.unavailable
  }

  /** The fields of all buckets that refer to this one. */
  inboundOf (bucket: Bucket): readonly InboundReference[] {
    if (this.#inbound === undefined) {
      this.#inbound = new Map()
      for (const source of this.buckets.values()) {
        for (const reference of source.schema.references) {
          const target = this.buckets.get(reference.target)
          if (target === undefined) continue
          const inbound = this.#inbound.get(target)
          if (inbound === undefined) this.#inbound.set(target, [{ source, reference }])
          else inbound.push({ source, reference })
        }
      }
    }
    return this.#inbound.get(bucket) ?? []
  }

  /** Adds to a plan what its deletes cause; may stop between two records. */
  follow (plan: Plan): Generator<undefined, undefined> {
    return followDeletes(plan, bucket => this.inboundOf(bucket), this.now)
  }

  /** Tells whether all records of a plan are still those that it was made of. */
  isCurrent ({ steps }: Plan): boolean {
    return steps.every(({ bucket, key, row, before }) => {
      const current = bucket.contents.rows.get(key)
      return current === row && current?.record === before && this.buckets.get(bucket.name) === bucket
    })
  }

  /** Tells whether a plan deletes records to which others refer. */
  hasCauses (plan: Plan): boolean {
    return hasCauses(plan, bucket => this.inboundOf(bucket))
  }

  /**
   * Completes a plan by what its deletes cause, checks it against the state that it would lead to, and
   * commits it. A plan without steps commits nothing but a request that is to be remembered. `isFollowed`
   * says that what its deletes cause is in it already, as the store is now.
   * @throws the reason why nothing of it is done
   */
  commit (plan: Plan, options: WriteOptions = {}, isFollowed = false): Commit | undefined {
    const outer = this.#time
    this.#time = this.now
    try {
      return this.#commit(plan, options, isFollowed)
    } finally {
      this.#time = outer
    }
  }

  #commit (plan: Plan, options: WriteOptions, isFollowed: boolean): Commit | undefined {
    this.assertWritable()
    options.beforeCommit?.(plan)
    const { idempotency } = options
    if (idempotency !== undefined) this.requests.assertNew(idempotency.key, options.user)
    else if (plan.steps.length === 0) return undefined
    if (!isFollowed && plan.hasDeletes) {
      const causes = this.follow(plan)
      while (causes.next().done !== true);
    }
    // From here on no code of the application runs until the commit is applied.
    this.#checkBuckets(plan)
    if (!plan.isFresh) checkUnchanged(plan)
    checkReferences(this.buckets, plan, this.now)
    const complete = evict(plan)
    checkUnique(complete)
    checkQuotas(complete)
    return this.commitUnchecked(complete.steps, options, plan.result)
  }

  /**
   * Gives `value` when everything up to the present revision is durable. To be called in the step that has
   * committed: then it waits for that commit, and for none of those that come later.
   * @throws StoreUnavailableError when it is taken back
   */
  durably<T> (value: T): T | Promise<T> {
    const pending = this.whenPresentIsDurable()
    return pending === undefined ? value : pending.then(() => value)
  }

  /**
   * Commits steps that need no check: the store's own, or those of another machine. `result` is the value
   * that their write resolves with.
   */
  commitUnchecked (steps: readonly Step[], options: CommitOptions = {}, result?: unknown): Commit {
    const undo: Undo[] | undefined = this.undoLog.isOn ? [] : undefined
    const changes: Change[] = []
    for (const step of steps) changes.push(applyStep(step, undo))
    if (undo !== undefined && steps.length > 1) refuseTooManyBytes(steps, undo)
    const bytes = this.history.isRead ? steps.reduce((sum, { row }) => sum + (row?.bytes ?? 0), 0) : 0
    return this.#finish(changes, undo, options, { counters: this.#countersOf(steps), bytes, result })
  }

  /** Commits changes of definitions or of whole buckets that `apply` makes; `undo` takes them back. */
  commitStructure (
    changes: Change | Change[], apply: () => void, undo: Undo, options: CommitOptions = {}
  ): Commit {
    apply()
    this.#inbound = undefined
    return this.#finish(Array.isArray(changes) ? changes : [changes], [undo], options)
  }

  /** Makes a commit of elsewhere, whose changes are applied already, the last one of this store. */
  adopt (commit: Commit, undo: Undo[]): void {
    this.#inbound = undefined
    this.#revision = commit.revision
    this.#tell(commit, undo, 0)
  }

  /**
   * Takes back all commits after a revision, the last one first; each is told once more.
   * @throws CommitMismatchError for a commit that is durable
   */
  undo (toRevision: number): void {
    const commits = this.undoLog.takeAfter(toRevision, this.#revision)
    if (commits.length > 0) this.takenBack++
    for (const { commit, undo } of commits) {
      for (const step of undo.reverse()) step()
      this.#inbound = undefined
      this.#revision = commit.revision - 1
      const undone: Commit = { ...commit, undone: true }
      this.requests.undo(commit)
      this.history.add(undone)
      for (const listener of this.#onApplied) listener(undone)
      this.appliedCommits.tell(undone)
    }
  }

  /** Adds a part of the store that hears when `startAt` is called. */
  onStart (listener: (revision: number) => void): void {
    this.#onStart.push(listener)
  }

  /** Puts the store at a revision that a log says it is at. */
  startAt (revision: number, epoch: string): void {
    this.#revision = revision
    this.epoch = epoch
    for (const listener of this.#onStart) listener(revision)
  }

  #finish (
    changes: Change[], undo: Undo[] | undefined, options: CommitOptions,
    { counters, bytes = 0, result }: FinishedSteps = {}
  ): Commit {
    const revision = ++this.#revision
    const note = options.note && noteOf(revision, options.note, this.options.onListenerError)
    const idempotency = options.idempotency &&
      requestOf(options.idempotency, result, this.now, this.options.onListenerError)
    const commit: { -readonly [Name in keyof Commit]: Commit[Name] } = {
      revision, time: options.time ?? this.now, changes
    }
    // Member by member: three spreads take as long as the rest of this step.
    if (options.user !== undefined) commit.user = options.user
    if (options.writer !== undefined) commit.writer = options.writer
    if (note !== undefined) commit.note = note
    if (idempotency !== undefined) commit.idempotency = idempotency
    if (counters !== undefined) commit.counters = counters
    this.#tell(commit, undo, bytes)
    return commit
  }

  readonly #tellDurable: CommitListener = commit => { this.durableCommits.tell(commit) }

  #tell (commit: Commit, undo: Undo[] | undefined, bytes: number): void {
    if (undo !== undefined) this.undoLog.add(commit, undo)
    this.history.add(commit, bytes)
    this.requests.add(commit)
    for (const listener of this.#onApplied) listener(commit)
    this.appliedCommits.tell(commit, this.undoLog.isOn ? undefined : this.#tellDurable)
  }

  /** @throws BucketNotDefinedError, TransactionConflictError for a bucket that is another one now */
  #checkBuckets ({ steps }: Plan): void {
    for (const { bucket, key } of steps) {
      const current = this.buckets.get(bucket.name)
      if (current === bucket) {
        bucket.assertComplete()
        continue
      }
      if (current === undefined) throw new BucketNotDefinedError(bucket.name)
      throw new TransactionConflictError(bucket.name, key, 'The bucket has been defined anew')
    }
  }

  #countersOf (steps: readonly Step[]): Record<string, number> | undefined {
    let counters: Record<string, number> | undefined
    for (const { bucket } of steps) {
      if (!bucket.schema.isNumbered || this.#loggedCounters.get(bucket) === bucket.counter) continue
      this.#loggedCounters.set(bucket, bucket.counter)
      counters = { ...counters, [bucket.name]: bucket.counter }
    }
    return counters
  }
}
