import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { jsonlSink, type AuditSink } from '../../lib/exports/audit.js'
import { noexPlugin } from '../../lib/index.js'
import { startBenchStore } from './bench-store.js'
import { reportTo } from './control.js'

/** How writes are audited: not at all, by a sink that each reply waits for, or with the commit. */
export type Auditing = 'off' | 'waiting' | 'noted'

/** The plugin on a store whose commits are on the disk. */
export async function serveDurable (auditing: Auditing): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'noex-bench-'))
  process.on('exit', () => { rmSync(directory, { recursive: true }) })
  const { store } = await startBenchStore({ durability: { directory: join(directory, 'store') } })
  const app = Fastify({ logger: false })
  const sink = jsonlSink({ path: join(directory, 'audit.jsonl'), keep: 2 })
  const sinks = [auditing === 'waiting' ? withoutCommits(sink) : sink]
  const audit = { tiers: ['admin' as const, 'write' as const], sinks }
  await app.register(noexPlugin, { store, ...(auditing !== 'off' && { audit }) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  reportTo((app.server.address() as AddressInfo).port)
}

/** The same sink as one that brings nothing back from commits. */
function withoutCommits (sink: AuditSink): AuditSink {
  return {
    name: sink.name,
    policy: sink.policy,
    async open (context) {
      const writer = await sink.open(context)
      return { write: batch => writer.write(batch), close: () => writer.close() }
    }
  }
}
