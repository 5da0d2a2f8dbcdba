import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { jsonlSink } from '../../lib/audit/file/jsonl-sink.js'
import { Store } from '../../lib/exports/store.js'
import { noexPlugin } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { readDocument, sample } from '../support/documents.js'
import { jsonLines, Shell, type ShellResult } from '../support/shell.js'

const document = 'docs/incident.md'
const SECRET = 'the secret of the administrator'
const PASSWORD = 'correct horse battery staple'

/** A service in trouble, and the shell of its operator. */
interface Trouble {
  readonly step: (name: string, variables?: Readonly<Record<string, string>>) => Promise<ShellResult>
  readonly alice: TestClient
  readonly userId: string
  /** A connection of no user. */
  readonly idle: TestClient
  readonly drain: () => Promise<void>
  readonly folder: string
}

/** Starts a service with a log, a trail and a durable store, whose user alice asks too much. */
async function startTrouble (t: Test): Promise<Trouble> {
  const shell = new Shell(t)
  const { folder } = shell
  const directory = join(folder, 'data')
  const store = await Store.start({ name: 'shop', durability: { directory, onNotice () {} } })
  t.teardown(async () => { await store.stop() })
  const id = { type: 'number', generated: 'autoincrement' } as const
  await store.defineBucket('orders', { key: 'id', schema: { id, status: { type: 'string' } } })
  await store.defineBucket('drafts', { key: 'id', schema: { id } })
  const orders = Array.from({ length: 2_000 }, (_, i) => ({ status: `s${i % 100}` }))
  await store.bucket('orders').insertMany(orders)
  const app = Fastify({ logger: { file: join(folder, 'service.log') }, forceCloseConnections: true })
  t.teardown(async () => { await app.close() })
  await app.register(noexPlugin, {
    store,
    routes: { metrics: '/metrics', rpc: '/rpc' },
    slowMs: 0,
    auth: { builtIn: true, adminSecret: SECRET },
    connectionLimits: { maxSubscriptionsPerConnection: 1 },
    audit: { tiers: ['write', 'admin'], sinks: [jsonlSink({ path: join(folder, 'audit.jsonl') })] },
    shutdown: { drainDelayMs: 60_000 }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as { port: number }
  writeFileSync(join(folder, 'admin-secret'), `${SECRET}\n`)

  const admin = await TestClient.open(t, `ws://127.0.0.1:${port}`)
  await admin.ask('identity.loginWithSecret', { secret: SECRET })
  const user = await admin.ask('identity.createUser', { username: 'alice', password: PASSWORD })
  const { id: userId } = user as { id: string }
  await admin.ask('identity.assignRole', { userId, roleName: 'writer' })
  await admin.ask('store.clear', { bucket: 'drafts' })
  const alice = await TestClient.open(t, `ws://127.0.0.1:${port}`)
  await alice.ask('identity.login', { username: 'alice', password: PASSWORD })
  await alice.ask('store.subscribe', { find: { bucket: 'orders', filter: { status: 's1' } } })
  await alice.code('store.subscribe', { find: { bucket: 'orders' } })
  const idle = await TestClient.open(t, `ws://127.0.0.1:${port}`)
  return {
    folder,
    alice,
    idle,
    userId,
    step: async (name, variables) =>
      await shell.run(sample(document, name).replaceAll(':3000', `:${port}`), variables),
    drain: async () => { await app.noex.drain({ drainDelayMs: 60_000 }) }
  }
}

t.test('its steps find the query, the client and the entry', { timeout: 120_000 }, async t => {
  const { step, alice, idle, userId, folder } = await startTrouble(t)
  /** Runs a step that must succeed, and returns the JSON that it prints. */
  const answer = async (name: string): Promise<unknown> => {
    const { code, stdout, stderr } = await step(name)
    t.equal(code, 0, `${name}: ${stderr}`)
    return JSON.parse(stdout) as unknown
  }
  const probes = await step('probes')
  t.match(probes, { code: 0, stdout: /^\{"status":"ok"\}\{"status":"ok","uptime":\d+/ })

  const log = await step('log')
  t.match(log, { code: 0, stderr: '' })
  t.ok(jsonLines(log.stdout).some(({ msg }) => String(msg).includes('slow')), log.stdout)

  t.match(await step('token'), { code: 0, stderr: '' })
  t.equal(statSync(join(folder, 'curl.conf')).mode & 0o777, 0o600, 'others cannot read the token')
  t.match(readFileSync(join(folder, 'curl.conf'), 'utf8'), /^header = "Authorization: Bearer [\w-]{20,}"\n$/)
  const figures = await answer('figures') as Record<string, unknown>
  t.match(figures, {
    process: { eventLoopDelayMs: { p99: Number } },
    connections: { active: 3 },
    queues: { bytes: Number },
    durability: { isUnavailable: false },
    audit: { sinks: [{ name: 'jsonl', problem: null }] }
  })
  t.same(Object.entries(figures).filter(([, figure]) => figure === null), [], 'each figure is there')
  t.ok((figures['refusals'] as Record<string, number>)['subscriptions'] === 1, 'what a limit has refused')

  t.match(await step('keep'), { code: 0, stderr: '' })
  for (const name of [
    'stats.json', 'metrics.txt', 'connections.json', 'queries.json', 'refusals.json', 'verify.json'
  ]) {
    const file = join(folder, 'incident', name)
    t.ok(existsSync(file) && readFileSync(file).length > 0, name)
  }
  t.match(await answer('operations'), { 'store.subscribe': { count: 2, errors: 1 } })
  const [dearest] = await answer('queries') as Array<Record<string, unknown>>
  t.match(dearest, { watchers: 1, advice: /status/ }, 'the query, and the index that would help')
  const buckets = await step('buckets')
  t.match(buckets, { code: 0, stderr: '' })
  t.match(buckets.stdout, /"orders": \{\s+"records": 2000/)
  const clients = await answer('connections') as Array<Record<string, unknown>>
  t.match(clients.find(({ user }) => user === userId),
    { address: '127.0.0.1', connections: 1, subscriptions: 1 })
  t.match(await answer('refusals'), [{ operation: 'store.subscribe', code: 'RATE_LIMITED', count: 1 }])
  t.match(await step('closes'), { code: 0, stdout: /noex_refusals_total\{limit="subscriptions"\} 1/ })
  t.match(await step('disk'), { code: 0, stdout: /^good: /m })
  t.match(await step('start'), { code: 0, stdout: /^good: /m })

  const listed = JSON.parse(readFileSync(join(folder, 'incident', 'connections.json'), 'utf8')) as {
    data: Array<{ connectionId: string, userId: string | null }>
  }
  const CONNECTION_ID = listed.data.find(connection => connection.userId === null)?.connectionId ?? ''
  t.match(await step('close', { CONNECTION_ID }), { code: 0, stdout: 'true\n' })
  t.match(await idle.closed, { code: 4004 })
  t.match(await step('disable', { USER_ID: userId }), { code: 0, stdout: 'true\n' })
  t.match(await alice.closed, { code: 4002, reason: 'session_revoked' })
  const who = await step('who')
  t.match(who, { code: 0, stderr: '' })
  const [entry] = jsonLines(who.stdout)
  t.match(entry, { operation: 'store.clear', resource: 'drafts', userId: '__superadmin__' })
})

t.test('a shutdown shows at the first step', async t => {
  const { step, drain } = await startTrouble(t)
  drain().catch((error: unknown) => { t.error(error) })
  t.match((await step('probes')).stdout, /^\{"status":"ok"\}\{"status":"draining"[,}]/)
})

t.test('the figures that it names are in /stats', async t => {
  const { step } = await startTrouble(t)
  await step('token')
  await step('keep')
  const { stdout } = await step('figures')
  const stats = JSON.parse(stdout) as Record<string, unknown>
  const rows = readDocument(document).split('| figure | is wrong when | go on |')[1]?.split('\n\n')[0] ?? ''
  const names = [...rows.matchAll(/^\| `([\w.]+)`/gm)].map(([, name = '']) => name)
  t.ok(names.length >= 8)
  for (const name of names) {
    const value = name.split('.').reduce<unknown>((part, member) =>
      (part as Record<string, unknown> | undefined)?.[member], stats)
    t.not(value, undefined, name)
  }
})
