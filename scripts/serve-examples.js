// Serves the pages of examples/ as they are built, each below its name, beside the order desk. Its orders are
// those of a first start each time. PORT is 8080 by default.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import closeWithGrace from 'close-with-grace'
import Fastify from 'fastify'
import { orderDesk } from '../dist/example-app/app.js'
import { openStore } from '../dist/example-app/store.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const built = join(root, 'dist/examples')
const port = Number(process.env['PORT'] || 8080)
const directory = mkdtempSync(join(tmpdir(), 'noex-examples-'))
const { store, close } = await openStore({ directory })
const app = Fastify({ forceCloseConnections: true })

app.addHook('onClose', async () => {
  await close()
  rmSync(directory, { recursive: true })
})
app.register(orderDesk, { store, drainDelayMs: 0 })
const names = readdirSync(join(root, 'examples'), { withFileTypes: true })
  .filter(entry => entry.isDirectory()).map(({ name }) => name)
for (const name of names) {
  const page = readFileSync(join(built, name, 'index.html'))
  const script = readFileSync(join(built, name, 'main.js'))
  app.get(`/${name}/`, async (_request, reply) => await reply.type('text/html').send(page))
  app.get(`/${name}/main.js`, async (_request, reply) => await reply.type('text/javascript').send(script))
}
closeWithGrace(async () => { await app.close() })
await app.listen({ port, host: '127.0.0.1' })
for (const name of names) console.log(`http://127.0.0.1:${port}/${name}/`)
