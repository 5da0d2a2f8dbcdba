import type { Store } from '@hamicek/noex-store'

/** The part of a noex-store `Store` that the plugin uses. */
export type NoexStore = Pick<Store,
  | 'name' | 'bucket' | 'hasBucket' | 'getBucketSchema' | 'defineBucket' | 'dropBucket' | 'updateBucket'
  | 'defineDeclarativeQuery' | 'undefineQuery' | 'getQueries' | 'getQueryInfo' | 'runQuery'
  | 'transaction' | 'on' | 'getStats'>
