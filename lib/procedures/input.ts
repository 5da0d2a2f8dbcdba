import { NoexServerError } from '../protocol/errors.js'
import type { InputField } from './procedure.js'

/** The number of issues that are reported for one input. */
const MAX_ISSUES = 100

/** The types that a member of the input can have. */
export const inputTypes = ['string', 'number', 'boolean', 'object', 'array'] as const satisfies ReadonlyArray<
  InputField['type']
>

/** Whether a value has that JSON type; `null` has none. */
export function hasType (value: unknown, type: InputField['type']): boolean {
  if (Array.isArray(value)) return type === 'array'
  const kind: string = typeof value
  return value !== null && kind === type
}

/**
 * Returns the input with which a procedure runs: members that are absent or null get their defaults, members
 * that are not declared are kept.
 * @throws `VALIDATION_ERROR` with `{ issues }`, one for each member that is wrong
 */
export function checkInput (
  declared: Readonly<Record<string, InputField>> | undefined,
  input: Readonly<Record<string, unknown>>
): Readonly<Record<string, unknown>> {
  if (declared === undefined) return input
  const members = new Map(Object.entries(input))
  const issues: string[] = []
  for (const [name, field] of Object.entries(declared)) {
    if (issues.length === MAX_ISSUES) break
    const value = members.get(name) ?? undefined
    if (value !== undefined) {
      if (!hasType(value, field.type)) issues.push(`input.${name}: must be of type ${field.type}`)
    } else if (field.default !== undefined) {
      members.set(name, field.default)
    } else if (field.required !== false) {
      issues.push(`input.${name}: is required`)
    }
  }
  if (issues.length > 0) {
    throw new NoexServerError('VALIDATION_ERROR', `The input is not valid: ${issues[0]}`, { issues })
  }
  return Object.fromEntries(members)
}
