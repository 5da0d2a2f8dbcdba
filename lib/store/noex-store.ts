import type { BucketDefinition, Store } from '@hamicek/noex-store'
import { bucketNotDefined } from '../errors.js'

/** The methods that the plugin needs of a store. */
export const storeMethods = [
  'bucket', 'hasBucket', 'getBucketSchema', 'defineBucket', 'dropBucket', 'updateBucket',
  'defineDeclarativeQuery', 'undefineQuery', 'getQueries', 'getQueryInfo', 'runQuery',
  'transaction', 'on', 'getStats'
] as const satisfies ReadonlyArray<keyof Store>

/** The part of a noex-store `Store` that the plugin uses. */
export type NoexStore = Pick<Store, typeof storeMethods[number]>

/** The definition of a bucket. Throws `BUCKET_NOT_DEFINED`. */
export function definitionOf (store: NoexStore, bucket: string): BucketDefinition {
  const definition = store.getBucketSchema(bucket)
  if (definition === undefined) throw bucketNotDefined(bucket)
  return definition
}
