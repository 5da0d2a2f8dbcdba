import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import closeWithGrace from 'close-with-grace'
import Fastify from 'fastify'
import { jsonlSink } from 'fastify-noex/audit'
import type { DurabilityNotice } from 'fastify-noex/store'
import { drainDelayMs as defaultDrainDelayMs, gracePeriodMs, orderDesk } from './app.js'
import { folder } from './folder.js'
import { openStore } from './store.js'

const port = Number(process.env['PORT'] || 8080)
const host = process.env['HOST'] || '127.0.0.1'
const directory = process.env['DATA_DIR'] || fileURLToPath(new URL('data/', folder))
const paymentMs = Number(process.env['PAYMENT_MS'] || 60_000)
const drainDelayMs = Number(process.env['DRAIN_DELAY_MS'] ?? defaultDrainDelayMs)
const ownOrigins = [`http://localhost:${port}`, `http://127.0.0.1:${port}`]
const allowedOrigins = process.env['ALLOWED_ORIGINS']?.split(',') ?? ownOrigins

// The addresses of the proxies in front, which say where clients are; separated by commas.
const trustProxy = process.env['TRUST_PROXY'] || false

// Connections that hang must not hold the shutdown.
const app = Fastify({ logger: true, forceCloseConnections: true, trustProxy })
const { store, close: closeStore } = await openStore({ directory, onNotice })
// To drain takes at most two seconds longer than the delay and the grace period; the rest is for saving.
closeWithGrace({ delay: drainDelayMs + gracePeriodMs + 5_000, logger: app.log }, shutDown)
// In a folder of its own, beside the files of the store.
const trail = join(directory, 'audit')
mkdirSync(trail, { recursive: true })
app.register(orderDesk, {
  store,
  allowedOrigins,
  paymentMs,
  drainDelayMs,
  audit: {
    tiers: ['admin', 'write'],
    logLevel: 'debug',
    sinks: [jsonlSink({ path: join(trail, 'audit.jsonl') })]
  }
})
await app.listen({ port, host })

/**
 * SIGTERM, Ctrl-C or an uncaught error: load balancers get to know, clients leave, and only then the server
 * closes, so that their last writes are saved too.
 */
async function shutDown ({ signal, err }: { signal?: string, err?: Error }): Promise<void> {
  if (err === undefined) app.log.info({ signal }, 'shutting down')
  else app.log.error({ err }, 'shutting down after an error')
  try {
    await app.noex.drain()
    await app.close()
  } finally {
    await closeStore()
  }
  app.log.info('store stopped')
}

function onNotice ({ type, message, error: err }: DurabilityNotice): void {
  const level = type === 'unavailable' || type === 'snapshot_failed' ? 'error' : 'warn'
  app.log[level]({ err, notice: type }, message)
}
