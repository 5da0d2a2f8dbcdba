import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Test } from 'tap'
import type { LiveQuery } from '../../lib/client/types.js'
import { Random } from '../simulation/random.js'
import { clientFor, withoutSocket, type TestedClient } from './client-parts.js'
import { streamRoutes } from './events.js'
import { Relay, type RelayFault } from './relay.js'
import { serve } from './service.js'
import { until } from './until.js'

/** How much a run of clients over failing links does. */
export interface RunSize {
  readonly seed: number
  readonly clients: number
  readonly writes: number
  /** Faults of links, spread over the writes. */
  readonly faults: number
  /** Whether the clients can have no WebSocket. */
  readonly isOverHttp?: boolean
}

/** The figures of a run. */
export interface RunCounts {
  readonly faults: Readonly<Record<RelayFault, number>>
  readonly connections: number
  readonly compared: number
}

/** Requests that each client has under way. */
const CONCURRENCY = 10

/** Numbers that are incremented. */
const COUNTERS = 5

/** Time after which a dead link counts as one, in milliseconds. */
const HEARTBEAT_MS = 100

/**
 * Has clients write, each write with `retry`, while their links are cut, stalled and half-opened. Checks that
 * each write was done once, and that at the end every live query shows what the store has.
 */
export async function writeOverFailingLinks (
  t: Test, { seed, clients, writes, faults, isOverHttp = false }: RunSize
): Promise<RunCounts> {
  const random = new Random(seed)
  const { store, port } = await serve(t, { routes: streamRoutes })
  await store.defineBucket('counters', {
    key: 'id', schema: { id: { type: 'number' }, n: { type: 'number' } }
  })
  for (let id = 0; id < COUNTERS; id++) await store.bucket('counters').insert({ id, n: 0 })
  store.defineDeclarativeQuery('counters', { bucket: 'counters', sort: { id: 'asc' } })
  const relay = await Relay.start(port)
  t.teardown(async () => { await relay.stop() })
  const done = { cut: 0, stall: 0, 'half-open': 0 }
  const numbersToWrite = Array.from({ length: writes }, (_, n) => n).values()
  let acknowledged = 0
  let injected = 0
  const sums = new Array<number>(COUNTERS).fill(0)

  /** Breaks a link whenever enough has been written since the one before. */
  const injectFaults = async (): Promise<void> => {
    while (injected < faults) {
      await until(() => acknowledged * faults >= injected * writes && relay.working > 0)
      await sleep(random.below(5))
      if (relay.working === 0) continue
      const fault = random.weighted([[3, 'cut'], [1, 'stall'], [1, 'half-open']] as const)
      relay.fail(fault, random.below(relay.working))
      done[fault]++
      injected++
    }
  }

  const write = async (client: TestedClient, n: number): Promise<void> => {
    const options = { retry: true, timeoutMs: 120_000 }
    if (n % 2 === 0) {
      await client.request('store.insert', { bucket: 'items', data: { n } }, options)
    } else {
      const id = n % COUNTERS
      await client.request('store.increment', { bucket: 'counters', key: id, field: 'n', by: n }, options)
      sums[id] = (sums[id] ?? 0) + n
    }
    acknowledged++
  }

  const fleet = Array.from({ length: clients }, () =>
    clientFor(t, `ws://127.0.0.1:${relay.port}`, {
      heartbeatMs: HEARTBEAT_MS,
      connectTimeoutMs: 3 * HEARTBEAT_MS,
      ...(isOverHttp && withoutSocket(relay.port))
    }))
  const watched = fleet.flatMap(watchAll)
  for (const [query] of watched) t.teardown(query.subscribe(() => {}))
  const workers = fleet.flatMap(client => Array.from({ length: CONCURRENCY }, async () => {
    for (const n of numbersToWrite) await write(client, n)
  }))
  await Promise.all([injectFaults(), ...workers])

  const items = await store.bucket('items').all()
  const counters = await store.bucket('counters').all()
  const numbers = items.map(({ n }) => Number(n)).sort((a, b) => a - b)
  const expected = Array.from({ length: Math.ceil(writes / 2) }, (_, i) => 2 * i)
  t.same(numbers, expected, `${expected.length} records, each once`)
  t.same(counters.map(({ n }) => n), sums, 'each increment once')
  const isEqual = (): boolean => watched.every(([query, ofStore]) =>
    query.status === 'live' && isDeepStrictEqual(query.getSnapshot(), ofStore({ items, counters })))
  await until(isEqual).catch(() => {})
  for (const [query, ofStore] of watched) {
    if (!isDeepStrictEqual(query.getSnapshot(), ofStore({ items, counters }))) {
      t.fail(`${query.key} is ${query.status} and not equal`)
    }
  }
  t.ok(isEqual(), `${watched.length} live queries show what the store has`)
  if (isOverHttp) t.ok(fleet.every(({ state }) => state.transport === 'http'), 'all over HTTP')
  return { faults: done, connections: relay.accepted, compared: watched.length }
}

type Rows = ReadonlyArray<Readonly<Record<string, any>>>
type OfStore = (rows: { readonly items: Rows, readonly counters: Rows }) => unknown

/** Returns live queries of a client, each with what it shows at the end. */
function watchAll (client: TestedClient): Array<readonly [LiveQuery<any>, OfStore]> {
  return [
    [client.query('counters'), ({ counters }) => counters],
    [client.query({ bucket: 'items', filter: { n: { $lt: 40 } }, sort: { n: 'asc' } }), ({ items }) =>
      items.filter(({ n }) => n < 40).sort((a, b) => a['n'] - b['n'])],
    [client.query({ bucket: 'items', sort: { n: 'desc' }, limit: 10 }), ({ items }) =>
      [...items].sort((a, b) => b['n'] - a['n']).slice(0, 10)],
    [client.query({ bucket: 'items', aggregate: { function: 'count' } }), ({ items }) => items.length]
  ]
}
