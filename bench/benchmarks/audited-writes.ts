import { measureRequest } from './request.js'
import { compareCosts, type Row } from './row.js'

const extent = { rounds: 5, operations: 640 }
const servers = ['noex-audited-off', 'noex-audited-waiting', 'noex-audited-noted'] as const
const loads = [{ connections: 64, inFlight: 1 }, { connections: 16, inFlight: 16 }] as const

/**
 * Measures `store.update` on a store whose commits are on the disk: audited with the commit, beside the same
 * without audit, and beside a sink that each reply waits for.
 */
export async function auditedWrites (): Promise<Row[]> {
  const rows: Row[] = []
  for (const load of loads) {
    const costs = await measureRequest('update', load, servers, extent)
    const name = `audited update, ${load.connections} × ${load.inFlight}`
    rows.push(
      compareCosts(`${name}, against none`, costs['noex-audited-off'], costs['noex-audited-noted']),
      compareCosts(`${name}, against waiting`, costs['noex-audited-waiting'], costs['noex-audited-noted'])
    )
  }
  return rows
}
