/** How long work may go on before others have their turn, in milliseconds. */
const SLICE_MS = 5

/** Kept, so that timers which a test or an application replaces later are not waited for. */
const { setImmediate } = globalThis

const waiting: Array<() => void> = []

/** Lets one of those that wait go on, and the next one in the next turn of the event loop: together they hold it up no longer than one. */
function wake (): void {
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(wake)
}

/**
 * Resolves in a later turn of the event loop, when what has arrived meanwhile has been read. Only one caller goes on in each turn,
 * first come first served, so many long requests take longer and hold the others up no more than one does.
 */
export async function nextTurn (): Promise<void> {
  await new Promise<void>(resolve => { if (waiting.push(resolve) === 1) setImmediate(wake) })
}

/** A stretch of work that ends in time for others to have their turn. */
export class Slice {
  #startedAt = performance.now()

  /** Whether it is time for `pause`. Costs about as much as looking at a record, so a loop asks once in a while. */
  get isOver (): boolean {
    return performance.now() - this.#startedAt >= SLICE_MS
  }

  /** Lets others have their turn, and begins anew. */
  async pause (): Promise<void> {
    await nextTurn()
    this.restart()
  }

  /** Begins anew: there was nothing to do until now. */
  restart (): void {
    this.#startedAt = performance.now()
  }
}
