import type { Clock } from './clock.js'

/**
 * Lets items expire after the same delay, with one timer. The item that is added last expires last, so the
 * queue is always in order: adding, deleting and expiring take constant time.
 */
export class DeadlineQueue<T> {
  readonly #delayMs: number
  readonly #clock: Clock
  readonly #onExpired: (item: T) => void
  readonly #due = new Map<T, number>()
  #cancel: (() => void) | undefined

  /** Calls `onExpired` for each item `delayMs` after it was added, never earlier. */
  constructor (delayMs: number, clock: Clock, onExpired: (item: T) => void) {
    this.#delayMs = delayMs
    this.#clock = clock
    this.#onExpired = onExpired
  }

  get size (): number {
    return this.#due.size
  }

  /** Adds the item, or restarts its delay. */
  add (item: T): void {
    this.#due.delete(item)
    this.#due.set(item, this.#clock.ticks() + this.#delayMs)
    this.#cancel ??= this.#clock.after(this.#delayMs, this.#check)
  }

  delete (item: T): void {
    this.#due.delete(item)
  }

  /** Removes all items and stops the timer. */
  clear (): void {
    this.#due.clear()
    this.#cancel?.()
    this.#cancel = undefined
  }

  readonly #check = (): void => {
    const now = this.#clock.ticks()
    let next: number | undefined
    for (const [item, due] of this.#due) {
      if (due > now) {
        next = due
        break
      }
      this.#due.delete(item)
      this.#onExpired(item)
    }
    // An item that was added meanwhile is due later than the others, so its timer is not the next.
    this.#cancel?.()
    // Rounded up: a timer may fire a fraction of a millisecond early.
    this.#cancel =
      next === undefined ? undefined : this.#clock.after(Math.max(1, Math.ceil(next - now)), this.#check)
  }
}
