import { PatternError } from '../errors.js'
import { compileSubstringSearch, type SubstringSearch } from './substring-search.js'

/** The most `*` in one segment of a pattern. */
const MAX_WILDCARDS_PER_SEGMENT = 8

/** One segment of a pattern, read but not compiled. */
export interface SegmentSource {
  /** The literal texts before, between and after the wildcards: always one more than there are wildcards. */
  readonly literals: string[]
  /** Whether an empty literal piece stood between its wildcards, so that they are two `*` and not a `**`. */
  readonly hasGap: boolean
}

/** A compiled segment: `many` stands for one or more segments. */
export type SegmentPattern = { readonly type: 'many' } | SingleSegment

/** The pattern of one segment: a literal, any segment, or a glob. */
export type SingleSegment =
  | { readonly type: 'literal', readonly text: string }
  | { readonly type: 'any' }
  | SegmentGlob

/** A segment in which wildcards stand beside other characters. */
interface SegmentGlob {
  readonly type: 'glob'
  readonly head: string
  /** Each follows at least `gap` characters. */
  readonly middles: ReadonlyArray<{ readonly gap: number, readonly search: SubstringSearch }>
  /** The least number of characters before the tail. */
  readonly tailGap: number
  readonly tail: string
}

/** Compiles a segment. Throws `PatternError` for more than 8 wildcards. */
export function compileSegment ({ literals, hasGap }: SegmentSource): SegmentPattern {
  const wildcards = literals.length - 1
  if (wildcards > MAX_WILDCARDS_PER_SEGMENT) {
    throw new PatternError(`A segment of a pattern has at most ${MAX_WILDCARDS_PER_SEGMENT} wildcards`)
  }
  if (wildcards === 0) return { type: 'literal', text: literals[0]! }
  if (!hasGap && literals.every(literal => literal === '')) {
    if (wildcards === 1) return { type: 'any' }
    if (wildcards === 2) return { type: 'many' }
  }
  return compileGlob(literals)
}

/** Returns whether the characters from `start` up to `end` match a segment. */
export function matchesSegment (segment: SingleSegment, text: string, start: number, end: number): boolean {
  switch (segment.type) {
    case 'literal': return end - start === segment.text.length && text.startsWith(segment.text, start)
    case 'any': return true
    case 'glob': return matchesGlob(segment, text, start, end)
  }
}

function compileGlob (literals: readonly string[]): SegmentGlob {
  const middles: Array<SegmentGlob['middles'][number]> = []
  let gap = 1
  for (const literal of literals.slice(1, -1)) {
    if (literal === '') {
      gap++
    } else {
      middles.push({ gap, search: compileSubstringSearch(literal) })
      gap = 1
    }
  }
  return { type: 'glob', head: literals[0]!, middles, tailGap: gap, tail: literals.at(-1)! }
}

/**
 * Takes the first occurrence of each middle: a tail that fits after a later one fits after an earlier one.
 */
function matchesGlob (
  { head, middles, tailGap, tail }: SegmentGlob,
  text: string,
  start: number,
  end: number
): boolean {
  const tailStart = end - tail.length
  if (start + head.length + tailGap > tailStart) return false
  if (!text.startsWith(head, start) || !text.startsWith(tail, tailStart)) return false

  let position = start + head.length
  for (const { gap, search } of middles) {
    position = search.endOfFirst(text, position + gap, tailStart)
    if (position === -1) return false
  }
  return position + tailGap <= tailStart
}
