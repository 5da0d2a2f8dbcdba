import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { noexPlugin } from '../../lib/index.js'
import { startBenchStore } from './bench-store.js'
import { NO_HEARTBEAT, reportTo } from './control.js'

/** The plugin with its console. */
const { store } = await startBenchStore()
const app = Fastify({ logger: false })
await app.register(noexPlugin, {
  store,
  heartbeat: NO_HEARTBEAT,
  routes: { console: '/console' }
})
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port)
