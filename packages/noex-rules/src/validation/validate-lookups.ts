import { isRecord } from '../util/record.js'
import { indexPath, type Issues } from './issues.js'
import { validateDuration } from './validate-number.js'
import { validateOneOf, validateText, validateVariable } from './validate-text.js'
import { validateValues } from './validate-value.js'

/**
 * Lookups of a rule.
 * @limit `VALIDATION_ERROR`
 */
const MAX_LOOKUPS = 32

const ON_ERROR = ['skip', 'fail'] as const

/** Checks the lookups of a rule. */
export function validateLookups (issues: Issues, path: string, lookups: unknown): void {
  if (!Array.isArray(lookups)) return issues.error(path, 'must be an array')
  if (lookups.length > MAX_LOOKUPS) return issues.error(path, `must have at most ${MAX_LOOKUPS} lookups`)

  const names = new Set<unknown>()
  for (const [index, lookup] of lookups.entries()) {
    validateLookup(issues, indexPath(path, index), lookup, names)
  }
}

function validateLookup (issues: Issues, path: string, lookup: unknown, names: Set<unknown>): void {
  if (!isRecord(lookup)) return issues.error(path, 'must be an object')

  const { name, service, method, args, cache, onError } = lookup
  if (validateVariable(issues, `${path}.name`, name) && names.has(name)) {
    issues.error(`${path}.name`, 'is used twice')
  }
  names.add(name)
  validateText(issues, `${path}.service`, service)
  validateText(issues, `${path}.method`, method)
  if (args !== undefined) validateValues(issues, `${path}.args`, args)
  if (cache !== undefined) validateCache(issues, `${path}.cache`, cache)
  if (onError !== undefined) validateOneOf(issues, `${path}.onError`, onError, ON_ERROR)
}

function validateCache (issues: Issues, path: string, cache: unknown): void {
  if (isRecord(cache)) validateDuration(issues, `${path}.ttl`, cache['ttl'])
  else issues.error(path, 'must be an object')
}
