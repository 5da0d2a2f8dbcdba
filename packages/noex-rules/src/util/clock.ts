/** The source of time of an engine. A test may replace it. */
export interface Clock {
  /** Returns the wall clock in epoch milliseconds: the timestamps of events, facts and timers. */
  now: () => number
  /** Returns milliseconds of a monotonic clock, which measures durations. @default performance.now */
  ticks?: () => number
  /**
   * Calls `callback` after `delayMs`, without keeping the process alive. Returns the function that cancels
   * it.
   */
  after: (delayMs: number, callback: () => void) => () => void
}

/** A clock with all its methods. */
export type CompleteClock = Required<Clock>

/**
 * The clock of the process, which rules follow. It reads the globals at each call, so that fake timers of a
 * test also move the timers and windows of rules.
 */
export const systemClock: CompleteClock = {
  now: () => Date.now(),
  ticks: () => performance.now(),
  after (delayMs, callback) {
    // A timer is cleared by the clock that made it: the globals may have changed since.
    const { setTimeout, clearTimeout } = globalThis
    const timer: Partial<NodeJS.Timeout> | number = setTimeout(callback, delayMs)
    if (typeof timer === 'object') timer.unref?.()
    return () => { clearTimeout(timer as NodeJS.Timeout) }
  }
}

const { setTimeout: startTimer, clearTimeout: cancelTimer, Date: RealDate } = globalThis
const readTicks = performance.now.bind(performance)

/**
 * The clock of the engine's own waits: its time slices, and its timeouts for services, subscribers and
 * storage. It uses the globals of the time when this file was loaded, so that nothing hangs under fake
 * timers.
 */
export const realClock: CompleteClock = {
  now: () => RealDate.now(),
  ticks: readTicks,
  after (delayMs, callback) {
    const timer = startTimer(callback, delayMs)
    timer.unref()
    return () => { cancelTimer(timer) }
  }
}

/** Start work in another turn of the event loop, and in a microtask; also under fake timers. */
export const { setImmediate: runInNextTurn, queueMicrotask: runInMicrotask } = globalThis

/** Returns a clock with the optional methods filled in. */
export function completeClock (clock: Clock): CompleteClock {
  return {
    now: () => clock.now(),
    ticks: clock.ticks === undefined ? systemClock.ticks : () => clock.ticks!(),
    after: (delayMs, callback) => clock.after(delayMs, callback)
  }
}

/** The longest delay of a timer of Node.js, in milliseconds; it would turn a longer one into 1 ms. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** Calls back after a delay of any length. Returns the function that cancels it. */
export function afterAnyDelay (clock: CompleteClock, delayMs: number, callback: () => void): () => void {
  let cancel = wait(Math.max(0, delayMs))
  return () => { cancel() }

  function wait (remainingMs: number): () => void {
    if (remainingMs <= MAX_DELAY_MS) return clock.after(remainingMs, callback)
    return clock.after(MAX_DELAY_MS, () => { cancel = wait(remainingMs - MAX_DELAY_MS) })
  }
}
