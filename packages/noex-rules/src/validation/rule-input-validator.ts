import type { ValidationIssue } from '../errors.js'
import type { RuleInput } from '../rule.js'
import { RULE_PROPERTIES } from './complete-rule.js'
import { indexPath, Issues, ROOT, type ValidationResult } from './issues.js'
import { takeSnapshot } from './snapshot.js'
import { validateRule } from './validate-rule.js'

/** The most inputs of `validateMany`. */
const MAX_INPUTS = 1000

/** The options of a validator. */
export interface RuleInputValidatorOptions {
  /** `'off'` refuses rules that use `matches`. @default 'safe' */
  regex?: 'safe' | 'off' | undefined
}

/** The result for several rules; paths begin with the index of the rule: `[2].trigger.topic`. */
export interface ManyValidationResult extends ValidationResult {
  /** One for each input, in order. */
  results: ValidationResult[]
}

/** A validated input. */
interface InspectedInput {
  result: ValidationResult
  /** A frozen copy of the validated input; `undefined` when the result is not valid. */
  input: RuleInput | undefined
}

/**
 * Validates rules. Never throws, for any input.
 *
 * @example
 * ```js
 * const { valid, errors } = new RuleInputValidator().validate(JSON.parse(text))
 * ```
 */
export class RuleInputValidator {
  readonly #allowsExpressions: boolean

  constructor (options: RuleInputValidatorOptions = {}) {
    this.#allowsExpressions = options.regex !== 'off'
  }

  /** Validates a rule. Finds at most 100 issues. */
  validate (input: unknown): ValidationResult {
    return this.inspect(input).result
  }

  /**
   * As `validate`; also returns the validated copy, which getters and other holders of the input cannot
   * change.
   */
  inspect (input: unknown): InspectedInput {
    const issues = new Issues()
    const snapshot = takeSnapshot(input, RULE_PROPERTIES, issues)
    if (snapshot !== undefined) validateRule(issues, snapshot, this.#allowsExpressions)
    const result = issues.toResult()
    return { result, input: result.valid ? snapshot as unknown as RuleInput : undefined }
  }

  /**
   * Validates an array of rules; the second of two rules with one id is an error. For anything but an array
   * of at most 1000 there is one result with the reason.
   */
  validateMany (inputs: unknown): ManyValidationResult {
    try {
      if (!Array.isArray(inputs)) return singleError('must be an array')
      if (inputs.length > MAX_INPUTS) return singleError(`must have at most ${MAX_INPUTS} rules`)

      const ids = new Set<string>()
      const results: ValidationResult[] = []
      for (let index = 0; index < Math.min(inputs.length, MAX_INPUTS); index++) {
        results.push(this.#validateOneOfMany(inputs[index], ids))
      }
      return combine(results)
    } catch {
      return singleError('cannot be read')
    }
  }

  #validateOneOfMany (given: unknown, ids: Set<string>): ValidationResult {
    const { result, input } = this.inspect(given)
    if (input === undefined) return result
    if (ids.has(input.id)) {
      result.valid = false
      result.errors.push({ path: 'id', message: 'is used twice', severity: 'error' })
    }
    ids.add(input.id)
    return result
  }
}

function singleError (message: string): ManyValidationResult {
  const issues = new Issues()
  issues.error(ROOT, message)
  const result = issues.toResult()
  return { ...result, results: [result] }
}

function combine (results: ValidationResult[]): ManyValidationResult {
  const placed = (issue: ValidationIssue, index: number): ValidationIssue => {
    const { path } = issue
    return { ...issue, path: path === ROOT ? indexPath('', index) : `${indexPath('', index)}.${path}` }
  }
  return {
    valid: results.every(({ valid }) => valid),
    errors: results.flatMap(({ errors }, index) => errors.map(issue => placed(issue, index))),
    warnings: results.flatMap(({ warnings }, index) => warnings.map(issue => placed(issue, index))),
    results
  }
}
