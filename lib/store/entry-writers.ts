import { isStoreError, type BucketDefinition } from '@hamicek/noex-store'
import type { RecordInput } from './writes.js'

/**
 * Keeps which entry of a transaction was the last to write a key, a unique value or a reference, which the
 * store checks only at the commit.
 */
export class EntryWriters {
  /** Indexes of entries by bucket, field and value. */
  readonly #buckets = new Map<string, Map<string, Map<unknown, number>>>()
  /** Index of the last entry that has deleted by a filter, by bucket. */
  readonly #deleting = new Map<string, number>()

  /** Notes the values that the entry at `index` has written of a record: of a deleted one, its key. */
  note (index: number, bucket: string, { key, schema }: BucketDefinition, written: RecordInput): void {
    for (const field of Object.keys(written)) {
      const definition = Object.hasOwn(schema, field) ? schema[field] : undefined
      if (field !== key && definition?.unique !== true && definition?.ref === undefined) continue
      this.#valuesOf(bucket, field).set(written[field], index)
    }
  }

  /** Notes the values that the entry at `index` writes to all matching records, or that it deletes them. */
  noteFilter (index: number, bucket: string, definition: BucketDefinition, written?: RecordInput): void {
    if (written !== undefined) this.note(index, bucket, definition, written)
    else this.#deleting.set(bucket, index)
  }

  /**
   * Returns the index of the entry that has written the value which the store has refused to commit;
   * `undefined` where that is not known, or the conflict is with another writer.
   */
  entryOf (error: unknown, keyOf: (bucket: string) => string | undefined): number | undefined {
    if (!isStoreError(error)) return undefined
    const members = error as unknown as Readonly<Record<string, unknown>>
    switch (error.code) {
      case 'UNIQUE': return this.#find(members['bucket'], members['field'], members['value'])
      case 'REFERENCE_MISSING':
        return this.#find(members['sourceBucket'], members['sourceField'], members['targetKey'])
      case 'REFERENCE_HELD': {
        const bucket = String(members['targetBucket'])
        return this.#find(bucket, keyOf(bucket), members['targetKey']) ?? this.#deleting.get(bucket)
      }
      default: return undefined
    }
  }

  #find (bucket: unknown, field: unknown, value: unknown): number | undefined {
    return this.#buckets.get(String(bucket))?.get(String(field))?.get(value)
  }

  #valuesOf (bucket: string, field: string): Map<unknown, number> {
    const fields = this.#buckets.get(bucket) ?? new Map<string, Map<unknown, number>>()
    this.#buckets.set(bucket, fields)
    const values = fields.get(field) ?? new Map<unknown, number>()
    fields.set(field, values)
    return values
  }
}
