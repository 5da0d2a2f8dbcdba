import { ResolutionError } from '../errors.js'

/** The most characters of a rendered template. */
const MAX_TEXT_LENGTH = 65_536
const MAX_ARRAY_DEPTH = 16

/**
 * Returns the text of a value within a template: empty for `undefined` and `null`, members joined by `,` for
 * an array, `String()` for the rest, empty when that throws. Throws `ResolutionError` for more than 65 536
 * characters.
 */
export function renderText (value: unknown): string {
  if (typeof value === 'string') return bounded(value)
  if (Array.isArray(value)) return renderArray(value, 0, { left: MAX_TEXT_LENGTH })
  return bounded(stringOf(value))
}

/** Joins the texts of a template. Throws `ResolutionError` for more than 65 536 characters. */
export function joinTexts (texts: readonly string[]): string {
  return bounded(texts.join(''))
}

/**
 * Joins as `String()` does, but counts characters as it goes: an array that contains others many times is
 * small in memory and unbounded as a text.
 */
function renderArray (array: readonly unknown[], depth: number, budget: { left: number }): string {
  if (depth === MAX_ARRAY_DEPTH) return ''
  spend(budget, array.length)
  const texts: string[] = []
  for (const member of array) {
    const text = Array.isArray(member) ? renderArray(member, depth + 1, budget) : stringOf(member)
    if (!Array.isArray(member)) spend(budget, text.length)
    texts.push(text)
  }
  return texts.join(',')
}

function stringOf (value: unknown): string {
  if (value === undefined || value === null) return ''
  try {
    return String(value)
  } catch {
    return ''
  }
}

function bounded (text: string): string {
  if (text.length > MAX_TEXT_LENGTH) throw tooLong()
  return text
}

function spend (budget: { left: number }, characters: number): void {
  budget.left -= characters
  if (budget.left < 0) throw tooLong()
}

function tooLong (): ResolutionError {
  return new ResolutionError(`A text has at most ${MAX_TEXT_LENGTH} characters`)
}
