import { resolveDurability } from '../log/durability-options.js'
import { checkDefinitions } from '../schema/define-schema.js'
import type { StoreSchema } from '../types/record-types.js'
import type { StoreOptions } from '../types/store.js'
import { StoreBuckets } from './store-buckets.js'
import type { TypedStore, TypedStoreOptions } from './typed-store.js'

/** A set of buckets that change together, commit by commit. */
export class Store extends StoreBuckets {
  private constructor (options: StoreOptions) {
    super(options)
  }

  /**
   * Starts a store with the buckets of a schema, and with `durability` those of its log. When one of them
   * cannot be defined, the store is stopped.
   * @throws what `defineBucket` throws; a TypeError that names a wrong option; when the files of `durability`
   * are another process's, or not whole: an error with the file and the remedy
   * @example
   * const schema = defineSchema({
   *   users: { key: 'id', schema: { id: { type: 'string' } } }
   * })
   * const store = await Store.start({ schema, durability: { directory: '/var/lib/shop' } })
   */
  static start<S extends StoreSchema> (options: TypedStoreOptions<S>): Promise<TypedStore<S>>
  /** Starts a store without buckets, or with those of its log. */
  static start (options?: StoreOptions): Promise<Store>
  static async start (options: StoreOptions & { readonly schema?: StoreSchema } = {}): Promise<Store> {
    const durability = resolveDurability(options.durability, options.persistence !== undefined)
    const store = new Store(options)
    try {
      if (durability !== undefined) await store.openFiles(durability)
      if (options.schema === undefined) return store
      return await store.defineBuckets(options.schema)
    } catch (error) {
      // The first error is the one to know of.
      await store.stop().catch(() => {})
      throw error
    }
  }

  /**
   * Defines the buckets of a schema, one after the other, and resolves with this store as one whose buckets
   * have types. Those before one that cannot be defined stay.
   * @throws what `defineBucket` throws
   */
  async defineBuckets<S extends StoreSchema> (schema: S): Promise<TypedStore<S>> {
    checkDefinitions(schema)
    for (const [name, definition] of Object.entries(schema)) await this.defineBucket(name, definition)
    return this as unknown as TypedStore<S>
  }
}
