import type { Clock } from './clock.js'

/**
 * Waits the same time for many things with one timer: what is added last is due last, so the queue is in
 * order by itself and adding, removing and expiring cost the same however much waits.
 */
export class DeadlineQueue<T> {
  readonly #delayMs: number
  readonly #clock: Clock
  readonly #expired: (item: T) => void
  readonly #due = new Map<T, number>()
  #cancel: (() => void) | undefined

  /** Calls `expired` for each item `delayMs` after it was added, never earlier. */
  constructor (delayMs: number, clock: Clock, expired: (item: T) => void) {
    this.#delayMs = delayMs
    this.#clock = clock
    this.#expired = expired
  }

  get size (): number {
    return this.#due.size
  }

  /** Adds the item, or starts its time anew. */
  add (item: T): void {
    this.#due.delete(item)
    this.#due.set(item, this.#clock.ticks() + this.#delayMs)
    this.#cancel ??= this.#clock.after(this.#delayMs, this.#check)
  }

  delete (item: T): void {
    this.#due.delete(item)
  }

  /** Forgets everything and stops the timer. */
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
      this.#expired(item)
    }
    // What was added meanwhile is due later than what waits already, so a timer that it started is not the
    // next.
    this.#cancel?.()
    // Rounded up: a timer may fire a fraction of a millisecond early.
    this.#cancel =
      next === undefined ? undefined : this.#clock.after(Math.max(1, Math.ceil(next - now)), this.#check)
  }
}
