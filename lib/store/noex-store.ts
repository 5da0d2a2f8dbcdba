import type { Store } from '@hamicek/noex-store'

/** The methods that the plugin needs of a store. */
export const storeMethods = [
  'bucket', 'hasBucket', 'getBucketSchema', 'defineBucket', 'dropBucket', 'updateBucket',
  'defineDeclarativeQuery', 'undefineQuery', 'getQueries', 'getQueryInfo', 'runQuery',
  'transaction', 'on', 'getStats'
] as const satisfies ReadonlyArray<keyof Store>

/** The part of a noex-store `Store` that the plugin uses. */
export type NoexStore = Pick<Store, typeof storeMethods[number]>
