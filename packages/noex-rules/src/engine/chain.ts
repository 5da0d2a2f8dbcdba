import type { CompleteClock } from '../util/clock.js'

/** The limits of a chain. */
export interface ChainLimits {
  readonly maxForwardDepth: number
  readonly maxActionsPerChain: number
  readonly serviceTimeoutMs: number
}

/** Work in a chain. Returns no promise when it is done already. Must not fail. */
export type Work = () => Promise<void> | undefined

/** A chain: one trigger from outside and everything that follows from it. */
export class Chain {
  readonly #limits: ChainLimits
  readonly #clock: CompleteClock
  readonly #start: number
  #actionsLeft: number
  #isFinished = false
  #isAbandoned = false
  #late: Work[] = []
  #cuts: Set<string> | undefined
  readonly #handlers = new Set<{ readonly topic: string }>()
  #onHandled: (() => void) | undefined

  constructor (limits: ChainLimits, clock: CompleteClock) {
    this.#limits = limits
    this.#clock = clock
    this.#start = clock.ticks()
    this.#actionsLeft = limits.maxActionsPerChain
  }

  /** Returns whether the chain has ended. */
  get isFinished (): boolean {
    return this.#isFinished
  }

  /** Returns whether no further action may run: the budget is exhausted, or the chain was abandoned. */
  get isExhausted (): boolean {
    return this.#isAbandoned || this.#actionsLeft < 0
  }

  /** Milliseconds that the chain may still wait for services. */
  get serviceTimeLeft (): number {
    return Math.max(0, this.#start + this.#limits.serviceTimeoutMs - this.#clock.ticks())
  }

  /** Takes one action from the budget. Returns `'exceeded'` once, for the first action beyond it. */
  takeAction (): 'granted' | 'exceeded' | 'exhausted' {
    if (this.isExhausted) return 'exhausted'
    this.#actionsLeft--
    return this.#actionsLeft < 0 ? 'exceeded' : 'granted'
  }

  /** Returns whether rules may run on an event of this level; an event from outside has level 0. */
  allowsRulesAt (level: number): boolean {
    return level < this.#limits.maxForwardDepth
  }

  /** Returns whether an event of this level is allowed. */
  allowsEventsAt (level: number): boolean {
    return level <= this.#limits.maxForwardDepth
  }

  /** Records that a rule was cut. Returns false when it is recorded already. */
  noteCut (what: string): boolean {
    this.#cuts ??= new Set()
    if (this.#cuts.has(what)) return false
    this.#cuts.add(what)
    return true
  }

  /** Defers work until the current event has been processed. Resolves when the work is done. */
  defer (work: Work): Promise<void> {
    return new Promise(resolve => {
      this.#late.push(async () => {
        try {
          await work()
        } finally {
          resolve()
        }
      })
    })
  }

  get hasDeferred (): boolean {
    return this.#late.length > 0
  }

  /** Runs the deferred work. */
  async runDeferred (): Promise<void> {
    while (this.#late.length > 0) {
      const works = this.#late
      this.#late = []
      for (const work of works) await work()
    }
  }

  /** Tracks a handler of a subscriber until it has settled. */
  awaitHandler (handled: PromiseLike<unknown>, topic: string, onFailure: (error: unknown) => void): void {
    const handler = { topic }
    this.#handlers.add(handler)
    // A native promise settles once, however often the handler's does.
    Promise.resolve(handled).catch(onFailure).then(() => {
      this.#handlers.delete(handler)
      if (this.#handlers.size === 0) this.#onHandled?.()
    }, () => {})
  }

  /** Returns the topics of events whose handlers have not settled. */
  get unhandledTopics (): string[] {
    return [...new Set([...this.#handlers].map(({ topic }) => topic))]
  }

  /** Ends the chain. Unfinished calls no longer belong to it. */
  finish (): void {
    this.#isFinished = true
    this.#cuts = undefined
  }

  /** Ends the chain before its next action. */
  abandon (): void {
    this.#isAbandoned = true
  }

  /** Calls back when each handler of a subscriber has settled. Returns false when none is pending. */
  onHandled (callback: () => void): boolean {
    if (this.#handlers.size === 0) return false
    this.#onHandled = callback
    return true
  }
}
