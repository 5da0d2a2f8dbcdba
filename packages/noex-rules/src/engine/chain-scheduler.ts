import { AsyncLocalStorage } from 'node:async_hooks'
import { Chain, type ChainLimits } from './chain.js'
import type { CompleteClock } from '../util/clock.js'
import { SubscriberTimeoutError } from '../errors.js'
import type { CallContext } from './call-context.js'
import type { TimeSlice } from './time-slice.js'
import type { FailureReporter } from '../state/reporter.js'
import { type Task, WorkQueue } from './work-queue.js'

/** The chains of an engine: one runs, the others wait. Knows which of them the caller is part of. */
export class ChainScheduler {
  readonly queue: WorkQueue
  readonly #limits: ChainLimits
  readonly #clock: CompleteClock
  readonly #reporter: FailureReporter
  readonly #contexts = new AsyncLocalStorage<CallContext | undefined>()
  /** What ends the wait for handlers of subscribers. */
  readonly #handlerWaits = new Set<() => void>()
  readonly #settledListeners = new Set<() => void>()
  #running: Chain | undefined

  constructor (
    limits: ChainLimits,
    maxQueue: number,
    clock: CompleteClock,
    timeSlice: TimeSlice,
    reporter: FailureReporter
  ) {
    this.#limits = limits
    this.#clock = clock
    this.#reporter = reporter
    this.queue = new WorkQueue(maxQueue, work => { this.runOutside(work) }, timeSlice)
  }

  /** The place in a chain from which the caller was called, directly or not, as long as it is part of the chain. */
  get callContext (): CallContext | undefined {
    const context = this.#contexts.getStore()
    return context?.isOpen === true ? context : undefined
  }

  /** Calls foreign code at a place in a chain. */
  runInside<T> (context: CallContext, call: () => T): T {
    return this.#contexts.run(context, call)
  }

  /** Calls what is part of no chain. */
  runOutside (call: () => void): void {
    // The first run makes all promises of a process dearer, on Node.js 20 and 22.
    if (this.#contexts.getStore() === undefined) call()
    else this.#contexts.run(undefined, call)
  }

  /**
   * A task that runs a chain. `done` is called when the chain has ended and the handlers of its
   * subscribers have settled, or have had the service timeout for it.
   */
  createTask (
    begin: (chain: Chain) => Promise<void> | undefined,
    done: () => void,
    drop: (error: Error) => void
  ): Task {
    return { run: () => this.#run(begin, done), drop }
  }

  /** Ends the chain that runs, at its next action. */
  abandonRunning (): void {
    this.#running?.abandon()
  }

  /** Waits for no handlers any more. */
  releaseHandlers (): void {
    for (const release of [...this.#handlerWaits]) release()
  }

  /** Resolves when nothing runs and nothing waits, not even for handlers of subscribers. At once for who is part of a chain. */
  async whenSettled (): Promise<void> {
    if (this.callContext !== undefined) return
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
    if (running === undefined && !chain.hasDeferred) return this.#finish(chain, done)
    return this.#end(chain, running, done)
  }

  async #end (chain: Chain, running: Promise<void> | undefined, done: () => void): Promise<void> {
    try {
      await running
      while (chain.hasDeferred) await chain.runDeferred()
    } catch (error) {
      this.#fail(error)
    }
    this.#finish(chain, done)
  }

  #fail (error: unknown): void {
    this.#reporter.reportFailure(error, {}, 'a chain of rules broke off')
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
        this.#reporter.reportFailure(error, { topic }, 'a subscriber is not waited for any more')
      }
      release()
    })
  }
}
