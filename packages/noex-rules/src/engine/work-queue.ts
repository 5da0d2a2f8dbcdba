import { runInMicrotask } from '../util/clock.js'
import { RingBuffer } from '../util/ring-buffer.js'
import type { TimeSlice } from './time-slice.js'

/** A trigger in the queue. */
export interface Task {
  /** Runs the task. Returns no promise when it is done already. Must not fail. */
  run: () => Promise<void> | undefined
  /** Rejects the task, which will not run. */
  drop: (error: Error) => void
}

/**
 * The queue of triggers: runs one task after the other, in the order of arrival. The first begins in a
 * microtask. Between tasks the engine yields, see `TimeSlice`.
 */
export class WorkQueue {
  /** The most tasks from outside that wait. */
  readonly max: number
  readonly #waiting = new RingBuffer<Task>()
  readonly #start: (work: () => void) => void
  readonly #timeSlice: TimeSlice
  readonly #idleListeners = new Set<() => void>()
  #isRunning = false

  /** `start` begins work outside of the chain of the caller. */
  constructor (max: number, start: (work: () => void) => void, timeSlice: TimeSlice) {
    this.max = max
    this.#start = start
    this.#timeSlice = timeSlice
  }

  /** Returns the number of waiting tasks. */
  get length (): number {
    return this.#waiting.length
  }

  get isFull (): boolean {
    return this.#waiting.length >= this.max
  }

  /** Adds a task, also to a full queue. */
  push (task: Task): void {
    this.#waiting.push(task)
    if (this.#isRunning) return
    this.#isRunning = true
    this.#start(() => { runInMicrotask(() => this.#run()) })
  }

  /** Drops all waiting tasks and returns their number. */
  drop (error: Error): number {
    let dropped = 0
    for (let task = this.#waiting.shift(); task !== undefined; task = this.#waiting.shift()) {
      task.drop(error)
      dropped++
    }
    return dropped
  }

  /** Resolves as soon as nothing runs and nothing waits. */
  whenIdle (): Promise<void> {
    if (!this.#isRunning) return Promise.resolve()
    return new Promise(resolve => { this.#idleListeners.add(resolve) })
  }

  async #run (): Promise<void> {
    this.#timeSlice.begin()
    for (let task = this.#waiting.shift(); task !== undefined; task = this.#waiting.shift()) {
      const running = task.run()
      if (running !== undefined) await running
      const yielding = this.#timeSlice.yieldIfOver()
      if (yielding !== undefined) await yielding
    }
    this.#isRunning = false
    for (const resolve of this.#idleListeners) resolve()
    this.#idleListeners.clear()
  }
}
