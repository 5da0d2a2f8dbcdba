import type { Clock } from './clock.js'
import { Ring, RingItem } from './ring.js'

/** An item that expires. */
export abstract class ExpiringItem extends RingItem {
  /** In ticks of the clock. */
  dueAt = 0
  abstract onTimeout (): void
}

/**
 * Lets items expire after the same delay, with one timer, as `DeadlineQueue` does: for items that come and go
 * with each request.
 */
export class DeadlineRing {
  readonly #delayMs: number
  readonly #clock: Clock
  readonly #items = new Ring<ExpiringItem>()
  #cancel: (() => void) | undefined

  /** Calls `onTimeout` of each item `delayMs` after it was added, never earlier. */
  constructor (delayMs: number, clock: Clock) {
    this.#delayMs = delayMs
    this.#clock = clock
  }

  add (item: ExpiringItem): void {
    item.dueAt = this.#clock.ticks() + this.#delayMs
    this.#items.add(item)
    this.#cancel ??= this.#clock.after(this.#delayMs, this.#check)
  }

  /** Deletes an item; does nothing where it has expired. */
  delete (item: ExpiringItem): void {
    this.#items.delete(item)
  }

  /** Stops the timer: nothing expires any more. */
  stop (): void {
    this.#cancel?.()
    for (const item of this.#items) this.#items.delete(item)
  }

  readonly #check = (): void => {
    const now = this.#clock.ticks()
    let { oldest } = this.#items
    for (; oldest !== undefined && oldest.dueAt <= now; oldest = this.#items.oldest) {
      this.#items.delete(oldest)
      oldest.onTimeout()
    }
    // Rounded up: a timer may fire a fraction of a millisecond early.
    this.#cancel = oldest && this.#clock.after(Math.max(1, Math.ceil(oldest.dueAt - now)), this.#check)
  }
}
