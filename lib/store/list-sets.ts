import type { WhereFilter } from '@hamicek/noex-store'

/** A list that is searched as fast as a set: the store asks `includes` for each record. */
export function listOf (values: ReadonlySet<unknown>): unknown[] {
  const list: unknown[] = []
  list.includes = value => values.has(value)
  return list
}

/** A shorter list is searched faster than a set. */
const SET_FROM = 9

/** The same filter, whose long lists of `$in` and `$nin` are searched as fast as sets. */
export function withSets (filter: WhereFilter): WhereFilter {
  const result: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(filter)) result[name] = withSetsIn(name, value)
  return result as WhereFilter
}

function withSetsIn (name: string, value: unknown): unknown {
  if (name === '$and' || name === '$or') {
    return Array.isArray(value) ? (value as WhereFilter[]).map(withSets) : value
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const { $in, $nin } = value as { readonly $in?: unknown, readonly $nin?: unknown }
  if (!isLong($in) && !isLong($nin)) return value
  return {
    ...value,
    ...(isLong($in) && { $in: listOf(new Set($in)) }),
    ...(isLong($nin) && { $nin: listOf(new Set($nin)) })
  }
}

function isLong (list: unknown): list is unknown[] {
  return Array.isArray(list) && list.length >= SET_FROM
}
