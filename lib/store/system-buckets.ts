import type { BucketDefinition } from '@hamicek/noex-store'
import { setTimeout as sleep } from 'node:timers/promises'
import { isNotLeader, type NoexStore } from './noex-store.js'

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

/** Time that a process which another one has to define a bucket for waits for it, in milliseconds. */
const PATIENCE_MS = 8_000
const PAUSE_MS = 50

/**
 * Defines a system bucket, unless the store has it with a definition. A bucket that was imported has none. A
 * store that follows another process waits until that has defined it.
 */
export async function defineSystemBucket (
  store: NoexStore, name: string, definition: BucketDefinition
): Promise<void> {
  const isIncomplete = store.incompleteBuckets.some(({ bucket }) => bucket === name)
  if (!isIncomplete && store.hasBucket(name)) return
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      await store.defineBucket(name, definition)
      return
    } catch (error) {
      if (!isNotLeader(error) || performance.now() > deadline) throw error
    }
    await sleep(PAUSE_MS)
    if (store.hasBucket(name)) return
  }
}
