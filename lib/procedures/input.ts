import { NoexServerError } from '../protocol/errors.js'
import type { InputField } from './procedure.js'

/** Issues that are told of one input. */
const MAX_ISSUES = 100

/** The types that a member of the input can have. */
export const inputTypes = ['string', 'number', 'boolean', 'object', 'array'] as const satisfies ReadonlyArray<
  InputField['type']
>

/** Whether a value is of that JSON type; `null` is of none. */
export function hasType (value: unknown, type: InputField['type']): boolean {
  if (Array.isArray(value)) return type === 'array'
  const kind: string = typeof value
  return value !== null && kind === type
}

/**
 * The input with which a procedure runs: absent members and those that are null have their defaults. Members
 * that are not declared are kept as they are.
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
