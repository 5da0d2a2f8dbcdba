import type { BucketDefinition } from '@hamicek/noex-store'
import { ReadConflictError } from './transaction-reads.js'

type Written = Readonly<Record<string, unknown>>

/**
 * Remembers which entry of a transaction was the last to write a key or a unique value: the store looks at
 * these at the commit only.
 */
export class EntryWriters {
  /** Indexes of entries by bucket, field and value. */
  readonly #buckets = new Map<string, Map<string, Map<unknown, number>>>()
  /** The entry that is writing. */
  index = 0

  /** Takes note of what the present entry has written of a record: of one that it has deleted, the key. */
  note (bucket: string, { key, schema }: BucketDefinition, written: Written): void {
    for (const field of Object.keys(written)) {
      if (field === key || (Object.hasOwn(schema, field) && schema[field]?.unique === true)) {
        this.#valuesOf(bucket, field).set(written[field], this.index)
      }
    }
  }

  /**
   * Returns the index of the entry that has written what the store has refused to commit; `undefined` where
   * that is not known, and where another writer was faster.
   */
  entryOf (error: unknown, keyOf: (bucket: string) => string | undefined): number | undefined {
    if (!(error instanceof Error) || error instanceof ReadConflictError) return undefined
    const { name, bucket, field, value, key } = error as Error & Written
    const fields = this.#buckets.get(String(bucket))
    switch (name) {
      case 'UniqueConstraintError': return fields?.get(String(field))?.get(value)
      case 'TransactionConflictError': return fields?.get(keyOf(String(bucket)) ?? '')?.get(key)
      default: return undefined
    }
  }

  #valuesOf (bucket: string, field: string): Map<unknown, number> {
    const fields = this.#buckets.get(bucket) ?? new Map<string, Map<unknown, number>>()
    this.#buckets.set(bucket, fields)
    const values = fields.get(field) ?? new Map<unknown, number>()
    fields.set(field, values)
    return values
  }
}
