import type { ValidationResult } from '../../src/validation/issues.js'
import { RuleInputValidator } from '../../src/validation/rule-input-validator.js'

/** The least that is a rule. */
export const minimal = { id: 'r', name: 'R', trigger: { type: 'event', topic: 'a' } }

/** What a validator says of the least rule with other members put in. */
export function validateWith (members: Record<string, unknown>): ValidationResult {
  return new RuleInputValidator().validate({ ...minimal, ...members })
}

/** The paths of the errors and, behind a `?`, of the warnings. */
export function pathsOf ({ errors, warnings }: ValidationResult): string[] {
  return [...errors.map(({ path }) => path), ...warnings.map(({ path }) => `?${path}`)]
}

/** Puts a value into itself so many times. */
export function nest (levels: number, value: unknown, wrap: (inner: unknown) => unknown): unknown {
  let nested = value
  for (let level = 0; level < levels; level++) nested = wrap(nested)
  return nested
}
