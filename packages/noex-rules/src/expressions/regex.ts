import { RE2JS } from 're2js'
import { ExpressionError, ResolutionError } from '../errors.js'
import { LruCache } from '../util/lru-cache.js'
import { assertRegexSyntax, MAX_EXPRESSION_LENGTH } from './regex-syntax.js'

/** The most instructions of a compiled expression. */
const MAX_PROGRAM_SIZE = 250
/** The most characters of a searched text. */
const MAX_SEARCHED_LENGTH = 10_000
/** The most work of one search, in instructions times characters; it takes less than 5 ms. */
const MAX_STEPS = 50_000
const MAX_CACHED = 100

/** A compiled expression. */
interface CompiledRegex {
  /**
   * The most characters of a searched text: from 200 for the largest expressions to 10 000 for the smallest.
   */
  readonly maxTextLength: number
  /**
   * Returns whether it is found anywhere in a text, in time linear in the text. Throws `ResolutionError` for
   * a text that is too long.
   */
  isFoundIn: (text: string) => boolean
}

const cache = new LruCache<string, CompiledRegex | 'refused'>(MAX_CACHED)

/**
 * Compiles the expression of a `matches`, a regular expression of JavaScript without flags.
 *
 * It runs in linear time, by the rules of RE2: `\d`, `\w`, `\s` and `\b` are those of ASCII, `.` is any
 * character but `\n`, a character is a code point, and `\p{…}` stands for a class of Unicode. Throws
 * `ExpressionError` for a malformed expression, for look-around, back-references and inline flags, for more
 * than 500 characters and for more than 250 instructions.
 */
export function compileRegex (expression: string): CompiledRegex {
  assertRegexSyntax(expression)
  const program = compile(expression)
  const size = program.programSize()
  if (size > MAX_PROGRAM_SIZE) throw new ExpressionError('An expression is too large')

  const maxTextLength = Math.min(MAX_SEARCHED_LENGTH, Math.floor(MAX_STEPS / size))
  return {
    maxTextLength,
    // Not test(): it builds an automaton as it goes, which for some expressions is ten times slower.
    isFoundIn (text) {
      // Not false: an author of a text could then evade a rule.
      if (text.length > maxTextLength) {
        throw new ResolutionError(
          `A text of ${text.length} characters is too long for its expression, which takes ${maxTextLength}`
        )
      }
      return program.matcher(text).find()
    }
  }
}

/**
 * Returns whether an expression is found in a text: false for one that cannot be compiled. The last 100
 * expressions stay compiled. Throws `ResolutionError` for a text that is too long for the expression.
 */
export function matchesRegex (expression: string, text: string): boolean {
  if (expression.length > MAX_EXPRESSION_LENGTH) return false
  let compiled = cache.get(expression)
  if (compiled === undefined) {
    compiled = tryCompileRegex(expression) ?? 'refused'
    cache.set(expression, compiled)
  }
  return compiled !== 'refused' && compiled.isFoundIn(text)
}

/** Compiles an expression. Returns `undefined` where `compileRegex` throws. */
export function tryCompileRegex (expression: string): CompiledRegex | undefined {
  try {
    return compileRegex(expression)
  } catch (error) {
    if (error instanceof ExpressionError) return undefined
    throw error
  }
}

function compile (expression: string): RE2JS {
  try {
    return RE2JS.compile(RE2JS.translateRegExp(expression))
  } catch (error) {
    throw new ExpressionError(
      `An expression is malformed: ${error instanceof Error ? error.message : 'it cannot be read'}`
    )
  }
}
