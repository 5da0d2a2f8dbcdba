import { EngineNotRunningError, LimitError } from '../errors.js'
import type { Timer, TimerConfig } from '../timer.js'
import { afterAnyDelay, type CompleteClock } from '../util/clock.js'
import { assertData, assertName } from '../util/names.js'
import { createSchedule, type Schedule } from './schedule.js'

/** A due timer that waits in the queue. */
export interface TimerExpiry {
  /** Counts the firing and returns the timer; `undefined` when it was cancelled or replaced meanwhile. */
  begin: () => Timer | undefined
  /** Schedules the next firing of the handled timer. */
  end: () => void
}

interface Entry {
  timer: Timer
  readonly schedule: Schedule
  fired: number
  cancel: () => void
}

/** The timers of an engine, by name. A timer is frozen, and replaced each time it is scheduled again. */
export class Timers {
  readonly #entries = new Map<string, Entry>()
  readonly #max: number
  readonly #clock: CompleteClock
  readonly #createId: () => string
  readonly #onExpiry: (expiry: TimerExpiry) => void
  readonly #engineName: string
  #isClosed = false

  constructor (
    max: number,
    clock: CompleteClock,
    createId: () => string,
    engineName: string,
    onExpiry: (expiry: TimerExpiry) => void
  ) {
    this.#max = max
    this.#clock = clock
    this.#createId = createId
    this.#engineName = engineName
    this.#onExpiry = onExpiry
  }

  get size (): number {
    return this.#entries.size
  }

  /** Starts a timer, in place of one of the same name. Throws `TypeError`, `RangeError` and `LimitError`. */
  set (config: TimerConfig): Timer {
    if (this.#isClosed) throw new EngineNotRunningError(this.#engineName)
    const { timer, schedule } = this.#create(config)
    if (!this.#entries.has(timer.name) && this.#entries.size >= this.#max) {
      throw new LimitError('maxTimers', this.#max)
    }
    this.cancel(timer.name)
    const entry = { timer, schedule, fired: 0, cancel: () => {} }
    this.#entries.set(timer.name, entry)
    this.#wait(entry)
    return timer
  }

  /** Returns false when there was none. */
  cancel (name: string): boolean {
    const entry = this.#entries.get(name)
    entry?.cancel()
    return this.#entries.delete(name)
  }

  get (name: string): Timer | undefined {
    return this.#entries.get(name)?.timer
  }

  all (): Timer[] {
    return [...this.#entries.values()].map(({ timer }) => timer)
  }

  /** Cancels all timers and accepts no more. */
  close (): void {
    this.#isClosed = true
    for (const { cancel } of this.#entries.values()) cancel()
    this.#entries.clear()
  }

  #create (config: TimerConfig): { timer: Timer, schedule: Schedule } {
    assertData(config, 'A timer')
    assertName(config.name, 'The name of a timer')
    assertData(config.onExpire, 'What a timer does when it expires')
    assertName(config.onExpire.topic, 'The topic of a timer')
    const { name, onExpire: { topic, data = {} }, correlationId } = config
    assertData(data, 'The data of a timer')
    if (correlationId !== undefined && typeof correlationId !== 'string') {
      throw new TypeError('The correlationId of a timer must be a text')
    }

    const schedule = createSchedule(config)
    const expiresAt = schedule.firstAfter(this.#clock.now())
    if (expiresAt === undefined) {
      throw new RangeError('A timer must fire at some time, but its cron names none')
    }
    const timer = {
      id: this.#createId(),
      name,
      expiresAt,
      onExpire: Object.freeze({ topic, data }),
      ...schedule.timerFields,
      ...correlationId !== undefined && { correlationId }
    }
    return { timer: Object.freeze(timer), schedule }
  }

  #wait (entry: Entry): void {
    entry.cancel = afterAnyDelay(this.#clock, entry.timer.expiresAt - this.#clock.now(), () => {
      this.#onExpiry({ begin: () => this.#begin(entry), end: () => { this.#end(entry) } })
    })
  }

  /**
   * Counts the firing. A timer is removed before its last firing is handled, so that its name may be set
   * again.
   */
  #begin (entry: Entry): Timer | undefined {
    const { timer, schedule } = entry
    if (this.#entries.get(timer.name) !== entry) return undefined
    entry.fired++
    if (entry.fired >= schedule.maxCount) this.#entries.delete(timer.name)
    return timer
  }

  #end (entry: Entry): void {
    const { timer, schedule } = entry
    if (this.#entries.get(timer.name) !== entry) return
    // A clock may call early: a cron must not fire twice for one time.
    const expiresAt = schedule.nextAfter(Math.max(
      this.#clock.now(), schedule.timerFields.cron === undefined ? 0 : timer.expiresAt
    ))
    if (expiresAt === undefined) {
      this.#entries.delete(timer.name)
      return
    }
    entry.timer = Object.freeze({ ...timer, expiresAt })
    this.#wait(entry)
  }
}
