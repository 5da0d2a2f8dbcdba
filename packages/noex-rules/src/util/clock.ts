/** Where an engine takes time from. Tests turn it by hand. */
export interface Clock {
  /** Wall clock, epoch milliseconds: the timestamps of events, facts and timers. */
  now: () => number
  /** Milliseconds of a clock that nobody sets: what durations are measured with. @default performance.now */
  ticks?: () => number
  /** Calls `callback` after `delayMs`, without keeping the process alive. Returns what cancels it. */
  after: (delayMs: number, callback: () => void) => () => void
}

/** A clock of which nothing is missing. */
export type CompleteClock = Required<Clock>

/**
 * The clock of the process: the time that rules mean. It asks the globals each time, so that a test which
 * puts fake timers in their place moves the timers and windows of rules.
 */
export const systemClock: CompleteClock = {
  now: () => Date.now(),
  ticks: () => performance.now(),
  after (delayMs, callback) {
    // A timer is cleared by the clock that made it, whichever stands in the globals then.
    const { setTimeout, clearTimeout } = globalThis
    const timer: Partial<NodeJS.Timeout> | number = setTimeout(callback, delayMs)
    if (typeof timer === 'object') timer.unref?.()
    return () => { clearTimeout(timer as NodeJS.Timeout) }
  }
}

const { setTimeout: startTimer, clearTimeout: cancelTimer, Date: RealDate } = globalThis
const readTicks = performance.now.bind(performance)

/**
 * The clock of the engine's own waits: how long it works at a stretch, and how long it waits for services,
 * subscribers and storage. It keeps the globals that were there when this file was loaded: under fake timers,
 * nothing hangs.
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

/** Begin another turn of the event loop, and a microtask; under fake timers too. */
export const { setImmediate: runInNextTurn, queueMicrotask: runInMicrotask } = globalThis

/** Fills in what a clock may leave out. */
export function completeClock (clock: Clock): CompleteClock {
  return {
    now: () => clock.now(),
    ticks: clock.ticks === undefined ? systemClock.ticks : () => clock.ticks!(),
    after: (delayMs, callback) => clock.after(delayMs, callback)
  }
}

/** The longest delay that a timer of Node.js takes, in milliseconds; it would make a longer one 1 ms. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** Calls back after any delay, in as many waits as it takes. Returns what cancels it. */
export function afterAnyDelay (clock: CompleteClock, delayMs: number, callback: () => void): () => void {
  let cancel = wait(Math.max(0, delayMs))
  return () => { cancel() }

  function wait (remainingMs: number): () => void {
    if (remainingMs <= MAX_DELAY_MS) return clock.after(remainingMs, callback)
    return clock.after(MAX_DELAY_MS, () => { cancel = wait(remainingMs - MAX_DELAY_MS) })
  }
}
