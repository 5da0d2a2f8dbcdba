import type { BucketDefinition, QueryBucket, StoreRecord, WhereFilter } from '@hamicek/noex-store'
import { confine, visible } from './row-filter.js'
import { compareKeys } from './sliced-reads.js'

/**
 * The reads of a bucket as if it held nothing but the records that match `rows`. Order is that of the bucket,
 * except where an index serves the filter: then `all`, `where` and `findOne` follow the index, as the store's own `where` does.
 * `handle` is to be used at once, so this is too.
 */
export function restrictedReads (handle: QueryBucket, definition: BucketDefinition, rows: WhereFilter): QueryBucket {
  const { key } = definition

  /** All visible records in the order of `first`, `last` and `paginate`. */
  async function inOrder (): Promise<StoreRecord[]> {
    // Without a field at the top level the store goes through the whole table, and never by an index.
    const records = await handle.where({ $and: [rows] })
    return definition.etsType === 'ordered_set' ? records.sort((a, b) => compareKeys(a[key], b[key])) : records
  }

  return {
    get: async key => visible(await handle.get(key), rows),
    all: async () => await handle.where(confine(rows)),
    where: async filter => await handle.where(confine(rows, filter)),
    findOne: async filter => await handle.findOne(confine(rows, filter)),
    count: async filter => await handle.count(confine(rows, filter)),
    first: async n => (await inOrder()).slice(0, n),
    last: async n => (await inOrder()).slice(-n),
    async paginate ({ after, limit }) {
      const all = await inOrder()
      const cursor = all.findIndex(record => record[key] === after)
      // A cursor that is gone, or out of sight, ends the walk: where it stood is not known.
      const start = after === undefined ? 0 : cursor === -1 ? all.length : cursor + 1
      const records = all.slice(start, start + limit)
      return { records, hasMore: start + limit < all.length, nextCursor: records.at(-1)?.[key] }
    },
    sum: async (field, filter) => await handle.sum(field, confine(rows, filter)),
    avg: async (field, filter) => await handle.avg(field, confine(rows, filter)),
    min: async (field, filter) => await handle.min(field, confine(rows, filter)),
    max: async (field, filter) => await handle.max(field, confine(rows, filter)),
    groupBy: async (field, aggregate, filter) => await handle.groupBy(field, aggregate, confine(rows, filter))
  }
}
