// The plugin over a store whose commits wait for a log in PostgreSQL. Argument: the URL of an empty database.
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { noexPlugin } from '../../lib/index.js'
import { startBenchStore } from './bench-store.js'
import { reportTo } from './control.js'

const { store } = await startBenchStore()
const app = Fastify({ logger: false })
await app.register(noexPlugin, { store, cluster: { postgres: process.argv[2] ?? '', name: 'bench' } })
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port)
