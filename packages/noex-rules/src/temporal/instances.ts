import type { Counters } from '../state/stats.js'
import { afterAnyDelay, type CompleteClock } from '../util/clock.js'
import { OldestFirstSet } from '../util/oldest-first-set.js'

/** A sequence, an absence or an event in a window, held until its deadline. */
export interface Instance {
  readonly group: string
  /** Epoch milliseconds. */
  readonly deadline: number
  /** The owner, which removes it. */
  readonly queue: InstanceOwner
}

/** The owner of instances. */
interface InstanceOwner {
  forget (instance: Instance): void
}

/** The instances of an engine: bounded; one more drops the oldest. */
export class InstancePool {
  readonly #instances = new OldestFirstSet<Instance>()
  readonly #max: number
  readonly #counters: Counters

  constructor (max: number, counters: Counters) {
    this.#max = max
    this.#counters = counters
  }

  get size (): number {
    return this.#instances.size
  }

  add (instance: Instance): void {
    const { oldest } = this.#instances
    if (oldest !== undefined && this.#instances.size >= this.#max) this.drop(oldest)
    this.#instances.add(instance)
  }

  delete (instance: Instance): void {
    this.#instances.delete(instance)
  }

  /** Drops an instance before its deadline. */
  drop (instance: Instance): void {
    this.#counters.temporalDropped++
    instance.queue.forget(instance)
  }
}

/** The instances of one trigger, in the order of their deadlines, which is the order of their arrival. */
export class InstanceQueue<T extends Instance> implements InstanceOwner {
  readonly #instances = new OldestFirstSet<T>()
  readonly #pool: InstancePool
  readonly #clock: CompleteClock
  readonly #onForget: (instance: T) => void
  readonly #onDue: (now: number) => void
  #cancel: (() => void) | undefined
  #isWaiting = false

  /**
   * `onForget` is called for each instance that leaves; `onDue` when one may be due, once per call of `arm`.
   */
  constructor (
    pool: InstancePool,
    clock: CompleteClock,
    onForget: (instance: T) => void,
    onDue: (now: number) => void
  ) {
    this.#pool = pool
    this.#clock = clock
    this.#onForget = onForget
    this.#onDue = onDue
  }

  get size (): number {
    return this.#instances.size
  }

  get oldest (): T | undefined {
    return this.#instances.oldest
  }

  add (instance: T): void {
    this.#instances.add(instance)
    this.#pool.add(instance)
    this.arm()
  }

  forget (instance: T): void {
    if (!this.#instances.delete(instance)) return
    this.#pool.delete(instance)
    this.#onForget(instance)
  }

  /** Removes and returns the oldest instance, if it is due. */
  takeDue (now: number): T | undefined {
    const { oldest } = this.#instances
    if (oldest === undefined || oldest.deadline > now) return undefined
    this.forget(oldest)
    return oldest
  }

  /** Starts the wait for the next deadline, unless it has started. */
  arm (): void {
    const { oldest } = this.#instances
    if (oldest === undefined || this.#isWaiting) return
    this.#isWaiting = true
    this.#cancel = afterAnyDelay(this.#clock, oldest.deadline - this.#clock.now(), () => {
      this.#cancel = undefined
      this.#onDue(this.#clock.now())
    })
  }

  /** Ends the wait, so that `arm` starts another. */
  disarm (): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#isWaiting = false
  }

  clear (): void {
    this.disarm()
    for (const instance of [...this.#instances]) this.forget(instance)
  }

  [Symbol.iterator] (): IterableIterator<T> {
    return this.#instances[Symbol.iterator]()
  }
}
