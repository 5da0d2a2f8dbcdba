import { Audience } from '../driver/audience.js'
import { alternate, quickRounds } from '../driver/rounds.js'
import { ServerProcess } from '../driver/server-process.js'
import { ownDialect } from '../workload/dialects.js'
import { BOARD_ROWS, keyOf } from '../workload/records.js'
import { boardUpdates, subscribeToBoard } from '../workload/requests.js'
import { compareCosts, type Row } from './row.js'

const SUBSCRIBERS = 500
const rounds = { warmUp: 1, rounds: 9 }
const UPDATES = 10

/** Measures a push: one client changes a row of a live query with 20 rows, and 500 others hear of it. */
export async function fanOut (isQuick: boolean): Promise<Row[]> {
  const subscribers = isQuick ? 20 : SUBSCRIBERS
  const servers = { bare: await ServerProcess.start('bare-ws'), noex: await ServerProcess.start('noex') }
  const audiences = new Map<ServerProcess, Audience>()
  for (const server of Object.values(servers)) {
    const audience = await Audience.gather({
      port: server.port,
      dialect: ownDialect,
      watch: subscribeToBoard,
      probe: ownDialect.get(2, 'users', keyOf(1)),
      changes: boardUpdates()
    })
    await audience.growTo(1)
    audiences.set(server, audience)
  }

  const counts: Row[] = []
  const noex = audiences.get(servers.noex) as Audience
  counts.push(await evaluationsPerChange(servers.noex, noex))
  for (const audience of audiences.values()) await audience.growTo(subscribers)
  counts.push(await evaluationsPerChange(servers.noex, noex))

  const cost = await alternate(servers, isQuick ? quickRounds : rounds, async server => ({
    operations: UPDATES * subscribers,
    tookMs: await (audiences.get(server) as Audience).change(UPDATES)
  }))

  for (const audience of audiences.values()) audience.reset()
  await Promise.all(Object.values(servers).map(async server => { await server.stop() }))
  return [
    compareCosts(`fan-out, a push to ${subscribers} × ${BOARD_ROWS} rows`, cost.bare, cost.noex, 1.2),
    ...counts
  ]
}

async function evaluationsPerChange (server: ServerProcess, audience: Audience): Promise<Row> {
  const before = await server.read()
  await audience.change(UPDATES)
  const after = await server.read()
  return {
    name: `query runs a change, ${audience.size} subscriber${audience.size === 1 ? '' : 's'}`,
    unit: 'runs',
    noex: (after.evaluations - before.evaluations) / UPDATES,
    target: { exactly: 1 }
  }
}
