import { FilterError } from '../errors.js'
import type { BucketSchema } from '../schema/bucket-schema.js'
import type { WhereFilter } from '../types/filter.js'
import type { StoreRecord } from '../types/record.js'
import { compileConditions, type Condition, type RecordTest } from './condition.js'
import { bounded } from './text-search.js'

/** Levels of `$and` and `$or` in each other. */
const MAX_DEPTH = 100
/** Filters and conditions in one filter: those of a part that is there several times count as often. */
const MAX_PARTS = 100_000

/** Counts the parts of a filter down. */
interface PartsLeft {
  count: number
}

/**
 * A filter, compiled once for all records that it is tried on. It keeps nothing of the object it was made of.
 * The test of one that searches texts throws FilterError for a record with too much text.
 */
export interface CompiledFilter {
  readonly test: RecordTest
  /** Conditions that all must hold, those of nested `$and`s too. */
  readonly conditions: readonly Condition[]
  /** Lists of filters of which one each must hold. */
  readonly choices: ReadonlyArray<readonly CompiledFilter[]>
  /** Conditions that a record is tried on at most. */
  readonly work: number
  /** Whether it looks through texts, which may be long: `searched` tells how long they were. */
  readonly searchesTexts: boolean
}

/**
 * Compiles a filter; `schema` tells how values are compared, without one they are compared as they are.
 * @throws FilterError for an operand that cannot be used, or a range that can match nothing
 */
export function compileFilter (
  filter: WhereFilter, schema?: Pick<BucketSchema, 'normalizeOf'>, depth = 0,
  left: PartsLeft = { count: MAX_PARTS }
): CompiledFilter {
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter)) {
    throw new FilterError('A filter must be an object')
  }
  if (depth > MAX_DEPTH) throw new FilterError(`A filter may nest $and and $or in ${MAX_DEPTH} levels`)
  const names = Object.keys(filter)
  left.count -= names.length + 1
  if (left.count < 0) throw new FilterError(`A filter may have ${MAX_PARTS} parts`)
  const conditions: Condition[] = []
  const choices: CompiledFilter[][] = []
  for (const name of names) {
    if (name === '$or') {
      if (filter.$or !== undefined) choices.push(parts('$or', filter.$or, schema, depth, left))
    } else if (name === '$and') {
      if (filter.$and === undefined) continue
      for (const part of parts('$and', filter.$and, schema, depth, left)) {
        for (const condition of part.conditions) conditions.push(condition)
        for (const choice of part.choices) choices.push(choice as CompiledFilter[])
      }
    } else {
      conditions.push(...compileConditions(name, filter[name], schema?.normalizeOf(name)))
    }
  }
  const tests = [...conditions.map(({ test }) => test), ...choices.map(oneOf)]
  const work = choices.flat().reduce((sum, choice) => sum + choice.work, conditions.length)
  const searchesTexts = [...conditions, ...choices.flat()].some(part => part.searchesTexts === true)
  const test = allOf(tests)
  const whole = searchesTexts && depth === 0 ? bounded(test) : test
  return { test: whole, conditions, choices, work, searchesTexts }
}

/** Tells whether a record matches a filter. Values are compared as they are, dates of one time as equal. */
export function matchesFilter (record: StoreRecord, filter: WhereFilter): boolean {
  return compileFilter(filter).test(record)
}

/** Returns the filter of the records that match both. */
export function intersectFilters (
  a: WhereFilter | undefined,
  b: WhereFilter | undefined
): WhereFilter | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return { $and: [a, b] }
}

function parts (
  name: string, filters: unknown, schema: Pick<BucketSchema, 'normalizeOf'> | undefined, depth: number,
  left: PartsLeft
): CompiledFilter[] {
  if (!Array.isArray(filters)) throw new FilterError(`${name} must be an array of filters`)
  return filters.map((filter: WhereFilter) => compileFilter(filter, schema, depth + 1, left))
}

function oneOf (choice: readonly CompiledFilter[]): RecordTest {
  const tests = choice.map(({ test }) => test)
  return record => tests.some(test => test(record))
}

function allOf (tests: readonly RecordTest[]): RecordTest {
  const [first, second, third] = tests
  if (first === undefined) return () => true
  if (second === undefined) return first
  if (third === undefined) return record => first(record) && second(record)
  if (tests.length === 3) return record => first(record) && second(record) && third(record)
  return record => {
    for (const test of tests) if (!test(record)) return false
    return true
  }
}
