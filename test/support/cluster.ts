import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Test } from 'tap'
import { Store, type BucketDefinition, type DurabilityNotice } from '@hamicek/noex-store'
import { PostgresLog } from '../../lib/cluster/postgres-log.js'

const items: BucketDefinition = {
  key: 'id', schema: { id: { type: 'string', required: true }, n: { type: 'number' } }
}

/** A node of a test: a store that has joined a log in PostgreSQL. */
export interface Node {
  readonly store: Store
  readonly log: PostgresLog
  readonly notices: DurabilityNotice[]
}

/** Starts a store with a log, which end with the test. */
export async function startNode (
  t: Test, connectionString: string, { name = 'test', leaseMs = 1_000, snapshotBytes = Infinity } = {}
): Promise<Node> {
  const store = await Store.start({ ttlCheckIntervalMs: 0 })
  const source = { connectionString, pool: undefined }
  const log = new PostgresLog({ source, name, leaseMs })
  t.teardown(async () => {
    await store.stop().catch(() => {})
    await log.close()
  })
  await store.defineBucket('items', items)
  const notices: DurabilityNotice[] = []
  await store.attachLog(log, { snapshotBytes, onNotice: notice => { notices.push(notice) } })
  return { store, log, notices }
}

/** Waits until something holds. @throws when it does not within 20 s, naming it */
export async function until (what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!await holds()) {
    if (performance.now() > deadline) throw new Error(`does not become true within 20 s: ${what}`)
    await sleep(10)
  }
}

/** Runs statements on a database, in one connection. */
export async function sql (connectionString: string, text: string, values: unknown[] = []): Promise<any[]> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  try {
    const result: unknown = await (values.length > 0 ? client.query(text, values) : client.query(text))
    return (Array.isArray(result) ? result.at(-1) : result).rows
  } finally {
    await client.end()
  }
}
