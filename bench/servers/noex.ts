import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { noexPlugin } from '../../lib/index.js'
import { startBenchStore } from './bench-store.js'
import { reportTo } from './control.js'

/** The plugin with its default options. */
const { store, evaluations } = await startBenchStore()
const app = Fastify({ logger: false })
await app.register(noexPlugin, { store })
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port, { evaluations })
