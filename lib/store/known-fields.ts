import { invalid } from '../protocol/errors.js'
import type { NoexStore } from './noex-store.js'

/** Members that the store writes itself. */
export const metadata: ReadonlySet<string> = new Set(['_version', '_createdAt', '_updatedAt', '_expiresAt'])

/**
 * Refuses the name of a member that every object inherits: a record without such a field would seem to have
 * it.
 * @throws `VALIDATION_ERROR` for `place`
 */
export function refuseInherited (name: string, place: string, subject = ''): void {
  if (name in Object.prototype) throw invalid(place, `${subject}is a name that every object has`)
}

/**
 * Tells which fields the records of each bucket have: those of its schema, and whichever else a record has or
 * has had. Where there are too many names, every name is held to be a field.
 */
export class KnownFields {
  readonly #store: NoexStore

  constructor (store: NoexStore) {
    this.#store = store
  }

  /** Whether records of the bucket may have this field; of a bucket that does not exist, every one. */
  has (bucket: string, field: string): boolean {
    const fields = this.#store.fieldsOf(bucket)
    if (fields === undefined || this.isDeclared(bucket, field) || fields.has(field)) return true
    // Only its records will tell what they are like.
    return this.isSchemaless(bucket) && fields.list().length === 0
  }

  /**
   * Whether the schema of a bucket names the field, or it is metadata; of a bucket that does not exist, every
   * one.
   */
  isDeclared (bucket: string, field: string): boolean {
    const definition = this.#store.getBucketSchema(bucket)
    return definition === undefined || metadata.has(field) || Object.hasOwn(definition.schema, field)
  }

  /** Whether the schema of a bucket leaves all fields but the key to the records. */
  isSchemaless (bucket: string): boolean {
    const { key, schema = {} } = this.#store.getBucketSchema(bucket) ?? {}
    return Object.keys(schema).every(name => name === key)
  }

  /** The fields that the schema of a bucket names, and the metadata. */
  declared (bucket: string): string[] {
    return [...Object.keys(this.#store.getBucketSchema(bucket)?.schema ?? {}), ...metadata]
  }

  /** All fields of a bucket that are known. */
  all (bucket: string): string[] {
    return [...new Set([...this.declared(bucket), ...this.#store.fieldsOf(bucket)?.list() ?? []])]
  }
}
