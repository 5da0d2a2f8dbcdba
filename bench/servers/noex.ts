import { Store, type BucketDefinition } from '@hamicek/noex-store'
import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { noexPlugin } from '../../lib/index.js'
import { BOARD_ROWS, inputOf, keyOf, USERS } from '../workload/records.js'
import { reportTo } from './control.js'

/** The plugin with its default options, on a store with a schema of the usual kind. */
const users: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string', generated: 'uuid' },
    name: { type: 'string', required: true, minLength: 1, maxLength: 100 },
    email: { type: 'string', required: true, maxLength: 200 },
    score: { type: 'number', min: 0 },
    active: { type: 'boolean', required: true }
  }
}

const store = await Store.start({ name: 'bench' })
await store.defineBucket('users', users)
await store.defineBucket('board', users)
await fill('users', USERS)
await fill('board', BOARD_ROWS)

let evaluations = 0
store.defineQuery('board', async context => {
  evaluations++
  return await context.bucket('board').all()
})

const app = Fastify({ logger: false })
await app.register(noexPlugin, { store })
await app.listen({ port: 0, host: '127.0.0.1' })
reportTo((app.server.address() as AddressInfo).port, () => evaluations)

async function fill (bucket: string, size: number): Promise<void> {
  await store.bucket(bucket).insertMany(Array.from({ length: size }, (_, i) => ({ ...inputOf(i), id: keyOf(i) })))
}
