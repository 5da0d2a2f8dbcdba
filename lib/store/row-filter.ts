import { matchesFilter, type StoreRecord, type WhereFilter } from '@hamicek/noex-store'
import { isOperators } from './compiled-filter.js'

/** Which records of a bucket may be reached: none, all, or those that match. */
export type Verdict = boolean | WhereFilter

/** The record, unless the row filter hides it; without a filter, every record is visible. */
export function visible (record: StoreRecord | undefined, rows: WhereFilter | undefined): StoreRecord | undefined {
  if (record === undefined || rows === undefined) return record
  return matchesFilter(record, rows) ? record : undefined
}

/**
 * A filter for the records that match `filter` and are visible. Fields that must equal a value stand at its top
 * level, those of `rows` first, since the store looks only there for an index to use. Everything else goes under
 * `$and`: so that no member takes the place of another, and because `null` at the top level matches nothing once
 * its field has an index.
 */
export function confine (rows: WhereFilter | undefined, filter: WhereFilter = {}): WhereFilter {
  if (rows === undefined) return plainEqualities(filter)
  const equal = new Map<string, unknown>()
  const others: WhereFilter[] = []
  for (const part of [plainEqualities(rows), plainEqualities(filter)]) {
    const rest: Array<[string, unknown]> = []
    for (const [field, value] of Object.entries(part)) {
      if (isPlain(value) && !field.startsWith('$') && !equal.has(field)) equal.set(field, value)
      else rest.push([field, value])
    }
    if (rest.length > 0) others.push(Object.fromEntries(rest))
  }
  const confined = Object.fromEntries(equal)
  return others.length === 0 ? confined : { ...confined, $and: others }
}

/**
 * Returns the same filter in which a field that must equal a value by `$eq` stands with that value itself, so
 * that an index can serve. Other operators on the field go under `$and`; `null` and objects stay where they
 * are: an index does not find them.
 */
function plainEqualities (filter: WhereFilter): WhereFilter {
  if (!Object.values(filter).some(hasPlainEquality)) return filter
  const plain: Record<string, unknown> = {}
  const others: WhereFilter[] = []
  for (const [field, value] of Object.entries(filter)) {
    if (!hasPlainEquality(value)) {
      plain[field] = value
      continue
    }
    const { $eq, ...rest } = value
    plain[field] = $eq
    if (Object.keys(rest).length > 0) others.push({ [field]: rest })
  }
  if (others.length === 0) return plain
  return { ...plain, $and: [...(plain['$and'] as readonly WhereFilter[] | undefined) ?? [], ...others] }
}

function hasPlainEquality (value: unknown): value is Readonly<Record<string, unknown>> {
  return isOperators(value) && isPlain(value['$eq'])
}

function isPlain (value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
