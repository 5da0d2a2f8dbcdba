import type {
  BucketDefinition, PaginatedResult, QueryBucket, StoreRecord, WhereFilter
} from '@hamicek/noex-store'
import { restrictedReads } from './restricted-reads.js'

/** A bucket as a reader reaches it. */
export interface Reading {
  readonly reads: QueryBucket
  readonly definition: BucketDefinition
}

/** Returns the first `n` records that match, in the order of the bucket. */
export async function firstMatching (
  { reads, definition }: Reading,
  filter: WhereFilter,
  n: number
): Promise<StoreRecord[]> {
  return await restrictedReads(reads, definition, filter).first(n)
}

/** Returns the last `n` records that match, in the order of the bucket. */
export async function lastMatching (
  { reads, definition }: Reading,
  filter: WhereFilter,
  n: number
): Promise<StoreRecord[]> {
  return await restrictedReads(reads, definition, filter).last(n)
}

/**
 * Returns the next `limit` records that match, in the order of the bucket. The one whose key is `after` need
 * not match any more: who works through a list changes what has been listed.
 */
export async function pageMatching (
  { reads, definition }: Reading,
  filter: WhereFilter,
  { after, limit }: { readonly after?: unknown, readonly limit: number }
): Promise<PaginatedResult> {
  const { key } = definition
  let matching = await firstMatching({ reads, definition }, filter, Number.MAX_SAFE_INTEGER)
  if (after !== undefined) {
    const cursor = matching.findIndex(record => record[key] === after)
    matching = cursor === -1
      ? await behind(after, matching, { reads, definition })
      : matching.slice(cursor + 1)
  }
  const records = matching.slice(0, limit)
  return { records, hasMore: matching.length > limit, nextCursor: records.at(-1)?.[key] }
}

/** Returns those of `records` that stand behind the record whose key is `after`. */
async function behind (
  after: unknown,
  records: readonly StoreRecord[],
  { reads, definition }: Reading
): Promise<StoreRecord[]> {
  const rest = await reads.paginate({ after, limit: Number.MAX_SAFE_INTEGER })
  const keys = new Set(rest.records.map(record => record[definition.key]))
  return records.filter(record => keys.has(record[definition.key]))
}
