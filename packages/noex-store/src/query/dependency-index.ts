import type { Bucket } from '../bucket/bucket.js'
import type { Change } from '../types/commit.js'
import type { QueryDependencies } from '../types/query.js'

/** Records and buckets that a query has read so far. */
export class ReadDependencies implements QueryDependencies {
  readonly bucketLevel = new Set<string>()
  readonly recordLevel = new Map<string, Set<unknown>>()

  addRecord (bucket: string, key: unknown): void {
    const keys = this.recordLevel.get(bucket)
    if (keys === undefined) this.recordLevel.set(bucket, new Set([key]))
    else keys.add(key)
  }
}

/** Finds what depends on a changed record. */
export class DependencyIndex<T> {
  readonly #buckets = new Map<string, Set<T>>()
  readonly #records = new Map<string, Map<unknown, Set<T>>>()

  addBucket (bucket: string, dependent: T): void {
    const dependents = this.#buckets.get(bucket)
    if (dependents === undefined) this.#buckets.set(bucket, new Set([dependent]))
    else dependents.add(dependent)
  }

  addRecord (bucket: string, key: unknown, dependent: T): void {
    let byKey = this.#records.get(bucket)
    if (byKey === undefined) this.#records.set(bucket, byKey = new Map())
    const dependents = byKey.get(key)
    if (dependents === undefined) byKey.set(key, new Set([dependent]))
    else dependents.add(dependent)
  }

  /** Whether nothing depends on anything. */
  get isEmpty (): boolean {
    return this.#buckets.size === 0 && this.#records.size === 0
  }

  remove ({ bucketLevel, recordLevel }: ReadDependencies, dependent: T): void {
    for (const bucket of bucketLevel) drop(this.#buckets, bucket, dependent)
    for (const [bucket, keys] of recordLevel) {
      const byKey = this.#records.get(bucket)
      if (byKey === undefined) continue
      for (const key of keys) drop(byKey, key, dependent)
      if (byKey.size === 0) this.#records.delete(bucket)
    }
  }

  /** The dependents of a change; `current` is its bucket, which tells how keys are compared. */
  of (change: Change, current: Bucket | undefined): Set<T> {
    const found = new Set<T>()
    if (!('bucket' in change)) return found
    for (const dependent of this.#buckets.get(change.bucket) ?? []) found.add(dependent)
    const byKey = this.#records.get(change.bucket)
    if (byKey === undefined) return found
    if ('key' in change) {
      for (const dependent of byKey.get(current?.keyOf(change.key) ?? change.key) ?? []) found.add(dependent)
    } else {
      for (const dependents of byKey.values()) for (const dependent of dependents) found.add(dependent)
    }
    return found
  }
}

function drop<K, T> (sets: Map<K, Set<T>>, key: K, member: T): void {
  const set = sets.get(key)
  if (set?.delete(member) === true && set.size === 0) sets.delete(key)
}
