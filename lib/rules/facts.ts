import { compileKeyPattern, type PatternMatcher } from '@hamicek/noex-rules'
import type { EngineCalls } from './engine-calls.js'
import type { RuleFact } from './rule-engine.js'
import { toRuleError } from './rule-errors.js'

/**
 * The facts that match a pattern, in the order of the engine. They are matched here and not by the engine, in
 * time linear in their keys, because an engine may make a regular expression of the pattern, which a client
 * can write so that it never ends.
 * @throws `VALIDATION_ERROR` for a pattern that is none, and what the engine fails with
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
