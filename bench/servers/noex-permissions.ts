import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { noexPlugin, type PermissionRule } from '../../lib/index.js'
import { startBenchStore } from './bench-store.js'
import { reportTo } from './control.js'

/** The plugin with tokens and twenty rules, of which the last one fits. */
const rules = Array.from({ length: 20 }, (_, i): PermissionRule => i < 19
  ? { role: `role-${i}`, allow: ['store.get', 'store.where'], buckets: [`bucket-${i}`] }
  : { role: 'clerk', allow: ['store.get', 'store.subscribe'], buckets: ['users', 'board'] })

const { store } = await startBenchStore()
const app = Fastify({ logger: false })
await app.register(noexPlugin, {
  store,
  auth: {
    validate: userId => ({ userId, roles: ['clerk', 'role-7'] }),
    permissions: { default: 'deny', rules }
  }
})
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port)
