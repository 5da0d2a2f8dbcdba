import { runClosedLoop } from '../driver/closed-loop.js'
import type { Client } from '../driver/client.js'
import { maskedTextFrame, FrameRing } from '../driver/frame-ring.js'
import { openMany } from '../driver/open-many.js'
import { alternate, quickRounds, type Cost, type Rounds } from '../driver/rounds.js'
import { ServerProcess, type ServerName } from '../driver/server-process.js'
import { ownDialect } from '../workload/dialects.js'
import { keyOf, listName } from '../workload/records.js'
import { compareCosts, type Row } from './row.js'

const CLIENTS = 1_000
const ROWS = 200
const rounds: Rounds = { warmUp: 1, rounds: 5, turns: 2 }
/** Most bytes of the answer to a client that comes back after one row has changed: some 220 are the row. */
const RESUMED_BYTES = 420
const list = listName(ROWS)

/** Where a client was when it went away, as the reply to its subscription has told it. */
interface Place {
  readonly epoch?: string
  readonly revision?: number
}

interface Stampede {
  readonly cost: Cost
  /** Of one answer, with its frame. */
  readonly bytes: number
}

/**
 * Measures that many clients subscribe to one list at once, as after a restart of the server, beside ws with
 * prepared frames, beside raw net, and with the place where they were before one row has changed.
 */
export async function stampede (isQuick: boolean): Promise<Row[]> {
  const clients = isQuick ? 50 : CLIENTS
  const { 'prepared-ws': ws, 'raw-net': raw, noex, resumed } = await measure(clients, isQuick)
  const title = `stampede, ${clients.toLocaleString('en')} × ${ROWS} rows`
  return [
    compareCosts(`${title}, ws`, ws.cost, noex.cost, 1.1),
    compareCosts(`${title}, raw net`, raw.cost, noex.cost),
    { name: `${title}, ws`, unit: 'bytes', bare: ws.bytes, noex: noex.bytes },
    compareCosts(`${title}, since (bare: all)`, noex.cost, resumed.cost),
    {
      name: `${title}, since (bare: all)`,
      unit: 'bytes',
      bare: noex.bytes,
      noex: resumed.bytes,
      target: { atMost: RESUMED_BYTES }
    }
  ]
}

async function measure (
  count: number, isQuick: boolean
): Promise<Record<'prepared-ws' | 'raw-net' | 'noex' | 'resumed', Stampede>> {
  const programs = {
    'prepared-ws': 'prepared-ws', 'raw-net': 'raw-net', noex: 'noex', resumed: 'noex'
  } as const satisfies Record<string, ServerName>
  const names = Object.keys(programs) as Array<keyof typeof programs>
  const servers = {} as Record<keyof typeof programs, ServerProcess>
  for (const name of names) servers[name] = await ServerProcess.start(programs[name])
  const subscribe = { id: 1, type: 'store.subscribe', query: list, delta: true }
  const clients = new Map<ServerProcess, Client[]>()
  const requests = new Map<ServerProcess, FrameRing>()
  const bytes = new Map<ServerProcess, number>()
  const costs = await alternate(servers, isQuick ? quickRounds : rounds, {
    prepare: async (server, name) => {
      await Promise.all((clients.get(server) ?? []).map(async client => { await client.close() }))
      const [first, ...others] = await openMany(server.port, count + 1)
      const since = await placeOf(first as Client, name === 'resumed')
      await (first as Client).close()
      requests.set(server, new FrameRing([JSON.stringify({ ...subscribe, ...since })]))
      clients.set(server, others)
    },
    run: async server => {
      const all = clients.get(server) ?? []
      const received = (): number => all.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0)
      const before = received()
      const tookMs = await runClosedLoop({
        clients: all, requests: requests.get(server) as FrameRing, inFlight: 1, operations: 1
      })
      bytes.set(server, (received() - before) / all.length)
      return { operations: all.length, tookMs }
    }
  })
  for (const client of [...clients.values()].flat()) client.reset()
  for (const server of Object.values(servers)) await server.stop()
  const measured = names.map(name => [name, { cost: costs[name], bytes: bytes.get(servers[name]) ?? NaN }])
  return Object.fromEntries(measured) as Awaited<ReturnType<typeof measure>>
}

/** Has a client subscribe and change one row then; returns where it was before, if that is asked for. */
async function placeOf (client: Client, isAsked: boolean): Promise<{ since: Place } | undefined> {
  const reply = await ask(client, ownDialect.watch(1, list))
  const { epoch, revision } = (JSON.parse(reply) as { data: Place }).data
  await ask(client, ownDialect.update(1, list, keyOf(1), { score: Math.random() }))
  return isAsked && epoch !== undefined && revision !== undefined ? { since: { epoch, revision } } : undefined
}

/** Sends request 1 and resolves with its reply, which must fit into one frame. */
async function ask (client: Client, request: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    client.onMessage = (bytes, start, end) => {
      const isResult = ownDialect.kindOf(bytes, start, end, 1)
      if (isResult === undefined) return
      const text = bytes.toString('utf8', start, end)
      if (isResult) resolve(text)
      else reject(new Error(`expected a result, got ${text}`))
    }
    client.send(maskedTextFrame(request))
  })
}
