import type { BucketDefinition } from '@hamicek/noex-store'
import type { NoexStore } from './noex-store.js'

/**
 * Defines a bucket that the server needs for itself, unless the store has it with a definition. One that was
 * imported has none.
 */
export async function defineOwnBucket (
  store: NoexStore, name: string, definition: BucketDefinition
): Promise<void> {
  const isIncomplete = store.incompleteBuckets.some(({ bucket }) => bucket === name)
  if (isIncomplete || !store.hasBucket(name)) await store.defineBucket(name, definition)
}
