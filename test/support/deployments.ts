import type { Test } from 'tap'
import type { AuditSink, NoexStore, ServerConfig } from '../../lib/index.js'

export const adminSecret = '9f1c5e0b7a3d48e2b6c4d1f0a8e7c3b5'
export const auth = { builtIn: true, adminSecret } as const
export const sinks = [{ name: 'durable' } as AuditSink]

/** A store as far as the check looks at it. */
export const storeIn = (mode: string): NoexStore => ({ durability: { mode } } as NoexStore)

/** Options without a known risk, of a server that a proxy at another address reaches. */
export const sound: ServerConfig = {
  store: storeIn('log'),
  host: '0.0.0.0',
  fastify: { trustProxy: '10.0.0.1' },
  auth,
  audit: { sinks },
  rateLimit: { maxRequests: 100, windowMs: 60_000 },
  connectionLimits: { maxConnections: 5_000, maxSubscriptionsPerConnection: 50 },
  maxPayloadBytes: 65_536,
  exposeErrorDetails: false,
  shutdown: { gracePeriodMs: 5_000 }
}

/** Sets NODE_ENV as long as the test runs. */
export function environment (t: Test, value: string): void {
  const before = process.env['NODE_ENV']
  process.env['NODE_ENV'] = value
  t.teardown(() => {
    if (before === undefined) Reflect.deleteProperty(process.env, 'NODE_ENV')
    else process.env['NODE_ENV'] = before
  })
}
