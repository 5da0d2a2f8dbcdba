import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { jsonlSink } from '../../lib/exports/audit.js'
import { noexPlugin } from '../../lib/index.js'
import type { SinkPolicy } from '../../lib/index.js'
import { startBenchStore } from './bench-store.js'
import { reportTo } from './control.js'

/** The plugin with a trail of all writes in a file. */
export async function serveAudited (write: SinkPolicy): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'noex-bench-'))
  process.on('exit', () => { rmSync(directory, { recursive: true }) })
  const { store } = await startBenchStore()
  const app = Fastify({ logger: false })
  const sink = jsonlSink({ path: join(directory, 'audit.jsonl'), policy: { write }, keep: 2 })
  await app.register(noexPlugin, { store, audit: { tiers: ['admin', 'write'], sinks: [sink] } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  reportTo((app.server.address() as AddressInfo).port)
}
