/** Milliseconds of the reference work on a common machine. */
const YARDSTICK_MS = 0.5
const TEXT = 'abcaabbcc'.repeat(100)

/** Returns the processor time, in milliseconds, of the best of ten runs: others may include other work. */
export function bestCpuTime (run: () => void): number {
  let best = Infinity
  for (let count = 0; count < 10; count++) {
    const before = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / 1000)
  }
  return best
}

/**
 * Returns how many times slower this process is than one of a common machine: from 1 on; more with a slow
 * machine or coverage of branches. Bounds of time are multiplied by it.
 */
export function slowness (): number {
  return Math.max(1, bestCpuTime(yardstick) / YARDSTICK_MS)
}

/** Runs a small state machine over a text: branches, calls and reads of arrays, as matchers do. */
function yardstick (): number {
  const states = new Int32Array(64)
  let sum = 0
  for (let index = 0; index < 100_000; index++) {
    sum += advance(states, index & 63, TEXT.charCodeAt(index % TEXT.length))
  }
  return sum
}

function advance (states: Int32Array, state: number, code: number): number {
  switch (code) {
    case 97:
      states[state] = (states[state]! + 1) & 7
      return state
    case 98: return isOdd(states[state]!) ? state : code
    default: return states[state] === code ? 1 : 2
  }
}

function isOdd (value: number): boolean {
  return (value & 1) === 1
}
