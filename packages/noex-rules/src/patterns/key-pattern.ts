import { PatternError } from '../errors.js'
import {
  assertPattern,
  compilePattern,
  MAX_PATTERN_LENGTH,
  type PatternMatcher,
  type PatternPart
} from './pattern.js'

/**
 * Compiles a pattern of fact keys or timer names, whose segments are joined by `:`.
 *
 * - `*` as a segment: one segment, also at the end; alone, what has no `:`.
 * - `**` as a segment: one or more segments.
 * - `*` beside other characters: one or more characters of the segment.
 *
 * All else is literal. Throws `PatternError` for what is not a string, empty, or longer than 512 characters,
 * 32 segments or 8 wildcards per segment.
 */
export function compileKeyPattern (pattern: string): PatternMatcher {
  assertPattern(pattern)
  return compilePattern([{ text: pattern, isLiteral: false }], ':', false)
}

/**
 * Compiles a pattern of keys from pieces. In a literal piece, `*` and `:` are ordinary characters; `:` still
 * joins segments. Throws `PatternError` for more than 32 segments, 8 wildcards per segment or, with a
 * wildcard, 512 characters; an empty pattern matches only the empty key.
 */
export function compileKeyPatternFrom (parts: readonly PatternPart[]): PatternMatcher {
  if (parts.every(part => part.isLiteral || !part.text.includes('*'))) {
    const key = parts.map(part => part.text).join('')
    return { pattern: key, exact: key, matches: text => text === key }
  }
  const length = parts.reduce((sum, part) => sum + part.text.length, 0)
  if (length > MAX_PATTERN_LENGTH) {
    throw new PatternError(`A pattern has at most ${MAX_PATTERN_LENGTH} characters`)
  }
  return compilePattern(parts, ':', false)
}

/**
 * Returns whether the key of a fact matches a pattern. Throws `PatternError` for a pattern that cannot be
 * compiled.
 */
export function matchesFactPattern (pattern: string, key: string): boolean {
  return compileKeyPattern(pattern).matches(key)
}

/**
 * Returns whether the name of a timer matches a pattern. Throws `PatternError` for a pattern that cannot be
 * compiled.
 */
export function matchesTimerPattern (pattern: string, name: string): boolean {
  return compileKeyPattern(pattern).matches(name)
}
