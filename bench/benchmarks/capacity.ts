import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Store } from '@hamicek/noex-store'
import { Audience } from '../driver/audience.js'
import type { Client } from '../driver/client.js'
import { runClosedLoop } from '../driver/closed-loop.js'
import { FrameRing } from '../driver/frame-ring.js'
import { openMany } from '../driver/open-many.js'
import { ServerProcess } from '../driver/server-process.js'
import { median } from '../driver/statistics.js'
import {
  BOARD, ITEMS, itemOf, jsonLength, ownerOf, ROWS_OF_BOARD, ROWS_OF_OWNER
} from '../workload/capacity-records.js'
import { ownDialect } from '../workload/dialects.js'
import { keyOf } from '../workload/records.js'
import type { Row } from './row.js'

/** The sizes of a run. */
interface Sizes {
  readonly records: number
  readonly connections: number
  /** Live queries of each kind. */
  readonly queries: number
  /** Live queries of one connection. */
  readonly perConnection: number
  readonly watchers: number
  /** Requests of one round. */
  readonly requests: number
  readonly rounds: number
  readonly commits: number
}

const whole: Sizes = {
  records: 100_000,
  connections: 2_000,
  queries: 2_000,
  perConnection: 20,
  watchers: 200,
  requests: 20_000,
  rounds: 5,
  commits: 20_000
}
const tiny: Sizes = {
  records: 1_000,
  connections: 50,
  queries: 50,
  perConnection: 10,
  watchers: 10,
  requests: 500,
  rounds: 1,
  commits: 200
}

/** Keeps the young generation of the heap small, as the benchmark `idle` does. */
const NODE_OPTIONS = ['--min-semi-space-size=1', '--max-semi-space-size=1']
const KB = 1_000

/** Measures what a record, a connection, a live query and a request cost: docs/capacity.md. */
export async function * capacity (isQuick: boolean): AsyncIterable<Row> {
  const sizes = isQuick ? tiny : whole
  yield * memoryOfRecords(sizes)
  yield * memoryOfClients(sizes)
  yield * disk(sizes)
  yield * time(sizes)
}

async function * memoryOfRecords ({ records }: Sizes): AsyncIterable<Row> {
  const [none, plain, indexed] = [
    await collected(0, 0), await collected(records, 0), await collected(records, 1)
  ]
  const each = (after: Memory, before: Memory, kind: keyof Memory): number =>
    (after[kind] - before[kind]) / records
  const note = `of ${jsonLength()} characters as JSON`
  yield { name: 'a record', unit: 'B heap', noex: each(plain, none, 'heapBytes'), note }
  yield { name: 'a record', unit: 'B rss', noex: each(plain, none, 'rssBytes'), note }
  const index = each(indexed, plain, 'heapBytes')
  const perValue = `${ROWS_OF_OWNER} records to a value`
  yield { name: 'a record, an index', unit: 'B heap', noex: index, note: perValue }
}

interface Memory {
  readonly heapBytes: number
  readonly rssBytes: number
}

async function collected (records: number, indexes: number): Promise<Memory> {
  const server = await start(records, indexes)
  const memory = await server.readCollected()
  await server.stop()
  return memory
}

async function start (records: number, indexes: number): Promise<ServerProcess> {
  return await ServerProcess.start('noex-capacity', {
    nodeOptions: NODE_OPTIONS, args: [String(records), String(indexes)]
  })
}

async function * memoryOfClients (sizes: Sizes): AsyncIterable<Row> {
  const { connections, queries, perConnection } = sizes
  const server = await start(queries * ROWS_OF_OWNER, 1)
  // Of the first clients, the costs that come once are not measured.
  const first = await openMany(server.port, perConnection)
  const grown = async (count: number, work: () => Promise<unknown>): Promise<Memory> => {
    const before = await server.readCollected()
    await work()
    const after = await server.readCollected()
    return {
      heapBytes: (after.heapBytes - before.heapBytes) / count,
      rssBytes: (after.rssBytes - before.rssBytes) / count
    }
  }
  const idle: Client[] = []
  const connection = await grown(connections, async () => {
    idle.push(...await openMany(server.port, connections))
  })
  yield { name: 'a connection', unit: 'KB heap', noex: connection.heapBytes / KB }
  yield { name: 'a connection', unit: 'KB rss', noex: connection.rssBytes / KB }
  const watching = idle.slice(0, queries / perConnection)
  const shared = await grown(queries, async () => {
    await subscribe(watching, perConnection, () => ({ query: BOARD }))
  })
  yield {
    name: `a watcher, ${ROWS_OF_BOARD} rows of others`, unit: 'KB heap', noex: shared.heapBytes / KB
  }
  const own = await grown(queries, async () => {
    await subscribe(watching, perConnection, index => ({
      find: { bucket: ITEMS, filter: { owner: ownerOf(index * ROWS_OF_OWNER) } }
    }))
  })
  yield { name: `a live query, ${ROWS_OF_OWNER} rows of its own`, unit: 'KB heap', noex: own.heapBytes / KB }
  for (const client of [...first, ...idle]) client.reset()
  await server.stop()
}

/** Has each client subscribe `count` times, one after the other; `fieldsOf` gets the number among all. */
async function subscribe (
  clients: readonly Client[], count: number, fieldsOf: (index: number) => object
): Promise<void> {
  await Promise.all(clients.map(async (client, at) => {
    const requests = new FrameRing(Array.from({ length: count }, (_, i) => JSON.stringify({
      id: i + 1, type: 'store.subscribe', delta: true, ...fieldsOf(at * count + i)
    })))
    await runClosedLoop({ clients: [client], requests, inFlight: 1, operations: count })
  }))
}

async function * disk ({ commits }: Sizes): AsyncIterable<Row> {
  const directory = mkdtempSync(join(tmpdir(), 'noex-capacity-'))
  try {
    const store = await Store.start({ name: 'capacity', durability: { directory, fsync: false } })
    await store.defineBucket(ITEMS, { key: 'id', schema: { id: { type: 'string' } } })
    const before = bytesOf(directory, 'store.')
    for (let i = 0; i < commits; i++) await store.bucket(ITEMS).insert(itemOf(i))
    await store.settle()
    const written = bytesOf(directory, 'store.') - before
    yield { name: 'a write in the log', unit: 'B disk', noex: written / commits }
    await store.createBackup('capacity')
    const size = bytesOf(join(directory, 'backups'), '')
    yield { name: 'a record in a snapshot or backup', unit: 'B disk', noex: size / commits }
    await store.stop()
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** Returns the bytes of the files of a directory whose names begin so. */
function bytesOf (directory: string, start: string): number {
  return readdirSync(directory)
    .filter(name => name.startsWith(start))
    .map(name => statSync(join(directory, name)))
    .reduce((sum, stats) => sum + (stats.isFile() ? stats.size : 0), 0)
}

async function * time ({ requests, rounds, watchers }: Sizes): AsyncIterable<Row> {
  const server = await ServerProcess.start('noex-capacity', { args: ['1000', '1'] })
  const clients = await openMany(server.port, 16)
  const cost = async (texts: string[]): Promise<number> => {
    const operations = Math.ceil(requests / clients.length)
    return await microsOf(server, rounds, operations * clients.length, async () => {
      await runClosedLoop({ clients, requests: new FrameRing(texts), inFlight: 16, operations })
    })
  }
  const texts = (make: (id: number) => string): string[] =>
    Array.from({ length: 1_000 }, (_, index) => make(index + 1))
  yield {
    name: 'a get', unit: 'µs CPU', noex: await cost(texts(id => ownDialect.get(id, ITEMS, keyOf(id % 1_000))))
  }
  const change = (bucket: string, rows: number) => (id: number): string =>
    ownDialect.update(id, bucket, keyOf(id % rows), { score: id })
  const update = await cost(texts(change(ITEMS, 1_000)))
  yield { name: 'an update', unit: 'µs CPU', noex: update }
  const audience = await Audience.gather({
    port: server.port,
    dialect: ownDialect,
    watch: ownDialect.watch(1, BOARD),
    probe: ownDialect.get(2, ITEMS, keyOf(1)),
    changes: new FrameRing(texts(change(BOARD, ROWS_OF_BOARD)))
  })
  await audience.growTo(watchers)
  const changes = Math.ceil(requests / watchers)
  const push = await microsOf(server, rounds, changes * watchers, async () => {
    await audience.change(changes)
  })
  const note = `${watchers} watchers, the write included`
  yield { name: 'a push of a changed row', unit: 'µs CPU', noex: push, note }
  audience.reset()
  for (const client of clients) client.reset()
  await server.stop()
}

/** Returns the CPU time of the server for one of so many operations: the median of all rounds but one. */
async function microsOf (
  server: ServerProcess, rounds: number, operations: number, work: () => Promise<void>
): Promise<number> {
  const figures: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const before = await server.read()
    await work()
    const after = await server.read()
    if (round > 0) figures.push((after.cpuMicros - before.cpuMicros) / operations)
  }
  return median(figures)
}
