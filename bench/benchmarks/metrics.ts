import { runClosedLoop } from '../driver/closed-loop.js'
import { Client } from '../driver/client.js'
import { alternate } from '../driver/rounds.js'
import { ServerProcess } from '../driver/server-process.js'
import { requests } from '../workload/requests.js'
import { compareCosts, type Row } from './row.js'

const CONNECTIONS = 16
const IN_FLIGHT = 16
const ROUNDS = 11
const OPERATIONS_PER_CONNECTION = 250

/** Measures what counting, and metrics that are scraped, add to `store.get`. */
export async function metrics (): Promise<Row[]> {
  const servers = {
    uncounted: await ServerProcess.start('noex-uncounted'),
    counted: await ServerProcess.start('noex'),
    scraped: await ServerProcess.start('noex-metrics')
  }
  const clients = new Map<ServerProcess, Client[]>()
  for (const server of Object.values(servers)) {
    clients.set(
      server,
      await Promise.all(Array.from({ length: CONNECTIONS }, async () => await Client.open(server.port)))
    )
  }
  const ring = requests('get')
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
  return [
    compareCosts('get, counted', cost.uncounted, cost.counted, 1.05),
    compareCosts('get, with metrics', cost.uncounted, cost.scraped, 1.05)
  ]
}
