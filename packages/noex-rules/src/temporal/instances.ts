import { OldestFirstSet } from '../util/oldest-first-set.js'
import { afterAnyDelay, type CompleteClock } from '../util/clock.js'
import type { Counters } from '../state/stats.js'

/** Something remembered for a temporal trigger, until a time. */
export interface Instance {
  /** Epoch milliseconds. */
  readonly deadline: number
  /** Where it is remembered. */
  readonly queue: InstanceOwner
}

/** Who remembers instances. */
interface InstanceOwner {
  forget (instance: Instance): void
}

/** All that an engine remembers for temporal triggers: bounded, and the oldest has to go first. */
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

  /** Forgets an instance before its time. */
  drop (instance: Instance): void {
    this.#counters.temporalDropped++
    instance.queue.forget(instance)
  }
}

/** The instances of one trigger, in the order of their deadlines, which is that of their arrival. */
export class InstanceQueue<T extends Instance> implements InstanceOwner {
  readonly #instances = new OldestFirstSet<T>()
  readonly #pool: InstancePool
  readonly #clock: CompleteClock
  readonly #onForget: (instance: T) => void
  readonly #onDue: (now: number) => void
  #cancel: (() => void) | undefined
  #isWaiting = false

  /** `onForget` hears of each instance that leaves; `onDue` is called when one may be due, and then not before `arm`. */
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

  /** Takes the oldest instance out, if its time has come. */
  takeDue (now: number): T | undefined {
    const { oldest } = this.#instances
    if (oldest === undefined || oldest.deadline > now) return undefined
    this.forget(oldest)
    return oldest
  }

  /** Waits for the next deadline, unless that is done already. */
  arm (): void {
    const { oldest } = this.#instances
    if (oldest === undefined || this.#isWaiting) return
    this.#isWaiting = true
    this.#cancel = afterAnyDelay(this.#clock, oldest.deadline - this.#clock.now(), () => {
      this.#cancel = undefined
      this.#onDue(this.#clock.now())
    })
  }

  /** Allows the next wait. */
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
