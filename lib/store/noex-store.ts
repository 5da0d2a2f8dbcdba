import { isStoreError, type BucketDefinition, type Store } from '@hamicek/noex-store'
import { bucketNotDefined } from '../protocol/errors.js'

/** The part of a noex-store `Store` that the plugin uses. */
export type NoexStore = Pick<Store,
  'bucket' | 'bucketNames' | 'hasBucket' | 'getBucketSchema' | 'fieldsOf' |
  'defineBucket' | 'dropBucket' | 'updateBucket' | 'defineDeclarativeQuery' |
  'undefineQuery' | 'getQueries' | 'getQueryInfo' | 'runQuery' | 'keyOf' |
  'transaction' | 'on' | 'onCommit' | 'onDurable' | 'getStats' |
  'revision' | 'epoch' | 'whenDurable' | 'keepsNotes' | 'notes' |
  'beginRead' | 'views' | 'changedKeys' | 'durability' | 'onDurabilityChange' | 'incompleteBuckets' |
  'requests' | 'rememberRequest' | 'attachLog' | 'leaveLog'
>

/** Version of the interface between stores and this plugin. */
const FORMAT = 1

/** The methods that a store must have. */
const METHODS = [
  'bucket', 'hasBucket', 'getBucketSchema', 'fieldsOf', 'defineBucket', 'dropBucket', 'updateBucket',
  'defineDeclarativeQuery', 'undefineQuery', 'getQueries', 'getQueryInfo', 'runQuery', 'keyOf', 'transaction',
  'on', 'onCommit', 'onDurable', 'getStats', 'rememberRequest'
] as const satisfies ReadonlyArray<keyof NoexStore>

const IMPORT = "import { Store } from 'fastify-noex/store'"

/**
 * Returns the problem with a value that should be a store; `undefined` for a store that can be served. A
 * store is recognized by its mark, so that another copy of the package works, too.
 */
export function storeProblem (value: unknown): string | undefined {
  const isObject = typeof value === 'object' && value !== null
  const members = (isObject ? value : {}) as Record<string | symbol, unknown>
  const format = members[Symbol.for('noex.store')]
  if (format === FORMAT) {
    const missing = METHODS.find(name => typeof members[name] !== 'function')
    return missing && `has the mark of a store, but no method ${missing}; ` +
      `it must be a noex store, from Store.start(): ${IMPORT}`
  }
  if (format !== undefined) {
    return `is a store of format ${String(format)}, and this version of fastify-noex serves ` +
      `format ${FORMAT}: take both from one version, by ${IMPORT}`
  }
  const isForeign = ['bucket', 'transaction', 'runQuery'].every(name => typeof members[name] === 'function')
  return isForeign
    ? 'is a Store of the package @hamicek/noex-store, which cannot be served: ' +
      `import it by ${IMPORT} instead; ` +
      'nothing else of the program changes'
    : `must be a noex store, from Store.start(): ${IMPORT}`
}

/** Returns the definition of a bucket. @throws `BUCKET_NOT_DEFINED` */
export function definitionOf (store: NoexStore, bucket: string): BucketDefinition {
  const definition = store.getBucketSchema(bucket)
  if (definition === undefined) throw bucketNotDefined(bucket)
  return definition
}

/** Returns whether an error means that a bucket is not defined. */
export function isBucketMissing (error: unknown): boolean {
  return isStoreError(error) && error.code === 'BUCKET_NOT_DEFINED'
}

/** Returns whether an error means that the data which was read or written has been rolled back. */
export function isTakenBack (error: unknown): boolean {
  return isStoreError(error) && error.code === 'STORE_UNAVAILABLE'
}

/** Returns whether a store refuses writes, because of its log or because it follows another process. */
export function refusesWrites ({ durability }: NoexStore): boolean {
  return durability.state === 'unavailable' || durability.state === 'following'
}

/** Returns whether an error means that another process takes the writes. */
export function isNotLeader (error: unknown): boolean {
  return isStoreError(error) && error.code === 'NOT_LEADER'
}

/** Returns whether an error means that a filter, or where a page begins, is refused. */
export function isFilterRefused (error: unknown): boolean {
  return isStoreError(error) && error.code === 'FILTER'
}
