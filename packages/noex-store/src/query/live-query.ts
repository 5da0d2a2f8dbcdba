import type { Engine } from '../commit/engine.js'
import type { ReadFilter } from '../types/query.js'
import type { AnyQueryFn } from './declarative.js'
import { callSafely } from '../util/call-safely.js'
import { deepEqual } from './deep-equal.js'
import { ReadDependencies, type DependencyIndex } from './dependency-index.js'
import { TrackedContext } from './query-context.js'
import { MAX_RERUNS, ReadMoment, type Dependent } from './read-moment.js'

interface LiveQueryOptions {
  readonly query: string
  readonly fn: AnyQueryFn
  readonly params: unknown
  readonly readFilter: ReadFilter | undefined
  readonly onResult: (result: unknown) => unknown
}

/**
 * A subscribed query: it runs once per commit that concerns it at most, one run at a time, and tells each
 * result that differs from the one before, once all that it shows is durable: no subscriber hears of a commit
 * that is taken back.
 */
export class LiveQuery implements Dependent {
  readonly options: LiveQueryOptions
  readonly #engine: Engine
  readonly #index: DependencyIndex<Dependent>
  #dependencies = new ReadDependencies()
  #result: unknown
  #isDirty = false
  #isEnded = false
  #running: Promise<void> | undefined

  constructor (engine: Engine, index: DependencyIndex<Dependent>, options: LiveQueryOptions) {
    this.#engine = engine
    this.#index = index
    this.options = options
  }

  /** Runs the query for the first time. Rejects as it does. */
  async start (): Promise<void> {
    this.#running = this.#evaluate().then(result => { this.#result = result })
    try {
      await this.#running
    } catch (error) {
      this.end()
      throw error
    } finally {
      this.#running = undefined
    }
    if (this.#isDirty) this.invalidate()
  }

  /** Notes that something which the query has read has changed. */
  invalidate (): void {
    this.#isDirty = true
    if (this.#running !== undefined || this.#isEnded) return
    this.#running = this.#run().finally(() => { this.#running = undefined })
    this.#engine.background.add(this.#running)
  }

  end (): void {
    this.#isEnded = true
    this.#index.remove(this.#dependencies, this)
  }

  /** Whether it has read anything of the bucket. */
  reads (bucket: string): boolean {
    return this.#dependencies.bucketLevel.has(bucket) || this.#dependencies.recordLevel.has(bucket)
  }

  async #run (): Promise<void> {
    // All changes of this turn lead to one run.
    await undefined
    for (let run = 1; this.#isDirty && !this.#isEnded; run++) {
      // A query, or a subscriber, that writes to what the query reads does not keep the others from running.
      if (run > MAX_RERUNS) await this.#engine.slicer.nextTurn()
      let result: unknown
      try {
        result = await this.#evaluate()
      } catch {
        // A run that fails leaves the result as it was; the next change runs it again.
        continue
      }
      if (this.#isEnded || deepEqual(this.#result, result)) continue
      if (await this.#isTakenBack()) {
        this.#isDirty = true
        continue
      }
      if (this.#hasEnded()) return
      this.#result = result
      callSafely(() => this.options.onResult(result), this.#engine.options.onListenerError)
    }
  }

  /** Waits until all that the last run has seen is durable; tells whether it was taken back instead. */
  async #isTakenBack (): Promise<boolean> {
    const { whenDurable, revision } = this.#engine
    if (whenDurable === undefined) return false
    return await whenDurable(revision).then(() => false, () => true)
  }

  #hasEnded (): boolean {
    return this.#isEnded
  }

  /** Runs the query until all that it reads is of one moment, or it has been run too often. */
  async #evaluate (): Promise<unknown> {
    for (let run = 0; ; run++) {
      this.#isDirty = false
      const { takenBack } = this.#engine
      const former = this.#dependencies
      const dependencies = new ReadDependencies()
      this.#dependencies = dependencies
      this.#index.remove(former, this)
      const moment = new ReadMoment(this.#index)
      const context = new TrackedContext(this.#engine, {
        onBucket: bucket => {
          dependencies.bucketLevel.add(bucket)
          if (!this.#isEnded && this.#dependencies === dependencies) this.#index.addBucket(bucket, this)
        },
        onRecord: (bucket, key) => {
          dependencies.addRecord(bucket, key)
          if (!this.#isEnded && this.#dependencies === dependencies) this.#index.addRecord(bucket, key, this)
        }
      }, this.options.readFilter, moment)
      const { fn, params } = this.options
      let result: unknown
      try {
        result = params === undefined ? await fn(context) : await fn(context, params)
      } catch (error) {
        // Dependencies that this run did not come to read stay.
        this.#keep(former)
        throw error
      } finally {
        moment.end()
      }
      // A run that has seen commits which were taken back meanwhile is never shown.
      if (this.#engine.takenBack !== takenBack) continue
      if (!moment.isMixed || run >= MAX_RERUNS) return result
    }
  }

  /** Goes on depending on what a run before has read. */
  #keep ({ bucketLevel, recordLevel }: ReadDependencies): void {
    for (const bucket of bucketLevel) {
      this.#dependencies.bucketLevel.add(bucket)
      if (!this.#isEnded) this.#index.addBucket(bucket, this)
    }
    for (const [bucket, keys] of recordLevel) {
      for (const key of keys) {
        this.#dependencies.addRecord(bucket, key)
        if (!this.#isEnded) this.#index.addRecord(bucket, key, this)
      }
    }
  }
}
