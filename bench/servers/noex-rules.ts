import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { noexPlugin } from '../../lib/index.js'
import { RuleEngine } from '../../lib/exports/rules.js'
import { startBenchStore } from './bench-store.js'
import { reportTo } from './control.js'

/** The plugin with a rule engine. */
const { store } = await startBenchStore()
const rules = await RuleEngine.start()
const app = Fastify({ logger: false })
await app.register(noexPlugin, { store, rules })
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port)
