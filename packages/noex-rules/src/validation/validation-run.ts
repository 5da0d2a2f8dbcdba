import type { Issues } from './issues.js'

/** The most actions of a rule, nested ones included. */
export const MAX_ACTIONS = 256
/** The most conditions of a rule, those of its actions included. */
export const MAX_CONDITIONS = 256
/** The most expressions of `matches` in a rule: each takes time to compile. */
export const MAX_EXPRESSIONS = 32
/** The most levels of nested actions. */
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
