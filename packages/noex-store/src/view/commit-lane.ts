import type { Engine } from '../commit/engine.js'
import type { Commit } from '../types/commit.js'

/** Steps of putting a commit in between two looks at the clock. */
const STEPS_PER_LOOK = 64

/** Puts a commit in, step by step: yields after each one, and a promise where it has to wait. */
export type PutIn = (commit: Commit) => Generator<Promise<void> | undefined, void>

/** Puts durable commits in one after the other: at once, or in slices where that takes long. */
export class CommitLane {
  readonly #engine: Engine
  readonly #putIn: PutIn
  #queue: Commit[] = []
  #next = 0
  #isRunning = false
  #isBusy = false
  #idle: Array<() => void> = []

  constructor (engine: Engine, putIn: PutIn) {
    this.#engine = engine
    this.#putIn = putIn
  }

  /** Whether a commit is being put in that has not been done at once. */
  get isBusy (): boolean {
    return this.#isBusy
  }

  /** Whether nothing is being put in at the moment. */
  get isIdle (): boolean {
    return !this.#isRunning
  }

  /** Resolves when nothing is being put in, which may have changed again when the caller goes on. */
  async whenIdle (): Promise<void> {
    await new Promise<void>(resolve => { this.#idle.push(resolve) })
  }

  push (commit: Commit): void {
    this.#queue.push(commit)
    if (this.#isRunning) return
    this.#isRunning = true
    const rest = this.#runNow()
    if (rest === undefined) this.#finish()
    else this.#engine.background.add(this.#runOn(rest))
  }

  /** Wakes those who wait for a revision that has come without a commit. */
  wake (): void {
    if (!this.#isRunning) this.#finish()
  }

  /** Puts in what is in the queue; returns what is left where that takes long. */
  #runNow (): Rest | undefined {
    for (;;) {
      const commit = this.#queue[this.#next]
      if (commit === undefined) return undefined
      this.#next++
      const steps = this.#putIn(commit)
      const wait = this.#stepOn(steps)
      if (wait !== 'done') return { steps, wait }
    }
  }

  async #runOn (first: Rest): Promise<void> {
    this.#isBusy = true
    for (let rest: Rest | undefined = first; rest !== undefined;) {
      await (rest.wait ?? this.#engine.slicer.nextTurn())
      const wait = this.#stepOn(rest.steps)
      if (wait !== 'done') {
        rest = { steps: rest.steps, wait }
        continue
      }
      this.#isBusy = false
      rest = this.#runNow()
      this.#isBusy = rest !== undefined
    }
    this.#finish()
  }

  /** Goes on until the commit is in, it has to wait, or this turn is spent. */
  #stepOn (steps: ReturnType<PutIn>): 'done' | Promise<void> | undefined {
    const { slicer } = this.#engine
    for (let count = 1; ; count++) {
      const { done, value } = steps.next()
      if (done === true) return 'done'
      if (value instanceof Promise) return value
      const isLook = count % STEPS_PER_LOOK === 0 || slicer.isLookDue
      if (isLook && slicer.isSpent) return undefined
    }
  }

  #finish (): void {
    this.#queue = []
    this.#next = 0
    this.#isRunning = false
    const waiting = this.#idle
    this.#idle = []
    for (const resolve of waiting) resolve()
  }
}

interface Rest {
  readonly steps: ReturnType<PutIn>
  /** `undefined`: the next turn. */
  readonly wait: Promise<void> | undefined
}
