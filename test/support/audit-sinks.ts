import { PassThrough } from 'node:stream'
import type { Test } from 'tap'
import type { AuditEntry } from '../../lib/audit/entry.js'
import type { AuditSink, SinkContext, SinkWriter } from '../../lib/audit/sink.js'
import type { Log } from '../../lib/util/log.js'
import type { NoexOptions } from '../../lib/index.js'
import type { TestClient } from './client.js'
import { serve, type Served } from './service.js'

/** A log without output. */
export const silent: Log = {
  trace () {}, debug () {}, info () {}, warn () {}, error () {}, child: () => silent
}

/** Every reply waits for its entry. */
export const policy = { admin: 'block', write: 'block', read: 'block' } as const

/** No error at all, which JavaScript can throw. */
export const nothing = undefined as unknown as Error

/** A sink that keeps its entries in memory. */
export class MemorySink implements AuditSink {
  readonly name: string = 'memory'
  readonly policy = policy
  readonly entries: AuditEntry[] = []

  async open (_context: SinkContext): Promise<SinkWriter> {
    return {
      write: async batch => { this.entries.push(...batch.map(({ entry }) => entry)) },
      close: async () => {}
    }
  }
}

/** A service whose log is read. */
export interface Logged extends Served {
  /** The messages of the log from `warn` up. */
  readonly messages: string[]
}

/** Serves with a trail, and keeps the messages of the log. */
export async function serveLogged (t: Test, audit: NonNullable<NoexOptions['audit']>): Promise<Logged> {
  const messages: string[] = []
  const stream = new PassThrough()
  stream.on('data', (line: Buffer) => { messages.push((JSON.parse(String(line)) as { msg: string }).msg) })
  // Login is optional, and the service has sessions to revoke.
  const auth = { validate: (token: string) => ({ userId: token, roles: [] }), required: false }
  const served = await serve(t, { audit, auth }, { fastify: { logger: { level: 'warn', stream } } })
  return { ...served, messages }
}

/** The options of a trail that records every tier. */
export const everything = { tiers: ['read', 'write', 'admin'] as const, logLevel: 'silent' as const }

/** Returns the entries of `audit.query`. */
export async function query (client: TestClient, filter: object = {}): Promise<AuditEntry[]> {
  return (await client.ask('audit.query', filter)).entries
}
