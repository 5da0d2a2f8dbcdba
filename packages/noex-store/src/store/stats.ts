import type { Bucket } from '../bucket/bucket.js'
import type { Engine } from '../commit/engine.js'
import type { ExpiryTimer } from '../commit/expiry-timer.js'
import type { QueryRegistry } from '../query/query-registry.js'
import type { StoreStats } from '../types/store.js'

/** Counts what a store holds in the buckets that `isCounted` accepts. */
export function statsOf (
  engine: Engine, queries: QueryRegistry, hasPersistence: boolean, expiry: ExpiryTimer,
  isCounted: (bucket: string) => boolean
): StoreStats {
  const buckets = [...engine.buckets.values()].filter(({ name }) => isCounted(name))
  const sum = (count: (bucket: Bucket) => number): { total: number, perBucket: Record<string, number> } => ({
    total: buckets.reduce((total, bucket) => total + count(bucket), 0),
    perBucket: Object.fromEntries(buckets.map(bucket => [bucket.name, count(bucket)]))
  })
  return {
    name: engine.options.name,
    revision: engine.revision,
    buckets: { count: buckets.length, names: buckets.map(({ name }) => name) },
    records: sum(({ size }) => size),
    bytes: sum(({ contents }) => contents.bytes),
    indexes: sum(({ schema }) => schema.indexes.filter(({ isDeclared }) => isDeclared).length),
    queries: { defined: queries.list().length, activeSubscriptions: queries.subscriptionCount },
    persistence: { enabled: hasPersistence },
    ttl: { enabled: expiry.isEnabled, checkIntervalMs: expiry.intervalMs }
  }
}
