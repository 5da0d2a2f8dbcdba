import type { BucketDefinition, DeclarativeQueryConfig } from '@hamicek/noex-store'

/** Records below which looking at all of them is as good as any index. */
const FEW_RECORDS = 1_000

/** Types of fields whose values an index tells apart well. */
const INDEXED_TYPES: ReadonlySet<unknown> = new Set(['string', 'number', 'date'])

/** Operators that an index can find the records for. */
const INDEXED_OPERATORS: ReadonlySet<string> = new Set([
  '$eq', '$in', '$gt', '$gte', '$lt', '$lte', '$between', '$startsWith'
])

/** Operators that leave few records, as far as one can tell. */
const EXACT_OPERATORS: ReadonlySet<string> = new Set(['$eq', '$in'])

/** Conditions of a filter for which advice is given: more of them would take memory for each search. */
const MAX_CONDITIONS = 32

/** Characters of the name of a field in such a filter. */
const MAX_NAME = 128

/** The part of a search that an index can help. */
export interface AdvisedSearch {
  readonly bucket: string
  /** The operators by which each field is compared, without operands; in `$and` and `$or` lists of such. */
  readonly filter: object
  /** The field of a sort of which the first rows are wanted. */
  readonly firstBy: string | undefined
}

/** Returns what advice needs to know of a search, without its values; `undefined` for a large filter. */
export function searchWithoutValues (
  { bucket, filter = {}, sort, limit }: DeclarativeQueryConfig
): AdvisedSearch | undefined {
  let left = MAX_CONDITIONS
  const operatorsIn = (part: object): object => Object.fromEntries(
    Object.entries(part).map(([member, value]: [string, unknown]) => {
      left -= member.length > MAX_NAME ? Infinity : 1
      if (left < 0) return [member, null]
      if (isChoice(member, value)) return [member, value.map(operatorsIn)]
      return [member, Object.fromEntries(operatorsOf(value).map(name => [name, null]))]
    })
  )
  const operators = operatorsIn(filter)
  const [field = ''] = Object.keys(sort ?? {})
  const isAdvised = limit !== undefined && Object.keys(filter).length === 0 && field.length <= MAX_NAME
  const firstBy = isAdvised && field !== '' ? field : undefined
  return left < 0 ? undefined : { bucket, filter: operators, firstBy }
}

function isChoice (member: string, value: unknown): value is readonly object[] {
  return (member === '$and' || member === '$or') && Array.isArray(value)
}

/**
 * Returns which index would spare a search to look at all records of its bucket; `undefined` where it has one
 * already, the bucket is small, or no index would help.
 */
export function indexAdvice (
  { bucket, filter, firstBy }: AdvisedSearch, definition: BucketDefinition, records: number
): string | undefined {
  if (records < FEW_RECORDS) return undefined
  const missing = fieldsToIndex(filter, definition) ?? fieldToSortBy(firstBy, definition)
  if (missing === undefined || missing.length === 0) return undefined
  const fields = missing.map(field => `"${field}"`).join(' and ')
  const indexes = missing.length === 1 ? `an index on ${fields}` : `indexes on ${fields}`
  return `bucket "${bucket}" needs ${indexes}: without, an evaluation looks at all of its ${records} records`
}

/**
 * Returns the fields to index for a filter, none where an index finds its records already; `undefined` where
 * no index can.
 */
function fieldsToIndex (filter: object, definition: BucketDefinition): string[] | undefined {
  const candidates: Array<{ readonly fields: string[], readonly isExact: boolean }> = []
  for (const [member, value] of Object.entries(filter) as Array<[string, unknown]>) {
    if (isChoice(member, value)) {
      const parts = value.map(part => fieldsToIndex(part, definition))
      const known = parts.filter(fields => fields !== undefined)
      if (member === '$and') {
        for (const fields of known) candidates.push({ fields, isExact: false })
      } else if (known.length === parts.length && parts.length > 0) {
        // Every part of a choice needs an index.
        candidates.push({ fields: [...new Set(known.flat())], isExact: false })
      }
      continue
    }
    const operators = operatorsOf(value).filter(operator => INDEXED_OPERATORS.has(operator))
    if (operators.length === 0) continue
    const isExact = operators.some(operator => EXACT_OPERATORS.has(operator))
    if (isIndexed(member, definition)) candidates.push({ fields: [], isExact })
    else if (canBeIndexed(member, definition)) candidates.push({ fields: [member], isExact })
  }
  const found = candidates.find(({ fields }) => fields.length === 0) ??
    candidates.find(({ isExact }) => isExact) ?? candidates[0]
  return found?.fields
}

/** Returns the field by which the first records of a sort can be found. */
function fieldToSortBy (field: string | undefined, definition: BucketDefinition): string[] | undefined {
  if (field === undefined || isIndexed(field, definition)) return undefined
  return canBeIndexed(field, definition) ? [field] : undefined
}

/** Returns the operators of a condition; a plain value is compared for equality. */
function operatorsOf (value: unknown): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ['$eq']
  const names = Object.keys(value)
  return names.length > 0 && names.every(name => name.startsWith('$')) ? names : ['$eq']
}

function isIndexed (field: string, { key, schema, indexes = [] }: BucketDefinition): boolean {
  return field === key || indexes.includes(field) ||
    (Object.hasOwn(schema, field) && schema[field]?.unique === true)
}

function canBeIndexed (field: string, { schema }: BucketDefinition): boolean {
  return Object.hasOwn(schema, field) && INDEXED_TYPES.has(schema[field]?.type)
}
