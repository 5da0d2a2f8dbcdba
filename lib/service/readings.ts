import type { StoreStats } from '@hamicek/noex-store'
import type { Connections } from '../connection/connections.js'
import type { Rejections } from '../limits/rejections.js'
import type { BucketStats } from '../operations/server-info.js'
import { shortText } from '../util/short-text.js'

/** Buckets that the statistics have; the others are in the totals of the store. */
const MAX_BUCKETS = 1_000

/** Buckets that the metrics tell apart. */
const MAX_LABELS = 100

/** Characters of such a label. */
const MAX_LABEL = 128

/** The label of all other buckets together. */
const OTHERS = '(other)'

/** Closes that count as refusals too: the client has exceeded a limit. */
const refusingCloses = ['login_timeout', 'overloaded', 'slow_consumer', 'heartbeat_timeout'] as const

/** Where refusals are counted. */
export interface RefusalSources {
  readonly connections: Connections
  readonly rejections: Rejections
}

/** Returns the refusals and closes because of a limit since the start, by the limit. */
export function refusalCounts (
  { connections, rejections }: RefusalSources
): Readonly<Record<string, number>> {
  const { closeCounters } = connections
  return {
    ...rejections.all,
    ...Object.fromEntries(refusingCloses.map(reason => [reason, closeCounters.of(reason)]))
  }
}

/** Returns the records, bytes and indexes of each bucket, the largest ones where there are many. */
export function bucketStats (stats: StoreStats): Readonly<Record<string, BucketStats>> {
  return Object.fromEntries(bySize(stats).slice(0, MAX_BUCKETS))
}

/** Returns the buckets as metrics tell them: the largest by name, all others together. */
export function labelledBuckets (stats: StoreStats): Array<readonly [bucket: string, of: BucketStats]> {
  const labels = new Map<string, BucketStats>()
  for (const [i, [name, of]] of bySize(stats).entries()) {
    // Two names may become one text when they are cut.
    const label = i < MAX_LABELS ? shortText(name, MAX_LABEL) : OTHERS
    const sum = labels.get(label) ?? { records: 0, bytes: 0, indexes: 0 }
    labels.set(label, {
      records: sum.records + of.records, bytes: sum.bytes + of.bytes, indexes: sum.indexes + of.indexes
    })
  }
  return [...labels]
}

function bySize ({ records, bytes, indexes }: StoreStats): Array<readonly [bucket: string, of: BucketStats]> {
  const of = (counts: { readonly perBucket: Readonly<Record<string, number>> }, name: string): number =>
    counts.perBucket[name] ?? 0
  return Object.keys(records.perBucket)
    .map(name => [name, {
      records: of(records, name), bytes: of(bytes, name), indexes: of(indexes, name)
    }] as const)
    .sort(([, a], [, b]) => b.bytes - a.bytes)
}
