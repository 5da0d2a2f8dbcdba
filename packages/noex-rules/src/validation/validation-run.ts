import type { Issues } from './issues.js'

/**
 * Actions of a rule, nested ones included.
 * @limit `VALIDATION_ERROR`
 */
export const MAX_ACTIONS = 256
/**
 * Conditions of a rule, those of its actions included.
 * @limit `VALIDATION_ERROR`
 */
export const MAX_CONDITIONS = 256
/**
 * Expressions of `matches` in a rule: each takes time to compile.
 * @limit `VALIDATION_ERROR`
 */
export const MAX_EXPRESSIONS = 32
/**
 * Levels of nested actions of a rule.
 * @limit `VALIDATION_ERROR`
 */
export const MAX_ACTION_DEPTH = 16

/** The state of the validation of one rule. */
export interface ValidationRun {
  readonly issues: Issues
  /** Whether `matches` may be used. */
  readonly allowsExpressions: boolean
  /** The number of further actions that the rule may have. */
  actionsLeft: number
  conditionsLeft: number
  expressionsLeft: number
}
