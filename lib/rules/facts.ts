import { compileKeyPattern, type PatternMatcher } from '@hamicek/noex-rules'
import type { EngineCalls } from './engine-calls.js'
import type { RuleFact } from './rule-engine.js'
import { toRuleError } from './rule-errors.js'

/**
 * Returns the facts that match a pattern, in the order of the engine. They are matched here, in time linear
 * in the length of their keys: an engine may turn the pattern into a regular expression, and a client could
 * choose one that takes forever.
 * @throws `VALIDATION_ERROR` for an invalid pattern, and the errors of the engine
 */
export async function queryFacts (calls: EngineCalls, pattern: string): Promise<readonly RuleFact[]> {
  const { exact, matches } = compileFactPattern(pattern)
  if (exact === undefined || !calls.has('getFactFull')) {
    const facts = await calls.call('getAllFacts')
    return facts.filter(({ key }) => matches(key))
  }
  const fact = await calls.call('getFactFull', exact)
  return fact === undefined || fact === null ? [] : [fact]
}

function compileFactPattern (pattern: string): PatternMatcher {
  try {
    return compileKeyPattern(pattern)
  } catch (error) {
    throw toRuleError(error, 'queryFacts')
  }
}
