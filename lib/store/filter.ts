import { invalid } from '../protocol/errors.js'
import { didYouMean, nearestNames } from '../util/nearest.js'
import { isPlainObject } from '../util/option-schema.js'
import { refuseInherited } from './known-fields.js'
import { FilterRange, type Bound } from './filter-range.js'

/**
 * Elements of all `$in` and `$nin` of a filter: each is compared with each record.
 * @limit `VALIDATION_ERROR`
 */
const MAX_LIST = 10_000

/**
 * Characters of the operand of `$contains`, `$startsWith` or `$endsWith`.
 * @limit `VALIDATION_ERROR`
 */
const MAX_TEXT = 1_000

/**
 * Members and operators of a filter: each is looked at for each record.
 * @limit `VALIDATION_ERROR`
 */
const MAX_CONDITIONS = 250

/** The placeholder of a query parameter. PROTOCOL.md, "Declarative queries". */
const PLACEHOLDER = /^\{\{\s*params\.(\w+)\s*\}\}$/

/** Returns the name of the parameter that a value of a filter stands for; `undefined` for any other value. */
export function parameterOf (value: unknown): string | undefined {
  return typeof value === 'string' ? PLACEHOLDER.exec(value)?.[1] : undefined
}

type OperandCheck = (operand: unknown) => string | undefined

const isComparable: OperandCheck = operand =>
  typeof operand === 'number' || typeof operand === 'string' ? undefined : 'must be a number or a text'
const isText: OperandCheck = operand => {
  if (typeof operand !== 'string') return 'must be a text'
  return operand.length > MAX_TEXT ? `must not be longer than ${MAX_TEXT} characters` : undefined
}
const isList: OperandCheck = operand => Array.isArray(operand) ? undefined : 'must be an array'
const isAnything: OperandCheck = () => undefined

const operators = new Map<string, OperandCheck>([
  ['$eq', isAnything],
  ['$neq', isAnything],
  ['$gt', isComparable],
  ['$gte', isComparable],
  ['$lt', isComparable],
  ['$lte', isComparable],
  ['$in', isList],
  ['$nin', isList],
  ['$contains', isText],
  ['$startsWith', isText],
  ['$endsWith', isText],
  ['$exists', operand => typeof operand === 'boolean' ? undefined : 'must be true or false'],
  [
    '$between',
    operand =>
      Array.isArray(operand) &&
      operand.length === 2 &&
      operand.every(end => isComparable(end) === undefined || isPlaceholder(end))
        ? undefined
        : 'must be an array of two numbers or texts'
  ]
])

/** Returns whether a filter value is replaced by a parameter of the query. */
function isPlaceholder (value: unknown): value is string {
  return typeof value === 'string' && PLACEHOLDER.test(value)
}

/**
 * Refuses a parameter with the name of a property that every object has: it would always seem to be given.
 */
function checkPlaceholder (placeholder: string, path: string): void {
  const name = PLACEHOLDER.exec(placeholder)?.[1] as string
  if (name in Object.prototype) throw invalid(path, `refers to "${name}", a name that every object has`)
}

/**
 * Checks a filter before it goes to the store, so that errors name the property and similar names. `path` is
 * the path of the filter in errors; `placeholders`: whether parameters can stand for values.
 * @throws `VALIDATION_ERROR` naming the property and the operator
 */
export function checkFilter (filter: unknown, path: string, placeholders = false): void {
  checkConditions(filter, path, placeholders, { conditions: MAX_CONDITIONS, elements: MAX_LIST }, new Map())
}

interface Budget {
  conditions: number
  elements: number
}

/** The range of each field, over all conditions that must hold together. */
type Ranges = Map<string, FilterRange>

function checkConditions (
  filter: unknown,
  path: string,
  placeholders: boolean,
  budget: Budget,
  ranges: Ranges
): void {
  if (!isPlainObject(filter)) throw invalid(path, 'must be an object')
  for (const [field, value] of Object.entries(filter)) {
    const at = `${path}.${field}`
    spend(budget, at)
    refuseInherited(field, at)
    if (field === '$or' || field === '$and') {
      if (!Array.isArray(value)) throw invalid(at, 'must be an array of filters')
      value.forEach((part, i) => {
        checkConditions(part, `${at}[${i}]`, placeholders, budget, field === '$and' ? ranges : new Map())
      })
    } else if (field.startsWith('$')) {
      throw invalid(at, 'is no operator here; name a field first')
    } else if (placeholders && isPlaceholder(value)) {
      checkPlaceholder(value, at)
    } else if (isOperators(value)) {
      checkOperators(value, at, placeholders, budget)
      checkRange(ranges, field, value, at, placeholders)
    } else if (isComparable(value) === undefined) {
      checkRange(ranges, field, { $eq: value }, at, placeholders)
    }
  }
}

/** @throws `VALIDATION_ERROR` when no value fulfils these conditions on the field and the earlier ones */
function checkRange (
  ranges: Ranges,
  field: string,
  conditions: Readonly<Record<string, unknown>>,
  path: string,
  placeholders: boolean
): void {
  const isBound = (bound: unknown): bound is Bound =>
    isComparable(bound) === undefined && !(placeholders && isPlaceholder(bound))
  const range = ranges.get(field) ?? new FilterRange()
  ranges.set(field, range)
  if (range.narrow(conditions, isBound)) throw invalid(path, 'asks for a range that no value lies in')
}

function spend (budget: Budget, path: string): void {
  if (--budget.conditions < 0) {
    throw invalid(path, `is one condition too many: a filter may have ${MAX_CONDITIONS}`)
  }
}

/**
 * Returns whether an object has operators: any property that starts with `$`; mixed ones are refused later.
 */
function isOperators (value: unknown): value is Record<string, unknown> {
  return isPlainObject(value) && Object.keys(value).some(name => name.startsWith('$'))
}

function checkOperators (
  value: Record<string, unknown>,
  path: string,
  placeholders: boolean,
  budget: Budget
): void {
  for (const [name, operand] of Object.entries(value)) {
    spend(budget, path)
    const check = operators.get(name)
    if (check === undefined) {
      const [nearest] = nearestNames(name, operators.keys())
      throw invalid(`${path}.${name}`, `is no operator${didYouMean(nearest)}`)
    }
    // The store ignores an operator without operand.
    if (operand === undefined) continue
    if (placeholders && isPlaceholder(operand)) {
      checkPlaceholder(operand, `${path}.${name}`)
      continue
    }
    const problem = check(operand)
    if (problem !== undefined) throw invalid(`${path}.${name}`, problem)
    if (Array.isArray(operand)) budget.elements -= operand.length
    if (budget.elements < 0) {
      const problem = `is too long: the lists of a filter may have ${MAX_LIST} elements in all`
      throw invalid(`${path}.${name}`, problem)
    }
  }
}

/**
 * Replaces placeholders by parameters, as the store does.
 * @throws `VALIDATION_ERROR` naming a parameter that is not given: without it the filter would match more
 * records
 */
export function fillPlaceholders (value: unknown, params: Readonly<Record<string, unknown>>): unknown {
  if (typeof value === 'string') {
    const name = PLACEHOLDER.exec(value)?.[1]
    if (name === undefined) return value
    const param = Object.hasOwn(params, name) ? params[name] : undefined
    if (param === undefined) throw invalid(`params.${name}`, 'is required by the filter of the query')
    return param
  }
  if (Array.isArray(value)) return value.map(item => fillPlaceholders(item, params))
  if (!isPlainObject(value) || value instanceof Date) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, fillPlaceholders(item, params)])
  )
}
