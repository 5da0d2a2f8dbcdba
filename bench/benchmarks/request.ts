import { runClosedLoop } from '../driver/closed-loop.js'
import { Client } from '../driver/client.js'
import { alternate, type Cost } from '../driver/rounds.js'
import { ServerProcess, type ServerName } from '../driver/server-process.js'
import { requests, type RequestName } from '../workload/requests.js'
import { compareCosts, type Row } from './row.js'

/** How many connections, with how many requests of each under way at any time. */
export interface Load {
  readonly connections: number
  readonly inFlight: number
}

/** Highest ratios of the CPU time of an operation. */
export interface RequestTargets {
  /** Against bare ws, 16 × 16. */
  readonly ws: number
  /** Against sockets without a library, 16 × 16. */
  readonly rawNet: number
  /** Against bare ws, 64 × 1, where nothing can be answered together. */
  readonly single: number
}

/** How often each server is measured, and with how many operations in all. */
interface Extent {
  readonly rounds: number
  readonly operations: number
}

const usual: Extent = { rounds: 11, operations: 4_000 }
const quick: Extent = { rounds: 1, operations: 256 }

/** Measures one kind of request beside bare ws and beside raw sockets. */
export async function request (
  name: RequestName, targets: RequestTargets, isQuick: boolean
): Promise<Row[]> {
  const extent = isQuick ? quick : usual
  const servers = ['bare-ws', 'raw-net', 'noex'] as const
  const batched = await measureRequest(name, { connections: 16, inFlight: 16 }, servers, extent)
  const single = await measureRequest(name, { connections: 64, inFlight: 1 }, ['bare-ws', 'noex'], extent)
  return [
    compareCosts(name, batched['bare-ws'], batched.noex, targets.ws),
    compareCosts(`${name}, raw net`, batched['raw-net'], batched.noex, targets.rawNet),
    compareCosts(`${name}, 64 × 1`, single['bare-ws'], single.noex, targets.single)
  ]
}

/** Measures a get of sockets without a library: the figure for which aims in microseconds are scaled. */
export async function rawNetGet (isQuick = false): Promise<Row> {
  const load = { connections: 16, inFlight: 16 }
  const { 'raw-net': cost } = await measureRequest('get', load, ['raw-net'], isQuick ? quick : usual)
  return { name: 'get of raw net', unit: 'µs CPU', noex: cost.cpuMicros }
}

/** Measures one kind of request on some servers, which take turns. */
export async function measureRequest<Name extends ServerName> (
  name: RequestName, { connections, inFlight }: Load, programs: readonly Name[], extent = usual
): Promise<Record<Name, Cost>> {
  const servers = {} as Record<Name, ServerProcess>
  const clients = new Map<ServerProcess, Client[]>()
  for (const program of programs) {
    const server = await ServerProcess.start(program)
    servers[program] = server
    const opening = Array.from({ length: connections }, async () => await Client.open(server.port))
    clients.set(server, await Promise.all(opening))
  }
  const operations = Math.floor(extent.operations / connections)
  const costs = await alternate(servers, { warmUp: 1, rounds: extent.rounds }, async server => ({
    operations: connections * operations,
    tookMs: await runClosedLoop({
      clients: clients.get(server) ?? [], requests: requests(name), inFlight, operations
    })
  }))
  for (const client of [...clients.values()].flat()) client.reset()
  for (const server of clients.keys()) await server.stop()
  return costs
}
