import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { Store } from '@hamicek/noex-store'
import { noexPlugin } from '../../lib/index.js'
import { BUCKET, itemOf, QUERY } from '../workload/growth-cases.js'
import { NO_HEARTBEAT, reportTo } from './control.js'
import { watchTurns } from './turn-watch.js'

/** The plugin with a query in code that reads a whole bucket: noex-code-queries.js ROWS */
const [, , rows = ''] = process.argv

const store = await Store.start({ name: 'growth', ttlCheckIntervalMs: 0 })
await store.defineBucket(BUCKET, { key: 'id', schema: { id: { type: 'string' } } })
await store.bucket(BUCKET).insertMany(Array.from({ length: Number(rows) }, (_, i) => itemOf(i)))
store.defineQuery(QUERY, async context => await context.bucket(BUCKET).all())

const app = Fastify({ logger: false })
await app.register(noexPlugin, { store, heartbeat: NO_HEARTBEAT })
await app.listen({ port: 0, host: '127.0.0.1' })
const turns = watchTurns()
reportTo((app.server.address() as AddressInfo).port, { longestTurnMicros: () => turns.longest().cpuMicros })
