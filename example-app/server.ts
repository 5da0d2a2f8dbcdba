import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import closeWithGrace from 'close-with-grace'
import Fastify from 'fastify'
import { jsonlSink } from 'fastify-noex/audit'
import { gracePeriodMs, orderDesk } from './app.js'
import { folder } from './folder.js'
import { openStore } from './store.js'

const port = Number(process.env['PORT'] || 8080)
const host = process.env['HOST'] || '127.0.0.1'
const directory = process.env['DATA_DIR'] || fileURLToPath(new URL('data/', folder))
const paymentMs = Number(process.env['PAYMENT_MS'] || 60_000)
const allowedOrigins = process.env['ALLOWED_ORIGINS']?.split(',') ?? [`http://localhost:${port}`, `http://127.0.0.1:${port}`]

// Connections that hang must not hold the shutdown.
const app = Fastify({ logger: true, forceCloseConnections: true })
const { store, close: closeStore } = await openStore({ directory, onSaveError })
// Closing the app takes at most two seconds longer than the grace period; the rest is for saving.
closeWithGrace({ delay: gracePeriodMs + 5_000, logger: app.log }, shutDown)
// Beside the store's own files, which the store lists.
const trail = join(directory, 'audit')
mkdirSync(trail, { recursive: true })
app.register(orderDesk, {
  store,
  allowedOrigins,
  paymentMs,
  audit: { tiers: ['admin', 'write'], logLevel: 'debug', sinks: [jsonlSink({ path: join(trail, 'audit.jsonl') })] }
})
await app.listen({ port, host })

/** SIGTERM, Ctrl-C or an error that nobody has caught: clients leave first, so that their last writes are saved too. */
async function shutDown ({ signal, err }: { signal?: string, err?: Error }): Promise<void> {
  if (err === undefined) app.log.info({ signal }, 'shutting down')
  else app.log.error({ err }, 'shutting down after an error')
  try {
    await app.close()
  } finally {
    await closeStore()
  }
  app.log.info('data saved')
}

function onSaveError (err: Error): void {
  app.log.error({ err }, 'data could not be saved')
}
