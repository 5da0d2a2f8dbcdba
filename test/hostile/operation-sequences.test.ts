// Random sequences of operations of several clients must leave what a simple model says.
// FUZZ_RUNS sets the sequences, FUZZ_SEED repeats a run.
import { RuleEngine } from '@hamicek/noex-rules'
import fc, { type AsyncCommand } from 'fast-check'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { isThorough } from '../support/sampled.js'
import type { TestClient } from '../support/client.js'
import { serve, type Served } from '../support/service.js'

const RUNS = Number(process.env['FUZZ_RUNS'] ?? (isThorough ? 20 : 5))
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)
const CLIENTS = 3
const MAX_SUBSCRIPTIONS = 4
const MAX_TOTAL = 7
/** Time after which a condition that a sequence waits for counts as missed. */
const PATIENCE_MS = 10_000

/** The expected state of one client. */
interface ModelClient {
  userId: string | undefined
  store: string[]
  rules: string[]
}

/** The expected state of the server. */
interface Model {
  readonly clients: ModelClient[]
  readonly records: Set<string>
}

/** The server, and the clients of the model in the same order. */
interface Real {
  readonly served: Served
  readonly clients: TestClient[]
}

type Step = AsyncCommand<Model, Real>

const subscriptionsOf = ({ store, rules }: ModelClient): number => store.length + rules.length
const totalOf = ({ clients }: Model): number =>
  clients.reduce((sum, client) => sum + subscriptionsOf(client), 0)

/** Throws with what was expected; fast-check shows the sequence. */
function expectSame (actual: unknown, expected: unknown, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`)
  }
}

/**
 * A step of one client, which must be logged in for most. `run` returns the code that is expected, or changes
 * the model.
 */
function step (
  name: string,
  client: number,
  act: (model: ModelClient, real: TestClient, all: Model, served: Served) => Promise<void>
): Step {
  return {
    check: () => true,
    run: async (model, { clients, served }) => {
      await act(model.clients[client] as ModelClient, clients[client] as TestClient, model, served)
    },
    toString: () => `${name} by ${client}`
  }
}

/** Asks, and expects `UNAUTHORIZED` of a client that is not logged in. Returns the data of a result. */
async function ask (
  model: ModelClient,
  real: TestClient,
  type: string,
  fields: object,
  expected: string | undefined
): Promise<any> {
  const reply = await real.request(type, fields)
  const code = model.userId === undefined ? 'UNAUTHORIZED' : expected
  expectSame(reply['code'], code, `${type} ${JSON.stringify(fields)}`)
  return reply['data']
}

const logIn = (client: number, userId: string): Step =>
  step(`logIn as ${userId}`, client, async (model, real) => {
    expectSame((await real.request('auth.login', { token: userId }))['type'], 'result', 'auth.login')
    // The next user keeps the subscriptions that they may have, too: here all of them.
    model.userId = userId
  })

const logOut = (client: number): Step => step('logOut', client, async (model, real) => {
  // The subscriptions are suspended, and still count.
  await real.ask('auth.logout')
  model.userId = undefined
})

const subscribe = (client: number, kind: 'store' | 'rules'): Step =>
  step(`${kind}.subscribe`, client, async (model, real, all) => {
    const isFull = subscriptionsOf(model) >= MAX_SUBSCRIPTIONS || totalOf(all) >= MAX_TOTAL
    const fields = kind === 'store' ? { query: 'all' } : { pattern: 'order.*' }
    const data = await ask(model, real, `${kind}.subscribe`, fields, isFull ? 'RATE_LIMITED' : undefined)
    if (data !== undefined) model[kind].push(data.subscriptionId)
  })

const unsubscribe = (client: number, kind: 'store' | 'rules', index: number): Step =>
  step(`${kind}.unsubscribe ${index}`, client, async (model, real) => {
    const subscriptionId = model[kind][index] ?? 'unknown'
    const expected = index < model[kind].length ? undefined : 'NOT_FOUND'
    await ask(model, real, `${kind}.unsubscribe`, { subscriptionId }, expected)
    if (model.userId !== undefined) model[kind].splice(index, 1)
  })

const write = (client: number, id: string): Step => step(`upsert ${id}`, client, async (model, real, all) => {
  const data = await ask(model, real, 'store.upsert', { bucket: 'items', data: { id, n: 1 } }, undefined)
  if (data !== undefined) all.records.add(id)
})

const remove = (client: number, id: string): Step =>
  step(`delete ${id}`, client, async (model, real, all) => {
    await ask(model, real, 'store.delete', { bucket: 'items', key: id }, undefined)
    if (model.userId !== undefined) all.records.delete(id)
  })

const reconnect = (client: number): Step => ({
  check: () => true,
  run: async (model, real) => {
    const before = real.served.app.noex.connectionCount
    real.clients[client]?.ws.terminate()
    await until(() => real.served.app.noex.connectionCount < before, 'the connection is gone')
    real.clients[client] = await real.served.connect()
    model.clients[client] = { userId: undefined, store: [], rules: [] }
  },
  toString: () => `reconnect of ${client}`
})

/** All clients at once, without waiting for each other or for themselves. */
const burst = (length: number): Step => ({
  check: () => true,
  run: async (_model, { clients }) => {
    const types = ['store.get', 'auth.whoami', 'store.count', 'store.transaction', 'rules.emit', 'nonsense']
    for (let i = 0; i < length; i++) {
      for (const client of clients) {
        client.send({
          id: 1_000_000 + i,
          type: types[i % types.length],
          bucket: 'items',
          key: 'a',
          topic: 'order.placed',
          operations: [{ op: 'get', bucket: 'items', key: 'a' }]
        })
      }
    }
    for (const client of clients) {
      for (let i = 0; i < length; i++) {
        const reply = await client.next(frame => 'id' in frame)
        expectSame(reply['id'], 1_000_000 + i, 'the replies come in the order of the requests')
      }
    }
  },
  toString: () => `burst of ${length}`
})

/** Compares the statistics with the model. */
const look = (client: number): Step => step('look', client, async (model, real, all, { app, store }) => {
  const { connections } = await app.noex.getStats()
  const expected = {
    active: CLIENTS,
    authenticated: all.clients.filter(({ userId }) => userId !== undefined).length,
    totalStoreSubscriptions: all.clients.reduce((sum, { store }) => sum + store.length, 0),
    totalRulesSubscriptions: all.clients.reduce((sum, { rules }) => sum + rules.length, 0)
  }
  expectSame(
    Object.fromEntries(Object.keys(expected).map(name => [name, connections[name as keyof typeof expected]])),
    expected,
    'server.stats'
  )
  expectSame(await store.bucket('items').count(), all.records.size, 'records')
  await ask(model, real, 'server.stats', {}, undefined)
})

const clients = fc.nat(CLIENTS - 1)
const kinds = fc.constantFrom('store' as const, 'rules' as const)
const ids = fc.constantFrom('a', 'b', 'c')

const steps = fc.commands<Model, Real, false>([
  fc.tuple(clients, fc.constantFrom('alice', 'bob')).map(([client, userId]) => logIn(client, userId)),
  clients.map(logOut),
  fc.tuple(clients, kinds).map(([client, kind]) => subscribe(client, kind)),
  fc.tuple(clients, kinds).map(([client, kind]) => subscribe(client, kind)),
  fc.tuple(clients, kinds, fc.nat(2)).map(([client, kind, index]) => unsubscribe(client, kind, index)),
  fc.tuple(clients, ids).map(([client, id]) => write(client, id)),
  fc.tuple(clients, ids).map(([client, id]) => remove(client, id)),
  clients.map(reconnect),
  fc.integer({ min: 1, max: 30 }).map(burst),
  clients.map(look)
], { maxCommands: 40, size: 'max' })

async function until (condition: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !condition();) {
    if (performance.now() > end) throw new Error(`still not so: ${what}`)
    await setImmediate()
  }
}

async function serveSequences (t: Test): Promise<Served> {
  const rules = await RuleEngine.start()
  t.teardown(async () => { await rules.stop() })
  const served = await serve(t, {
    rules,
    auth: { validate: token => ({ userId: token, roles: ['admin'] }) },
    connectionLimits: { maxSubscriptionsPerConnection: MAX_SUBSCRIPTIONS, maxTotalSubscriptions: MAX_TOTAL }
  })
  served.store.defineQuery('all', async ctx => await ctx.bucket('items').all())
  return served
}

t.test('after any sequence of three clients, each request has one reply and counts are right', async t => {
  t.comment(`FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}`)
  const served = await serveSequences(t)
  let executed = 0
  const property = fc.asyncProperty(steps, async commands => {
    await served.store.bucket('items').clear()
    const opened = await Promise.all(Array.from({ length: CLIENTS }, async () => await served.connect()))
    const real: Real = { served, clients: opened }
    const model: Model = {
      clients: opened.map(() => ({ userId: undefined, store: [], rules: [] })),
      records: new Set()
    }
    try {
      await fc.asyncModelRun(() => ({ model, real }), commands)
      executed++
      await look(0).run(model, real)
    } finally {
      for (const { ws } of real.clients) ws.terminate()
      await until(() => served.app.noex.connectionCount === 0, 'the connections are gone')
    }
    const { connections } = await served.app.noex.getStats()
    expectSame(
      [connections.totalStoreSubscriptions, connections.totalRulesSubscriptions],
      [0, 0],
      'nothing is left of the connections'
    )
  })
  const result = await fc.check(property, { seed: SEED, numRuns: RUNS, interruptAfterTimeLimit: 1_000_000 })
  t.notOk(
    result.failed,
    result.failed
      ? `${String(result.errorInstance)} ${String(fc.defaultReportMessage(result))}`
      : 'the model holds'
  )
  t.ok(executed >= RUNS, `${executed} sequences`)
})
