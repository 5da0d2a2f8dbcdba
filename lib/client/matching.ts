import type { Row } from './delta.js'

/** Yes, no, or `undefined` where the client cannot tell. */
type Answer = boolean | undefined

/**
 * Whether a record matches a filter: PROTOCOL.md, "Filters". The client evaluates equality, `$eq`, `$neq`,
 * `$in`, `$nin`, `$gt`, `$gte`, `$lt`, `$lte`, `$and` and `$or`; it does not know which fields are dates, and
 * so does not compare texts with numbers. Of a record that is not whole, an absent member may have any value.
 */
export function matches (filter: object, record: Row, isWhole: boolean): Answer {
  return all(Object.entries(filter).map(([name, condition]) => {
    if (name === '$and') return all(condition.map((part: object) => matches(part, record, isWhole)))
    if (name === '$or') return any(condition.map((part: object) => matches(part, record, isWhole)))
    if (!isWhole && record[name] === undefined) return undefined
    if (condition === null || typeof condition !== 'object') return equals(record[name], condition)
    return all(Object.entries(condition).map(([operator, operand]) => holds(operator, record[name], operand)))
  }))
}

function holds (operator: string, value: any, operand: any): Answer {
  switch (operator) {
    case '$eq': return equals(value, operand)
    case '$neq': return not(equals(value, operand))
    case '$in': return any(operand.map((element: unknown) => equals(value, element)))
    case '$nin': return all(operand.map((element: unknown) => not(equals(value, element))))
  }
  if (value === undefined || value === null) return false
  if (typeof value !== typeof operand || !/string|number/.test(typeof value)) return undefined
  switch (operator) {
    case '$gt': return value > operand
    case '$gte': return value >= operand
    case '$lt': return value < operand
    case '$lte': return value <= operand
  }
  return undefined
}

function equals (a: unknown, b: unknown): Answer {
  const types = typeof a + typeof b
  return types === 'stringnumber' || types === 'numberstring' ? undefined : a === b
}

function not (answer: Answer): Answer {
  return answer === undefined ? undefined : !answer
}

function all (answers: readonly Answer[]): Answer {
  return answers.includes(false) ? false : answers.includes(undefined) ? undefined : true
}

function any (answers: readonly Answer[]): Answer {
  return not(all(answers.map(not)))
}

/**
 * Orders two records by the sort of a query: PROTOCOL.md, "Configuration of a query". Returns 0 for those
 * that keep the order of their insertion.
 */
export function compare (sort: object, a: Row, b: Row): number {
  for (const [field, direction] of Object.entries(sort)) {
    const [from, to] = [a[field], b[field]]
    const [rank, other] = [rankOf(from), rankOf(to)]
    if (rank === 2 || other === 2) {
      if (rank !== other) return rank - other
    } else {
      const order = rank - other || (from < to ? -1 : from > to ? 1 : 0)
      if (order !== 0) return direction === 'desc' ? -order : order
    }
  }
  return 0
}

/** Numbers and booleans come before texts, and all else comes last. */
function rankOf (value: unknown): number {
  return typeof value === 'string' ? 1 : typeof value === 'number' || typeof value === 'boolean' ? 0 : 2
}
