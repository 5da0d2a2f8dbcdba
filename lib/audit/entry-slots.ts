import type { Clock } from '../util/clock.js'
import { DeadlineQueue } from '../util/deadline-queue.js'
import { auditUnavailable } from './audit-unavailable.js'

/** Slots for entries that must become durable, each for a queued entry or a request that is still running. */
const MAX_SLOTS = 10_000

/** How requests wait for a slot. */
interface SlotOptions {
  /** Whether the queue has room for more entries. */
  readonly hasRoom: () => boolean
  readonly timeoutMs: number
  readonly clock: Clock
}

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** The slots of one queue for entries that must become durable, and the requests that wait for one. */
export class EntrySlots {
  readonly #options: SlotOptions
  readonly #waiters = new Set<Waiter>()
  readonly #deadlines: DeadlineQueue<Waiter>
  #taken = 0

  constructor (options: SlotOptions) {
    this.#options = options
    this.#deadlines = new DeadlineQueue(options.timeoutMs, options.clock, waiter => {
      this.#waiters.delete(waiter)
      waiter.reject(auditUnavailable())
    })
  }

  /**
   * Takes a slot; returns a promise when one must become free first. It rejects with `INTERNAL_ERROR` when
   * none does in time.
   */
  reserve (): Promise<void> | undefined {
    if (this.#waiters.size === 0 && this.#isFree) {
      this.#taken++
      return undefined
    }
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject }
      this.#waiters.add(waiter)
      this.#deadlines.add(waiter)
    })
  }

  /** Takes a slot, beyond the bound if need be. */
  take (): void {
    this.#taken++
  }

  /** Gives slots back and passes them on, also when only the queue has got room. */
  release (count: number): void {
    this.#taken -= count
    for (const waiter of this.#waiters) {
      if (!this.#isFree) break
      this.#taken++
      this.#waiters.delete(waiter)
      this.#deadlines.delete(waiter)
      waiter.resolve()
    }
  }

  /** Rejects every waiting request. */
  rejectWaiters (): void {
    for (const { reject } of this.#waiters) reject(auditUnavailable())
    this.#waiters.clear()
    this.#deadlines.clear()
  }

  get #isFree (): boolean {
    return this.#taken < MAX_SLOTS && this.#options.hasRoom()
  }
}
