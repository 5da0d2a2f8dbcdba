import { RuleEngine } from '../../lib/exports/rules.js'
import { Client } from '../driver/client.js'
import { runClosedLoop } from '../driver/closed-loop.js'
import { isPush } from '../driver/reply.js'
import { alternate } from '../driver/rounds.js'
import { ServerProcess } from '../driver/server-process.js'
import { median } from '../driver/statistics.js'
import { hear, requests } from '../workload/requests.js'
import { compareCosts, compareRounds, type Row } from './row.js'

const CONNECTIONS = 16
const IN_FLIGHT = 16
const ROUNDS = 11
const OPERATIONS_PER_CONNECTION = 250
const EMITS = 200_000
const OTHER_RULES = 1_000

/**
 * Measures `rules.emit` with one subscription that hears each event against `store.get`, and the engine by
 * itself.
 */
export async function rules (): Promise<Row[]> {
  return [await emitOverTheWire(), ...await emitInProcess(), await othersInProcess()]
}

async function emitOverTheWire (): Promise<Row> {
  const servers = { get: await ServerProcess.start('noex'), emit: await ServerProcess.start('noex-rules') }
  const open = async (port: number): Promise<Client[]> =>
    await Promise.all(Array.from({ length: CONNECTIONS }, async () => await Client.open(port)))
  const clients = { get: await open(servers.get.port), emit: await open(servers.emit.port) }
  const listener = await Client.open(servers.emit.port)
  await runClosedLoop({ clients: [listener], requests: hear, inFlight: 1, operations: 1 })
  let heard = 0
  listener.onChunk = () => {}
  listener.onMessage = (bytes, start, end) => {
    if (!isPush(bytes, start)) throw new Error(`expected a push, got ${bytes.toString('utf8', start, end)}`)
    heard++
  }
  let emitted = 0
  const cost = await alternate(servers, { warmUp: 1, rounds: ROUNDS }, async server => {
    const name = server === servers.get ? 'get' : 'emit'
    const operations = CONNECTIONS * OPERATIONS_PER_CONNECTION
    const tookMs = await runClosedLoop({
      clients: clients[name],
      requests: requests(name),
      inFlight: IN_FLIGHT,
      operations: OPERATIONS_PER_CONNECTION
    })
    if (name === 'emit') emitted += operations
    return { operations, tookMs }
  })
  if (heard < emitted - OPERATIONS_PER_CONNECTION) throw new Error(`of ${emitted} events ${heard} were heard`)
  for (const client of [...clients.get, ...clients.emit, listener]) client.reset()
  await Promise.all(Object.values(servers).map(async server => { await server.stop() }))
  return compareCosts('emit, one hears it (bare: get)', cost.get, cost.emit, 2)
}

/**
 * Emits on one topic, with one rule: the last of many must cost what the first did, and leave nothing behind.
 */
async function emitInProcess (): Promise<Row[]> {
  const engine = await RuleEngine.start()
  engine.registerRule({
    id: 'counts',
    name: 'counts',
    trigger: { type: 'event', topic: 'busy' },
    conditions: [{ source: { type: 'event', field: 'n' }, operator: 'lt', value: 0 }]
  })
  const tenth = EMITS / 10
  const micros: number[] = []
  await emit(engine, tenth)
  const before = heapMiB()
  for (let i = 0; i < 10; i++) micros.push(await emit(engine, tenth))
  const grown = heapMiB() - before
  await engine.stop()
  return [
    compareRounds(
      'emit, last tenths of 200,000 (bare: first)',
      'µs CPU',
      micros.slice(0, 3),
      micros.slice(-3),
      1.25
    ),
    { name: 'emit, heap after 200,000', unit: 'MiB', noex: grown, target: { atMost: 1 } }
  ]
}

/** Emits with and without rules on other topics. */
async function othersInProcess (): Promise<Row> {
  const [alone, crowded] = [await RuleEngine.start(), await RuleEngine.start()]
  for (const engine of [alone, crowded]) {
    engine.registerRule({ id: 'own', name: 'own', trigger: { type: 'event', topic: 'busy' } })
  }
  for (let i = 0; i < OTHER_RULES; i++) {
    crowded.registerRule({ id: `other-${i}`, name: 'other', trigger: { type: 'event', topic: `other.${i}` } })
  }
  const figures: [number[], number[]] = [[], []]
  for (let round = -2; round < 2 * ROUNDS; round++) {
    for (const [i, engine] of [alone, crowded].entries()) {
      const micros = await emit(engine, 10_000)
      if (round >= 0) figures[i]?.push(micros)
    }
  }
  await Promise.all([alone.stop(), crowded.stop()])
  return {
    ...compareRounds(
      `emit beside ${OTHER_RULES} rules on other topics (bare: alone)`,
      'µs CPU',
      figures[0],
      figures[1],
      1.05
    ),
    bare: median(figures[0])
  }
}

/** Emits so many events, a hundred at a time, and returns the CPU of each in microseconds. */
async function emit (engine: RuleEngine, count: number): Promise<number> {
  const began = process.cpuUsage()
  for (let n = 0; n < count; n += 100) {
    await Promise.all(Array.from({ length: 100 }, async (_, i) => await engine.emit('busy', { n: n + i })))
  }
  const { user, system } = process.cpuUsage(began)
  return (user + system) / count
}

function heapMiB (): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 1_048_576
}
