import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { RuleEngine } from '@hamicek/noex-rules'
import { FileAdapter, Store, type BucketDefinition } from '@hamicek/noex-store'
import { jsonlSink } from '../../lib/audit/file/jsonl-sink.js'
import { postgresSink } from '../../lib/audit/postgres/postgres-sink.js'
import { verifyTable } from '../../lib/audit/postgres/verify-table.js'
import { verifyTrail } from '../../lib/audit/file/verify.js'
import { noexPlugin, type NoexOptions, type NoexServer } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { serve } from '../support/service.js'
import { testDatabase, testPool } from '../support/postgres.js'
import { projectFile } from '../support/project-file.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const run = promisify(execFile)
const guide = readFileSync(projectFile('docs/upgrading.md'), 'utf8')
const ADMIN_SECRET = '4c1f8e7b-0b52-4a5e-9a77-3c1d2f6e8b90'
const PASSWORD = 'correct horse battery staple'

function sample (name: string): string {
  const code = new RegExp(`<!-- sample: ${name} -->\n\`\`\`\\w*\n([^]*?)\`\`\``).exec(guide)?.[1]
  if (code === undefined) throw new Error(`the guide has no sample "${name}"`)
  return code
}

/** Runs a sample as a module of this package. */
async function runSample (t: Test, name: string, code: string): Promise<Record<string, unknown>> {
  const folder = projectFile('.tap/samples')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `upgrading-${name}-${process.pid}.mjs`)
  writeFileSync(file, code)
  t.teardown(() => { rmSync(file) })
  return await import(pathToFileURL(file).href) as Record<string, unknown>
}

/** Runs the commands of the guide in the folder that has `data`. */
async function runImport (cwd: string): Promise<string> {
  const [program, ...args] = sample('import').trim().replace('npx fastify-noex', 'main.js').split(' ')
  const { stdout } = await run(process.execPath, [projectFile(`dist/lib/cli/${program}`), ...args], { cwd })
  return stdout
}

const definitions: Readonly<Record<string, BucketDefinition>> = {
  customers: {
    key: 'id',
    schema: { id: { type: 'string' }, name: { type: 'string', required: true }, since: { type: 'date' } }
  },
  orders: {
    key: 'number',
    schema: {
      number: { type: 'number', generated: 'autoincrement' },
      customerId: { type: 'string', required: true, ref: 'customers' },
      total: { type: 'number', min: 0 },
      status: { type: 'string', enum: ['new', 'shipped'], default: 'new' },
      due: { type: 'date' },
      lines: { type: 'array' }
    },
    indexes: ['status']
  },
  carts: { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } }, ttl: '3650d' },
  'Day.Totals': { key: 'day', schema: { day: { type: 'date' }, total: { type: 'number' } } },
  empty: { key: 'id', schema: { id: { type: 'number', generated: 'autoincrement' } } }
}

async function startOn (t: Test, directory: string): Promise<Store> {
  const durability = { directory, onNotice () {} }
  const store = await Store.start({ name: 'production', durability })
  t.teardown(async () => { await store.stop() })
  return store
}

const auth: NoexOptions['auth'] = { builtIn: true, adminSecret: ADMIN_SECRET }

t.test('data of 0.1 is imported by the command, and everything goes on', async t => {
  const folder = temporaryDirectory(t)
  const directory = join(folder, 'data')
  cpSync(projectFile('test/fixtures/v0.1/data'), directory, { recursive: true })
  await t.rejects(startOn(t, directory), /run "npx fastify-noex import .*data" first/)
  t.match(JSON.parse(await runImport(folder)), {
    directory,
    store: 'production',
    setAside: join(directory, 'before-import'),
    left: ['production%3abackup%3abefore-upgrade.json', 'rules.json']
  })
  t.equal(readdirSync(join(directory, 'before-import')).length, 12)
  t.match(JSON.parse(await runImport(folder)), { buckets: [] })

  const first = await startOn(t, directory)
  const app = Fastify()
  await t.rejects(async () => { await app.register(noexPlugin, { store: first, auth }) },
    /"Day\.Totals" came from the log .*, and it was imported without a definition: call store\.defineBucket/)
  await app.close()
  await first.stop()

  const store = await startOn(t, directory)
  for (const [name, definition] of Object.entries(definitions)) await store.defineBucket(name, definition)
  const since = new Date('2024-02-29T12:00:00.000Z')
  const ada = await store.bucket('customers').get('c1')
  t.match(ada, { name: 'Ada', since, address: { city: 'Brno', $noex: 'date' }, _version: 1 })
  t.equal(Object.hasOwn(ada?.['address'] as object, 'note'), true)
  const fox = (await store.bucket('customers').get('c2'))?.['address'] as object
  t.same(Object.getOwnPropertyDescriptor(fox, '__proto__')?.value, { x: 1 })
  const third = { total: 333, status: 'shipped', _version: 3, lines: [{ sku: 's3', from: new Date(1.6e12) }] }
  t.match(await store.bucket('orders').get(3), third)
  const numbers = (await store.bucket('orders').all()).map(({ number }) => number)
  t.same(numbers, [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 13])
  t.match(await store.bucket('Day.Totals').get('2025-06-01'), { total: 4.5 })
  t.ok(Number((await store.bucket('carts').get('cart-1'))?.['_expiresAt']) > 1e12)
  t.match(await store.bucket('empty').insert({}), { id: 2 })
  const rules = await RuleEngine.start({ persistence: { adapter: new FileAdapter({ directory }) } })
  t.match(rules.getRule('large-order'), { name: 'A large order is announced' })
  await rules.stop()

  const { connect } = await serve(t, { auth }, { store })
  t.same(store.incompleteBuckets, [])
  const client = await connect()
  await client.ask('identity.login', { username: 'alice', password: PASSWORD })
  const lines: unknown[] = []
  t.match(await client.ask('store.insert', { bucket: 'orders', data: { customerId: 'c1', total: 1, lines } }),
    { number: 14 })
  await client.ask('procedures.call', { name: 'ship', input: { number: 2 } })
  t.match(await client.ask('store.get', { bucket: 'orders', key: 2 }), { status: 'shipped', _version: 2 })
})

t.test('the samples of the guide run', async t => {
  const folder = temporaryDirectory(t)
  cpSync(projectFile('test/fixtures/v0.1/data'), join(folder, 'data'), { recursive: true })
  await runImport(folder)
  const before = await startOn(t, join(folder, 'data'))
  for (const [name, definition] of Object.entries(definitions)) {
    if (name !== 'orders') await before.defineBucket(name, definition)
  }
  await before.stop()
  process.env['ADMIN_SECRET'] = ADMIN_SECRET
  const code = sample('start').replace("'data'", JSON.stringify(join(folder, 'data'))).replace('8080', '0')
  const { server, store } = await runSample(t, 'start', `${code}\nexport { server, store }\n`) as
    { server: NoexServer, store: Store }
  const client = await TestClient.open(t, `ws://127.0.0.1:${server.port}`)
  await client.ask('identity.login', { username: 'alice', password: PASSWORD })
  t.match(await client.ask('store.get', { bucket: 'orders', key: 13 }), { total: 7 })
  client.ws.close()
  await server.stop()
  await store.stop()

  const { storeOptions, options } = await runSample(t, 'options', sample('options')) as
    { storeOptions: object, options: NoexOptions }
  const old = await Store.start(storeOptions)
  t.teardown(async () => { await old.stop() })
  await serve(t, options, { store: old })
})

t.test('a trail of 0.1 verifies and goes on under the server', async t => {
  const directory = temporaryDirectory(t)
  cpSync(projectFile('test/fixtures/trail-of-0.1.0/whole'), directory, { recursive: true })
  const path = join(directory, 'audit.jsonl')
  const [privateKey, publicKey] = ['private', 'public'].map(name =>
    readFileSync(projectFile(`test/fixtures/trail-of-0.1.0/${name}.pem`), 'utf8')) as [string, string]
  t.match(await verifyTrail({ files: [path], publicKey }), { ok: true, lastSeq: 20 })
  const sinks = [jsonlSink({ path, signingKey: privateKey })]
  const { app, connect } = await serve(t, { audit: { tiers: ['write'], sinks } })
  const client = await connect()
  await client.ask('store.insert', { bucket: 'items', data: { n: 1 } })
  await app.close()
  const result = await verifyTrail({ files: [path], publicKey })
  t.match(result, { ok: true, firstSeq: 1 })
  t.ok(result.ok && result.lastSeq > 20)
})

t.test('an audit table of 0.1 verifies and goes on', async t => {
  const { connectionString } = await testDatabase(t)
  const pool = testPool(t, connectionString)
  await pool.query(readFileSync(projectFile('test/fixtures/v0.1/audit-table.sql'), 'utf8'))
  const options = { table: 'audit_log', stream: 'vm' }
  const before = await verifyTable(pool, options)
  t.match(before, { ok: true })
  const { app, connect } = await serve(t, {
    audit: { tiers: ['write'], logLevel: 'silent', sinks: [postgresSink({ connectionString, stream: 'vm' })] }
  })
  const client = await connect()
  await client.ask('store.insert', { bucket: 'items', data: { n: 1 } })
  await app.close()
  const after = await verifyTable(pool, options)
  t.match(after, { ok: true })
  t.ok(before.ok && after.ok && after.lastSeq > before.lastSeq)
})
