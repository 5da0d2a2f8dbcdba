import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { Store } from '@hamicek/noex-store'
import { noexPlugin } from '../../lib/index.js'
import { BOARD, INDEXES, ITEMS, itemOf, ROWS_OF_BOARD } from '../workload/capacity-records.js'
import { NO_HEARTBEAT, reportTo } from './control.js'

/** Records of one `insertMany` while a bucket is filled. */
const BATCH = 5_000

/** The plugin over a bucket of so many records with so many indexes: noex-capacity.js RECORDS INDEXES */
const [, , records = '0', indexes = '0'] = process.argv

const text = { type: 'string' } as const
const schema = {
  id: text, owner: text, name: text, email: text, score: { type: 'number' }, active: { type: 'boolean' }
} as const
const store = await Store.start({ name: 'capacity', ttlCheckIntervalMs: 0 })
await store.defineBucket(ITEMS, { key: 'id', schema, indexes: INDEXES.slice(0, Number(indexes)) })
await store.defineBucket(BOARD, { key: 'id', schema })
store.defineDeclarativeQuery(BOARD, { bucket: BOARD })
await fill(ITEMS, Number(records))
await fill(BOARD, ROWS_OF_BOARD)

const app = Fastify({ logger: false })
await app.register(noexPlugin, {
  store,
  connectionLimits: { maxTotalSubscriptions: 100_000, maxSubscriptionsPerConnection: 1_000 },
  liveQueries: { maxBytesPerUser: Number.MAX_SAFE_INTEGER, maxBytes: Number.MAX_SAFE_INTEGER },
  heartbeat: NO_HEARTBEAT
})
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port)

async function fill (bucket: string, count: number): Promise<void> {
  for (let from = 0; from < count; from += BATCH) {
    const size = Math.min(BATCH, count - from)
    await store.bucket(bucket).insertMany(Array.from({ length: size }, (_, i) => itemOf(from + i)))
  }
}
