import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Store } from '@hamicek/noex-store'
import { TestClient, type Frame } from '../support/client.js'
import { serve, startStore, type Served } from '../support/service.js'
import { smallDisk } from '../support/small-disk.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { jsonlSink, verifyTrail } from '../../lib/exports/audit.js'
import { until } from '../support/until.js'

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

/** Starts a store on this folder; it may have failed when the test ends. */
async function startOn (t: Test, directory: string) {
  const durability = { directory: join(directory, 'store'), onNotice: () => {} }
  const store = await Store.start({ durability })
  t.teardown(async () => { await store.stop().catch(() => {}) })
  return { store, durability }
}

t.test('a full disk', async t => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const { store, durability } = await startOn(t, disk.directory)
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
  await until(() => store.durability.state === 'ok')
  await client.ask('store.insert', { bucket: 'items', data: { id: 'after' } })
  acknowledged.push('after')
  await store.stop()
  const next = await startStore(t, { durability })
  t.same((await next.bucket('items').all()).map(({ id }) => id), acknowledged, 'none is lost')
})

t.test('a full disk that has the trail, too', async t => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const { store } = await startOn(t, disk.directory)
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
  await until(async () => (await app.inject('/readyz')).statusCode === 200)
  t.match(await write(-1), { type: 'result' })
})
