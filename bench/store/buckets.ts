import type { BucketDefinition, Store } from '@hamicek/noex-store'
import { recordOf, type Group } from './works.js'

/** Records of one `insertMany` while a bucket is filled. */
const BATCH = 10_000

/** Defines the bucket of a group, with the queries that read it, and fills it. */
export async function fill (store: Store, group: Group, size: number): Promise<void> {
  await store.defineBucket('records', definitionOf(group, size))
  store.defineDeclarativeQuery('byRank', { bucket: 'records', sort: { rank: 'desc' }, limit: 20 })
  store.defineDeclarativeQuery('byScore', { bucket: 'records', sort: { score: 'desc' }, limit: 20 })
  const records = store.bucket('records')
  for (let from = 0; from < size; from += BATCH) {
    await records.insertMany(
      Array.from({ length: Math.min(BATCH, size - from) }, (_, i) => recordOf(from + i, size))
    )
  }
}

function definitionOf (group: Group, size: number): BucketDefinition {
  return {
    key: 'id',
    schema: {
      id: { type: 'string', generated: 'uuid' },
      name: { type: 'string', required: true },
      role: { type: 'string' },
      rank: { type: 'number' },
      score: { type: 'number' }
    },
    indexes: ['role', 'rank'],
    ...(group === 'full' && { maxSize: size }),
    ...(group === 'expiring' && { ttl: '1h' })
  }
}
