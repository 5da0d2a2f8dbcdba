/** One thing that is wrong with a rule, or only doubtful. */
export interface ValidationIssue {
  /** Where: `actions[0].timer.onExpire.topic`; `(root)` for the whole. */
  path: string
  message: string
  /** An error refuses the rule, a warning does not. */
  severity: 'error' | 'warning'
}

/** What the validation of a rule found. */
export interface ValidationResult {
  /** Whether there are no errors. */
  valid: boolean
  errors: ValidationIssue[]
  warnings: ValidationIssue[]
}
