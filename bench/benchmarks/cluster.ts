import { Store } from '@hamicek/noex-store'
import { PostgresLog } from '../../lib/cluster/postgres-log.js'
import { createDatabase, type Database } from '../driver/postgres-database.js'
import { fill } from '../store/buckets.js'
import { compareWriters } from './durability.js'
import type { Row } from './row.js'

/** Writers, each with one insert under way, and the highest ratios against a store in memory. */
const loads = [
  { writers: 64, passed: 1 / 0.4, cpu: 1.5 },
  { writers: 512, passed: 1 / 0.6, cpu: 1.5 }
] as const

/** Writers of the commits that are read again. */
const WRITERS = 512

/** Measures what it costs that writes wait for PostgreSQL, and how fast a store is read from there. */
export async function cluster (isQuick: boolean): Promise<Row[]> {
  const rows: Row[] = []
  for (const load of isQuick ? loads.slice(0, 1) : loads) {
    const database = await createDatabase()
    try {
      rows.push(...await compareWriters(load, 'noex-clustered', 'clustered', [database.url]))
    } finally {
      await database.drop()
    }
  }
  const database = await createDatabase()
  try {
    rows.push(await catchUp(database, isQuick ? 5_000 : 200_000))
    rows.push(await restore(database, isQuick ? 5_000 : 1_000_000))
  } finally {
    await database.drop()
  }
  return rows
}

/** Measures what it costs a starting store to read the commits of another one. */
async function catchUp (database: Database, commits: number): Promise<Row> {
  const writer = await join(database, 'commits')
  await fill(writer, 'plain', 0)
  const records = writer.bucket('records')
  await Promise.all(Array.from({ length: WRITERS }, async (_, first) => {
    for (let i = first; i < commits; i += WRITERS) {
      await records.insert({ id: String(i), name: 'a record', score: i })
    }
  }))
  await writer.stop()
  const { seconds, cpuSeconds } = await start(database, 'commits')
  return {
    name: `a commit read from the log, of ${commits.toLocaleString('en')}`,
    unit: 'µs CPU',
    noex: cpuSeconds * 1e6 / commits,
    target: { atMost: 20 },
    note: `${(commits / seconds).toFixed(0)}/s`
  }
}

/** Measures how long a start from a snapshot takes. */
async function restore (database: Database, size: number): Promise<Row> {
  const writer = await join(database, 'snapshot')
  await fill(writer, 'plain', size)
  const log = openLog(database, 'snapshot')
  await log.truncate(await writer.takeImage())
  await writer.stop()
  const { seconds, cpuSeconds } = await start(database, 'snapshot')
  return {
    name: `start from a snapshot, ${size.toLocaleString('en')} records`,
    unit: 's CPU',
    noex: cpuSeconds,
    target: { atMost: 15 },
    note: `${seconds.toFixed(1)} s passed`
  }
}

/** Starts a store from a log, and returns how long that has taken, the work of the database aside. */
async function start (database: Database, name: string): Promise<{ seconds: number, cpuSeconds: number }> {
  const began = performance.now()
  const cpu = process.cpuUsage()
  const reader = await join(database, name)
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - began) / 1_000
  await reader.stop()
  return { seconds, cpuSeconds: (user + system) / 1e6 }
}

async function join (database: Database, name: string): Promise<Store> {
  const store = await Store.start({ ttlCheckIntervalMs: 0 })
  await store.attachLog(openLog(database, name))
  return store
}

function openLog ({ url }: Database, name: string): PostgresLog {
  return new PostgresLog({ source: { connectionString: url, pool: undefined }, name, leaseMs: 30_000 })
}
