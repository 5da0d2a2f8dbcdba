import { assertPattern, compilePattern, type PatternMatcher } from './pattern.js'

/**
 * Compiles a pattern of topics, whose segments are joined by `.`.
 *
 * - `*` as a segment: one segment; at the end, one or more; alone, every topic.
 * - `**` as a segment: one or more segments.
 * - `*` beside other characters: one or more characters of the segment.
 *
 * All else is literal. Throws `PatternError` for what is not a string, empty, or longer than 512 characters,
 * 32 segments or 8 wildcards per segment.
 */
export function compileTopicPattern (pattern: string): PatternMatcher {
  assertPattern(pattern)
  return compilePattern([{ text: pattern, isLiteral: false }], '.', true)
}

/** Returns whether a topic matches a pattern. Throws `PatternError` for a pattern that cannot be compiled. */
export function matchesTopic (pattern: string, topic: string): boolean {
  return compileTopicPattern(pattern).matches(topic)
}
