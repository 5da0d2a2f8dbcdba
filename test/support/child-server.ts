// A server in a process of its own, for tests that stop it: `node child-server.js <port> [ttl]`. It has the
// bucket `items` and the query `all`. With `ttl` it wants a token, any, and ends its session after so many
// milliseconds.
import Fastify from 'fastify'
import { Store } from '@hamicek/noex-store'
import { noexPlugin, type AuthSession } from '../../lib/index.js'

const store = await Store.start()
await store.defineBucket('items', { key: 'id', schema: { id: { type: 'string' }, n: { type: 'number' } } })
store.defineDeclarativeQuery('all', { bucket: 'items' })
const app = Fastify()
const ttlMs = Number(process.argv[3])
const validate = (): AuthSession => ({ userId: 'walt', roles: ['writer'], expiresAt: Date.now() + ttlMs })
await app.register(noexPlugin, { store, ...(ttlMs > 0 && { auth: { validate } }) })
await app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' })
