import { PatternError } from '../errors.js'
import { compileSegment, type SegmentSource } from './segment-pattern.js'
import { compileSequence } from './segment-sequence.js'

/** The most characters of a pattern. */
export const MAX_PATTERN_LENGTH = 512
/** The most segments of a pattern. */
const MAX_PATTERN_SEGMENTS = 32

/** A compiled pattern. Matching takes time linear in the text. */
export interface PatternMatcher {
  readonly pattern: string
  /** The one text that it matches, when it has no wildcard. */
  readonly exact: string | undefined
  matches: (text: string) => boolean
}

/** A piece of a pattern. In a literal one, `*` is an ordinary character. */
export interface PatternPart {
  readonly text: string
  readonly isLiteral: boolean
}

/** Throws `PatternError` for anything but a string of 1 to 512 characters. */
export function assertPattern (pattern: unknown): asserts pattern is string {
  if (typeof pattern !== 'string') throw new PatternError('A pattern is a string')
  if (pattern === '') throw new PatternError('A pattern is not empty')
  if (pattern.length > MAX_PATTERN_LENGTH) {
    throw new PatternError(`A pattern has at most ${MAX_PATTERN_LENGTH} characters`)
  }
}

/**
 * Compiles a pattern whose segments are joined by `separator`, one character. With `isOpen`, a `*` at its end
 * stands for one or more segments. Throws `PatternError` for more than 32 segments.
 */
export function compilePattern (
  parts: readonly PatternPart[],
  separator: string,
  isOpen: boolean
): PatternMatcher {
  const pattern = parts.map(part => part.text).join('')
  const sources = readSegments(parts, separator)
  if (sources.length > MAX_PATTERN_SEGMENTS) {
    throw new PatternError(`A pattern has at most ${MAX_PATTERN_SEGMENTS} segments`)
  }

  const segments = sources.map(compileSegment)
  if (segments.every(segment => segment.type === 'literal')) {
    return { pattern, exact: pattern, matches: text => text === pattern }
  }
  if (isOpen && segments.at(-1)?.type === 'any') segments[segments.length - 1] = { type: 'many' }
  return { pattern, exact: undefined, matches: compileSequence(segments, separator) }
}

function readSegments (parts: readonly PatternPart[], separator: string): SegmentSource[] {
  const segments: SegmentSource[] = []
  let literals = ['']
  let hasGap = false
  for (const { text, isLiteral } of parts) {
    if (isLiteral) hasGap = true
    for (const character of text) {
      if (character === separator) {
        segments.push({ literals, hasGap })
        literals = ['']
        hasGap = false
      } else if (character === '*' && !isLiteral) {
        literals.push('')
      } else {
        literals[literals.length - 1] += character
      }
    }
  }
  segments.push({ literals, hasGap })
  return segments
}
