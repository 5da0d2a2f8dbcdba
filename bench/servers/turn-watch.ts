import { closeSync, openSync, readSync } from 'node:fs'

const schedule = Buffer.alloc(128)

/**
 * Watches how long the main thread works at a stretch, in its own CPU time: what else the machine does is
 * not in it. Linux only.
 * Returns what tells the longest turn since it was last asked, in microseconds.
 */
export function watchTurns (): () => number {
  const file = openSync('/proc/self/schedstat', 'r')
  process.on('exit', () => { closeSync(file) })
  // Of the thread that the process began with: nanoseconds on a core, and others.
  const cpuMicros = (): number => {
    const length = readSync(file, schedule, 0, schedule.length, 0)
    return parseInt(schedule.toString('latin1', 0, length), 10) / 1_000
  }
  let longest = 0
  let before = cpuMicros()
  // A timer fires in each turn, once it is due.
  setInterval(() => {
    const now = cpuMicros()
    longest = Math.max(longest, now - before)
    before = now
  }, 1)
  return () => {
    const result = longest
    longest = 0
    return result
  }
}
