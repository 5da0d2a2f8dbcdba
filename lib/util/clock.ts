/** The one source of time. Tests turn it by hand. */
export interface Clock {
  /** Wall clock, epoch milliseconds: what clients are told. */
  now: () => number
  /** Milliseconds of a clock that nobody sets: what deadlines are measured with. */
  ticks: () => number
  /** Calls `callback` after `delayMs`, without keeping the process alive. Returns what cancels it. */
  after: (delayMs: number, callback: () => void) => () => void
}

/*
 * Those that are there when this file is loaded: under the fake timers of an application's tests, its server
 * still pushes, drains and closes.
 */
const { setTimeout: startTimer, clearTimeout: cancelTimer, clearImmediate: cancelTurn } = globalThis

/** Milliseconds of a clock that is never set. */
export const readTicks = performance.now.bind(performance)

/** Begin another turn of the event loop, a microtask, and what comes before either; under fake timers too. */
export const { setImmediate: runInNextTurn, queueMicrotask: runInMicrotask } = globalThis
export const { nextTick: runInNextTick } = process

/** The clock of the process. Only the wall clock follows fake timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  ticks: readTicks,
  after (delayMs, callback) {
    let arrived: NodeJS.Immediate | undefined
    const timer = startTimer(() => {
      // After a stall of the process timers fire before sockets are read: what has arrived in time is looked
      // at first.
      arrived = runInNextTurn(callback)
    }, delayMs)
    timer.unref()
    return () => {
      cancelTimer(timer)
      cancelTurn(arrived)
    }
  }
}
