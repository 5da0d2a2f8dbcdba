import { setTimeout } from 'node:timers/promises'
import type { Client } from '../driver/client.js'
import { openMany } from '../driver/open-many.js'
import { ServerProcess } from '../driver/server-process.js'
import { compareRounds, type Row } from './row.js'

const CONNECTIONS = 1_000
/** Moments of an interval at which some of the clients arrive. */
const ARRIVALS = 200
const INTERVAL_MS = 1_000
const ROUNDS = 5

/** Measures pings and their answers: clients that have come one after the other, and do nothing else. */
export async function heartbeat (): Promise<Row[]> {
  const names = ['bare-heartbeat', 'noex-heartbeat'] as const
  const start = { args: [String(INTERVAL_MS)] }
  const servers = await Promise.all(names.map(async name => await ServerProcess.start(name, start)))
  const clients: Client[] = []
  for (let i = 0; i < ARRIVALS; i++) {
    for (const { port } of servers) clients.push(...await openMany(port, CONNECTIONS / ARRIVALS))
    await setTimeout(INTERVAL_MS / ARRIVALS)
  }
  // The compiler is done after a few thousand.
  await setTimeout(3 * INTERVAL_MS)
  const micros: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now()
    const before = await Promise.all(servers.map(async server => await server.read()))
    await setTimeout(2 * INTERVAL_MS)
    const after = await Promise.all(servers.map(async server => await server.read()))
    const beats = CONNECTIONS * (performance.now() - began) / INTERVAL_MS
    for (const i of [0, 1] as const) {
      micros[i].push(((after[i]?.cpuMicros ?? NaN) - (before[i]?.cpuMicros ?? NaN)) / beats)
    }
  }
  for (const client of clients) client.reset()
  await Promise.all(servers.map(async server => { await server.stop() }))
  return [{
    ...compareRounds('heartbeat, a connection and interval', 'µs CPU', ...micros), target: { atMost: 50 }
  }]
}
