/** The source of time. Tests replace it. */
export interface Clock {
  /** Returns the wall clock in epoch milliseconds, which clients are sent. */
  now: () => number
  /** Returns the milliseconds of a monotonic clock, by which deadlines are measured. */
  ticks: () => number
  /**
   * Calls `callback` after `delayMs`, without keeping the process alive. Returns a function that cancels it.
   */
  after: (delayMs: number, callback: () => void) => () => void
}

// Read when this file is loaded: under the fake timers of an application's tests, the server still pushes,
// drains and closes.
const { setTimeout: startTimer, clearTimeout: cancelTimer, clearImmediate: cancelTurn } = globalThis

/** Returns the milliseconds of a monotonic clock. */
export const readTicks = performance.now.bind(performance)

/** Runs a callback in the next turn of the event loop, also under fake timers. */
export const { setImmediate: runInNextTurn } = globalThis
/** Runs a callback before other microtasks and turns, also under fake timers. */
export const { nextTick: runInNextTick } = process

/** The clock of the process. Only the wall clock follows fake timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  ticks: readTicks,
  after (delayMs, callback) {
    let arrived: NodeJS.Immediate | undefined
    const timer = startTimer(() => {
      // After a stall of the process, timers fire before sockets are read. Data that has arrived in time is
      // handled first.
      arrived = runInNextTurn(callback)
    }, delayMs)
    timer.unref()
    return () => {
      cancelTimer(timer)
      cancelTurn(arrived)
    }
  }
}
