import { compileKeyPattern } from '@hamicek/noex-rules'
import type { RuleEngine, RuleFact } from './rule-engine.js'

/**
 * The facts that match a pattern, in the order of the engine. They are matched here and not by the engine, in time linear
 * in their keys, because an engine may make a regular expression of the pattern, which a client can write so that it never ends.
 * @throws PatternError
 */
export function queryFacts (engine: RuleEngine, pattern: string): readonly RuleFact[] {
  const { exact, matches } = compileKeyPattern(pattern)
  if (exact === undefined) return engine.getAllFacts().filter(({ key }) => matches(key))
  const fact = engine.getFactFull === undefined ? engine.getAllFacts().find(({ key }) => key === exact) : engine.getFactFull(exact)
  return fact === undefined ? [] : [fact]
}
