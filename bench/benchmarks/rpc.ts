import { runClosedLoop } from '../driver/closed-loop.js'
import { HttpClient, isSuccess, jsonPost } from '../driver/http-client.js'
import { alternate } from '../driver/rounds.js'
import { ServerProcess } from '../driver/server-process.js'
import { keyOf, USERS } from '../workload/records.js'
import { compareCosts, type Row } from './row.js'

/** Clients that ask again when they are answered, as programs without pipelining do. */
const CONNECTIONS = 64
const OPERATIONS_PER_CONNECTION = 60
const ROUNDS = 11

/** A ring of gets as requests over HTTP, one for each record. */
const gets = Array.from({ length: USERS }, (_, i) =>
  jsonPost('/rpc', JSON.stringify({ id: i + 1, type: 'store.get', bucket: 'users', key: keyOf(i) })))
const ring = { size: USERS, at: (index: number) => gets[index % USERS] as Buffer }

/** Measures a get over `POST /rpc`, beside a bare route of Fastify that answers the same JSON. */
export async function rpc (isQuick: boolean): Promise<Row[]> {
  const servers = {
    bare: await ServerProcess.start('bare-post'),
    noex: await ServerProcess.start('noex-rpc', { args: ['no-helmet'] }),
    bareHelmet: await ServerProcess.start('bare-post', { args: ['helmet'] }),
    noexHelmet: await ServerProcess.start('noex-rpc')
  }
  const clients = new Map<ServerProcess, HttpClient[]>()
  for (const server of Object.values(servers)) {
    const opening = Array.from({ length: CONNECTIONS }, async () => await HttpClient.open(server.port))
    clients.set(server, await Promise.all(opening))
  }
  const operations = isQuick ? 4 : OPERATIONS_PER_CONNECTION
  const rounds = isQuick ? { warmUp: 0, rounds: 1, turns: 1 } : { warmUp: 3, rounds: ROUNDS }
  const cost = await alternate(servers, rounds, async server => ({
    operations: CONNECTIONS * operations,
    tookMs: await runClosedLoop({
      clients: clients.get(server) ?? [],
      requests: ring,
      inFlight: 1,
      operations,
      kindOf: (bytes, start) => isSuccess(bytes, start)
    })
  }))
  for (const client of [...clients.values()].flat()) client.reset()
  for (const server of Object.values(servers)) await server.stop()
  return [
    compareCosts('get over HTTP', cost.bare, cost.noex, 1.3),
    compareCosts('get over HTTP, helmet for noex alone', cost.bare, cost.noexHelmet, 1.3),
    compareCosts('get over HTTP, helmet for both', cost.bareHelmet, cost.noexHelmet)
  ]
}
