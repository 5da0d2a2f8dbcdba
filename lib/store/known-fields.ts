import type { NoexStore } from './noex-store.js'

/** Properties that the store writes itself. */
export const metadata: ReadonlySet<string> = new Set(['_version', '_createdAt', '_updatedAt', '_expiresAt'])

/**
 * Knows the fields of each bucket: those of its schema, and others that a record has or has had. Where there
 * are too many names, every name counts as a field.
 */
export class KnownFields {
  readonly #store: NoexStore

  constructor (store: NoexStore) {
    this.#store = store
  }

  /** Returns whether records of the bucket may have this field; `true` for a bucket that does not exist. */
  has (bucket: string, field: string): boolean {
    const fields = this.#store.fieldsOf(bucket)
    if (fields === undefined || this.isDeclared(bucket, field) || fields.has(field)) return true
    // Its records will show which fields they have.
    return this.isSchemaless(bucket) && fields.list().length === 0
  }

  /** Returns whether a field is metadata or in the schema; `true` for a bucket that does not exist. */
  isDeclared (bucket: string, field: string): boolean {
    const definition = this.#store.getBucketSchema(bucket)
    return definition === undefined || metadata.has(field) || Object.hasOwn(definition.schema, field)
  }

  /** Returns whether the schema of a bucket has no field but the key. */
  isSchemaless (bucket: string): boolean {
    const { key, schema = {} } = this.#store.getBucketSchema(bucket) ?? {}
    return Object.keys(schema).every(name => name === key)
  }

  /** Returns the fields of the schema of a bucket, and the metadata. */
  declared (bucket: string): string[] {
    return [...Object.keys(this.#store.getBucketSchema(bucket)?.schema ?? {}), ...metadata]
  }

  /** Returns all known fields of a bucket. */
  all (bucket: string): string[] {
    return [...new Set([...this.declared(bucket), ...this.#store.fieldsOf(bucket)?.list() ?? []])]
  }
}
