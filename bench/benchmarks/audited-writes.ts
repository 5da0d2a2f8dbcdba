import { runClosedLoop } from '../driver/closed-loop.js'
import { Client } from '../driver/client.js'
import { alternate, type Cost } from '../driver/rounds.js'
import { ServerProcess } from '../driver/server-process.js'
import { requests } from '../workload/requests.js'
import { compareCosts, type Row } from './row.js'

const ROUNDS = 5
const OPERATIONS = 640
const loads = [{ connections: 64, inFlight: 1 }, { connections: 16, inFlight: 16 }] as const

type Servers = Record<'noex-audited-off' | 'noex-audited-waiting' | 'noex-audited-noted', ServerProcess>

/**
 * Measures `store.update` on a store whose commits are on the disk: audited with the commit, beside the same
 * without audit, and beside a sink that each reply waits for.
 */
export async function auditedWrites (): Promise<Row[]> {
  const rows: Row[] = []
  for (const load of loads) {
    const costs = await measure(load)
    const name = `audited update, ${load.connections} × ${load.inFlight}`
    rows.push(
      compareCosts(`${name}, against none`, costs['noex-audited-off'], costs['noex-audited-noted']),
      compareCosts(`${name}, against waiting`, costs['noex-audited-waiting'], costs['noex-audited-noted'])
    )
  }
  return rows
}

async function measure (
  { connections, inFlight }: typeof loads[number]
): Promise<Record<keyof Servers, Cost>> {
  const servers: Servers = {
    'noex-audited-off': await ServerProcess.start('noex-audited-off'),
    'noex-audited-waiting': await ServerProcess.start('noex-audited-waiting'),
    'noex-audited-noted': await ServerProcess.start('noex-audited-noted')
  }
  const clients = new Map<ServerProcess, Client[]>()
  for (const server of Object.values(servers)) {
    const opening = Array.from({ length: connections }, async () => await Client.open(server.port))
    clients.set(server, await Promise.all(opening))
  }
  const operations = Math.floor(OPERATIONS / connections)
  const costs = await alternate(servers, { warmUp: 1, rounds: ROUNDS }, async server => ({
    operations: connections * operations,
    tookMs: await runClosedLoop({
      clients: clients.get(server) ?? [], requests: requests('update'), inFlight, operations
    })
  }))
  for (const client of [...clients.values()].flat()) client.reset()
  for (const server of clients.keys()) await server.stop()
  return costs
}
