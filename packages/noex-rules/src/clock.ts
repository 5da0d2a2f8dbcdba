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

/** The clock of the process. */
export const systemClock: CompleteClock = {
  now: () => Date.now(),
  ticks: () => performance.now(),
  after (delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
    return () => { clearTimeout(timer) }
  }
}

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
export function afterLong (clock: CompleteClock, delayMs: number, callback: () => void): () => void {
  let cancel = wait(Math.max(0, delayMs))
  return () => { cancel() }

  function wait (remainingMs: number): () => void {
    if (remainingMs <= MAX_DELAY_MS) return clock.after(remainingMs, callback)
    return clock.after(MAX_DELAY_MS, () => { cancel = wait(remainingMs - MAX_DELAY_MS) })
  }
}
