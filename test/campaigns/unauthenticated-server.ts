// The server of hostile-unauthenticated.campaign.ts: accounts with real password hashes, and options as for
// production. Arguments: connections that may wait to log in, connections of one address, failed logins to
// one account, milliseconds to log in.
import { createHash } from 'node:crypto'
import { Store } from '@hamicek/noex-store'
import { Passwords } from '../../lib/identity/passwords.js'
import { NoexServer } from '../../lib/index.js'
import { answerBy } from './child-program.js'

const [maxUnauthenticatedConnections, maxConnectionsPerIp, maxAttempts, loginTimeoutMs] = process.argv
  .slice(2)
  .map(Number) as [number, number, number, number]
/** Accounts that are logged in to, all with the same password. */
const ACCOUNTS = 500

const store = await Store.start({ name: 'unauthenticated' })
await store.defineBucket('items', { key: 'id', schema: { id: { type: 'string' }, name: { type: 'string' } } })
await store.bucket('items').insert({ id: 'kept', name: 'x'.repeat(200) })
const server = await NoexServer.start({
  store,
  port: 0,
  host: '0.0.0.0',
  auth: {
    builtIn: true,
    adminSecret: 'a secret of campaigns and nothing else',
    loginRateLimit: { maxAttempts }
  },
  maxConnectionsPerIp,
  loginTimeoutMs,
  connectionLimits: { maxConnections: 20_000, maxConnectionsPerUser: 100, maxUnauthenticatedConnections },
  rateLimit: { maxRequests: 6_000, windowMs: 60_000 },
  // Written as in production, and thrown away.
  fastify: { logger: { level: 'info', stream: { write () {} } } }
})

const passwords = new Passwords()
const passwordHash = await passwords.hash('correct horse battery staple')
await passwords.close()
const users = await store
  .bucket('_users')
  .insertMany(
    Array.from({ length: ACCOUNTS }, (_, i) => ({ username: `account-${i}`, passwordHash, enabled: true }))
  )
const reader = await store.bucket('_roles').findOne({ name: 'reader' })

/** A token for one of the accounts. */
async function tokenOf (index: number): Promise<string> {
  const userId = String(users[index]?.['id'])
  const token = `token-${index}`
  await store.bucket('_user_roles').insert({ userId, roleId: reader?.['id'] })
  await store
    .bucket('_sessions')
    .insert({
      id: createHash('sha256').update(token).digest('hex'),
      userId,
      expiresAt: Date.now() + 3_600_000
    })
  return token
}

let peakRss = 0
let peakUnauthenticated = 0
setInterval(() => {
  peakRss = Math.max(peakRss, process.memoryUsage.rss())
  const connections = server.getConnections()
  peakUnauthenticated = Math.max(
    peakUnauthenticated,
    connections.filter(({ authenticated }) => !authenticated).length
  )
}, 250).unref()

answerBy({
  port: () => server.port,
  tokens: async (count: number) =>
    await Promise.all(Array.from({ length: count }, async (_, i) => await tokenOf(ACCOUNTS - 1 - i))),
  figures () {
    const { user, system } = process.cpuUsage()
    const figures = {
      connections: server.connectionCount,
      peakUnauthenticated,
      peakRss,
      rss: process.memoryUsage.rss(),
      cpuMs: (user + system) / 1_000
    }
    peakRss = 0
    peakUnauthenticated = 0
    return figures
  },
  stop: async () => { await server.stop() }
})
