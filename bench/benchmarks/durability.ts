import { runClosedLoop } from '../driver/closed-loop.js'
import { Client } from '../driver/client.js'
import { openMany } from '../driver/open-many.js'
import { alternate } from '../driver/rounds.js'
import { ServerProcess, type ServerName } from '../driver/server-process.js'
import { requests } from '../workload/requests.js'
import { disk, durableBuckets } from './durable-buckets.js'
import { compareCosts, compareRounds, type Row } from './row.js'

const ROUNDS = 7
/** Inserts of one turn of a round. */
const OPERATIONS = 2_048

/** Writers, each with one insert under way, and the highest ratios against a store in memory. */
const loads = [
  { writers: 64, passed: 1 / 0.5, cpu: 1.5 },
  { writers: 512, passed: 1 / 0.7, cpu: 1.3 }
] as const

/** Measures what it costs that writes wait for the disk. */
export async function durability (): Promise<Row[]> {
  const rows: Row[] = [disk()]
  for (const load of loads) rows.push(...await compareWriters(load, 'noex-durable', 'durable'))
  return [...rows, ...await durableBuckets()]
}

/** Writers, each with one insert under way, and the highest ratios of durable inserts to those in memory. */
interface Load {
  readonly writers: number
  readonly passed: number
  readonly cpu: number
}

/** Compares inserts of a server over sockets with those of a store in memory, by turns. */
export async function compareWriters (
  { writers, passed, cpu }: Load, server: ServerName, word: string, args: string[] = []
): Promise<Row[]> {
  const programs = { raw: 'raw-net', memory: 'noex', durable: server } as const
  const servers = {} as Record<keyof typeof programs, ServerProcess>
  const clients = new Map<ServerProcess, Client[]>()
  for (const [name, program] of Object.entries(programs) as Array<[keyof typeof programs, ServerName]>) {
    servers[name] = await ServerProcess.start(program, name === 'durable' ? { args } : {})
    clients.set(servers[name], await openMany(servers[name].port, writers))
  }
  const operations = OPERATIONS / writers
  const costs = await alternate(servers, { warmUp: 1, rounds: ROUNDS }, async server => ({
    operations: OPERATIONS,
    tookMs: await runClosedLoop({
      clients: clients.get(server) ?? [], requests: requests('insert'), inFlight: 1, operations
    })
  }))
  for (const client of [...clients.values()].flat()) client.reset()
  for (const server of clients.keys()) await server.stop()
  const { raw, memory, durable } = costs
  return [
    compareCosts(`${writers} ${word} writers, to memory`, memory, durable, cpu),
    compareRounds(
      `${writers} ${word} writers, to memory`, 'µs passed', memory.passedMicros, durable.passedMicros, passed
    ),
    compareCosts(`${writers} writers in memory, to raw net`, raw, memory)
  ]
}
