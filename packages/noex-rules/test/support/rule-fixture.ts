import type { ValidationResult } from '../../src/validation/issues.js'
import { RuleInputValidator } from '../../src/validation/rule-input-validator.js'

/** The smallest valid rule. */
export const minimal = { id: 'r', name: 'R', trigger: { type: 'event', topic: 'a' } }

/** Validates the smallest rule with other properties. */
export function validateWith (members: Record<string, unknown>): ValidationResult {
  return new RuleInputValidator().validate({ ...minimal, ...members })
}

/** Returns the paths of the errors and, after a `?`, of the warnings. */
export function pathsOf ({ errors, warnings }: ValidationResult): string[] {
  return [...errors.map(({ path }) => path), ...warnings.map(({ path }) => `?${path}`)]
}

/** Wraps a value in as many levels. */
export function nest (levels: number, value: unknown, wrap: (inner: unknown) => unknown): unknown {
  let nested = value
  for (let level = 0; level < levels; level++) nested = wrap(nested)
  return nested
}
