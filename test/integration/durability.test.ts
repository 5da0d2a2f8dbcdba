import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { MemoryLog, Store, type LogEntry } from '@hamicek/noex-store'
import type { Frame } from '../support/client.js'
import { FakeRuleEngine } from '../support/fake-rule-engine.js'
import { serve, startStore, type Served } from '../support/service.js'
import { logInto } from '../support/log-into.js'
import { until } from '../support/until.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

/** A log that takes entries when it is told to, or refuses them. */
class HeldLog extends MemoryLog {
  isHolding = false
  isFull = false
  #waiting: Array<() => void> = []

  override async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    if (this.isHolding && entries.length > 0) {
      await new Promise<void>(resolve => { this.#waiting.push(resolve) })
    }
    if (this.isFull) throw new Error('ENOSPC: no space left on device')
    await super.append(entries, previousRevision)
  }

  release (): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

interface HeldService extends Served {
  readonly log: HeldLog
  readonly lines: Array<Record<string, unknown>>
  readonly engine: FakeRuleEngine
}

async function serveHeld (t: Test): Promise<HeldService> {
  const store = await Store.start()
  t.teardown(async () => { await store.stop().catch(() => {}) })
  const log = new HeldLog()
  await store.attachLog(log)
  const lines: Array<Record<string, unknown>> = []
  const engine = new FakeRuleEngine()
  const served = await serve(t, { routes: { metrics: '/metrics' }, rules: engine }, {
    store, fastify: { logger: logInto(lines) }
  })
  store.defineDeclarativeQuery('all', { bucket: 'items' })
  await store.bucket('items').insert({ id: 'first', n: 1 })
  return { ...served, log, lines, engine }
}

/** Resolves with whether a reply is there within a while. */
const isAnswered = async (reply: Promise<unknown>): Promise<boolean> =>
  await Promise.race([reply.then(() => true), delay(60, false)])

t.test('what a client is shown is durable', async t => {
  const { connect, log, store } = await serveHeld(t)
  const [writer, reader, watcher] = [await connect(), await connect(), await connect()]
  const { subscriptionId } = await watcher.ask('store.subscribe', { query: 'all' })
  log.isHolding = true
  const write = writer.ask('store.update', { bucket: 'items', key: 'first', data: { n: 2 } })
  t.equal(await isAnswered(write), false, 'a write waits for its commit')
  const reads = [
    reader.ask('store.get', { bucket: 'items', key: 'first' }),
    reader.ask('store.count', { bucket: 'items', filter: { n: 2 } }),
    reader.ask('store.runQuery', { query: 'all' }).catch(() => undefined)
  ]
  const refused = reader.request('store.insert', { bucket: 'items', data: { id: 'first' } })
  const late = reader.request('store.subscribe', { query: 'all' })
  t.equal(await isAnswered(Promise.race(reads)), false, 'a read waits for what it has seen')
  t.equal(await isAnswered(refused), false, 'so does a refusal')
  t.equal(await isAnswered(late), false, 'and the first result of a live query')
  t.equal(watcher.waiting.length, 0, 'and a push')
  const { revision } = store
  log.release()
  t.match(await write, { n: 2 })
  t.match(await Promise.all(reads), [{ n: 2 }, 1])
  t.match(await refused, { code: 'ALREADY_EXISTS' })
  t.match(await late, { type: 'result', data: { data: [{ n: 2 }] } })
  t.match(await watcher.push(subscriptionId), { data: [{ n: 2 }] })
  t.equal(store.durability.durableRevision, revision)
  log.isHolding = false
})

t.test('the end of a subscription waits for no commit, and is done once', async t => {
  const { connect, log } = await serveHeld(t)
  const [client, writer] = [await connect(), await connect()]
  const watched = await client.ask('store.subscribe', { query: 'all' })
  const heard = await client.ask('rules.subscribe', { pattern: '*' })
  log.isHolding = true
  const write = writer.request('store.update', { bucket: 'items', key: 'first', data: { n: 2 } })
  t.equal(await isAnswered(write), false)
  const ends = [
    client.request('store.unsubscribe', { subscriptionId: watched.subscriptionId }),
    client.request('rules.unsubscribe', { subscriptionId: heard.subscriptionId })
  ]
  await isAnswered(Promise.all(ends))
  log.isFull = true
  log.release()
  t.match(await write, { type: 'error' })
  for (const end of ends) t.match(await end, { type: 'result', data: { unsubscribed: true } })
  log.isHolding = log.isFull = false
})

t.test('the transaction of a procedure waits for its own commit, not for those that came later', async t => {
  const { connect, log, store } = await serveHeld(t)
  const [caller, writer] = [await connect(), await connect()]
  const key = 'first'
  const procedure = {
    name: 'add',
    transaction: true,
    steps: [
      { action: 'store.get', bucket: 'items', key, as: 'before' },
      { action: 'compute', op: 'add', left: '{{ before.n }}', right: 1, as: 'n' },
      { action: 'store.update', bucket: 'items', key, data: { n: '{{ n }}' } }
    ]
  }
  await caller.ask('procedures.register', { procedure })
  const { revision } = store
  log.isHolding = true
  const call = caller.ask('procedures.call', { name: 'add' })
  await until(() => store.revision !== revision)
  t.equal(await isAnswered(call), false)
  const write = writer.ask('store.insert', { bucket: 'items', data: { id: 'later' } })
  await until(() => store.revision !== revision + 1)
  log.release()
  t.match(await call, { results: { n: 2 } })
  t.equal(store.durability.durableRevision, revision + 1)
  t.equal(await isAnswered(write), false)

  const refused = caller.request('procedures.call', { name: 'add' })
  await until(() => store.revision !== revision + 2)
  t.equal(await isAnswered(refused), false, 'what it has read is not durable either')
  log.isFull = true
  log.isHolding = false
  log.release()
  t.match(await refused, { code: 'INTERNAL_ERROR', details: { reason: 'store_unavailable' } })
  t.match(await writer.request('store.get', { bucket: 'items', key }), { data: { n: 2 } })
  log.isFull = false
  await write.catch(() => {})
})

t.test('the rule engine hears of the transaction of a procedure when that is durable', async t => {
  const { connect, log, store, engine } = await serveHeld(t)
  const client = await connect()
  const procedure = {
    name: 'tell',
    transaction: true,
    steps: [
      { action: 'store.insert', bucket: 'items', data: { id: '{{ input.id }}' } },
      { action: 'rules.emit', topic: '{{ input.id }}' }
    ]
  }
  await client.ask('procedures.register', { procedure })
  for (const id of ['kept', 'lost']) {
    const { revision } = store
    log.isHolding = true
    const call = client.request('procedures.call', { name: 'tell', input: { id } })
    await until(() => store.revision !== revision)
    t.equal(await isAnswered(call), false)
    t.equal(engine.emitted.includes(id), false)
    log.isFull = id === 'lost'
    log.isHolding = false
    log.release()
    if (id === 'kept') {
      t.match(await call, { type: 'result' })
    } else {
      const { details } = await call
      t.same(details, { reason: 'store_unavailable' }, 'it does not count as applied')
    }
  }
  t.same(engine.emitted, ['kept'])
  log.isFull = false
})

t.test('a disk with little room left is logged, and the metrics show it', async t => {
  const log = Object.assign(new HeldLog(), {
    facts: async () => ({ logBytes: 300, freeBytes: 150, snapshots: [{ revision: 1, bytes: 100 }] })
  })
  const store = await Store.start()
  t.teardown(async () => { await store.stop().catch(() => {}) })
  await store.attachLog(log)
  const lines: Array<Record<string, unknown>> = []
  const { app } = await serve(t, { routes: { metrics: '/metrics' } }, {
    store, fastify: { logger: logInto(lines) }
  })
  t.match(lines.filter(({ msg }) => /little room left/.test(String(msg))), [
    { level: 40, logBytes: 300, snapshotsBytes: 100, freeBytes: 150 }
  ])
  const { body } = await app.inject('/metrics')
  for (const [kind, bytes] of [['log', 300], ['snapshots', 100], ['free', 150]]) {
    t.match(body, `noex_store_disk_bytes{kind="${kind}"} ${bytes}\n`)
  }
  const inMemory = await serve(t, { routes: { metrics: '/metrics' } })
  t.notMatch((await inMemory.app.inject('/metrics')).body, /noex_store_disk_bytes\{/)
})

t.test('a write that cannot be made durable was never shown', async t => {
  const { connect, log, app, lines, store } = await serveHeld(t)
  const [writer, reader, watcher] = [await connect(), await connect(), await connect()]
  const { subscriptionId } = await watcher.ask('store.subscribe', { query: 'all' })
  const { revision } = store
  log.isHolding = true
  const writes = [
    writer.request('store.update', { bucket: 'items', key: 'first', data: { n: 2 } }),
    writer.request('store.transaction', { operations: [{ op: 'delete', bucket: 'items', key: 'first' }] })
  ]
  await until(() => store.revision > revision)
  const read = reader.request('store.get', { bucket: 'items', key: 'first' })
  const refusal = reader.request('store.update', { bucket: 'items', key: 'first', data: { n: 5 } })
  const subscribing = reader.request('store.subscribe', { query: 'all' })
  await delay(30)
  t.equal(store.revision > store.durability.durableRevision, true)
  log.isFull = true
  log.isHolding = false
  log.release()
  const unavailable = { type: 'error', code: 'INTERNAL_ERROR', details: { reason: 'store_unavailable' } }
  for (const write of writes) t.match(await write, unavailable)
  t.match(await read, { type: 'result', data: { n: 1 } }, 'a read is made again')
  t.match(await refusal, unavailable, 'a refusal that may have been for what is gone is none')
  t.match(await subscribing, { data: { data: [{ id: 'first', n: 1 }] } })
  t.match(await writer.request('store.insert', { bucket: 'items', data: { id: 'x' } }), unavailable)
  t.match(await reader.ask('store.all', { bucket: 'items' }), [{ id: 'first', n: 1 }], 'reads go on')
  const health = await app.inject('/healthz')
  t.equal(health.statusCode, 503)
  t.match(health.json(), { status: 'store_unavailable', durability: { state: 'unavailable' } })
  t.match((await app.inject('/metrics')).body, /noex_store_unavailable 1\n/)
  t.equal((await app.inject('/livez')).statusCode, 200)
  log.isFull = false
  await until(() => store.durability.state === 'ok')
  t.equal((await app.inject('/healthz')).statusCode, 200)
  t.match((await app.inject('/metrics')).body, /noex_store_unavailable 0\n/)
  await writer.ask('store.update', { bucket: 'items', key: 'first', data: { n: 3 } })
  t.match(
    await watcher.push(subscriptionId),
    { data: [{ n: 3 }] },
    'the next push is that of the next commit'
  )
  t.equal(watcher.waiting.length, 0)
  const told = lines.filter(({ msg }) => /durable/.test(String(msg)))
  t.match(
    told,
    [{ level: 50, error: /ENOSPC/ }, { level: 40 }],
    'the log tells the beginning and the end, once each'
  )
})

t.test('live queries keep up while commits are made all the time', async t => {
  const { connect, log, lines, store } = await serveHeld(t)
  const append = log.append.bind(log)
  log.append = async (entries, previous) => {
    await delay(1)
    await append(entries, previous)
  }
  const watcher = await connect()
  const { subscriptionId } = await watcher.ask('store.subscribe', { query: 'all' })
  const end = Date.now() + 600
  const writing = Promise.all(Array.from({ length: 4 }, async (_, i) => {
    for (let n = 0; Date.now() < end; n++) await store.bucket('items').upsert({ id: `w${i}`, n })
  }))
  const pushes: Frame[] = []
  while (Date.now() < end) pushes.push(await watcher.push(subscriptionId))
  await writing
  t.ok(pushes.length > 20, `${pushes.length} pushes`)
  t.notOk(lines.some(({ msg }) => /made less often/.test(String(msg))), 'none counts as overtaken')
  const last = JSON.stringify(await store.bucket('items').all())
  let seen: unknown = pushes.at(-1)?.['data']
  while (JSON.stringify(seen) !== last) seen = (await watcher.push(subscriptionId))['data']
  t.pass('and the last state arrives')
})

t.test('a bucket whose functions are missing refuses the boot, naming it', async t => {
  const directory = temporaryDirectory(t)
  const durability = { directory, onNotice: () => {} }
  const first = await Store.start({ durability })
  await first.defineBucket('checked', {
    key: 'id', schema: { id: { type: 'string' } }, validate: () => undefined
  })
  await first.stop()
  const store = await startStore(t, { durability })
  await t.rejects(serve(t, {}, { store }), {
    message: /store.*"checked".*validate.*defineBucket\('checked', …\)/
  })
  await store.defineBucket('checked', {
    key: 'id', schema: { id: { type: 'string' } }, validate: () => undefined
  })
  const { connect } = await serve(t, {}, { store })
  await (await connect()).ask('store.insert', { bucket: 'checked', data: { id: 'a' } })
})
