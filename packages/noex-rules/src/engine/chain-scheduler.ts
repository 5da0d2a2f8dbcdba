import { AsyncLocalStorage } from 'node:async_hooks'
import { Chain, type ChainLimits } from './chain.js'
import type { CompleteClock } from '../util/clock.js'
import { SubscriberTimeoutError } from '../errors.js'
import type { Frame } from './call-context.js'
import type { Pause } from './time-slice.js'
import type { Reporter } from '../state/reporter.js'
import { type Task, WorkQueue } from './work-queue.js'

/** The chains of an engine: one runs, the others wait. Knows which of them the caller is part of. */
export class Chains {
  readonly queue: WorkQueue
  readonly #limits: ChainLimits
  readonly #clock: CompleteClock
  readonly #reporter: Reporter
  readonly #frames = new AsyncLocalStorage<Frame | undefined>()
  /** What ends the wait for handlers of subscribers. */
  readonly #handlerWaits = new Set<() => void>()
  readonly #settledListeners = new Set<() => void>()
  #running: Chain | undefined

  constructor (limits: ChainLimits, maxQueue: number, clock: CompleteClock, pause: Pause, reporter: Reporter) {
    this.#limits = limits
    this.#clock = clock
    this.#reporter = reporter
    this.queue = new WorkQueue(maxQueue, work => { this.outside(work) }, pause)
  }

  /** The place in a chain from which the caller was called, directly or not, as long as it is part of the chain. */
  get frame (): Frame | undefined {
    const frame = this.#frames.getStore()
    return frame?.isOpen === true ? frame : undefined
  }

  /** Calls foreign code at a place in a chain. */
  inside<T> (frame: Frame, call: () => T): T {
    return this.#frames.run(frame, call)
  }

  /** Calls what is part of no chain. */
  outside (call: () => void): void {
    // The first run makes all promises of a process dearer, on Node.js 20 and 22.
    if (this.#frames.getStore() === undefined) call()
    else this.#frames.run(undefined, call)
  }

  /**
   * A task that runs a chain. `done` is called when the chain has ended and the handlers of its
   * subscribers have settled, or have had the service timeout for it.
   */
  task (begin: (chain: Chain) => Promise<void> | undefined, done: () => void, drop: (error: Error) => void): Task {
    return { run: () => this.#run(begin, done), drop }
  }

  /** Ends the chain that runs, at its next action. */
  abandon (): void {
    this.#running?.abandon()
  }

  /** Waits for no handlers any more. */
  releaseHandlers (): void {
    for (const release of [...this.#handlerWaits]) release()
  }

  /** Resolves when nothing runs and nothing waits, not even for handlers of subscribers. At once for who is part of a chain. */
  async whenSettled (): Promise<void> {
    if (this.frame !== undefined) return
    await this.queue.whenIdle()
    while (this.#handlerWaits.size > 0) {
      await new Promise<void>(resolve => { this.#settledListeners.add(resolve) })
      await this.queue.whenIdle()
    }
  }

  #run (begin: (chain: Chain) => Promise<void> | undefined, done: () => void): Promise<void> | undefined {
    const chain = new Chain(this.#limits, this.#clock)
    this.#running = chain
    let running: Promise<void> | undefined
    try {
      running = begin(chain)
    } catch (error) {
      this.#fail(error)
    }
    if (running === undefined && !chain.hasLate) return this.#finish(chain, done)
    return this.#end(chain, running, done)
  }

  async #end (chain: Chain, running: Promise<void> | undefined, done: () => void): Promise<void> {
    try {
      await running
      while (chain.hasLate) await chain.runLate()
    } catch (error) {
      this.#fail(error)
    }
    this.#finish(chain, done)
  }

  #fail (error: unknown): void {
    this.#reporter.fail(error, {}, 'a chain of rules broke off')
  }

  #finish (chain: Chain, done: () => void): undefined {
    this.#running = undefined
    chain.finish()
    const release = (): void => {
      if (!this.#handlerWaits.delete(release)) return
      cancel()
      done()
      if (this.#handlerWaits.size > 0) return
      for (const settled of this.#settledListeners) settled()
      this.#settledListeners.clear()
    }
    if (!chain.onHandled(release)) {
      done()
      return
    }
    this.#handlerWaits.add(release)
    const { serviceTimeoutMs } = this.#limits
    const cancel = this.#clock.after(serviceTimeoutMs, () => {
      for (const topic of chain.unhandledTopics) {
        const error = new SubscriberTimeoutError(topic, serviceTimeoutMs)
        this.#reporter.fail(error, { topic }, 'a subscriber is not waited for any more')
      }
      release()
    })
  }
}
