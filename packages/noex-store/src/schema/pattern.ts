import vm from 'node:vm'
import { slicer } from '../scan/slicer.js'
import { matchingPower } from './pattern-power.js'

/** Steps that matching the texts of one record may take without being watched. */
const MAX_STEPS = 1_000_000

/** Steps of one match above which it is long by itself. */
const LONG_STEPS = 10_000

/** Time that the watched matches of one record may take together, in milliseconds. */
const MATCH_MS = 50

/** What matching the texts of the record at hand has taken. */
const spent = { steps: 0, ms: 0 }

/** Outcome of a match; `slow` means that it was given up. */
export type Match = 'match' | 'mismatch' | 'slow'

// That of the moment of loading: under fake timers too.
const ticks = performance.now.bind(performance)

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

function matchWatched (pattern: RegExp, value: string): Match {
  const timeout = Math.ceil(MATCH_MS - spent.ms)
  if (timeout < 1) return 'slow'
  context['pattern'] = pattern
  context['value'] = value
  const startedAt = ticks()
  try {
    return watched.runInContext(context, { timeout }) === true ? 'match' : 'mismatch'
  } catch {
    return 'slow'
  } finally {
    spent.ms += ticks() - startedAt
    context['value'] = ''
  }
}
