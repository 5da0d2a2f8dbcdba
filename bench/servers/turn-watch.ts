import { closeSync, openSync, readSync } from 'node:fs'

const schedule = Buffer.alloc(128)

/** The longest turns of an event loop, which need not be one and the same. */
export interface LongestTurns {
  /** CPU time of the main thread: what else the machine does is not in it. */
  readonly cpuMicros: number
  readonly passedMicros: number
}

export interface TurnWatch {
  /** Tells the longest turns since it was last asked. */
  readonly longest: () => LongestTurns
  /** Ends the watch, which takes some CPU time itself. */
  readonly stop: () => void
}

/** Watches how long the main thread works at a stretch. Linux only. */
export function watchTurns (): TurnWatch {
  const file = openSync('/proc/self/schedstat', 'r')
  process.on('exit', () => { closeSync(file) })
  // Of the thread that the process began with: nanoseconds on a core, and others.
  const cpuNow = (): number => {
    const length = readSync(file, schedule, 0, schedule.length, 0)
    return parseInt(schedule.toString('latin1', 0, length), 10) / 1_000
  }
  let cpuMicros = 0
  let passedMicros = 0
  let cpuBefore = cpuNow()
  let before = performance.now()
  // A timer fires in each turn, once it is due.
  const timer = setInterval(() => {
    const cpu = cpuNow()
    const now = performance.now()
    cpuMicros = Math.max(cpuMicros, cpu - cpuBefore)
    passedMicros = Math.max(passedMicros, (now - before) * 1_000)
    cpuBefore = cpu
    before = now
  }, 1).unref()
  return {
    longest () {
      const longest = { cpuMicros, passedMicros }
      cpuMicros = 0
      passedMicros = 0
      return longest
    },
    stop () { clearInterval(timer) }
  }
}
