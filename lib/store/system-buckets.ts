import type { StoreStats } from '@hamicek/noex-store'

/** The bucket in which the server keeps the procedures that clients register, in every store. */
export const PROCEDURES_BUCKET = '_procedures'

/** What a store says about the server's own buckets in it. */
export interface SystemBuckets {
  /** Whether it holds accounts: all names that start with `_` are the server's, then. */
  readonly hasSystemBuckets: boolean
}

/** Whether a name is that of a system bucket, or would be. */
export function isSystemBucket (name: string, { hasSystemBuckets }: SystemBuckets): boolean {
  return hasSystemBuckets ? name.startsWith('_') : name === PROCEDURES_BUCKET
}

/** The statistics of a store as if it had no system buckets. */
export function withoutSystemBuckets (stats: StoreStats, store: SystemBuckets): StoreStats {
  const names = stats.buckets.names.filter(name => !isSystemBucket(name, store))
  return {
    ...stats,
    buckets: { count: names.length, names },
    records: counted(stats.records, names),
    indexes: counted(stats.indexes, names)
  }
}

function counted ({ perBucket }: StoreStats['records'], names: readonly string[]): StoreStats['records'] {
  const kept = names.map(name => [name, perBucket[name] ?? 0] as const)
  return { total: kept.reduce((sum, [, count]) => sum + count, 0), perBucket: Object.fromEntries(kept) }
}
