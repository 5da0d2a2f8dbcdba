import { runClosedLoop } from '../driver/closed-loop.js'
import { Client } from '../driver/client.js'
import { alternate } from '../driver/rounds.js'
import { ServerProcess } from '../driver/server-process.js'
import { requests, type RequestName } from '../workload/requests.js'
import { compareCosts, type Row } from './row.js'

const CONNECTIONS = 16
const IN_FLIGHT = 16
const ROUNDS = 11
const OPERATIONS_PER_CONNECTION = 250

/** Measures one kind of request: 16 connections, 16 requests of each under way at any time. */
export async function request (name: RequestName, ratioAtMost: number): Promise<Row[]> {
  const servers = { bare: await ServerProcess.start('bare-ws'), noex: await ServerProcess.start('noex') }
  const clients = new Map<ServerProcess, Client[]>()
  for (const server of Object.values(servers)) {
    clients.set(server, await Promise.all(Array.from({ length: CONNECTIONS }, async () => await Client.open(server.port))))
  }
  const ring = requests(name)

  const cost = await alternate(servers, { warmUp: 1, rounds: ROUNDS }, async server => ({
    operations: CONNECTIONS * OPERATIONS_PER_CONNECTION,
    tookMs: await runClosedLoop({
      clients: clients.get(server) ?? [],
      requests: ring,
      inFlight: IN_FLIGHT,
      operations: OPERATIONS_PER_CONNECTION
    })
  }))

  for (const client of [...clients.values()].flat()) client.reset()
  await Promise.all(Object.values(servers).map(async server => { await server.stop() }))
  return [compareCosts(name, cost.bare, cost.noex, ratioAtMost)]
}
