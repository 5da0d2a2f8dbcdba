import type { CollectionConfig, PendingMutation } from '@tanstack/db'
import type { LiveQuery, OptimisticTransaction, RequestOptions } from '../types.js'
import type { AnyClient } from './source.js'

/** The options of a collection. */
export interface LiveCollectionOptions<T extends object, K extends string | number> {
  readonly client: AnyClient
  /** The live query whose rows are those of the collection. */
  readonly query: LiveQuery<T[]>
  /** The bucket that inserts, updates and deletes go to; without one the collection is read only. */
  readonly bucket?: string
  /** Returns the key of a row: that of its bucket. */
  readonly getKey: (row: T) => K
  /** Returns the record that an insert sends: without a key that the server makes. @default the row */
  readonly toRecord?: (row: T) => object
  readonly id?: string
}

/**
 * Returns the options of a collection of TanStack DB: it has the rows of a live query. Its changes are one
 * transaction each, done once also over a reconnect, and shown by all live queries at once.
 *
 * @example
 * const query = client.query<Order[]>('open-orders')
 * const options = collectionOptions({ client, query, bucket: 'orders', getKey: order => order.id })
 * const orders = createCollection(options)
 */
export function collectionOptions<T extends object, K extends string | number = string | number> (
  { client, query, bucket, getKey, toRecord = row => row, id = query.key }: LiveCollectionOptions<T, K>
): CollectionConfig<T, K> {
  const change = async (
    { transaction: { mutations } }: { transaction: { mutations: ReadonlyArray<PendingMutation<T>> } }
  ): Promise<void> => {
    await client.optimistic((tx: OptimisticTransaction) => {
      const records = tx.bucket(bucket as string)
      for (const { type, key, modified, changes } of mutations) {
        if (type === 'insert') records.insert(toRecord(modified))
        else if (type === 'update') records.update(key, changes)
        else records.delete(key)
      }
    }, { retry: true } satisfies RequestOptions)
  }
  return {
    id,
    getKey,
    ...(bucket !== undefined && { onInsert: change, onUpdate: change, onDelete: change }),
    sync: {
      rowUpdateMode: 'full',
      sync ({ begin, write, commit, markReady, markError }) {
        let present = new Map<K, T>()
        let shown: T[] | undefined
        const bring = (): void => {
          const { data, status, error } = query.state
          if (data === undefined) {
            if (status === 'error') markError(error)
            return
          }
          if (data === shown) return
          shown = data
          const rows = new Map(data.map(row => [getKey(row), row]))
          begin()
          for (const [key, value] of present) if (!rows.has(key)) write({ type: 'delete', key, value })
          for (const [key, value] of rows) {
            const old = present.get(key)
            if (old !== value) write({ type: old === undefined ? 'insert' : 'update', value })
          }
          present = rows
          commit()
          markReady()
        }
        const end = query.subscribe(bring)
        bring()
        return end
      }
    }
  }
}
