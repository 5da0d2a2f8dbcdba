import type { Store } from '@hamicek/noex-store'
import type { NoexStore } from './noex-store.js'
import { override } from './override.js'

/** What changed in a store without a store event, so that live queries must be told. */
export type StoreChange =
  /** A bucket came, or its definition changed; its records are the same. */
  | { readonly type: 'bucket_defined', readonly bucket: string }
  /** The bucket's records changed, or its handle did; without a name, those of every bucket. */
  | { readonly type: 'reset', readonly bucket?: string }
  | { readonly type: 'bucket_dropped', readonly bucket: string }
  /** A declarative query was defined. */
  | { readonly type: 'query_defined', readonly query: string }
  | { readonly type: 'query_undefined', readonly query: string }

/**
 * Calls `changed` after each change of the schema, whoever makes it: an operation of a client or the
 * application itself. Returns what stops that.
 */
export function watchSchema (store: NoexStore, changed: (change: StoreChange) => void): () => void {
  // Part of a Store, though not of what the plugin needs: another implementation may lack them.
  const whole = store as NoexStore & Partial<Pick<Store, 'rebuildBucket' | 'restoreBackup'>>
  const restore = [
    override(store, 'defineBucket', original => async (bucket, definition) => {
      await original(bucket, definition)
      changed({ type: 'bucket_defined', bucket })
    }),
    override(store, 'updateBucket', original => async (bucket, updates) => {
      await original(bucket, updates)
      changed({ type: 'reset', bucket })
    }),
    override(store, 'dropBucket', original => async bucket => {
      const dropped = await original(bucket)
      if (dropped) changed({ type: 'bucket_dropped', bucket })
      return dropped
    }),
    override(store, 'defineDeclarativeQuery', original => (query, config) => {
      const name = original(query, config)
      changed({ type: 'query_defined', query })
      return name
    }),
    override(store, 'undefineQuery', original => query => {
      const undefinedNow = original(query)
      if (undefinedNow) changed({ type: 'query_undefined', query })
      return undefinedNow
    }),
    override(whole, 'rebuildBucket', original => original === undefined
      ? original
      : async (bucket, definition, transform) => {
        await original(bucket, definition, transform)
        changed({ type: 'reset', bucket })
      }),
    override(whole, 'restoreBackup', original => original === undefined
      ? original
      : async name => {
        await original(name)
        changed({ type: 'reset' })
      })
  ]
  return () => { for (const step of restore) step() }
}
