import { Random } from './random.js'

const { setImmediate: realTurn } = globalThis

/** A process that may be killed: its timers, and what it waits for, never come then. */
export class Life {
  isOver = false
  /** Called when it ends. */
  readonly onEnd = new Set<() => void>()

  end (): void {
    if (this.isOver) return
    this.isOver = true
    for (const onEnd of this.onEnd) onEnd()
  }
}

interface Task {
  readonly at: number
  readonly order: number
  readonly life: Life | undefined
  readonly run: () => void
  isCancelled: boolean
}

/** Time at which a simulation begins, in epoch milliseconds. */
const START = 1_764_000_000_000

/** Tasks that are run between two looks of the real event loop at its sockets. */
const BATCH = 64

/**
 * The event loop of a simulation, with a clock of its own. One task runs at a time, with all the promises and
 * ticks that it leads to; the time passes as the seed says, also while code runs and looks at the clock.
 */
export class EventLoop {
  /** Milliseconds since the start. */
  #now = 0
  readonly #random: Random
  /** A binary heap by time, then order. */
  readonly #timed: Task[] = []
  #turns: Task[] = []
  #nextTurn = 0
  #order = 0
  #life: Life | undefined
  #failure: { readonly error: unknown } | undefined
  tasks = 0

  constructor (seed: number) {
    this.#random = new Random(seed, 'loop')
  }

  /** Wall clock in epoch milliseconds, as a whole number. */
  get wallClock (): number {
    return Math.floor(START + this.#now)
  }

  get now (): number {
    return this.#now
  }

  /** Reads the monotonic clock, which takes time: at times so long that work in slices must pause. */
  readTicks (): number {
    this.#now += this.#random.chance(0.005) ? 1 + this.#random.next() * 8 : 0.002
    return this.#now
  }

  /**
   * Calls `run` after `delayMs` as a part of a life, by default the present one, unless that is over. Returns
   * what cancels it.
   */
  after (delayMs: number, run: () => void, of: Life | 'present' | 'outside' = 'present'): () => void {
    const life = of === 'present' ? this.#life : of === 'outside' ? undefined : of
    const task = { at: this.#now + Math.max(0, delayMs), order: ++this.#order, life, run, isCancelled: false }
    push(this.#timed, task)
    return () => { task.isCancelled = true }
  }

  /** Calls `run` in the next turn, also when the life that asks for it is over: the slicer is shared. */
  inNextTurn (run: () => void): () => void {
    const task = { at: 0, order: ++this.#order, life: this.#life, run, isCancelled: false }
    this.#turns.push(task)
    return () => { task.isCancelled = true }
  }

  /** Runs something as part of a life: what it waits for belongs to that. */
  enter<T> (life: Life | undefined, run: () => T): T {
    const former = this.#life
    this.#life = life
    try {
      return run()
    } finally {
      this.#life = former
    }
  }

  /** Ends the run with an error. */
  fail (error: unknown): void {
    this.#failure ??= { error }
  }

  /** Runs until `isDone`, asked after each task. Rejects with what a task throws. */
  async run (isDone: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      let isOver = false
      const end = (settle: () => void): void => {
        isOver = true
        this.#life = undefined
        settle()
      }
      // A task in each callback: between two of them, ticks and microtasks run.
      const step = (): void => {
        if (isOver) return
        try {
          if (this.#failure !== undefined) throw this.#failure.error
          if (isDone()) end(resolve)
          else if (!this.#runOne()) throw new Error('the simulation has come to a halt')
        } catch (error) {
          const reason = error instanceof Error ? error : new Error(String(error))
          end(() => { reject(reason) })
        }
      }
      const batch = (): void => {
        if (isOver) return
        for (let i = 0; i < BATCH; i++) realTurn(step)
        realTurn(batch)
      }
      batch()
    })
  }

  #runOne (): boolean {
    const task = this.#take()
    if (task === undefined) return false
    this.tasks++
    this.#life = task.life
    try {
      task.run()
    } catch (error) {
      this.fail(error)
    }
    // What promises and ticks lead to now still belongs to this life.
    return true
  }

  #take (): Task | undefined {
    for (;;) {
      const timed = this.#timed[0]
      const hasTurn = this.#nextTurn < this.#turns.length
      if (timed !== undefined && (timed.at <= this.#now || !hasTurn)) {
        pop(this.#timed)
        if (timed.isCancelled || timed.life?.isOver === true) continue
        this.#now = Math.max(this.#now, timed.at)
        return timed
      }
      if (!hasTurn) return undefined
      const turn = this.#turns[this.#nextTurn++] as Task
      if (this.#nextTurn > 1_024) {
        this.#turns = this.#turns.slice(this.#nextTurn)
        this.#nextTurn = 0
      }
      if (turn.isCancelled) continue
      this.#now += this.#random.next() * 0.05
      return turn
    }
  }
}

function isBefore (a: Task, b: Task): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

function push (heap: Task[], task: Task): void {
  let at = heap.push(task) - 1
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!isBefore(task, heap[parent] as Task)) break
    heap[at] = heap[parent] as Task
    at = parent
  }
  heap[at] = task
}

function pop (heap: Task[]): void {
  const last = heap.pop() as Task
  if (heap.length === 0) return
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Task, heap[child] as Task)) child++
    if (!isBefore(heap[child] as Task, last)) break
    heap[at] = heap[child] as Task
    at = child
  }
  heap[at] = last
}
