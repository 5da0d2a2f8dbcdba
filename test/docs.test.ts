import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { RuleEngine } from '@hamicek/noex-rules'
import type { Store } from '@hamicek/noex-store'
import { SignJWT } from 'jose'
import ts from 'typescript'
import { jsonlDefaults } from '../lib/audit/file/jsonl-sink.js'
import { postgresDefaults } from '../lib/audit/postgres/postgres-sink.js'
import { verifyTrail } from '../lib/audit/file/verify.js'
import { auditDefaults, type AuditOptions } from '../lib/audit/audit-options.js'
import { authDefaults } from '../lib/auth/auth-options.js'
import { checkDeployment, closeReasons, ErrorCode, noexPlugin, NoexServer, type ExternalAuth, type PermissionConfig, type ProcedureOptions, type ServerConfig } from '../lib/index.js'
import { operations } from '../lib/operations/registry.js'
import { resolveOptions } from '../lib/options/options.js'
import { TestClient, type Frame } from './support/client.js'
import { serve, startStore } from './support/service.js'
import { temporaryDirectory } from './support/temporary-directory.js'
import { projectFile } from './support/project-file.js'

const root = projectFile('')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const protocol = readFileSync(join(root, 'PROTOCOL.md'), 'utf8')
const security = readFileSync(join(root, 'SECURITY.md'), 'utf8')
const changelog = readFileSync(join(root, 'CHANGELOG.md'), 'utf8')
const documents = { readme, protocol, security, changelog }

/** The code below `<!-- sample: name -->` in the README. */
function sample (name: string): string {
  const code = new RegExp(`<!-- sample: ${name} -->\n\`\`\`\\w*\n([^]*?)\`\`\``).exec(readme)?.[1]
  if (code === undefined) throw new Error(`the README has no sample "${name}"`)
  return code
}

/** Runs a sample as a module of this package, where `fastify-noex` means the sources, and returns what `names` name in it. */
async function run (t: Test, name: string, names: string[], change: (code: string) => string = code => code): Promise<Record<string, unknown>> {
  const folder = join(root, '.tap', 'samples')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${name}-${process.pid}.mjs`)
  writeFileSync(file, `${change(sample(name))}\nexport { ${names.join(', ')} }\n`)
  t.teardown(() => { rmSync(file) })
  return await import(pathToFileURL(file).href) as Record<string, unknown>
}

/** Sets a variable of the environment as long as the test runs. */
function environment (t: Test, name: string, value: string): void {
  process.env[name] = value
  t.teardown(() => { Reflect.deleteProperty(process.env, name) })
}

const anyPort = (code: string): string => code.replace(/port: \d+/, 'port: 0').replace('logger: true', 'logger: false')

t.test('README', async t => {
  t.test('its usage sample serves, and the session is the one shown', async t => {
    const { app, store } = await run(t, 'usage', ['app', 'store'], anyPort) as { app: FastifyInstance, store: Store }
    t.teardown(async () => { await store.stop() })
    t.teardown(async () => { await app.close() })
    const client = TestClient.raw(t, `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/live`)
    const lines = sample('session').trim().split('\n')
    t.ok(lines.length > 6, 'it has a session')
    for (const line of lines) {
      const message = JSON.parse(line.slice(2)) as Frame
      if (line.startsWith('>')) client.send(message)
      else t.same(stable(await client.next()), stable(message))
    }
    const health = await app.inject('/healthz')
    t.equal(health.json<{ status: string }>().status, 'ok')
  })

  t.test('its standalone sample serves and stops at SIGTERM', async t => {
    const before = process.listeners('SIGTERM')
    const { server, store } = await run(t, 'standalone', ['server', 'store'], anyPort) as { server: NoexServer, store: Store }
    const stop = process.listeners('SIGTERM').find(listener => !before.includes(listener))
    const client = await TestClient.open(t, `ws://127.0.0.1:${server.port}`)
    t.teardown(async () => { await store.stop() })
    t.teardown(async () => { await server.stop() })
    client.ws.close()
    await client.closed
    process.removeListener('SIGTERM', stop as () => void)
    await (stop as unknown as () => Promise<void>)()
    t.equal(server.isRunning, false)
  })

  t.test('its sample of two scopes serves two stores', async t => {
    const app = Fastify()
    t.teardown(async () => { await app.close() })
    const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>
    await new AsyncFunction('app', 'noexPlugin', 'shop', 'desk', sample('scopes'))(app, noexPlugin, await startStore(t), await startStore(t))
    await app.ready()
    t.equal((await app.inject('/shop/healthz')).statusCode, 200)
    t.equal((await app.inject('/desk/healthz')).statusCode, 200)
  })

  t.test('its persistence sample keeps what is stored', async t => {
    const directory = temporaryDirectory(t)
    const here = (code: string): string => code.replace('\'data\'', JSON.stringify(directory))
    const { store } = await run(t, 'persistence', ['store'], here) as { store: Store }
    const definition = { key: 'id', schema: { id: { type: 'string' } } } as const
    await store.defineBucket('orders', definition)
    await store.bucket('orders').insert({ id: 'a' })
    await store.stop()
    const { Store: StoreClass } = await import('@hamicek/noex-store')
    const { FileAdapter } = await import('@hamicek/noex-store')
    const again = await StoreClass.start({ name: 'shop', persistence: { adapter: new FileAdapter({ directory }) } })
    t.teardown(async () => { await again.stop() })
    await again.defineBucket('orders', definition)
    t.equal(await again.bucket('orders').count(), 1)
  })

  t.test('its sample of the store finds the dearest orders, and changes one', async t => {
    const silent = (code: string): string => code.replace(/console\.log\(.*?\)/, '')
    const { store, dearest, stop } = await run(t, 'find', ['store', 'dearest', 'stop'], silent) as {
      store: Store, dearest: object[], stop: () => void
    }
    t.teardown(async () => { await store.stop() })
    stop()
    t.match(dearest, [{ total: 90 }, { total: 55 }])
    t.equal(await store.bucket('orders').sum('total'), 155)
  })

  t.test('its table of options of the store has each one, with the default of its type', async t => {
    const types = readFileSync(join(root, 'packages/noex-store/src/types/store.ts'), 'utf8')
    const options = /export interface StoreOptions \{([^]*?)\n\}/.exec(types)?.[1] ?? ''
    const table = readme.slice(readme.indexOf('| option of `Store.start` |'))
    const rows = table.slice(0, table.indexOf('\n\n'))
    const names = [...options.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name]) => name as string)
    t.ok(names.length > 8, 'there are options')
    for (const name of names) {
      t.ok(rows.includes(`\`${name}\``), name)
      const value = new RegExp(`@default (\\d+)\n {3}\\*/\n  readonly ${name}\\?:`).exec(options)?.[1]
      const shown = Number(value).toLocaleString('en').replaceAll(',', '_')
      if (value !== undefined) t.match(rows, `| \`${name}\` | \`${shown}\` |`)
    }
  })

  t.test('its sample of types compiles, in both READMEs, and runs', async t => {
    // npm run test:types compiles this file.
    const compiled = readFileSync(join(root, 'packages/noex-store/test/types/readme.ts'), 'utf8')
    t.equal(sample('types').replace('fastify-noex/store', '@hamicek/noex-store'), compiled)
    t.ok(readFileSync(join(root, 'packages/noex-store/README.md'), 'utf8').includes(compiled))
    const target = ts.ScriptTarget.ES2023
    const plain = (code: string): string =>
      ts.transpileModule(code, { compilerOptions: { target } }).outputText
    const { store, first } = await run(t, 'types', ['store', 'first'], plain) as {
      store: Store, first: object
    }
    t.teardown(async () => { await store.stop() })
    t.match(first, { number: 1, status: 'new', total: 20, address: { city: 'Brno' } })
  })

  t.test('its sample of a durable store has its orders after a restart', async t => {
    const directory = temporaryDirectory(t)
    const change = (code: string): string => code.replace('\'data\'', JSON.stringify(directory))
    const { store, number } = await run(t, 'durability', ['store', 'number'], change) as {
      store: Store, number: number
    }
    t.equal(number, 1)
    await store.stop()
    const next = await startStore(t, { durability: { directory } })
    t.match(await next.bucket('orders').all(), [{ number: 1, total: 20 }])
  })

  t.test('its sample of rules announces a large order', async t => {
    const { app, store } = await run(t, 'rules', ['app', 'store'], anyPort) as { app: FastifyInstance, store: Store }
    t.teardown(async () => { await store.stop() })
    t.teardown(async () => { await app.close() })
    const client = await TestClient.open(t, `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/live`)
    await client.ask('rules.subscribe', { pattern: 'order.*' })
    for (const total of [1_000, 1_001]) await client.ask('store.insert', { bucket: 'orders', data: { total } })
    t.match(await client.push(), { channel: 'event', data: { topic: 'order.large', event: { data: { id: String, total: 1_001 }, source: 'rule' } } })
  })

  t.test('its transfer moves money, or nothing', async t => {
    const { transfer } = await run(t, 'transfer', [])
    const store = await startStore(t)
    await store.defineBucket('accounts', {
      key: 'id',
      schema: { id: { type: 'string' }, balance: { type: 'number', min: 0 } }
    })
    await store.bucket('accounts').insertMany([{ id: 'a', balance: 5 }, { id: 'b', balance: 5 }])
    const procedures = { definitions: [transfer] } as ProcedureOptions
    const { connect } = await serve(t, { procedures }, { store })
    const client = await connect()
    const move = async (from: string, to: string, amount: number): Promise<Frame> =>
      await client.request('procedures.call', { name: 'transfer', input: { from, to, amount } })
    t.match(await move('a', 'b', 3), { data: { result: true } })
    const tooLittle = { code: 'VALIDATION_ERROR', details: [{ field: 'balance', code: 'min' }] }
    t.match(await move('a', 'b', 3), tooLittle)
    t.match(await move('a', 'none', 1), { code: 'NOT_FOUND' })
    t.match(await move('b', 'a', -1), { data: { result: false } })
    t.match(await store.bucket('accounts').all(), [{ id: 'a', balance: 2 }, { id: 'b', balance: 8 }])
  })

  t.test('its sample of procedures places an order, or none', async t => {
    const { procedures } = await run(t, 'procedures', [])
    const store = await startStore(t)
    await store.defineBucket('products', { key: 'sku', schema: { sku: { type: 'string' }, stock: { type: 'number' } } })
    await store.defineBucket('orders', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' }, sku: { type: 'string' }, quantity: { type: 'number' } } })
    await store.bucket('products').insert({ sku: 'A1', stock: 3 })
    const rules = await RuleEngine.start()
    t.teardown(async () => { await rules.stop() })
    const { connect } = await serve(t, { procedures: procedures as ProcedureOptions, rules }, { store })
    const client = await connect()
    await client.ask('rules.subscribe', { pattern: 'order.placed' })
    t.match(await client.ask('procedures.call', { name: 'place-order', input: { sku: 'A1', quantity: 4 } }), { success: true, result: null })
    const { result } = await client.ask('procedures.call', { name: 'place-order', input: { sku: 'A1' } })
    t.match(result, { sku: 'A1', quantity: 1 })
    t.match(await client.push(), { data: { event: { data: { id: result.id } } } })
  })

  t.test('its table of options has every option with its default', async t => {
    // Of two tables that have a name, the first counts.
    const rows = new Map([...readme.matchAll(/^\| `([\w.]+)` \| (.+?) \|/gm)].reverse().map(([, name, value]) => [name as string, value as string]))
    const words: Record<string, unknown> = { unlimited: Infinity, 'every origin': undefined, none: undefined, nobody: undefined, '`request.ip`': undefined }
    const resolved = resolveOptions({ store: await startStore(t) })
    for (const [name, value] of leaves(resolved)) {
      const shown = rows.get(name)
      if (name === 'store') t.equal(shown, 'required')
      else if (shown === undefined) t.fail(`the README does not name ${name}`)
      else t.same(shown in words ? words[shown] : parse(shown), value, name)
    }
    for (const [mode, defaults] of Object.entries(authDefaults)) {
      for (const [name, value] of leaves(defaults)) {
        const shown = rows.get(name)
        if (shown === undefined) t.fail(`the README does not name ${name} of ${mode}`)
        else t.same(shown in words ? words[shown] : parse(shown), value, `${mode}: ${name}`)
      }
    }
    for (const [of, name, value] of [...tableOf('audit', auditDefaults), ...tableOf('jsonlSink', jsonlDefaults), ...tableOf('postgresSink', postgresDefaults)]) {
      const table = readme.slice(readme.indexOf(`| option of \`${of}\` |`))
      const shown = new RegExp(`^\\| \`${name}\` \\| (.+?) \\|`, 'm').exec(table)?.[1]
      if (shown === undefined) t.fail(`the README does not name ${of}.${name}`)
      else t.same(shown in words ? words[shown] : parse(shown), value, `${of}.${name}`)
    }
    for (const name of ['validate', 'gateway.userHeader', 'gateway.trustedProxies', 'adminSecret']) t.equal(rows.get(name), 'required')
  })

  t.test('its JWT sample lets in whom the issuer names, until the token expires', async t => {
    const secret = 'a secret of thirty-two bytes or more'
    environment(t, 'JWT_SECRET', secret)
    const { server, store } = await run(t, 'jwt', ['server', 'store'], anyPort) as { server: NoexServer, store: Store }
    t.teardown(async () => { await store.stop() })
    t.teardown(async () => { await server.stop() })
    await store.defineBucket('orders', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } })
    store.defineDeclarativeQuery('all-orders', { bucket: 'orders' })
    const token = (): SignJWT => new SignJWT({ roles: ['user'] }).setProtectedHeader({ alg: 'HS256' }).setSubject('alice').setIssuer('https://login.example.com').setAudience('noex')
    const sign = async (jwt: SignJWT): Promise<string> => await jwt.sign(new TextEncoder().encode(secret))
    const client = await TestClient.open(t, `ws://127.0.0.1:${server.port}`)
    t.equal(await client.code('auth.login', { token: await sign(token()) }), 'UNAUTHORIZED', 'a token must expire')
    t.match(await client.ask('auth.login', { token: await sign(token().setExpirationTime('1h')) }), { userId: 'alice', roles: ['user'] })
    t.same(await client.ask('store.all', { bucket: 'orders' }), [])
    t.equal(await client.code('store.insert', { bucket: 'orders', data: {} }), 'FORBIDDEN')
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'all-orders' })
    await store.bucket('orders').insert({})
    await client.push(subscriptionId)
    await client.ask('store.unsubscribe', { subscriptionId })
    t.match(await client.ask('auth.login', { token: await sign(token().setExpirationTime(Math.floor(Date.now() / 1_000) + 2)) }), { userId: 'alice' })
    await store.bucket('orders').insert({})
    let answer = await client.request('store.all', { bucket: 'orders' })
    while (answer['type'] === 'result') answer = await client.request('store.all', { bucket: 'orders' })
    t.match(answer, { code: 'UNAUTHORIZED', message: 'Session expired' })
  })

  t.test('its sample of another kind of token is an option', async t => {
    const users: Record<string, unknown> = { good: { id: 'alice', roles: ['writer'], expiresAt: undefined } }
    const { auth } = await run(t, 'external', ['auth'], code => `const lookUp = token => (${JSON.stringify(users)})[token]\n${code}`) as { auth: ExternalAuth }
    const { connect } = await serve(t, { auth })
    const client = await connect()
    t.equal(await client.code('auth.login', { token: 'bad' }), 'UNAUTHORIZED')
    t.match(await client.ask('auth.login', { token: 'good' }), { userId: 'alice' })
  })

  t.test('its gateway sample lets in whom the gateway names', async t => {
    environment(t, 'GATEWAY_SECRET', 'known-to-the-gateway')
    const app = Fastify({ forceCloseConnections: true })
    t.teardown(async () => { await app.close() })
    const here = sample('gateway').replace('10.1.2.3', '127.0.0.1')
    const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>
    await new AsyncFunction('app', 'noexPlugin', 'store', here)(app, noexPlugin, await startStore(t))
    await app.listen({ port: 0, host: '127.0.0.1' })
    const url = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}`
    const headers = { origin: 'https://desk.example.com', 'x-forwarded-user': 'alice', 'x-forwarded-groups': 'user', 'x-gateway-secret': 'known-to-the-gateway' }
    t.match(await (await TestClient.open(t, url, { headers })).ask('auth.whoami'), { userId: 'alice', roles: ['user'] })
    await t.rejects(TestClient.open(t, url), 'and nobody else')
  })

  t.test('its sample of accounts serves, with the secret from the environment', async t => {
    environment(t, 'ADMIN_SECRET', 'from the environment')
    const store = await startStore(t)
    const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<NoexServer>
    const server = await new AsyncFunction('NoexServer', 'store', `${anyPort(sample('built-in'))}; return server`)(NoexServer, store)
    t.teardown(async () => { await server.stop() })
    const client = await TestClient.open(t, `ws://127.0.0.1:${server.port}`)
    await client.ask('identity.loginWithSecret', { secret: 'from the environment' })
    t.equal(await client.code('identity.createUser', { username: 'alice', password: 'too short' }), 'VALIDATION_ERROR')
    const { id } = await client.ask('identity.createUser', { username: 'alice', password: 'long enough for this' })
    await client.ask('identity.assignRole', { userId: id, roleName: 'writer' })
    t.match(await client.ask('identity.login', { username: 'alice', password: 'long enough for this' }), { user: { roles: ['writer'] } })
  })

  t.test('its sample of a file sink writes a trail that can be verified', async t => {
    const path = join(temporaryDirectory(t), 'audit.jsonl')
    const { audit } = await run(t, 'jsonl', ['sample'], code => code.replace('\'audit.jsonl\'', JSON.stringify(path)).replace('export const audit', 'const sample')).then(({ sample }) => ({ audit: sample as AuditOptions }))
    const { app, connect } = await serve(t, { audit })
    await (await connect()).ask('store.insert', { bucket: 'items', data: {} })
    await app.close()
    t.match(await verifyTrail({ files: [path] }), { ok: true, entries: 2 })
  })

  t.test('its sample of a table is a sink', async t => {
    environment(t, 'DATABASE_URL', 'postgres://postgres@127.0.0.1:1/test')
    const { audit } = await run(t, 'postgres', ['sample'], code => code.replace('export const audit', 'const sample')).then(({ sample }) => ({ audit: sample as AuditOptions }))
    t.match(audit.sinks, [{ name: /postgres/, policy: { write: 'block' } }])
  })

  t.test('its sample of permissions says what the text says', async t => {
    const { permissions } = await run(t, 'permissions', ['permissions']) as { permissions: PermissionConfig }
    const { connect, store } = await serve(t, { auth: { validate: token => JSON.parse(token), permissions } })
    await store.defineBucket('orders', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' }, clerk: { type: 'string' }, status: { type: 'string' } } })
    await store.bucket('orders').insertMany([{ clerk: 'carl', status: 'new' }, { clerk: 'cleo', status: 'new' }])
    store.defineDeclarativeQuery('orders-by-status', { bucket: 'orders', aggregate: { function: 'count', groupBy: 'status' } })
    const client = await connect()
    const as = async (userId: string, role: string): Promise<unknown> => await client.ask('auth.login', { token: JSON.stringify({ userId, roles: [role] }) })
    await as('carl', 'clerk')
    t.match(await client.ask('store.all', { bucket: 'orders' }), [{ clerk: 'carl' }])
    t.equal(await client.code('store.insert', { bucket: 'orders', data: { clerk: 'cleo' } }), 'FORBIDDEN')
    await as('bea', 'board')
    t.match(await client.ask('store.subscribe', { query: 'orders-by-status' }), { data: [{ key: { status: 'new' }, value: 2 }] })
    t.equal(await client.code('store.all', { bucket: 'orders' }), 'FORBIDDEN')
    await as('max', 'manager')
    t.equal(await client.ask('store.count', { bucket: 'orders' }), 2)
  })
})

t.test('README, in production', async t => {
  t.test('its complete configuration leaves no advice, serves behind a proxy, and stops at SIGTERM with everything saved', async t => {
    environment(t, 'ADMIN_SECRET', '9f1c5e0b7a3d48e2b6c4d1f0a8e7c3b5')
    const directory = temporaryDirectory(t)
    const trail = join(directory, 'audit.jsonl')
    const change = (code: string): string => `let config\n${anyPort(code)}`
      .replace('NoexServer.start({', 'NoexServer.start(config = {')
      .replace('\'data\'', JSON.stringify(directory))
      .replace('\'audit/audit.jsonl\'', JSON.stringify(trail))
      .replace('drainDelayMs: 5_000', 'drainDelayMs: 1')
    const before = { SIGTERM: process.listeners('SIGTERM'), SIGINT: process.listeners('SIGINT') }
    const { server, stop, config } = await run(t, 'production', ['server', 'stop', 'config'], change) as { server: NoexServer, stop: () => Promise<void>, config: ServerConfig }
    t.teardown(stop)
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      const added = process.listeners(signal).filter(listener => !before[signal].includes(listener))
      t.equal(added.length, 1, signal)
      process.removeListener(signal, stop)
      t.same(process.listeners(signal), before[signal], 'stop is what listens')
    }
    t.same(checkDeployment(config, { production: true }), [])

    const headers = { 'x-real-ip': '192.0.2.7', origin: 'https://app.example.com' }
    const url = `127.0.0.1:${server.port}`
    for (const path of ['/livez', '/readyz', '/healthz']) t.equal((await fetch(`http://${url}${path}`)).status, 200, path)
    const client = await TestClient.open(t, `ws://${url}`, { headers })
    t.equal(server.getConnections()[0]?.remoteAddress, '192.0.2.7')
    const { token } = await client.ask('identity.loginWithSecret', { secret: process.env['ADMIN_SECRET'] })
    const definition = { name: 'orders', config: { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } } }
    await client.ask('store.defineBucket', definition)
    await client.ask('store.insert', { bucket: 'orders', data: {} })
    const answer = await fetch(`http://${url}/stats`, { headers: { authorization: `Bearer ${token as string}` } })
    const stats = await server.getStats()
    t.same(shape(JSON.parse(sample('stats'))), shape(stats), `the statistics shown have the members of ${JSON.stringify(stats)}`)
    t.same(shape(await answer.json()), shape(stats), 'GET /stats answers all of it')

    const stopped = stop()
    t.match(await client.next(), { type: 'system', event: 'shutdown', gracePeriodMs: 5_000, reconnectAfterMs: Number })
    client.ws.close()
    await stopped
    t.match(await verifyTrail({ files: [trail] }), { ok: true })
  })

  t.test('its sample of a shutdown drains before it closes', async t => {
    const { app, connect } = await serve(t)
    const calls: string[] = []
    let listener: (event: { err?: Error }) => Promise<void> = async () => {}
    const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>
    await new AsyncFunction('closeWithGrace', 'app', 'store', sample('drain'))((_options: object, given: typeof listener) => { listener = given }, app, { stop: async () => { calls.push('store stopped') } })
    const client = await connect()
    await listener({})
    t.match(await client.closed, { code: 1000, reason: 'server_shutdown' })
    t.equal(app.noex.state, 'closed')
    t.same(calls, ['store stopped'])
  })

  t.test('its sample of a checklist prints what is missing, and the table has all of it', async t => {
    const { lines } = await run(t, 'checklist', ['lines'], code => {
      const [line = '', ...rest] = code.split('\n')
      return [line, 'const lines = []', 'const console = { log: line => { lines.push(line) } }', 'const options = { store: {}, auth: {} }', ...rest].join('\n')
    }) as { lines: string[] }
    const store = {} as ServerConfig['store']
    const gateway = { userHeader: 'X-User', trustedProxies: ['10.0.0.1'], secret: 'x' }
    const given: ServerConfig[] = [{ store }, { store, auth: { validate: () => null } }, { store, auth: { builtIn: true, adminSecret: 'x' } }, { store, auth: { gateway }, audit: {} }]
    given.push(...['memory', 'adapter'].map(mode => ({
      store: { durability: { mode } } as ServerConfig['store']
    })))
    const all = new Set(given.flatMap(options => checkDeployment(options, { production: true }).map(({ id, option }) => `${id} ${option}`)))
    const table = readme.slice(readme.indexOf('| advice | option |'))
    const shown = [...table.slice(0, table.indexOf('\n\n')).matchAll(/^\| `([a-z]+-[a-z-]+)` \| (.+?) \|/gm)].flatMap(([, id, options]) => [...(options as string).matchAll(/`([\w.]+)`/g)].map(([, option]) => `${id as string} ${option as string}`))
    t.same(shown.sort(), [...all].sort())
    t.ok(lines.includes(checkDeployment({ store, auth: { validate: () => null } }).map(({ id, option, message }) => `${id} (${option}): ${message}`)[0] as string), lines[0] ?? 'it prints')
  })

  t.test('its excerpts are in the files', async t => {
    const excerpts = [...readme.matchAll(/<!-- excerpt: (.+?) -->\n```\w*\n([^]*?)```/g)]
    t.same(excerpts.map(([, file]) => file), ['deploy/nginx.conf', 'deploy/Caddyfile'])
    for (const [, file, excerpt] of excerpts) {
      const lines = readFileSync(join(root, file as string), 'utf8').split('\n').map(line => line.trim())
      let at = 0
      for (const line of (excerpt as string).trim().split('\n').map(line => line.trim())) {
        const found = lines.indexOf(line, at)
        t.ok(found >= at, `${file as string}: ${line}`)
        at = found + 1
      }
    }
  })

  t.test('its table of limits names options that there are', async t => {
    const table = readme.slice(readme.indexOf('### Limits'), readme.indexOf('### Monitoring'))
    const options = [...table.matchAll(/^\| [^|]+ \| ([^|]+) \|/gm)].flatMap(([, cell]) => [...(cell as string).matchAll(/`([\w.]+)`/g)].map(([, name]) => name as string))
    t.ok(options.length > 10, 'it names options')
    const resolved = resolveOptions({ store: await startStore(t), auth: { builtIn: true, adminSecret: 'x' }, rateLimit: { maxRequests: 1, windowMs: 1 } })
    for (const option of options) {
      if (option === 'headersTimeout') continue
      const found = option.split('.').reduce<unknown>((group, name) => (group as Record<string, unknown> | undefined)?.[name], resolved)
      t.not(found, undefined, option)
    }
  })
})

t.test('PROTOCOL.md names every operation, code and close', async t => {
  for (const { name } of operations.values()) {
    const short = name.replace('store.', '')
    t.ok(protocol.includes(`\`${name}\``) || protocol.includes(`\`${short}\``), name)
  }
  for (const code of Object.keys(ErrorCode)) t.match(protocol, new RegExp(`\\| \`${code}\` \\|`), code)
  for (const { code, reason } of Object.values(closeReasons)) t.match(protocol, new RegExp(`\\| ${code} \\| \`${reason}\``), reason)
})

t.test('links within the documents lead somewhere', async t => {
  for (const [name, text] of Object.entries(documents)) {
    const anchors = new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) => (title as string).toLowerCase().replace(/[^\w\s-]/g, '').replaceAll(' ', '-')))
    for (const [, anchor] of text.matchAll(/\]\(#([\w-]+)\)/g)) t.ok(anchors.has(anchor as string), `${name}: #${anchor as string}`)
  }
})

t.test('links into another document lead to a heading of it', async t => {
  const anchorOf = (title: string): string =>
    title.toLowerCase().replace(/[^\w\s-]/g, '').replaceAll(' ', '-')
  const headings = (text: string): Set<string> =>
    new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) => anchorOf(title as string)))
  for (const [name, text] of Object.entries(documents)) {
    for (const [, path = '', anchor = ''] of text.matchAll(/\]\(([\w./-]+\.md)#([\w-]+)\)/g)) {
      t.ok(headings(readFileSync(join(root, path), 'utf8')).has(anchor), `${name}: ${path}#${anchor}`)
    }
  }
})

t.test('links to files lead to files', async t => {
  for (const [name, text] of Object.entries(documents)) {
    for (const [, path] of text.matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)) t.ok(existsSync(join(root, path as string)), `${name}: ${path as string}`)
  }
})

/** The members of a value and what they are; of a list, the first. */
function shape (value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shape)
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, name === 'perBucket' ? 'object' : shape(item)]))
}

/** A frame without what differs from run to run. */
function stable (frame: Frame): unknown {
  return JSON.parse(JSON.stringify(frame, (key, value: unknown) => {
    if (['serverTime', '_createdAt', '_updatedAt', 'subscriptionId'].includes(key) || (key === 'id' && typeof value === 'string')) return typeof value
    return value
  }))
}

/** The options below an object of options, by path; a helmet object is one option. */
function leaves (value: object, prefix = ''): Array<[string, unknown]> {
  return Object.entries(value).flatMap(([name, item]: [string, unknown]): Array<[string, unknown]> => {
    const group = typeof item === 'object' && item !== null && !['store', 'helmet'].includes(name)
    return group ? leaves(item, `${prefix}${name}.`) : [[prefix + name, item]]
  })
}

/** The options of a table of the README. */
function tableOf (of: string, defaults: object): Array<[string, string, unknown]> {
  return Object.entries(defaults).map(([name, value]: [string, unknown]) => [of, name, value])
}

/** A default as the README writes it. */
function parse (shown: string): unknown {
  return JSON.parse(shown.replaceAll('`', '').replace(/^'(.*)'$/, '"$1"').replace(/(?<=\d)_(?=\d)/g, ''))
}
