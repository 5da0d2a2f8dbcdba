// Writes the types of a server by the command line, for browser.mts.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { NoexServer } from 'fastify-noex'
import { Store } from 'fastify-noex/store'

const store = await Store.start()
await store.defineBucket('items', {
  key: 'id', schema: { id: { type: 'string' }, count: { type: 'number' } }
})
const server = await NoexServer.start({ store, port: 0, host: '127.0.0.1' })
const args = ['--no-install', 'fastify-noex', 'types', '--out', 'described.mts', `ws://127.0.0.1:${server.port}`]
const [code] = await once(spawn('npx', args, { stdio: 'inherit' }), 'exit')
await server.stop()
await store.stop()
console.log(JSON.stringify({ types: code === 0 ? 'works' : `ends with ${code}` }))
