import { AsyncLocalStorage } from 'node:async_hooks'
import { SubscriberTimeoutError } from '../errors.js'
import type { FailureReporter } from '../state/failure-reporter.js'
import type { CompleteClock } from '../util/clock.js'
import type { CallContext } from './call-context.js'
import { Chain, type ChainLimits } from './chain.js'
import type { TimeSlice } from './time-slice.js'
import { type Task, WorkQueue } from './work-queue.js'

/** Runs the chains of an engine, one after the other, and knows the chain that a caller belongs to. */
export class ChainScheduler {
  readonly queue: WorkQueue
  readonly #limits: ChainLimits
  readonly #clock: CompleteClock
  readonly #reporter: FailureReporter
  readonly #contexts = new AsyncLocalStorage<CallContext | undefined>()
  /** The functions that end the wait for handlers of subscribers. */
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

  /**
   * Returns the context from which the caller was called, directly or not, as long as it belongs to its
   * chain.
   */
  get callContext (): CallContext | undefined {
    const context = this.#contexts.getStore()
    return context?.isOpen === true ? context : undefined
  }

  /** Calls code of the application in a context of a chain. */
  runInside<T> (context: CallContext, call: () => T): T {
    return this.#contexts.run(context, call)
  }

  /** Calls code outside of all chains. */
  runOutside (call: () => void): void {
    // On Node.js 20 and 22, the first `run` slows down all promises of a process.
    if (this.#contexts.getStore() === undefined) call()
    else this.#contexts.run(undefined, call)
  }

  /**
   * Returns a task that runs a chain. `done` is called when the chain has ended and the handlers of its
   * subscribers have settled, or have had `serviceTimeoutMs`.
   */
  createTask (
    begin: (chain: Chain) => Promise<void> | undefined,
    done: () => void,
    drop: (error: Error) => void
  ): Task {
    return { run: () => this.#run(begin, done), drop }
  }

  /** Ends the running chain before its next action. */
  abandonRunning (): void {
    this.#running?.abandon()
  }

  /** Ends all waits for handlers of subscribers. */
  releaseHandlers (): void {
    for (const release of [...this.#handlerWaits]) release()
  }

  /**
   * Resolves when nothing runs and nothing waits, handlers of subscribers included. Resolves at once for a
   * caller within a chain.
   */
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
