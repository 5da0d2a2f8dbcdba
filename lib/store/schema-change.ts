import { NoexServerError } from '../protocol/errors.js'
import { checkBucketDefinition, checkBucketName, checkBucketUpdate } from './bucket-definition.js'
import { definitionOptions, type DefinitionScope } from './row-scope.js'
import type { SharedStore } from './shared-store.js'

/**
 * Defines a bucket after checking its definition.
 * @throws `ALREADY_EXISTS`, `VALIDATION_ERROR`
 */
export async function defineBucket (
  sharedStore: SharedStore, name: string, config: unknown, rowScope: DefinitionScope
): Promise<void> {
  checkBucketName(name)
  if (sharedStore.store.hasBucket(name)) {
    throw new NoexServerError('ALREADY_EXISTS', `Bucket "${name}" already exists`)
  }
  const definition = checkBucketDefinition(sharedStore.store, name, config)
  await sharedStore.store.defineBucket(name, definition, definitionOptions(rowScope))
}

/**
 * Changes a bucket's schema; its records are kept.
 * @throws `BUCKET_NOT_DEFINED`, `VALIDATION_ERROR`, `ALREADY_EXISTS` where records share a value of a field
 * that is to become unique
 */
export async function updateBucket (
  sharedStore: SharedStore,
  name: string,
  updates: unknown,
  rowScope: DefinitionScope
): Promise<void> {
  const update = checkBucketUpdate(sharedStore.store, name, sharedStore.definition(name), updates)
  try {
    await sharedStore.store.updateBucket(name, update, definitionOptions(rowScope))
  } catch (error) {
    throw sharedValue(error) ?? error
  }
}

/** Returns the refusal that names the value which records share; `undefined` for other errors. */
function sharedValue (error: unknown): NoexServerError | undefined {
  if (!(error instanceof Error) || error.name !== 'UniqueConstraintError') return undefined
  const { bucket, field, value } = error as Error & Readonly<Record<'bucket' | 'field' | 'value', unknown>>
  const problem = `Records of bucket "${String(bucket)}" share a value of "${String(field)}", ` +
    'so it cannot become unique'
  return new NoexServerError('ALREADY_EXISTS', problem, { bucket, field, value })
}

/**
 * Drops a bucket with its records and ends the live queries that read it.
 * @throws `BUCKET_NOT_DEFINED`
 */
export async function dropBucket (
  sharedStore: SharedStore, name: string, rowScope: DefinitionScope
): Promise<void> {
  sharedStore.definition(name)
  await sharedStore.store.dropBucket(name, definitionOptions(rowScope))
}
