// A server in a process of its own, for tests that stop it: `node child-server.js <port>`. It has the bucket
// `items` and the query `all`.
import Fastify from 'fastify'
import { Store } from '@hamicek/noex-store'
import { noexPlugin } from '../../lib/index.js'

const store = await Store.start()
await store.defineBucket('items', { key: 'id', schema: { id: { type: 'string' }, n: { type: 'number' } } })
store.defineDeclarativeQuery('all', { bucket: 'items' })
const app = Fastify()
await app.register(noexPlugin, { store })
await app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' })
