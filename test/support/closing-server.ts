import Fastify from 'fastify'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import { noexPlugin, NoexServer, type NoexOptions } from '../../lib/index.js'
import { startStore } from './service.js'

/** The longest time of a close beyond its grace period, in milliseconds, no matter what clients do. */
export const ALLOWANCE_MS = 2_000

/** Time after which a close counts as one that never ends. */
const PATIENCE_MS = 10_000

/**
 * How the plugin is served: by an application that leaves the closing of HTTP connections to Fastify, or by
 * `NoexServer`.
 */
export type ServerKind = 'app.close()' | 'server.stop()'

/** A server that is to be closed. */
export interface ClosingServer {
  readonly port: number
  /**
   * Closes it and resolves with the time that this took, in milliseconds; `Infinity` when it takes
   * longer than `PATIENCE_MS`.
   */
  readonly close: () => Promise<number>
}

const never = new Promise<never>(() => {})

/** Serves a query that never ends, one whose result is large, and logins that take for ever. */
export async function serveToClose (
  t: Test,
  kind: ServerKind,
  gracePeriodMs: number
): Promise<ClosingServer> {
  const store = await startStore(t)
  await store.defineBucket('items', { key: 'id', schema: { id: { type: 'string' } } })
  const filler = 'x'.repeat(500_000)
  store.defineQuery('large', async () => filler)
  store.defineQuery('never', async () => await never)
  const options: NoexOptions = { store, auth: { validate: async () => await never, required: false } }
  if (kind === 'server.stop()') {
    const server = await NoexServer.start({ ...options, port: 0, host: '127.0.0.1' })
    t.teardown(async () => { await server.stop() })
    return { port: server.port, close: async () => await timed(server.stop({ gracePeriodMs })) }
  }
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(noexPlugin, { ...options, shutdown: { gracePeriodMs } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: (app.server.address() as AddressInfo).port, close: async () => await timed(app.close()) }
}

async function timed (work: Promise<unknown>): Promise<number> {
  const began = performance.now()
  const isDone = await Promise.race([work.then(() => true), setTimeout(PATIENCE_MS, false, { ref: false })])
  return isDone ? performance.now() - began : Infinity
}
