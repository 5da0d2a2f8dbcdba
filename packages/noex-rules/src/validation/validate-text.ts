import { compileTemplate } from '../expressions/template.js'
import type { Issues } from './issues.js'

/**
 * Characters of a name, an id or a path in a rule.
 * @limit `VALIDATION_ERROR`
 */
const MAX_NAME_LENGTH = 512
/**
 * Characters of a text with `${}`, or of a description, in a rule.
 * @limit `VALIDATION_ERROR`
 */
export const MAX_TEXT_LENGTH = 4096
/**
 * Characters of the name of a variable of a rule.
 * @limit `VALIDATION_ERROR`
 */
export const MAX_VARIABLE_LENGTH = 128

/** Characters that a name between dots of a reference cannot contain. */
const NO_NAME = /[.${}]/

/** Checks a required text that is not blank. Returns whether it is one. */
export function validateText (
  issues: Issues,
  path: string,
  value: unknown,
  maxLength = MAX_NAME_LENGTH
): value is string {
  if (!validateString(issues, path, value, maxLength)) return false
  if (value.trim() !== '') return true
  issues.error(path, 'must not be blank')
  return false
}

/** Checks a required text, which may be blank. Returns whether it is one. */
export function validateString (
  issues: Issues,
  path: string,
  value: unknown,
  maxLength: number
): value is string {
  if (value === undefined) issues.error(path, 'is missing')
  else if (typeof value !== 'string') issues.error(path, 'must be a string')
  else if (value.length > maxLength) issues.error(path, `has at most ${maxLength} characters`)
  else return true
  return false
}

/** Checks a required text with `${}` that is not blank. */
export function validateTemplate (issues: Issues, path: string, value: unknown): void {
  if (validateText(issues, path, value, MAX_TEXT_LENGTH)) compileText(issues, path, value, compileTemplate)
}

type Compile = (text: string) => unknown

/** Checks a text with `${}` by compiling it. */
export function compileText (issues: Issues, path: string, text: string, compile: Compile): void {
  issues.catch(path, () => {
    compile(text)
    issues.noteTextReferences(path, text)
  })
}

/** Checks a required pattern by compiling it. */
export function validatePattern (
  issues: Issues,
  path: string,
  value: unknown,
  compile: (pattern: string) => unknown
): void {
  if (validateText(issues, path, value)) issues.catch(path, () => { compile(value) })
}

/** Checks the name of a variable, a lookup or an event, which references use. Returns whether it is valid. */
export function validateVariable (issues: Issues, path: string, value: unknown): value is string {
  if (!validateText(issues, path, value, MAX_VARIABLE_LENGTH)) return false
  if (value !== '__proto__' && isReferable(value)) return true
  issues.error(path, 'must be a name without ".", "$", "{" and "}", other than "__proto__"')
  return false
}

/** Returns whether a name can stand between the dots of a reference. */
export function isReferable (name: string): boolean {
  return !NO_NAME.test(name)
}

/** Checks that a text is one of a list. Returns whether it is. */
export function validateOneOf<T extends string> (
  issues: Issues,
  path: string,
  value: unknown,
  list: readonly T[]
): value is T {
  if (value === undefined) issues.error(path, 'is missing')
  else if (typeof value !== 'string') issues.error(path, 'must be a string')
  else if (!list.includes(value as T)) issues.error(path, `must be one of ${list.join(', ')}`)
  else return true
  return false
}
