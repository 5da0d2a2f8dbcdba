import { Client } from '../driver/client.js'
import { runClosedLoop } from '../driver/closed-loop.js'
import { ServerProcess, type ServerName } from '../driver/server-process.js'
import { requests } from '../workload/requests.js'
import { compareRounds, type Row } from './row.js'

const CONNECTIONS = 16
const IN_FLIGHT = 16
const ROUNDS = 11
const OPERATIONS_PER_CONNECTION = 500

/**
 * Measures what a trail of all writes takes from the throughput of `store.insert`, by the time that inserts
 * take from the first to the last.
 */
export async function audit (): Promise<Row[]> {
  const names = ['noex', 'noex-audit-drop', 'noex-audit-block'] satisfies ServerName[]
  const servers = await Promise.all(names.map(async name => await ServerProcess.start(name)))
  const clients = await Promise.all(
    servers.map(
      async ({ port }) =>
        await Promise.all(Array.from({ length: CONNECTIONS }, async () => await Client.open(port)))
    )
  )
  const took: number[][] = servers.map(() => [])
  for (let round = -1; round < ROUNDS; round++) {
    for (const index of servers.keys()) {
      const began = performance.now()
      await runClosedLoop({
        clients: clients[index] ?? [],
        requests: requests('insert'),
        inFlight: IN_FLIGHT,
        operations: OPERATIONS_PER_CONNECTION
      })
      if (round >= 0) {
        took[index]?.push((performance.now() - began) * 1_000 / (CONNECTIONS * OPERATIONS_PER_CONNECTION))
      }
    }
  }
  for (const client of clients.flat()) client.reset()
  await Promise.all(servers.map(async server => { await server.stop() }))
  const [off = [], drop = [], block = []] = took
  return [
    // Less than 10 % and 25 % of the throughput.
    compareRounds('insert, audited (drop)', 'µs passed', off, drop, 1 / 0.9),
    compareRounds('insert, audited (block)', 'µs passed', off, block, 1 / 0.75)
  ]
}
