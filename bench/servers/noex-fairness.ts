import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { noexPlugin } from '../../lib/index.js'
import { RuleEngine } from '../../lib/exports/rules.js'
import { ADMIN_SECRET, BIG, nothing } from '../workload/heavy-requests.js'
import { startBenchStore } from './bench-store.js'
import { reportTo } from './control.js'
import { watchTurns } from './turn-watch.js'

/** The plugin with everything that has operations, over buckets of 100,000 records. */
const { store } = await startBenchStore()
const key = { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } } as const
const indexed = { ...key, schema: { ...key.schema, group: { type: 'number' } }, indexes: ['group'] } as const
await store.defineBucket('big', indexed)
await store.defineBucket('scratch', key)
await store.defineBucket('ordered', { ...key, etsType: 'ordered_set' })
await store.defineBucket('grow', key)
await store.defineBucket('texts', { ...key, maxSize: 20 })
await store.defineBucket('parents', key)
const parent = { type: 'string', ref: 'parents', onDelete: 'set_null' } as const
await store.defineBucket('children', { ...key, schema: { ...key.schema, parent } })
await store.bucket('parents').insertMany(Array.from({ length: 1_000 }, (_, i) => ({ id: `p${i}` })))
for (const bucket of ['big', 'scratch', 'ordered', 'children']) {
  for (let start = 0; start < BIG; start += 10_000) {
    await store.bucket(bucket).insertMany(Array.from({ length: 10_000 }, (_, i) => {
      const n = start + i
      const refers = bucket === 'children' && n < 100 && { parent: `p${n}` }
      return { id: `k${n}`, n, group: n % 10, name: `a record with the number ${n}`, ...refers }
    }))
  }
}
await store.bucket('texts').insert({ id: 'long', text: 'x'.repeat(900_000) })
store.defineDeclarativeQuery('sorted', {
  bucket: 'big',
  filter: { n: { $gte: 0 } },
  sort: { name: 'desc', group: 'asc' },
  fields: ['id', 'n', 'name']
})
store.defineDeclarativeQuery('grouped', {
  bucket: 'big',
  aggregate: { function: 'sum', field: 'n', groupBy: ['name', 'group', 'n'] }
})

const app = Fastify({ logger: false })
await app.register(noexPlugin, {
  store,
  rules: await RuleEngine.start(),
  auth: { builtIn: true, adminSecret: ADMIN_SECRET },
  audit: { logLevel: 'silent' },
  procedures: {
    definitions: [
      {
        name: 'search',
        steps: ['first', 'second'].map(as => ({
          action: 'store.count' as const, bucket: 'big', as, filter: nothing
        }))
      },
      {
        name: 'all',
        steps: [{ action: 'store.where', bucket: 'big', filter: { n: { $lt: 50_000 } }, as: 'all' }]
      }
    ]
  },
  // NOEX_BENCH_UNLIMITED=1 npm run bench -- fairness: what requests take without a budget.
  ...(process.env['NOEX_BENCH_UNLIMITED'] === '1' && { workBudget: Number.MAX_SAFE_INTEGER })
})
await app.listen({ port: 0, host: '127.0.0.1' })
const turns = watchTurns()
reportTo((app.server.address() as AddressInfo).port, { longestTurnMicros: () => turns.longest().cpuMicros })
