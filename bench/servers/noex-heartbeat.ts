import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { noexPlugin } from '../../lib/index.js'
import { startBenchStore } from './bench-store.js'
import { reportTo } from './control.js'

/** The plugin with a heartbeat of this interval. */
const intervalMs = Number(process.argv[2])
const { store } = await startBenchStore()
const app = Fastify({ logger: false })
await app.register(noexPlugin, { store, heartbeat: { intervalMs, timeoutMs: intervalMs * 0.9 } })
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port)
