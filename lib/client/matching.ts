import type { Row } from './delta.js'

/** Yes, no, or `undefined` where the client cannot tell. */
type Answer = boolean | undefined

const operators: Readonly<Record<string, (value: any, operand: any) => Answer>> = {
  $eq: (a, b) => a === b,
  $neq: (a, b) => a !== b,
  $gt: (a, b) => a > b,
  $gte: (a, b) => a >= b,
  $lt: (a, b) => a < b,
  $lte: (a, b) => a <= b
}

/**
 * Whether a record matches a filter: PROTOCOL.md, "Filters". The client evaluates equality, `$eq`, `$neq`,
 * `$in`, `$gt`, `$gte`, `$lt` and `$lte`. It does not know which fields are dates, and so compares nothing
 * with another type. Of a record that is not whole, an absent member may have any value.
 */
export function matches (filter: object | undefined, record: Row, isWhole: boolean | undefined): Answer {
  const answers = Object.entries(filter ?? {}).flatMap(([name, condition]) => {
    const conditions = Object.entries(Object(condition) === condition ? condition : { $eq: condition })
    const isKnown = isWhole || name in record
    if (!isKnown || name[0] === '$' || conditions.length === 0) return undefined
    return conditions.map(([operator, operand]) => holds(operator, record[name], operand))
  })
  return decided(answers, false)
}

/** Returns `decisive` where one of the answers is that, its opposite where all are. */
function decided (answers: readonly Answer[], decisive: boolean): Answer {
  return answers.includes(decisive) ? decisive : answers.includes(undefined) ? undefined : !decisive
}

function holds (operator: string, value: any, operand: any): Answer {
  if (operator === '$in') {
    return decided(operand.map((element: unknown) => holds('$eq', value, element)), true)
  }
  const isNone = value === undefined || value === null
  if (isNone && /[gl]t/.test(operator)) return false
  if (!isNone && operand !== null && typeof value !== typeof operand) return undefined
  return operators[operator]?.(value, operand)
}

/**
 * Orders two records by the sort of a query: PROTOCOL.md, "Configuration of a query". Returns 0 for those
 * that keep the order of their insertion.
 */
export function compare (sort: object, a: Row, b: Row): number {
  for (const [field, direction] of Object.entries(sort)) {
    const [from, to] = [a[field], b[field]]
    const [rank, other] = [rankOf(from), rankOf(to)]
    const order = rank - other || (rank === 2 || from === to ? 0 : from < to ? -1 : 1)
    if (order !== 0) return direction === 'desc' && rank < 2 && other < 2 ? -order : order
  }
  return 0
}

/** Numbers and booleans come before texts, and all else comes last. */
function rankOf (value: unknown): number {
  return typeof value === 'string' ? 1 : /number|boolean/.test(typeof value) ? 0 : 2
}
