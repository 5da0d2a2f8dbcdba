import type { BucketDefinition } from '@hamicek/noex-store'
import type { NoexStore } from './noex-store.js'

/** The bucket in which the server keeps the procedures that clients register, in every store. */
export const PROCEDURES_BUCKET = '_procedures'

/** The part of `SharedStore` that tells which of its buckets are the server's own. */
export interface SystemBuckets {
  /** Whether the store holds accounts: all names that start with `_` are then the server's. */
  readonly hasSystemBuckets: boolean
}

/** Returns whether a name is that of a system bucket, or reserved for one. */
export function isSystemBucket (name: string, { hasSystemBuckets }: SystemBuckets): boolean {
  return hasSystemBuckets ? name.startsWith('_') : name === PROCEDURES_BUCKET
}

/**
 * Defines a system bucket, unless the store has it with a definition. A bucket that was imported has none.
 */
export async function defineSystemBucket (
  store: NoexStore, name: string, definition: BucketDefinition
): Promise<void> {
  const isIncomplete = store.incompleteBuckets.some(({ bucket }) => bucket === name)
  if (isIncomplete || !store.hasBucket(name)) await store.defineBucket(name, definition)
}
