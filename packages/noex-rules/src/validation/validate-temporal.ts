import { compileTopicPattern } from '../patterns/topic-pattern.js'
import { AGGREGATE_FUNCTIONS, TEMPORAL_COMPARISONS, TEMPORAL_PATTERN_TYPES } from '../temporal-pattern.js'
import { isRecord } from '../util/record.js'
import { indexPath, type Issues, memberPath } from './issues.js'
import { validateDuration, validateNumber, validateOptionalBoolean } from './validate-number.js'
import {
  isReferable,
  MAX_VARIABLE_LENGTH,
  validateOneOf,
  validatePattern,
  validateText
} from './validate-text.js'

/**
 * Events of a sequence of a rule.
 * @limit `VALIDATION_ERROR`
 */
const MAX_SEQUENCE_LENGTH = 32
/**
 * Paths of a filter of a temporal rule.
 * @limit `VALIDATION_ERROR`
 */
const MAX_FILTER_PATHS = 32

const DIGITS = /^\d+$/

/** Checks a temporal pattern. */
export function validateTemporal (issues: Issues, path: string, pattern: unknown): void {
  if (pattern === undefined) return issues.error(path, 'is missing')
  if (!isRecord(pattern)) return issues.error(path, 'must be an object')

  const { type } = pattern
  if (pattern['groupBy'] !== undefined) validateText(issues, `${path}.groupBy`, pattern['groupBy'])
  if (!validateOneOf(issues, `${path}.type`, type, TEMPORAL_PATTERN_TYPES)) return
  switch (type) {
    case 'sequence': return validateSequence(issues, path, pattern)
    case 'absence': return validateAbsence(issues, path, pattern)
    case 'count':
      validateWindow(issues, path, pattern)
      return validateNumber(issues, `${path}.threshold`, pattern['threshold'], 1)
    case 'aggregate':
      validateWindow(issues, path, pattern)
      validateNumber(issues, `${path}.threshold`, pattern['threshold'])
      validateText(issues, `${path}.field`, pattern['field'])
      validateOneOf(issues, `${path}.function`, pattern['function'], AGGREGATE_FUNCTIONS)
  }
}

function validateSequence (
  issues: Issues,
  path: string,
  { events, within, strict }: Record<string, unknown>
): void {
  validateDuration(issues, `${path}.within`, within)
  validateOptionalBoolean(issues, `${path}.strict`, strict)
  if (events === undefined) return issues.error(`${path}.events`, 'is missing')
  if (!Array.isArray(events)) return issues.error(`${path}.events`, 'must be an array')
  if (events.length < 2 || events.length > MAX_SEQUENCE_LENGTH) {
    return issues.error(`${path}.events`, `must have from 2 to ${MAX_SEQUENCE_LENGTH} events`)
  }
  const aliases = new Set<unknown>()
  for (const [index, event] of events.entries()) {
    validateMatcher(issues, indexPath(`${path}.events`, index), event, aliases)
  }
}

function validateAbsence (
  issues: Issues,
  path: string,
  { after, expected, within }: Record<string, unknown>
): void {
  const aliases = new Set<unknown>()
  validateDuration(issues, `${path}.within`, within)
  validateMatcher(issues, `${path}.after`, after, aliases)
  validateMatcher(issues, `${path}.expected`, expected, aliases)
}

/** Checks the properties that a count and an aggregate share. */
function validateWindow (
  issues: Issues,
  path: string,
  { event, window, comparison, sliding }: Record<string, unknown>
): void {
  validateMatcher(issues, `${path}.event`, event, new Set())
  validateDuration(issues, `${path}.window`, window)
  validateOptionalBoolean(issues, `${path}.sliding`, sliding)
  if (comparison !== undefined) validateOneOf(issues, `${path}.comparison`, comparison, TEMPORAL_COMPARISONS)
}

function validateMatcher (issues: Issues, path: string, matcher: unknown, aliases: Set<unknown>): void {
  if (matcher === undefined) return issues.error(path, 'is missing')
  if (!isRecord(matcher)) return issues.error(path, 'must be an object')

  validatePattern(issues, `${path}.topic`, matcher['topic'], compileTopicPattern)
  if (matcher['filter'] !== undefined) validateFilter(issues, `${path}.filter`, matcher['filter'])
  if (matcher['as'] !== undefined) validateAlias(issues, `${path}.as`, matcher['as'], aliases)
}

function validateFilter (issues: Issues, path: string, filter: unknown): void {
  if (!isRecord(filter)) return issues.error(path, 'must be an object')
  const wanted = Object.entries(filter)
  if (wanted.length > MAX_FILTER_PATHS) {
    return issues.error(path, `must have at most ${MAX_FILTER_PATHS} paths`)
  }
  for (const [name, value] of wanted) {
    if (typeof value === 'object' && value !== null) {
      issues.error(memberPath(path, name), 'must be a string, a number, true, false or null')
    }
  }
}

/** Checks an alias. One that cannot be referred to is a warning. */
function validateAlias (issues: Issues, path: string, alias: unknown, aliases: Set<unknown>): void {
  if (!validateText(issues, path, alias, MAX_VARIABLE_LENGTH)) return
  if (DIGITS.test(alias)) issues.warning(path, `has no effect: matched.${alias} is the event of that place`)
  else if (!isReferable(alias)) issues.warning(path, 'cannot be referred to: it has ".", "$", "{" or "}"')
  else if (aliases.has(alias)) issues.warning(path, 'is used twice: it stands for the later event')
  aliases.add(alias)
}
