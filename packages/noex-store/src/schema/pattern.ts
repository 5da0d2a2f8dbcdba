import vm from 'node:vm'
import { slicer } from '../scan/slicer.js'
import { matchingPower } from './pattern-power.js'

/** Steps that matching the texts of one record may take without being watched. */
const MAX_STEPS = 1_000_000

/** Steps of one match above which it is long by itself. */
const LONG_STEPS = 10_000

/** Time of the processor that the watched matches of one record may take together, in milliseconds. */
const MATCH_MS = 50

/** Times that a match is begun, if others have kept the processor from it. */
const MAX_ATTEMPTS = 4

/** Work that matching the texts of the present record has taken. */
const spent = { steps: 0, ms: 0 }

/** Outcome of a match; `slow` means that it was given up. */
type Match = 'match' | 'mismatch' | 'slow'

const context = vm.createContext({ pattern: undefined, value: '' })
const watched = new vm.Script('pattern.test(value)')

/** Begins with the texts of another record. */
export function beginMatching (): void {
  spent.steps = 0
  spent.ms = 0
}

/**
 * Compiles a regular expression whose matching cannot hold up the process: once the texts of one record might
 * take more than a million steps together, they are matched under a limit of 50 ms.
 * @throws SyntaxError
 */
export function compilePattern (source: string): (value: string) => Match {
  const pattern = new RegExp(source)
  const power = matchingPower(source)
  return value => {
    // Said apart, because 1 ** Infinity is no number.
    const steps = power === Infinity ? Infinity : value.length ** power * (source.length + 1)
    if (steps > LONG_STEPS) slicer.noteLong()
    if (spent.steps + steps > MAX_STEPS) return matchWatched(pattern, value)
    spent.steps += steps
    return pattern.test(value) ? 'match' : 'mismatch'
  }
}

/**
 * Matches under the limit. A match that was stopped because the machine was busy with others is tried again.
 */
function matchWatched (pattern: RegExp, value: string): Match {
  context['pattern'] = pattern
  context['value'] = value
  try {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const timeout = Math.ceil(MATCH_MS - spent.ms)
      if (timeout < 1) return 'slow'
      const before = process.cpuUsage()
      try {
        return watched.runInContext(context, { timeout }) === true ? 'match' : 'mismatch'
      } catch {
        // Stopped, after as much time of the processor as is noted below.
      } finally {
        const { user, system } = process.cpuUsage(before)
        spent.ms += (user + system) / 1_000
      }
    }
    return 'slow'
  } finally {
    context['value'] = ''
  }
}
