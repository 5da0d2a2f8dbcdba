import { Audience } from '../driver/audience.js'
import { Client } from '../driver/client.js'
import { runClosedLoop } from '../driver/closed-loop.js'
import { FrameRing, type RequestRing } from '../driver/frame-ring.js'
import { HttpClient, jsonPost } from '../driver/http-client.js'
import { installPeers } from '../driver/peer-packages.js'
import type { KindOf } from '../driver/reply.js'
import { alternate, quickRounds, type Cost, type Rounds } from '../driver/rounds.js'
import { ServerProcess } from '../driver/server-process.js'
import {
  feathersDialect, mercuriusDialect, ownDialect, socketIoDialect, trpcDialect, type Dialect
} from '../workload/dialects.js'
import { inputOf, keyOf, LISTS, listName, USERS } from '../workload/records.js'
import { compareCosts, type Row } from './row.js'

const CONNECTIONS = 16
const IN_FLIGHT = 16
const WATCHERS = 500
/** Changes of one turn. */
const CHANGES = 10
const OPERATIONS_PER_CONNECTION = 250
const rounds: Rounds = { warmUp: 1, rounds: 5, turns: 4 }

/** The servers that do the same work, with how they are started and asked. */
const servers = {
  noex: { start: async () => await ServerProcess.start('noex'), dialect: ownDialect },
  'raw net': { start: async () => await ServerProcess.start('raw-net'), dialect: ownDialect },
  ws: { start: async () => await ServerProcess.start('prepared-ws'), dialect: ownDialect },
  'Socket.IO 4': { start: async () => await ServerProcess.startPeer('socket-io'), dialect: socketIoDialect },
  'Feathers 5': { start: async () => await ServerProcess.startPeer('feathers'), dialect: feathersDialect },
  'tRPC 11': { start: async () => await ServerProcess.startPeer('trpc'), dialect: trpcDialect },
  'mercurius 16': {
    start: async () => await ServerProcess.startPeer('mercurius'), dialect: mercuriusDialect
  }
} satisfies Record<string, { start: () => Promise<ServerProcess>, dialect: Dialect }>

export type Peer = keyof typeof servers

const names = Object.keys(servers) as Peer[]

/** The cost of one kind of work on each server. */
export interface Comparison {
  readonly work: string
  readonly costs: Readonly<Record<Peer, Cost>>
  /** Of a push, with its frame. */
  readonly bytes?: Readonly<Record<Peer, number>>
}

/** Highest ratios of our cost to that of a peer. */
const targets: Readonly<Record<string, number>> = {
  'get, raw net': 1.25,
  'insert, raw net': 1.4,
  'update, raw net': 1.35,
  [`${pushOf(20)}, raw net`]: 1.1,
  [`${pushOf(1_000)}, Socket.IO 4`]: 0.75
}

/** Highest ratio of the bytes of our push to those of Socket.IO. */
const BYTES_AT_MOST = 1.5

/** Compares requests and pushes with those of other libraries, in one run. */
export async function * peers (isQuick: boolean): AsyncGenerator<Row> {
  for await (const comparison of comparePeers(isQuick)) yield * rowsOf(comparison)
}

/** Measures all works on all servers, which take turns. */
export async function * comparePeers (isQuick: boolean): AsyncGenerator<Comparison> {
  installPeers()
  let started = await startAll()
  for (const work of ['get', 'insert', 'update'] as const) yield await requests(work, started, isQuick)
  await stopAll(started)
  started = await startAll()
  for (const rows of LISTS) yield await pushes(rows, started, isQuick)
  await stopAll(started)
}

/** The lines of the report: our cost beside that of each other server. */
export function rowsOf ({ work, costs, bytes }: Comparison): Row[] {
  const rows = names.filter(name => name !== 'noex').map((name): Row =>
    compareCosts(`${work}, ${name}`, costs[name], costs.noex, targets[`${work}, ${name}`]))
  if (bytes === undefined) return rows
  return [...rows, {
    name: `${work}, Socket.IO 4`,
    unit: 'bytes',
    bare: bytes['Socket.IO 4'],
    noex: bytes.noex,
    target: { ratioAtMost: BYTES_AT_MOST },
    note: names.map(name => `${name} ${Math.round(bytes[name])}`).join(', ')
  }]
}

async function requests (
  work: 'get' | 'insert' | 'update', started: Record<Peer, ServerProcess>, isQuick: boolean
): Promise<Comparison> {
  const clients = new Map<ServerProcess, Array<Client | HttpClient>>()
  for (const name of names) {
    const { opening, http }: Dialect = servers[name].dialect
    const { port } = started[name]
    const opened = Array.from({ length: CONNECTIONS }, async () =>
      http === undefined ? await Client.open(port, [], opening) : await HttpClient.open(port))
    clients.set(started[name], await Promise.all(opened))
  }
  const operations = isQuick ? IN_FLIGHT : OPERATIONS_PER_CONNECTION
  const rings = Object.fromEntries(names.map(name => [name, ring(work, servers[name].dialect)]))
  const costs = await alternate(started, isQuick ? quickRounds : rounds, async (server, name) => ({
    operations: CONNECTIONS * operations,
    tookMs: await runClosedLoop({
      clients: clients.get(server) ?? [],
      requests: rings[name] as RequestRing,
      inFlight: IN_FLIGHT,
      operations,
      kindOf: kindOf(servers[name].dialect)
    })
  }))
  for (const client of [...clients.values()].flat()) client.reset()
  return { work, costs }
}

function kindOf ({ http, kindOf }: Dialect): KindOf {
  return http?.kindOf ?? kindOf
}

function ring (work: 'get' | 'insert' | 'update', { get, insert, update, http }: Dialect): RequestRing {
  const texts = Array.from({ length: USERS }, (_, i) => {
    const id = i + 1
    const key = keyOf(id % USERS)
    if (work === 'get') return get(id, 'users', key)
    if (work === 'insert') return insert(id, 'users', inputOf(id))
    return update(id, 'users', key, { score: id * 7, active: id % 3 === 0 })
  })
  if (http === undefined) return new FrameRing(texts)
  const posts = texts.map(text => jsonPost(http.path, http.bodyOf(text)))
  return { size: posts.length, at: index => posts[index % posts.length] as Buffer }
}

async function pushes (
  rows: number, started: Record<Peer, ServerProcess>, isQuick: boolean
): Promise<Comparison> {
  const audiences = new Map<ServerProcess, Audience>()
  const list = listName(rows)
  const watchers = isQuick ? 10 : WATCHERS
  for (const name of names) {
    const { dialect } = servers[name]
    const audience = await Audience.gather({
      port: started[name].port,
      dialect,
      watch: dialect.watch(1, list),
      probe: dialect.get(2, 'users', keyOf(1)),
      changes: new FrameRing(Array.from({ length: 100 }, (_, i) =>
        dialect.update(i + 1, list, keyOf((i + 1) % rows), { score: (i + 1) * 7 })))
    })
    await audience.growTo(watchers)
    audiences.set(started[name], audience)
  }
  const changes = isQuick ? 2 : CHANGES
  const costs = await alternate(started, isQuick ? quickRounds : rounds, async server => ({
    operations: changes * watchers,
    tookMs: await (audiences.get(server) as Audience).change(changes)
  }))
  const bytes = Object.fromEntries(
    names.map(name => [name, audiences.get(started[name])?.bytesPerPush ?? NaN])
  )
  for (const audience of audiences.values()) audience.reset()
  return { work: pushOf(rows, watchers), costs, bytes: bytes as Record<Peer, number> }
}

function pushOf (rows: number, watchers = WATCHERS): string {
  return `push, 1 row of ${rows.toLocaleString('en')} to ${watchers}`
}

async function startAll (): Promise<Record<Peer, ServerProcess>> {
  const started = {} as Record<Peer, ServerProcess>
  for (const name of names) started[name] = await servers[name].start()
  return started
}

async function stopAll (started: Record<Peer, ServerProcess>): Promise<void> {
  for (const name of names) await started[name].stop()
}
