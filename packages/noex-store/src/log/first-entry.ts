import type { Change } from '../types/commit.js'
import type { LogEntry, StoreImage } from './change-log.js'

/** Returns the whole store as one commit. */
export function firstEntry ({ revision, buckets, queries }: StoreImage, time: number): LogEntry {
  const changes: Change[] = []
  const counters: Record<string, number> = {}
  for (const { name: bucket, definition, functions, records, counter, floor, deleted } of buckets) {
    changes.push({
      type: 'define',
      bucket,
      definition,
      ...(functions && { functions }),
      ...(records.length > 0 && { records }),
      ...(floor + deleted.length > 0 && { remembered: { floor, deleted } })
    })
    if (counter > 0) counters[bucket] = counter
  }
  for (const [query, config] of queries) changes.push({ type: 'query', query, config })
  return { revision, time, changes, counters }
}
