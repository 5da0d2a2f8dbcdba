import { ExpressionError } from '../errors.js'

/** The most characters of an expression. */
export const MAX_EXPRESSION_LENGTH = 500
/** The most parts of an expression with its repetitions written out; checked before it is compiled. */
const MAX_PARTS = 1000
/** The parts that a class of Unicode, such as `\p{Lu}`, counts as. */
const UNICODE_CLASS_PARTS = 40

/** The letters and digits with the same meaning after `\` in JavaScript and in RE2, and `p`, `P` of RE2. */
const ESCAPES: ReadonlySet<string> = new Set('dDwWsSbBnrtfvxupP0')
const NOT_AN_ESCAPE = /[A-Za-z0-9]/
const COUNT = /\{(\d{1,4})(,(\d{0,4}))?\}/y
const GROUP_NAME = /\(\?<[A-Za-z_]\w*>/y

/** A group while it is read: its parts, and those of its last member, which a count multiplies. */
interface Group {
  parts: number
  last: number
}

/**
 * Throws `ExpressionError` for an expression that is too long, too large when written out, or whose syntax
 * RE2 lacks or reads otherwise than JavaScript: look-around, back-references, inline flags, POSIX classes,
 * `\A` and the like. Malformed expressions may pass.
 */
export function assertRegexSyntax (expression: string): void {
  if (expression.length > MAX_EXPRESSION_LENGTH) {
    throw new ExpressionError(`An expression has at most ${MAX_EXPRESSION_LENGTH} characters`)
  }
  const groups: Group[] = [{ parts: 0, last: 0 }]
  let index = 0
  while (index < expression.length) index = readMember(expression, index, groups)
  const parts = groups.reduce((sum, group) => sum + group.parts, 0)
  if (parts > MAX_PARTS) throw tooLarge()
}

/** Reads one member, adds its parts, and returns the index after it. */
function readMember (expression: string, index: number, groups: Group[]): number {
  const group = groups.at(-1)!
  switch (expression[index]) {
    case '\\':
      addMember(group, partsOfEscape(expression, index))
      return index + 2
    case '[': {
      const { end, parts } = readClass(expression, index)
      addMember(group, parts)
      return end
    }
    case '(':
      groups.push({ parts: 2, last: 0 })
      return endOfOpening(expression, index)
    case ')':
      if (groups.length > 1) addMember(groups.at(-2)!, groups.pop()!.parts)
      return index + 1
    case '{': {
      const count = countAt(expression, index)
      if (count === undefined) break
      repeat(group, count.times)
      return count.end
    }
  }
  addMember(group, 1)
  return index + 1
}

function addMember (group: Group, parts: number): void {
  group.parts += parts
  group.last = parts
}

function repeat (group: Group, times: number): void {
  const parts = group.last * times
  group.parts += parts
  group.last += parts
  if (group.parts > MAX_PARTS) throw tooLarge()
}

function countAt (expression: string, index: number): { times: number, end: number } | undefined {
  COUNT.lastIndex = index
  const found = COUNT.exec(expression)
  if (found === null) return undefined
  return { times: Math.max(Number(found[1]), Number(found[3] ?? 0)), end: COUNT.lastIndex }
}

function endOfOpening (expression: string, index: number): number {
  if (expression[index + 1] !== '?') return index + 1
  if (expression[index + 2] === ':') return index + 3
  GROUP_NAME.lastIndex = index
  if (GROUP_NAME.test(expression)) return GROUP_NAME.lastIndex
  throw new ExpressionError('An expression has neither look-around nor inline flags')
}

function readClass (expression: string, start: number): { end: number, parts: number } {
  let parts = 1
  let index = expression[start + 1] === '^' ? start + 2 : start + 1
  if (expression[index] === ']') throw new ExpressionError('A class of an expression is not empty')
  while (index < expression.length && expression[index] !== ']') {
    if (expression.startsWith('[:', index)) throw new ExpressionError('An expression has no POSIX classes')
    if (expression[index] === '\\') parts += partsOfEscape(expression, index++) - 1
    index++
  }
  return { end: index + 1, parts }
}

function partsOfEscape (expression: string, index: number): number {
  const escaped = expression[index + 1] ?? ''
  if (NOT_AN_ESCAPE.test(escaped) && !ESCAPES.has(escaped)) {
    throw new ExpressionError(`An expression has no \\${escaped}; back-references are refused`)
  }
  return escaped === 'p' || escaped === 'P' ? UNICODE_CLASS_PARTS : 1
}

function tooLarge (): ExpressionError {
  return new ExpressionError('An expression is too large when its repetitions are written out')
}
