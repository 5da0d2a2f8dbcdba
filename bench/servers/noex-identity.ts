import { createHash } from 'node:crypto'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { noexPlugin } from '../../lib/index.js'
import { Passwords } from '../../lib/identity/passwords.js'
import { ACCOUNTS, accountName, TOKEN } from '../workload/accounts.js'
import { startBenchStore } from './bench-store.js'
import { reportTo } from './control.js'

/**
 * The plugin with accounts: some that can be guessed at, and one with the role `reader` that is logged in by
 * a token.
 */
const { store } = await startBenchStore()
const app = Fastify({ logger: false })
await app.register(noexPlugin, {
  store,
  auth: { builtIn: true, adminSecret: 'a secret for benchmarks only' },
  // So that each client can come from an address of its own.
  realIpHeader: 'X-Real-IP',
  trustedProxies: ['127.0.0.1']
})

const passwords = new Passwords()
const passwordHash = await passwords.hash('correct horse battery staple')
await passwords.close()
const accounts = await store
  .bucket('_users')
  .insertMany(
    Array.from({ length: ACCOUNTS }, (_, i) => ({ username: accountName(i), passwordHash, enabled: true }))
  )
const userId = String(accounts[0]?.['id'])
const reader = await store.bucket('_roles').findOne({ name: 'reader' })
await store.bucket('_user_roles').insert({ userId, roleId: reader?.['id'] })
await store.bucket('_sessions').insert({
  id: createHash('sha256').update(TOKEN).digest('hex'),
  userId,
  expiresAt: Date.now() + 3_600_000
})

await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port)
