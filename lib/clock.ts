/** The one source of time. Tests turn it by hand. */
export interface Clock {
  /** Wall clock, epoch milliseconds: what clients are told. */
  now: () => number
  /** Milliseconds of a clock that nobody sets: what deadlines are measured with. */
  ticks: () => number
  /** Calls `callback` after `delayMs`, without keeping the process alive. Returns what cancels it. */
  after: (delayMs: number, callback: () => void) => () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  ticks: () => performance.now(),
  after (delayMs, callback) {
    let arrived: NodeJS.Immediate | undefined
    const timer = setTimeout(() => {
      // After a stall of the process timers fire before sockets are read: what has arrived in time is looked at first.
      arrived = setImmediate(callback)
    }, delayMs)
    timer.unref()
    return () => {
      clearTimeout(timer)
      clearImmediate(arrived)
    }
  }
}
