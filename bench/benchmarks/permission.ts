import { runClosedLoop } from '../driver/closed-loop.js'
import { Client } from '../driver/client.js'
import { alternate } from '../driver/rounds.js'
import { ServerProcess } from '../driver/server-process.js'
import { logIn } from '../workload/accounts.js'
import { requests } from '../workload/requests.js'
import { compareCosts, type Row } from './row.js'

const CONNECTIONS = 16
const IN_FLIGHT = 16
const ROUNDS = 11
const OPERATIONS_PER_CONNECTION = 250

/**
 * Measures what permissions add to `store.get`: rules for tokens, and roles of accounts, beside no
 * authentication.
 */
export async function permission (): Promise<Row[]> {
  const servers = {
    open: await ServerProcess.start('noex'),
    rules: await ServerProcess.start('noex-permissions'),
    roles: await ServerProcess.start('noex-identity')
  }
  const clients = new Map<ServerProcess, Client[]>()
  for (const server of Object.values(servers)) {
    const opened = await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => await Client.open(server.port))
    )
    if (server !== servers.open) {
      await runClosedLoop({ clients: opened, requests: logIn, inFlight: 1, operations: 1 })
    }
    clients.set(server, opened)
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
  const target = { addedAtMost: 1 }
  return [
    { ...compareCosts('get, 20 permission rules', cost.open, cost.rules), target },
    { ...compareCosts('get, a role of an account', cost.open, cost.roles), target }
  ]
}
