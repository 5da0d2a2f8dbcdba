import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { MemoryLog, Store, type LogEntry } from '@hamicek/noex-store'
import { TestClient, type Frame } from '../support/client.js'
import { FakeRuleEngine } from '../support/fake-rule-engine.js'
import { serve, startStore, type Served } from '../support/service.js'
import { logInto } from '../support/log-into.js'
import { smallDisk } from '../support/small-disk.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { jsonlSink, verifyTrail } from '../../lib/exports/audit.js'

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
  while (store.revision === revision) await delay(1)
  t.equal(await isAnswered(call), false)
  const write = writer.ask('store.insert', { bucket: 'items', data: { id: 'later' } })
  while (store.revision === revision + 1) await delay(1)
  log.release()
  t.match(await call, { results: { n: 2 } })
  t.equal(store.durability.durableRevision, revision + 1)
  t.equal(await isAnswered(write), false)

  const refused = caller.request('procedures.call', { name: 'add' })
  while (store.revision === revision + 2) await delay(1)
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
    while (store.revision === revision) await delay(1)
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
  log.isHolding = true
  const writes = [
    writer.request('store.update', { bucket: 'items', key: 'first', data: { n: 2 } }),
    writer.request('store.transaction', { operations: [{ op: 'delete', bucket: 'items', key: 'first' }] })
  ]
  await delay(30)
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
  t.same(health.json(), { status: 'store_unavailable' })
  t.match((await app.inject('/metrics')).body, /noex_store_unavailable 1\n/)
  t.equal((await app.inject('/livez')).statusCode, 200)
  log.isFull = false
  for (let i = 0; store.durability.state !== 'ok' && i < 2_000; i++) await delay(5)
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

const program = fileURLToPath(new URL('../fixtures/durable-server.js', import.meta.url))
const adminSecret = '9f1c5e0b7a3d48e2b6c4d1f0a8e7c3b5'

t.test('a service that is killed', async t => {
  const folder = temporaryDirectory(t)
  const [directory, trail] = [join(folder, 'store'), join(folder, 'trail.jsonl')]
  let child: ChildProcess | undefined
  t.teardown(() => { child?.kill('SIGKILL') })
  const start = async (): Promise<string> => {
    child = fork(program, [directory, trail, adminSecret], {
      execArgv: [], env: { ...process.env, NODE_OPTIONS: '' }
    })
    const [port] = await Promise.race([once(child, 'message'), once(child, 'exit')])
    return `ws://127.0.0.1:${String(port)}`
  }
  const logIn = async (url: string): Promise<TestClient> => {
    const client = await TestClient.open(t, url)
    await client.ask('identity.loginWithSecret', { secret: adminSecret })
    return client
  }
  let url = await start()
  let admin = await logIn(url)
  await admin.ask('identity.createUser', { username: 'alice', password: 'correct horse 1' })
  await admin.ask('store.defineQuery', { name: 'clients', config: { bucket: 'orders', filter: { n: 1 } } })

  // The newest value of each order that a client was told of, by a reply, a read or a push.
  const told = new Map<number, number>()
  const numbers = new Set<number>()
  const tell = ({ id, n }: { id: number, n: number }): void => {
    told.set(id, Math.max(n, told.get(id) ?? 0))
  }
  let replies = 0
  for (let round = 0; round < 5; round++) {
    const clients = await Promise.all(Array.from({ length: 4 }, async () => await logIn(url)))
    const watcher = await logIn(url)
    const { subscriptionId, data } = await watcher.ask('store.subscribe', { query: 'all' })
    for (const order of data) tell(order)
    const own = clients.map(async (client, i) => {
      for (let n = 1; ; n++) {
        const order = await client.ask('store.insert', {
          bucket: 'orders', data: { tag: `${round}-${i}`, n }
        })
        if (numbers.has(order.id)) t.fail(`number ${String(order.id)} is given twice`)
        numbers.add(order.id)
        tell(order)
        tell(await client.ask('store.update', { bucket: 'orders', key: order.id, data: { n: n + 1_000 } }))
        replies += 2
      }
    })
    const reading = (async () => {
      const query = { bucket: 'orders', filter: { tag: `${round}-0` } }
      for (;;) for (const order of await watcher.ask('store.where', query)) tell(order)
    })()
    const watching = (async () => {
      for (;;) for (const order of (await watcher.push(subscriptionId))['data']) tell(order)
    })()
    const ended = Promise.allSettled([...own, reading, watching])
    await delay(50 + Math.random() * 400)
    const exited = once(child as ChildProcess, 'exit')
    child?.kill('SIGKILL')
    await exited
    await ended
    url = await start()
    admin = await logIn(url)
    const found = new Map<number, number>()
    for (const { id, n } of await admin.ask('store.all', { bucket: 'orders' })) found.set(id, n)
    const lost = [...told].filter(([id, n]) => (found.get(id) ?? 0) < n)
    t.same(lost, [], 'nothing that any client was shown is lost')
    for (const id of found.keys()) numbers.add(id)
  }
  t.ok(replies > 100, `${replies} replies`)

  const alice = await TestClient.open(t, url)
  await alice.ask('identity.login', { username: 'alice', password: 'correct horse 1' })
  t.match(await admin.ask('store.runQuery', { query: 'clients' }).catch(() => []), [])
  const { users } = await admin.ask('identity.listUsers')
  t.equal(users.length, 1, 'accounts are there, once')
  const exited = once(child as ChildProcess, 'exit')
  child?.kill('SIGKILL')
  await exited
  t.match(await verifyTrail({ files: [trail] }), { ok: true })
  t.match(readFileSync(trail, 'utf8'), /store\.insert/)
})

t.test('a query that a client has defined stays a client\'s after a restart', async t => {
  const directory = temporaryDirectory(t)
  const auth = { builtIn: true, adminSecret } as const
  const durability = { directory, onNotice: () => {} }
  const login = async ({ connect }: Served, username?: string): Promise<TestClient> => {
    const client = await connect()
    if (username === undefined) await client.ask('identity.loginWithSecret', { secret: adminSecret })
    else await client.ask('identity.login', { username, password: 'correct horse 1' })
    return client
  }
  let owner = ''
  const read = async (served: Served): Promise<Frame> =>
    await (await login(served, 'reader')).request('store.subscribe', { query: 'mine' })
  for (let round = 0; round < 2; round++) {
    const store = await Store.start({ durability })
    await t.test(`run ${round}`, async t => {
      const served = await serve(t, { auth }, { store })
      const admin = await login(served)
      if (round === 0) {
        await admin.ask('store.insert', { bucket: 'items', data: { id: 'secret' } })
        const password = 'correct horse 1'
        owner = (await admin.ask('identity.createUser', { username: 'owner', password })).id
        const { id: reader } = await admin.ask('identity.createUser', { username: 'reader', password })
        const bucket = { resourceType: 'bucket', resourceName: 'items' }
        const query = { resourceType: 'query', resourceName: 'mine' }
        const all = ['read', 'write', 'admin']
        const grants = [
          { subjectType: 'user', subjectId: owner, ...bucket, operations: all },
          { subjectType: 'user', subjectId: owner, ...query, operations: all },
          { subjectType: 'user', subjectId: reader, ...query, operations: ['read'] }
        ]
        for (const grant of grants) await admin.ask('identity.grant', grant)
        const ownerClient = await login(served, 'owner')
        await ownerClient.ask('store.defineQuery', { name: 'mine', config: { bucket: 'items' } })
        t.match(await read(served), { data: { data: [{ id: 'secret' }] } })
      }
      // The owner may read the bucket no longer, and so neither may those who have the query of the
      // owner alone.
      await admin.request('identity.revoke', {
        subjectType: 'user', subjectId: owner, resourceType: 'bucket', resourceName: 'items'
      })
      t.match(
        await read(served),
        { type: 'error', code: 'FORBIDDEN' },
        'it has its owner\'s rights, not those of the application'
      )
    })
    await store.stop()
  }
})

t.test('a full disk', async t => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const durability = { directory: join(disk.directory, 'store'), onNotice: () => {} }
  const store = await Store.start({ durability })
  t.teardown(async () => { await store.stop().catch(() => {}) })
  const { connect, app } = await serve(t, {}, { store })
  const client = await connect()
  disk.fill()
  const acknowledged: string[] = []
  let refusal: Frame | undefined
  for (let i = 0; refusal === undefined && i < 2_000; i++) {
    const reply = await client.request('store.insert', {
      bucket: 'items', data: { id: `${i}`, name: 'x'.repeat(200) }
    })
    if (reply['type'] === 'result') acknowledged.push(`${i}`)
    else refusal = reply
  }
  t.match(refusal, { code: 'INTERNAL_ERROR', details: { reason: 'store_unavailable' } })
  t.match(store.durability.lastError?.message, `${disk.directory}/store/store.log: ENOSPC`)
  t.notOk(JSON.stringify(refusal).includes(disk.directory), 'clients see no path')
  t.equal(await client.ask('store.count', { bucket: 'items' }), acknowledged.length)
  t.equal((await app.inject('/healthz')).statusCode, 503)
  disk.free()
  for (let i = 0; store.durability.state !== 'ok' && i < 2_000; i++) await delay(5)
  await client.ask('store.insert', { bucket: 'items', data: { id: 'after' } })
  acknowledged.push('after')
  await store.stop()
  const next = await startStore(t, { durability })
  t.same((await next.bucket('items').all()).map(({ id }) => id), acknowledged, 'none is lost')
})

t.test('a full disk that has the trail, too', async t => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const durability = { directory: join(disk.directory, 'store'), onNotice: () => {} }
  const store = await Store.start({ durability })
  t.teardown(async () => { await store.stop().catch(() => {}) })
  const sinks = [jsonlSink({ path: join(disk.directory, 'audit.jsonl') })]
  const { connect, app } = await serve(t, {
    audit: { tiers: ['admin', 'write'], sinks, writeTimeoutMs: 1_000 },
    auth: { builtIn: true, adminSecret },
    exposeErrorDetails: false
  }, { store })
  const client = await connect()
  const login = { secret: adminSecret }
  await client.ask('identity.loginWithSecret', login)
  disk.fill()
  const write = async (i: number): Promise<Frame> => await client.request('store.insert', {
    bucket: 'items', data: { id: `${i}`, name: 'x'.repeat(200) }
  })
  const told = async (): Promise<string> => String((await app.inject('/readyz')).json<Frame>()['status'])
  let i = 0
  while (i < 2_000 && (await write(i))['type'] === 'result') i++
  // The trail may have room for some entries of refusals yet.
  for (let n = 0; await told() !== 'audit_unavailable' && n < 1_000; n++) await write(i)
  const refused = await write(i)
  t.match(refused, { code: 'INTERNAL_ERROR', message: /audit trail cannot be written/ })
  t.notOk('details' in refused)
  const [ready, health] = await Promise.all([app.inject('/readyz'), app.inject('/healthz')])
  const unavailable = [503, { status: 'audit_unavailable' }]
  t.match([ready.statusCode, ready.json()], unavailable)
  t.match([health.statusCode, health.json()], unavailable)
  const next = await connect()
  t.match(await next.request('identity.loginWithSecret', login), { code: 'INTERNAL_ERROR' })
  // A write that was applied and not recorded is answered with an error.
  t.ok(Number(await client.ask('store.count', { bucket: 'items' })) >= i, 'reads go on')
  disk.free()
  for (let n = 0; (await app.inject('/readyz')).statusCode !== 200 && n < 2_000; n++) await delay(5)
  t.match(await write(-1), { type: 'result' })
})
