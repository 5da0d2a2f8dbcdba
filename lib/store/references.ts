import type { BucketDefinition, TransactionContext } from '@hamicek/noex-store'
import { danglingReference, referenceHeld } from '../errors.js'
import type { RecordInput } from './insert.js'
import type { StoreAccess } from './store-access.js'

/**
 * Refuses a record that refers to one which does not exist, seen from inside the transaction.
 * @throws `VALIDATION_ERROR`
 */
export async function checkReferences (tx: TransactionContext, bucket: string, definition: BucketDefinition, data: RecordInput): Promise<void> {
  for (const [field, { ref }] of Object.entries(definition.schema)) {
    const key = data[field]
    if (ref === undefined || key == null) continue
    if (await (await tx.bucket(ref)).get(key) === undefined) throw danglingReference({ bucket, field, target: ref, key })
  }
}

/**
 * Does to the records that refer to `key` what their field's `onDelete` says, before the record is deleted:
 * refuses, deletes them too, or sets their field to null.
 * @throws `CONFLICT`
 */
export async function releaseReferences (access: StoreAccess, tx: TransactionContext, bucket: string, key: unknown): Promise<void> {
  for (const reference of await referencesTo(access, bucket)) {
    const source = await tx.bucket(reference.bucket)
    for (const record of await source.where({ [reference.field]: key })) {
      const sourceKey = record[reference.keyField]
      // A record that refers to itself goes with itself.
      if (reference.bucket === bucket && sourceKey === key) continue
      switch (reference.onDelete) {
        case 'restrict':
          throw referenceHeld({ bucket: reference.bucket, field: reference.field, target: bucket, key })
        case 'set_null':
          await source.update(sourceKey, { [reference.field]: null })
          break
        case 'cascade':
          // Deleted before its own references are followed, so that a circle ends.
          await source.delete(sourceKey)
          await releaseReferences(access, tx, reference.bucket, sourceKey)
      }
    }
  }
}

/** A field whose values are keys of another bucket. */
export interface ReferenceTo {
  readonly bucket: string
  readonly field: string
  readonly keyField: string
  readonly onDelete: 'restrict' | 'cascade' | 'set_null'
}

/** The fields of any bucket that refer to `target`. Costs one message to each bucket of the store. */
export async function referencesTo (access: StoreAccess, target: string): Promise<ReferenceTo[]> {
  const { buckets } = await access.store.getStats()
  return buckets.names.flatMap(bucket => {
    const definition = access.store.getBucketSchema(bucket)
    return Object.entries(definition?.schema ?? {})
      .filter(([, field]) => field.ref === target)
      .map(([field, { onDelete = 'restrict' }]) => ({ bucket, field, keyField: definition?.key ?? '', onDelete }))
  })
}
