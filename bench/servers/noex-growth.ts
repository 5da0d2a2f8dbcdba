import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { Store } from '@hamicek/noex-store'
import { noexPlugin } from '../../lib/index.js'
import { BUCKET, growthCases, itemOf, QUERY, WRITER, type GrowthCase } from '../workload/growth-cases.js'
import { NO_HEARTBEAT, reportTo } from './control.js'

/** Records of one `insertMany` while the bucket is filled. */
const BATCH = 10_000

/** The plugin over one bucket with one declarative query: noex-growth.js CASE SIZE */
const [, , name = '', size = ''] = process.argv
const { records, indexes, query, isByUser } = growthCases[name as keyof typeof growthCases] as GrowthCase
const count = records(Number(size))

const store = await Store.start({ name: 'growth', ttlCheckIntervalMs: 0 })
await store.defineBucket(BUCKET, {
  key: 'id',
  schema: {
    id: { type: 'string' },
    name: { type: 'string' },
    email: { type: 'string' },
    role: { type: 'string' },
    owner: { type: 'string' },
    score: { type: 'number' },
    active: { type: 'boolean' }
  },
  indexes: [...indexes ?? []]
})
for (let from = 0; from < count; from += BATCH) {
  await store.bucket(BUCKET).insertMany(
    Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => itemOf(from + i))
  )
}
store.defineDeclarativeQuery(QUERY, query)

const app = Fastify({ logger: false })
await app.register(noexPlugin, {
  store,
  connectionLimits: { maxTotalSubscriptions: 100_000, maxUnauthenticatedConnections: 100_000 },
  workBudget: Number.MAX_SAFE_INTEGER,
  heartbeat: NO_HEARTBEAT,
  ...(isByUser === true && {
    auth: {
      validate: token => ({ userId: token, roles: [token === WRITER ? 'writer' : 'customer'] }),
      permissions: {
        default: 'deny',
        rules: [
          { role: 'writer', allow: 'store.*', buckets: [BUCKET] },
          { role: 'customer', allow: 'store.*', buckets: [BUCKET], where: { owner: '$userId' } }
        ]
      }
    }
  })
})
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port)
