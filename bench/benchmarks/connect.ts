import { Client } from '../driver/client.js'
import { openMany } from '../driver/open-many.js'
import { alternate, quickRounds } from '../driver/rounds.js'
import { ServerProcess } from '../driver/server-process.js'
import { compareCosts, type Row } from './row.js'

/** The compiler is done after some 1,500 connections. */
const rounds = { warmUp: 5, rounds: 9 }
const CONNECTIONS = 50

/**
 * Measures what it takes to connect, from the upgrade to the first message. Closing again is not part of it.
 */
export async function connect (isQuick: boolean): Promise<Row[]> {
  const servers = {
    bare: await ServerProcess.start('bare-ws'),
    route: await ServerProcess.start('bare-route'),
    noex: await ServerProcess.start('noex')
  }
  let clients: Client[] = []

  const cost = await alternate(servers, isQuick ? quickRounds : rounds, async server => {
    await Promise.all(clients.map(async client => { await client.close() }))
    clients = await openMany(server.port, CONNECTIONS)
    return { operations: CONNECTIONS, tookMs: [clients.map(client => client.welcomeMs)] }
  })

  await Promise.all(clients.map(async client => { await client.close() }))
  await Promise.all(Object.values(servers).map(async server => { await server.stop() }))
  return [
    compareCosts('connect, bare ws', cost.bare, cost.noex, 1.6),
    compareCosts('connect, bare route', cost.route, cost.noex)
  ]
}
