import type {
  BucketDefinition, StoreRecord, TransactionBucketHandle, TransactionContext
} from '@hamicek/noex-store'
import { danglingReference, referenceHeld } from '../errors.js'
import { guardUpdate } from './callback-guard.js'
import { candidatesIn } from './checked-bucket.js'
import { readsOf } from './checked-transactions.js'
import type { RecordInput } from './record-input.js'
import type { StoreAccess } from './store-access.js'
import { UNITS_PER_WRITE, type Work } from './work.js'

/** Where referred records are looked for: the store, or what a transaction sees of it. */
interface Records {
  readonly bucket: (name: string) => Awaitable<{ readonly get: (key: unknown) => Promise<unknown> }>
}

type Awaitable<T> = T | Promise<T>

/**
 * Refuses a record that refers to one which does not exist.
 * @throws `VALIDATION_ERROR`
 */
export async function checkReferences (records: Records, bucket: string, definition: BucketDefinition, data: RecordInput): Promise<void> {
  for (const [field, { ref }] of Object.entries(definition.schema)) {
    const key = data[field]
    if (ref === undefined || key == null) continue
    if (await (await records.bucket(ref)).get(key) === undefined) throw danglingReference({ bucket, field, target: ref, key })
  }
}

/** Does `checkReferences` outside a transaction, for the references that noex-store does not check: those added to a schema later. */
export async function checkAddedReferences (access: StoreAccess, bucket: string, data: RecordInput): Promise<void> {
  const definition = access.referencesAdded.has(bucket) ? access.store.getBucketSchema(bucket) : undefined
  if (definition !== undefined) await checkReferences(access, bucket, definition, data)
}

/**
 * Does to the records that refer to deleted ones what their field's `onDelete` says: refuses, deletes them
 * too, or sets their field to null.
 * @throws `CONFLICT`
 */
export async function releaseReferences (
  access: StoreAccess, tx: TransactionContext, bucket: string, deleted: readonly unknown[], work: Work
): Promise<void> {
  const emptied: Emptied[] = []
  await followReferences(access, tx, bucket, new Set(deleted), emptied, work)
  // Last, because another field of theirs may delete some: a transaction cannot delete what it has updated.
  for (const { source, key, field } of emptied) {
    const record = await source.get(key)
    if (record === undefined) continue
    guardUpdate(source.name, access.definition(source.name), record, { [field]: null })
    await source.update(key, { [field]: null })
  }
}

/** A record whose field is to become null. */
interface Emptied {
  readonly source: TransactionBucketHandle
  readonly key: unknown
  readonly field: string
}

/** A deleted record is not seen any more, so a circle of references ends. */
async function followReferences (
  access: StoreAccess, tx: TransactionContext, bucket: string, deleted: ReadonlySet<unknown>,
  emptied: Emptied[], work: Work
): Promise<void> {
  for (const { bucket: from, field, keyField, onDelete } of await referencesTo(access, bucket)) {
    const source = await tx.bucket(from)
    const cascaded = new Set<unknown>()
    const referring: StoreRecord[] = []
    const records = await candidates(access, tx, source, field, deleted)
    work.take(records.length)
    await work.each(records, 1, record => {
      if (record[field] != null && deleted.has(record[field])) referring.push(record)
    })
    for (const record of referring) {
      const { [field]: target, [keyField]: key } = record
      work.take(UNITS_PER_WRITE)
      await work.pause()
      switch (onDelete) {
        case 'restrict':
          throw referenceHeld({ bucket: from, field, target: bucket, key: target })
        case 'set_null':
          emptied.push({ source, key, field })
          break
        case 'cascade':
          await source.delete(key)
          cascaded.add(key)
      }
    }
    if (cascaded.size > 0) await followReferences(access, tx, from, cascaded, emptied, work)
  }
}

/**
 * Finds the records that may refer to deleted ones: for one key by a filter, which an index may answer and
 * which no change of other records disturbs. A key from a client may be an object, which a filter takes for
 * operators.
 */
async function candidates (
  access: StoreAccess, tx: TransactionContext, source: TransactionBucketHandle, field: string,
  deleted: ReadonlySet<unknown>
): Promise<readonly StoreRecord[]> {
  const [key] = deleted
  const isPlain = typeof key === 'string' || typeof key === 'number'
  if (deleted.size > 1 || !isPlain || field.startsWith('$')) return await source.all()
  const filter = { [field]: key }
  readsOf(tx)?.addFilter(source.name, { filter, isCount: false })
  const { records, written } = await candidatesIn(source, access.definition(source.name), filter)
  return written.length === 0 ? records : [...records, ...written]
}

/** A field whose values are keys of another bucket. */
export interface ReferenceTo {
  readonly bucket: string
  readonly field: string
  readonly keyField: string
  readonly onDelete: 'restrict' | 'cascade' | 'set_null'
}

/** The fields of any bucket that refer to `target`. */
export async function referencesTo (access: StoreAccess, target: string): Promise<ReferenceTo[]> {
  const names = await access.bucketNames()
  return names.flatMap(bucket => {
    const definition = access.store.getBucketSchema(bucket)
    return Object.entries(definition?.schema ?? {})
      .filter(([, field]) => field.ref === target)
      .map(([field, { onDelete = 'restrict' }]) => ({ bucket, field, keyField: definition?.key ?? '', onDelete }))
  })
}

/** The buckets that the fields of a bucket definition, or of an update of one, refer to. Works on unchecked input. */
export function referencedBuckets (config: unknown, member: 'schema' | 'addFields'): string[] {
  const fields: unknown = (config as Readonly<Record<string, unknown>> | null | undefined)?.[member]
  const refs = Object.values(fields ?? {}).map((field: { ref?: unknown } | null | undefined) => field?.ref)
  return [...new Set(refs.filter(ref => typeof ref === 'string'))]
}
