import { PatternError, ResolutionError } from '../errors.js'
import { compileKeyPattern, compileKeyPatternFrom } from '../patterns/key-pattern.js'
import { assertPattern, type PatternMatcher } from '../patterns/pattern.js'
import { compileParts, joinParts } from './reference.js'
import { renderText } from './render-text.js'
import type { Resolve, Scope } from './scope.js'
import { parseTemplate } from './template-parts.js'

/**
 * Compiles a text with `${path}`. Rendered values are not parsed again. Throws `ReferencePathError` for a
 * path that is no reference; the compiled text throws `ResolutionError` for more than 65 536 characters.
 */
export function compileTemplate (text: string): Resolve<string> {
  const parts = compileParts(parseTemplate(text))
  if (parts.every(part => typeof part === 'string')) return () => text
  return scope => joinParts(parts, scope)
}

/**
 * Compiles a pattern of keys with `${path}`. A rendered value is literal: its `*` is no wildcard. Throws
 * `ReferencePathError`, and `PatternError` for a pattern that no value could make valid; the compiled pattern
 * throws `ResolutionError` for a value that makes it invalid.
 */
export function compileKeyPatternTemplate (text: string): Resolve<PatternMatcher> {
  assertPattern(text)
  const parts = compileParts(parseTemplate(text))
  if (parts.every(part => typeof part === 'string')) {
    const pattern = compileKeyPattern(text)
    return () => pattern
  }
  compileKeyPatternFrom(parts.map(part => typeof part === 'string'
    ? { text: part, isLiteral: false }
    : { text: '', isLiteral: true }))
  return scope => patternFrom(parts, scope)
}

function patternFrom (parts: ReadonlyArray<string | Resolve>, scope: Scope): PatternMatcher {
  const pieces = parts.map(part => typeof part === 'string'
    ? { text: part, isLiteral: false }
    : { text: renderText(part(scope)), isLiteral: true })
  try {
    return compileKeyPatternFrom(pieces)
  } catch (error) {
    if (error instanceof PatternError) throw new ResolutionError(error.message, error)
    throw error
  }
}
