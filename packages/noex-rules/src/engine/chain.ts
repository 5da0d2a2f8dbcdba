import type { CompleteClock } from '../util/clock.js'

/** What bounds a chain. */
export interface ChainLimits {
  readonly maxForwardDepth: number
  readonly maxActionsPerChain: number
  readonly serviceTimeoutMs: number
}

/** Work in a chain; no promise when it is done already. It does not fail. */
export type Work = () => Promise<void> | undefined

/** One trigger from outside and everything that follows from it. */
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

  /** Whether nothing follows any more. */
  get isFinished (): boolean {
    return this.#isFinished
  }

  /** Whether no action may be run any more: there were too many, or nobody waits for them. */
  get isExhausted (): boolean {
    return this.#isAbandoned || this.#actionsLeft < 0
  }

  /** Milliseconds that it may wait for services. */
  get serviceTimeLeft (): number {
    return Math.max(0, this.#start + this.#limits.serviceTimeoutMs - this.#clock.ticks())
  }

  /**
   * Takes one action from the budget. `'exceeded'` is said once, when there is none left: the chain is cut there.
   */
  takeAction (): 'granted' | 'exceeded' | 'exhausted' {
    if (this.isExhausted) return 'exhausted'
    this.#actionsLeft--
    return this.#actionsLeft < 0 ? 'exceeded' : 'granted'
  }

  /** Whether rules may run on an event of this level; the event from outside has level 0. */
  allowsRulesAt (level: number): boolean {
    return level < this.#limits.maxForwardDepth
  }

  /** Whether there may be an event of this level at all. */
  allowsEventsAt (level: number): boolean {
    return level <= this.#limits.maxForwardDepth
  }

  /** Notes what was cut off. False when that is known. */
  noteCut (what: string): boolean {
    this.#cuts ??= new Set()
    if (this.#cuts.has(what)) return false
    this.#cuts.add(what)
    return true
  }

  /** Does something once the event at hand is done with. Resolves when it has been done. */
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

  /** Does what was to be done later. */
  async runDeferred (): Promise<void> {
    while (this.#late.length > 0) {
      const works = this.#late
      this.#late = []
      for (const work of works) await work()
    }
  }

  /** Notes a handler of a subscriber until it has settled. */
  awaitHandler (handled: PromiseLike<unknown>, topic: string, onFailure: (error: unknown) => void): void {
    const handler = { topic }
    this.#handlers.add(handler)
    // A promise of our own settles once, however often and whichever way the other one does.
    Promise.resolve(handled).catch(onFailure).then(() => {
      this.#handlers.delete(handler)
      if (this.#handlers.size === 0) this.#onHandled?.()
    }, () => {})
  }

  /** The topics of events whose handlers have not settled. */
  get unhandledTopics (): string[] {
    return [...new Set([...this.#handlers].map(({ topic }) => topic))]
  }

  /** Nothing follows any more. What was begun in it and goes on is on its own. */
  finish (): void {
    this.#isFinished = true
    this.#cuts = undefined
  }

  /** Ends it at the next action. */
  abandon (): void {
    this.#isAbandoned = true
  }

  /** Calls back when each handler of a subscriber has settled. False when they all have. */
  onHandled (callback: () => void): boolean {
    if (this.#handlers.size === 0) return false
    this.#onHandled = callback
    return true
  }
}
