import vm from 'node:vm'
import { matchingPower } from './pattern-power.js'

/** Steps that matching one text may take without being watched. */
const MAX_STEPS = 1_000_000

/** Time that a watched match may take, in milliseconds. */
const MATCH_MS = 50

/** Outcome of a match; `slow` means that it was given up. */
export type Match = 'match' | 'mismatch' | 'slow'

const context = vm.createContext({ pattern: undefined, value: '' })
const watched = new vm.Script('pattern.test(value)')

/**
 * Compiles a regular expression whose matching cannot hold up the process: a text that might take more than a
 * million steps is matched under a limit of 50 ms.
 * @throws SyntaxError
 */
export function compilePattern (source: string): (value: string) => Match {
  const pattern = new RegExp(source)
  const power = matchingPower(source)
  const maxLength = power === Infinity
    ? 0
    : Math.floor((MAX_STEPS / (source.length + 1)) ** (1 / Math.max(power, 1)))
  return value => {
    if (value.length <= maxLength) return pattern.test(value) ? 'match' : 'mismatch'
    return matchWatched(pattern, value)
  }
}

function matchWatched (pattern: RegExp, value: string): Match {
  context['pattern'] = pattern
  context['value'] = value
  try {
    return watched.runInContext(context, { timeout: MATCH_MS }) === true ? 'match' : 'mismatch'
  } catch {
    return 'slow'
  } finally {
    context['value'] = ''
  }
}
