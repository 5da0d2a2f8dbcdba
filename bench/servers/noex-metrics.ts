import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { noexPlugin } from '../../lib/index.js'
import { startBenchStore } from './bench-store.js'
import { reportTo } from './control.js'

/** The plugin with metrics, scraped as often as Prometheus does it by default in many installations. */
const SCRAPE_MS = 15_000

const { store } = await startBenchStore()
const app = Fastify({ logger: false })
await app.register(noexPlugin, { store, routes: { metrics: '/metrics' } })
await app.listen({ port: 0, host: '127.0.0.1' })
setInterval(() => { app.inject('/metrics').catch(error => { throw error }) }, SCRAPE_MS)
reportTo((app.server.address() as AddressInfo).port)
