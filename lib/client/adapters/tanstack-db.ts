import { checkOptions, mustBe, TEXT } from '../checks.js'
import type { LiveQuery, OptimisticTransaction } from '../types.js'
import { checkQuery, type AnyClient } from './source.js'
import type { ChangedCollection, CollectionSync } from './tanstack-types.js'

/** The options of a collection. */
export interface LiveCollectionOptions<T extends object, K extends string | number> {
  readonly client: AnyClient
  /** The live query whose rows are those of the collection. */
  readonly query: LiveQuery<readonly T[]>
  /** The bucket that inserts, updates and deletes go to; without one the collection is read only. */
  readonly bucket?: string
  /** Returns the key of a row: that of its bucket. */
  readonly getKey: (row: T) => K
  /** Returns the record that an insert sends: without a key that the server makes. @default the row */
  readonly toRecord?: (row: T) => object
  readonly id?: string
}

const FUNCTION = 'a function'
const kinds = {
  client: 'an object', query: 'an object', bucket: TEXT, getKey: FUNCTION, toRecord: FUNCTION, id: TEXT
}

function checked<T extends object, K extends string | number> (
  options: LiveCollectionOptions<T, K>
): LiveCollectionOptions<T, K> {
  const given = checkOptions<LiveCollectionOptions<T, K>>('collectionOptions', options, kinds)
  checkQuery('collectionOptions', given.query)
  mustBe('collectionOptions: client.optimistic', given.client?.optimistic, FUNCTION)
  mustBe('collectionOptions: getKey', given.getKey, FUNCTION)
  return given
}

/**
 * Returns the options of a collection of TanStack DB: it has the rows of a live query. Its changes are one
 * transaction each, done once also over a reconnect, and shown by all live queries at once.
 * @throws `TypeError` for a wrong option
 *
 * @example
 * const query = client.query<Order[]>('open-orders')
 * const options = collectionOptions({ client, query, bucket: 'orders', getKey: order => order.id })
 * const orders = createCollection(options)
 */
export function collectionOptions<T extends object, K extends string | number = string | number> (
  options: LiveCollectionOptions<T, K>
) {
  const { client, query, bucket, getKey, toRecord = (row: T) => row, id = query.key } = checked(options)
  const change = async ({ transaction: { mutations } }: ChangedCollection<T>): Promise<void> => {
    await client.optimistic((tx: OptimisticTransaction) => {
      const records = tx.bucket(bucket as string)
      for (const { type, key, modified, changes } of mutations) {
        if (type === 'insert') records.insert(toRecord(modified))
        else if (type === 'update') records.update(key, changes)
        else records.delete(key)
      }
    }, { retry: true })
  }
  const sync = ({ begin, write, commit, markReady, markError }: CollectionSync<T>): () => void => {
    let shown: readonly T[] | undefined
    let present = new Map<K, T>()
    const bring = (): void => {
      const { data, error } = query.state
      if (shown === undefined && data === undefined && error !== undefined) markError(error)
      if (data === shown) return
      const rows = new Map(data?.map(row => [getKey(row), row]))
      begin()
      for (const [key, value] of present) if (!rows.has(key)) write({ type: 'delete', value })
      for (const [key, value] of rows) {
        const old = present.get(key)
        if (old !== value) write({ type: old === undefined ? 'insert' : 'update', value })
      }
      commit()
      shown = data
      present = rows
      markReady()
    }
    const end = query.subscribe(bring)
    bring()
    return end
  }
  const handlers = bucket === undefined ? {} : { onInsert: change, onUpdate: change, onDelete: change }
  return { id, getKey, ...handlers, sync: { sync, rowUpdateMode: 'full' as const } }
}
