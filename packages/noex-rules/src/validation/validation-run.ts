import type { Issues } from './issues.js'

/** So many actions has a rule, those within others included. */
export const MAX_ACTIONS = 256
/** So many conditions has a rule, those of its actions included. */
export const MAX_CONDITIONS = 256
/** So many expressions of `matches` has a rule: each takes some time to compile. */
export const MAX_EXPRESSIONS = 32
/** Actions are nested at most so many levels deep. */
export const MAX_ACTION_DEPTH = 16

/** The validation of one rule while it runs. */
export interface ValidationRun {
  readonly issues: Issues
  /** Whether `matches` may be used. */
  readonly allowsExpressions: boolean
  /** So many more may come. */
  actionsLeft: number
  conditionsLeft: number
  expressionsLeft: number
}
