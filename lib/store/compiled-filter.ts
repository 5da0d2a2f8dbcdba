import type { StoreRecord, WhereFilter } from '@hamicek/noex-store'

/** A shorter list is searched faster than a set. */
const SET_FROM = 9

/** Characters that are looked through in about the time of one condition. */
const CHARS_PER_UNIT = 64

/**
 * A filter that is ready to be compared with many records. It says of each what noex-store's `matchesFilter`
 * says.
 */
export interface CompiledFilter {
  readonly matches: (record: StoreRecord) => boolean
  /** Conditions that are looked at for a record, at most; at least 1. */
  readonly conditions: number
  /** Whether it looks through texts, which may be long. */
  readonly searchesTexts: boolean
  /** Units of work, beyond `conditions`, that texts have taken since this was last asked. */
  readonly takeTextUnits: () => number
}

type Condition = (value: unknown) => boolean
type Matcher = (record: StoreRecord) => boolean

interface Compilation {
  conditions: number
  searchesTexts: boolean
  chars: number
}

/** Prepares a filter: lists become sets, and its members are looked up once. */
export function compileFilter (filter: WhereFilter): CompiledFilter {
  const work: Compilation = { conditions: 0, searchesTexts: false, chars: 0 }
  const matches = compile(filter, work)
  return {
    matches,
    conditions: Math.max(1, work.conditions),
    searchesTexts: work.searchesTexts,
    takeTextUnits () {
      const units = Math.floor(work.chars / CHARS_PER_UNIT)
      work.chars -= units * CHARS_PER_UNIT
      return units
    }
  }
}

function compile (filter: WhereFilter, work: Compilation): Matcher {
  const { $or, $and } = filter as { $or?: readonly WhereFilter[], $and?: readonly WhereFilter[] }
  const matchers: Matcher[] = []
  if ($or !== undefined) {
    const parts = $or.map(part => compile(part, work))
    matchers.push(record => parts.some(matches => matches(record)))
  }
  if ($and !== undefined) matchers.push(...$and.map(part => compile(part, work)))
  for (const [field, value] of Object.entries(filter)) {
    if (field !== '$or' && field !== '$and') matchers.push(compileField(field, value, work))
  }
  return allOf(matchers)
}

function allOf (matchers: readonly Matcher[]): Matcher {
  const [first, second] = matchers
  if (first === undefined) return () => true
  if (second === undefined) return first
  if (matchers.length === 2) return record => first(record) && second(record)
  return record => matchers.every(matches => matches(record))
}

function compileField (field: string, value: unknown, work: Compilation): Matcher {
  if (!isOperators(value)) {
    work.conditions++
    return record => record[field] === value
  }
  const conditions = compileOperators(value, work)
  const [first, second] = conditions
  if (first === undefined) return () => true
  if (second === undefined) return record => first(record[field])
  return record => {
    const own = record[field]
    return conditions.every(holds => holds(own))
  }
}

/** Whether the store takes a filter's value for operators: an object all of whose members begin with `$`. */
export function isOperators (value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const names = Object.keys(value)
  return names.length > 0 && names.every(name => name.startsWith('$'))
}

type Operator = (operand: never, work: Compilation) => Condition

/**
 * In the order in which the store looks at them. It passes over every other name, and over an operand that is
 * `undefined`.
 */
const operators: ReadonlyArray<readonly [string, Operator]> = [
  ['$eq', (operand: unknown) => value => value === operand],
  ['$neq', (operand: unknown) => value => value !== operand],
  ['$gt', (operand: number) => value => value != null && value as number > operand],
  ['$gte', (operand: number) => value => value != null && value as number >= operand],
  ['$lt', (operand: number) => value => value != null && (value as number) < operand],
  ['$lte', (operand: number) => value => value != null && value as number <= operand],
  ['$in', (operand: readonly unknown[]) => isIn(operand)],
  ['$nin', (operand: readonly unknown[]) => {
    const isListed = isIn(operand)
    return value => !isListed(value)
  }],
  ['$contains', contains],
  ['$startsWith', (operand: string) => value => typeof value === 'string' && value.startsWith(operand)],
  ['$endsWith', (operand: string) => value => typeof value === 'string' && value.endsWith(operand)],
  ['$exists', (operand: unknown) => value => operand === (value !== undefined && value !== null)],
  ['$between', (operand: readonly number[]) => value =>
    value != null && value as number >= (operand[0] as number) && value as number <= (operand[1] as number)]
]

function compileOperators (value: Readonly<Record<string, unknown>>, work: Compilation): Condition[] {
  const conditions: Condition[] = []
  for (const [name, operator] of operators) {
    const operand = value[name]
    if (operand === undefined) continue
    work.conditions++
    conditions.push(operator(operand as never, work))
  }
  return conditions
}

/** A set and `includes` take the same values for equal. */
function isIn (list: readonly unknown[]): Condition {
  if (!Array.isArray(list) || list.length < SET_FROM) return value => list.includes(value)
  const set = new Set(list)
  return value => set.has(value)
}

function contains (operand: string, work: Compilation): Condition {
  work.searchesTexts = true
  const part = typeof operand === 'string' ? operand.toLowerCase() : undefined
  return value => {
    if (typeof value !== 'string') return false
    work.chars += value.length
    return value.toLowerCase().includes(part ?? operand.toLowerCase())
  }
}
