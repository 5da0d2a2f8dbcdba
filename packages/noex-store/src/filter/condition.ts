import type { Range, Scalar } from '../index/ordered-index.js'
import type { Normalize } from '../schema/bucket-schema.js'
import { timeOf } from '../schema/stored-date.js'
import type { StoreRecord } from '../types/record.js'
import { FilterError } from '../errors.js'
import { getterOf, isPlainField } from '../schema/path.js'
import { finderOf } from './text-search.js'

export type RecordTest = (record: StoreRecord) => boolean

/** Values of a field that an index can find; all of them match, and maybe more for a `prefix`. */
export type Lookup =
  | { readonly kind: 'equal', readonly value: unknown }
  | { readonly kind: 'any', readonly values: readonly unknown[] }
  | { readonly kind: 'range', readonly range: Range, readonly isPrefix?: boolean }

/** One condition on one field. */
export interface Condition {
  readonly field: string
  readonly test: RecordTest
  /** `undefined` where no index can help. */
  readonly lookup: Lookup | undefined
  /** Whether it looks through texts, which may be long. */
  readonly searchesTexts?: true
}

type Operand = (field: Field, operand: unknown) => Condition

interface Field {
  readonly name: string
  readonly normalize: Normalize | undefined
  /** Reads the field as it is compared. */
  readonly get: (record: StoreRecord) => unknown
}

/** Compiles the conditions on one field; `normalize` makes its values comparable. */
export function compileConditions (
  name: string, value: unknown, normalize: Normalize | undefined
): Condition[] {
  const raw = getterOf(name)
  const field: Field = {
    name, normalize, get: normalize === undefined ? raw : record => normalize(raw(record))
  }
  if (!isOperators(value)) return [equal(field, value)]
  const conditions: Condition[] = []
  for (const operator of Object.keys(value)) {
    const compile = operators.get(operator)
    const operand = value[operator]
    // An unknown operator, and one without an operand, are no conditions.
    if (compile !== undefined && operand !== undefined) conditions.push(compile(field, operand))
  }
  return conditions
}

/** Tells whether a value is an object of operators: every member begins with `$`. */
function isOperators (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const names = Object.keys(value)
  return names.length > 0 && names.every(name => name.startsWith('$'))
}

const equal: Operand = (field, operand) => {
  const { name, normalize, get } = field
  const value = normalize === undefined ? operand : normalize(operand)
  if (value instanceof Date) return other(field, found => isSameTime(found, value))
  const test: RecordTest = normalize === undefined && isPlainField(name)
    ? record => record[name] === value
    : record => get(record) === value
  // NaN equals nothing, but a map would find it.
  return {
    field: name, test, lookup: Number.isNaN(value) ? { kind: 'any', values: [] } : { kind: 'equal', value }
  }
}

function isSameTime (value: unknown, date: Date): boolean {
  return value === date || (value instanceof Date && timeOf(value) === timeOf(date))
}

function other ({ name, get }: Field, matches: (value: unknown) => boolean): Condition {
  return { field: name, test: record => matches(get(record)), lookup: undefined }
}

/** Compiles a comparison; values of types that JavaScript would convert are left to the test. */
function comparison (
  operator: string, compare: (value: Scalar, bound: Scalar) => boolean, rangeOf: (bound: Scalar) => Range
): Operand {
  return ({ name, normalize, get }, operand) => {
    const bound = (normalize === undefined ? operand : normalize(operand)) as Scalar
    if (!isComparable(bound)) throw new FilterError(`${operator} of "${name}" must be a number or a text`)
    return {
      field: name,
      test: record => {
        const value = get(record)
        if (value === null || value === undefined) return false
        return (typeof value !== 'object' || isComparable(value)) && compare(value as Scalar, bound)
      },
      lookup: isScalar(bound) ? { kind: 'range', range: rangeOf(bound) } : undefined
    }
  }
}

const between: Operand = ({ name, normalize, get }, operand) => {
  if (!Array.isArray(operand) || operand.length !== 2) {
    throw new FilterError(`$between of "${name}" must be an array of two bounds`)
  }
  const [lower, upper] = (normalize === undefined ? operand : operand.map(normalize)) as [Scalar, Scalar]
  if (!isComparable(lower) || !isComparable(upper)) {
    throw new FilterError(`The bounds of $between of "${name}" must be numbers or texts`)
  }
  if (typeof lower === typeof upper && lower > upper) {
    throw new FilterError(
      `$between of "${name}" can match nothing: its lower bound is greater than its upper one`
    )
  }
  return {
    field: name,
    test: record => {
      const value = get(record) as Scalar | null | undefined
      if (value === null || value === undefined) return false
      return (typeof value !== 'object' || isComparable(value)) && value >= lower && value <= upper
    },
    lookup: isScalar(lower) && typeof lower === typeof upper
      ? { kind: 'range', range: { lower, upper } }
      : undefined
  }
}

/**
 * Tells whether JavaScript can compare a value: an object with a `toString` of its own may be none it can.
 */
function isComparable (value: unknown): boolean {
  if (typeof value === 'symbol') return false
  if (typeof value !== 'object' || value === null || value instanceof Date) return true
  try {
    Number(value)
    return true
  } catch {
    return false
  }
}

function isScalar (value: unknown): boolean {
  return (typeof value === 'number' && !Number.isNaN(value)) || typeof value === 'string'
}

/** Compiles a list of values for a test by set. */
function listOf (
  { name, normalize }: Field, operator: string, operand: unknown
): { readonly values: Set<unknown>, readonly dates: Set<number> } {
  if (!Array.isArray(operand)) throw new FilterError(`${operator} of "${name}" must be an array`)
  const values = new Set<unknown>(normalize === undefined ? operand : operand.map(normalize))
  const dates = new Set<number>()
  for (const value of values) if (value instanceof Date) dates.add(timeOf(value))
  return { values, dates }
}

function isIn ({ values, dates }: ReturnType<typeof listOf>, value: unknown): boolean {
  return values.has(value) || (dates.size > 0 && value instanceof Date && dates.has(timeOf(value)))
}

const isOneOf: Operand = (field, operand) => {
  const list = listOf(field, '$in', operand)
  const { name, get } = field
  return {
    field: name,
    test: record => isIn(list, get(record)),
    lookup: list.dates.size > 0 ? undefined : { kind: 'any', values: [...list.values] }
  }
}

const isNoneOf: Operand = (field, operand) => {
  const list = listOf(field, '$nin', operand)
  return other(field, value => !isIn(list, value))
}

/** Compiles a condition on texts. */
function textual (operator: string, compile: (part: string) => (value: string) => boolean): Operand {
  return (field, operand) => {
    if (typeof operand !== 'string') throw new FilterError(`${operator} of "${field.name}" must be a text`)
    const matches = compile(operand)
    return other(field, value => typeof value === 'string' && matches(value))
  }
}

const startsWith: Operand = (field, operand) => {
  const condition = textual('$startsWith', part => value => value.startsWith(part))(field, operand)
  const part = operand as string
  const last = part.charCodeAt(part.length - 1)
  if (part === '' || last === 0xffff || field.normalize !== undefined) return condition
  const range = {
    lower: part, upper: part.slice(0, -1) + String.fromCharCode(last + 1), isUpperExcluded: true
  }
  return { ...condition, lookup: { kind: 'range', range, isPrefix: true } }
}

const contains: Operand = (field, operand) =>
  ({ ...textual('$contains', finderOf)(field, operand), searchesTexts: true })

const exists: Operand = (field, operand) => {
  const isWanted = operand === true
  // Another operand than true and false equals neither, so it matches nothing.
  if (typeof operand !== 'boolean') return other(field, () => false)
  const condition = other(field, value => (value !== null && value !== undefined) === isWanted)
  return isWanted ? condition : { ...condition, lookup: { kind: 'any', values: [null, undefined] } }
}

const operators: ReadonlyMap<string, Operand> = new Map<string, Operand>([
  ['$eq', equal],
  ['$neq', (field, operand) => {
    const { test } = equal(field, operand)
    return { field: field.name, test: record => !test(record), lookup: undefined }
  }],
  ['$gt', comparison('$gt', (value, bound) => value > bound, lower => ({ lower, isLowerExcluded: true }))],
  ['$gte', comparison('$gte', (value, bound) => value >= bound, lower => ({ lower }))],
  ['$lt', comparison('$lt', (value, bound) => value < bound, upper => ({ upper, isUpperExcluded: true }))],
  ['$lte', comparison('$lte', (value, bound) => value <= bound, upper => ({ upper }))],
  ['$in', isOneOf],
  ['$nin', isNoneOf],
  ['$contains', contains],
  ['$startsWith', startsWith],
  ['$endsWith', textual('$endsWith', part => value => value.endsWith(part))],
  ['$exists', exists],
  ['$between', between]
])
