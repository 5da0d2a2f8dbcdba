import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { noexPlugin } from '../../lib/index.js'
import { startBenchStore } from './bench-store.js'
import { reportTo } from './control.js'

/** The plugin with requests over HTTP; with the argument `no-helmet`, without the headers of helmet. */
const { store } = await startBenchStore()
const app = Fastify({ logger: false })
const helmet = process.argv.includes('no-helmet') ? { helmet: false as const } : {}
await app.register(noexPlugin, { store, path: '/live', routes: { rpc: '/rpc' }, ...helmet })
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port)
