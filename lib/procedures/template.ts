import { NoexServerError } from '../protocol/errors.js'
import { compileReference, piecesOf, type Reference, type Variables } from './reference.js'
import type { SizeBudget } from './size-budget.js'

/**
 * Fills in the placeholders of a value; the result uses up `sizeBudget`.
 * @throws `VALIDATION_ERROR` when that is exceeded, or the value of a placeholder is not allowed in its place
 */
export type Template = (variables: Variables, sizeBudget: SizeBudget) => unknown

/**
 * The place of a template. In a filter, the value of a placeholder must be a text, a number, a boolean, null
 * or an array of them: an object would change the meaning of the filter. One without a value is null there,
 * since an absent condition would change it too.
 */
export type Place = 'data' | 'filter'

/**
 * Compiles a value of a definition, with placeholders in its texts, also within objects and arrays. A text
 * that is one placeholder becomes the value itself, `undefined` where there is none, and then a member of an
 * object is left out. `path` names the value in errors.
 */
export function compileTemplate (value: unknown, place: Place, path: string): Template {
  if (typeof value === 'string') return compileText(value, place, path)
  if (typeof value !== 'object' || value === null) return literal(value)
  if (Array.isArray(value)) {
    return compileArray(value.map((item, index) => compileTemplate(item, place, `${path}[${index}]`)))
  }
  return compileObject(
    Object.entries(value).map(([name, item]) => [name, compileTemplate(item, place, `${path}.${name}`)])
  )
}

function literal (value: unknown): Template {
  return (_values, sizeBudget) => {
    sizeBudget.takeValue(value)
    return value
  }
}

function compileArray (items: readonly Template[]): Template {
  return (variables, sizeBudget) => {
    sizeBudget.take(2 + items.length)
    return items.map(item => item(variables, sizeBudget) ?? null)
  }
}

/** Members are defined, not assigned, so that no name reaches a prototype. */
function compileObject (members: ReadonlyArray<readonly [string, Template]>): Template {
  return (variables, sizeBudget) => {
    sizeBudget.take(2)
    const filled: Array<[string, unknown]> = []
    for (const [name, template] of members) {
      sizeBudget.take(name.length + 4)
      const value = template(variables, sizeBudget)
      if (value !== undefined) filled.push([name, value])
    }
    return Object.fromEntries(filled)
  }
}

function compileText (text: string, place: Place, path: string): Template {
  const pieces = piecesOf(text).map(piece => typeof piece === 'string' ? piece : compileReference(piece.path))
  const [first] = pieces
  if (pieces.length === 1 && typeof first === 'function') {
    return place === 'filter' ? plain(first, `${path}: ${text}`) : typed(first)
  }
  if (pieces.length === 1) return literal(text)
  return (variables, sizeBudget) =>
    pieces
      .map(piece =>
        typeof piece === 'string' ? taken(piece, sizeBudget) : textOf(piece(variables), sizeBudget)
      )
      .join('')
}

function typed (reference: Reference): Template {
  return (variables, sizeBudget) => {
    const value = reference(variables)
    sizeBudget.takeValue(value)
    return value
  }
}

function plain (reference: Reference, what: string): Template {
  return (variables, sizeBudget) => {
    const value = reference(variables) ?? null
    const items: readonly unknown[] = Array.isArray(value) ? value : [value]
    if (items.some(item => typeof item === 'object' && item !== null)) {
      throw new NoexServerError(
        'VALIDATION_ERROR',
        `${what} must be a text, a number, a boolean, null or an array of them`
      )
    }
    sizeBudget.takeValue(value)
    return value
  }
}

/** Returns the text of a value within a text. */
function textOf (value: unknown, sizeBudget: SizeBudget): string {
  if (value === undefined || value === null) return ''
  if (typeof value !== 'object') return taken(String(value), sizeBudget)
  sizeBudget.takeValue(value)
  return JSON.stringify(value)
}

function taken (text: string, sizeBudget: SizeBudget): string {
  sizeBudget.take(text.length)
  return text
}
