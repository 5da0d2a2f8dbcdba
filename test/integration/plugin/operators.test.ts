import type { AddressInfo } from 'node:net'
import helmet from '@fastify/helmet'
import Fastify from 'fastify'
import t from 'tap'
import { noexPlugin } from '../../../lib/index.js'
import { TestClient } from '../../support/client.js'
import { serve, startStore } from '../../support/service.js'
import { logInto, type LogLine } from '../../support/log-into.js'
import { shapeOf } from '../../support/protocol-exchanges.js'
import { refusedStatus } from '../../support/plugin.js'

t.test('the routes for operators', t => {
  t.test('tell the health in three members', async t => {
    const { app, connect } = await serve(t)
    await connect()
    const response = await app.inject('/healthz')
    t.equal(response.statusCode, 200)
    t.match(response.headers, { 'content-type': /application\/json/, 'cache-control': 'no-store' })
    const body = response.json<LogLine>()
    t.same(Object.keys(body), ['status', 'uptime', 'connections'])
    t.match(body, { status: 'ok', connections: 1 })
    t.ok(Number.isInteger(body['uptime']) && body['uptime'] >= 0)
    t.equal((await app.inject({ method: 'HEAD', url: '/healthz' })).statusCode, 200)
  })

  t.test('tell the statistics in the documented order', async t => {
    const { app, connect, port, store } = await serve(t, { name: 'production' })
    store.defineQuery('count', async ctx => await ctx.bucket('items').count())
    const client = await connect()
    await client.ask('store.subscribe', { query: 'count' })
    await client.ask('store.insert', { bucket: 'items', data: {} })
    const response = await app.inject('/stats')
    t.equal(response.statusCode, 200)
    const body = response.json<LogLine>()
    t.same(Object.keys(body), [
      'name', 'port', 'host', 'connectionCount', 'uptimeMs', 'authEnabled', 'rateLimitEnabled',
      'rulesEnabled', 'connections', 'liveQueries', 'store', 'rules', 'process', 'operations', 'buckets',
      'durability', 'queues', 'refusals'
    ])
    t.match(body, {
      name: 'production',
      port,
      host: '127.0.0.1',
      connectionCount: 1,
      authEnabled: false,
      rateLimitEnabled: false,
      rulesEnabled: false,
      connections: { active: 1, authenticated: 0, totalStoreSubscriptions: 1, totalRulesSubscriptions: 0 },
      store: {
        buckets: { count: 1, names: ['items'] },
        records: { total: 1, perBucket: { items: 1 } },
        queries: { defined: 1, activeSubscriptions: 1 }
      },
      rules: null
    })
    const stats = await app.noex.getStats()
    const same = { uptimeMs: 0, process: shapeOf(stats.process) }
    const shown = { ...body, ...same, process: shapeOf(body['process']) }
    t.same(shown, { ...stats, ...same }, 'the schema hides nothing')
    const wire = await client.ask('server.stats')
    t.same(Object.keys(wire), Object.keys(body).filter(name => name !== 'port' && name !== 'host'))
  })

  t.test('are under helmet, the socket and other routes are not', async t => {
    const { app } = await serve(t, {}, { before (app) { app.get('/own', async () => 'own') } })
    for (const url of ['/healthz', '/stats']) {
      const { headers } = await app.inject(url)
      t.equal(headers['x-content-type-options'], 'nosniff')
      t.ok(headers['content-security-policy'])
    }
    t.notOk((await app.inject('/own')).headers['x-content-type-options'])
  })

  t.test('take options of helmet, or none of it', async t => {
    const off = await serve(t, { helmet: false })
    t.notOk((await off.app.inject('/healthz')).headers['x-content-type-options'])
    const partly = await serve(t, { helmet: { contentSecurityPolicy: false } })
    const { headers } = await partly.app.inject('/healthz')
    t.ok(headers['x-content-type-options'])
    t.notOk(headers['content-security-policy'])
  })

  t.test('leave an application its own helmet', async t => {
    const { app } = await serve(t, {}, {
      before: async app => {
        await app.register(helmet, {
          contentSecurityPolicy: { directives: { defaultSrc: ['\'none\''] }, useDefaults: false }
        })
      }
    })
    const { headers } = await app.inject('/healthz')
    t.equal(headers['content-security-policy'], 'default-src \'none\'')
  })

  t.test('are under the application\'s helmet also when that is not for all routes', async t => {
    const { app } = await serve(
      t,
      {},
      { before: async app => { await app.register(helmet, { global: false }) } }
    )
    t.ok((await app.inject('/stats')).headers['x-content-type-options'])
    const bare = await serve(
      t,
      { helmet: false },
      { before: async app => { await app.register(helmet, { global: false }) } }
    )
    t.notOk((await bare.app.inject('/stats')).headers['x-content-type-options'])
  })

  t.test('have the paths that they are given, or are not there', async t => {
    const { app } = await serve(t, { routes: { healthz: '/up', stats: false } })
    t.equal((await app.inject('/up')).statusCode, 200)
    for (const url of ['/healthz', '/stats']) t.equal((await app.inject(url)).statusCode, 404)
    const none = await serve(t, { routes: { healthz: false, stats: false } })
    for (const url of ['/healthz', '/stats']) t.equal((await none.app.inject(url)).statusCode, 404)
  })

  t.test('[G-J9] do not depend on the health of the store', async t => {
    const lines: LogLine[] = []
    const { app, store, connect } = await serve(t, {}, { fastify: { logger: logInto(lines) } })
    store.getStats = async () => { throw new Error('bucket is broken') }
    t.equal((await app.inject('/healthz')).statusCode, 200)
    const response = await app.inject('/stats')
    t.equal(response.statusCode, 200)
    t.match(response.json(), { store: null, connectionCount: 0 })
    t.equal((await app.noex.getStats()).store, null)
    t.equal((await (await connect()).ask('server.stats')).store, null)
    t.match(lines, [{ level: 40, err: { message: 'bucket is broken' } }, { level: 40 }, { level: 40 }])
  })

  t.test(
    '[G-J9] do not ask the store for the health, and ask it once for the statistics of any number of clients',
    async t => {
      const { app, store, connect } = await serve(t)
      const { getStats } = store
      let asked = 0
      store.getStats = async () => {
        asked++
        return await getStats.call(store)
      }
      for (let i = 0; i < 20; i++) await connect()
      for (let i = 0; i < 5; i++) await app.inject('/healthz')
      t.equal(asked, 0)
      t.match((await app.inject('/stats')).json(), { connectionCount: 20 })
      t.equal(asked, 1)
    }
  )
  t.end()
})

t.test('the log', t => {
  t.test('is kept at the level and with the serializers that the registration asks for', async t => {
    const lines: LogLine[] = []
    const store = await startStore(t)
    const app = Fastify({ logger: logInto(lines, 'info'), forceCloseConnections: true })
    t.teardown(async () => { await app.close() })
    await app.register(async scope => { await scope.register(noexPlugin, { store, logLevel: 'silent' }) }, {
      prefix: '/silent'
    })
    await app.register(async scope => {
      await scope.register(noexPlugin, { store, logSerializers: { remoteAddress: () => 'somewhere' } })
    }, { prefix: '/told' })
    await app.listen({ port: 0, host: '127.0.0.1' })
    lines.length = 0
    const url = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}`
    await TestClient.open(t, `${url}/silent`)
    t.same(lines, [])
    await TestClient.open(t, `${url}/told`)
    t.match(lines.find(line => line['msg'] === 'connection opened'), { remoteAddress: 'somewhere' })
  })

  t.test('tells of a connection from open to close, under the id of its upgrade', async t => {
    const lines: LogLine[] = []
    const { app, connect } = await serve(t, {}, { fastify: { logger: logInto(lines, 'info') } })
    const client = await connect()
    const [connection] = app.noex.getConnections()
    client.ws.close(1000)
    await client.closed
    while (app.noex.connectionCount > 0) await new Promise(resolve => { setImmediate(resolve) })
    const upgrade = lines.find(line => line['msg'] === 'incoming request')
    const bindings = { level: 30, reqId: upgrade?.['reqId'], connectionId: connection?.connectionId }
    t.type(bindings.reqId, 'string')
    t.match(
      lines.find(line => line['msg'] === 'connection opened'),
      { ...bindings, remoteAddress: '127.0.0.1' }
    )
    t.match(
      lines.find(line => line['msg'] === 'connection closed'),
      { ...bindings, code: 1000, durationMs: Number }
    )
  })

  t.test('tells of an origin that was refused and of an operation that failed', async t => {
    const lines: LogLine[] = []
    const { connect, url, store } = await serve(
      t,
      { allowedOrigins: ['https://a.example'] },
      { fastify: { logger: logInto(lines) } }
    )
    await refusedStatus(t, url, { origin: 'https://b.example' })
    t.match(lines[0], { level: 40, origin: 'https://b.example', reqId: String })
    store.defineQuery('fails', async () => { throw new Error('secret of the application') })
    const client = await connect()
    const reply = await client.request('store.query', { query: 'fails' })
    t.equal(reply['code'], 'INTERNAL_ERROR')
    t.notMatch(JSON.stringify(reply), /secret/)
    t.match(lines[1], {
      level: 50,
      operation: 'store.query',
      err: { message: 'secret of the application' },
      reqId: String,
      connectionId: String
    })
  })

  t.test('tells of the end that the server makes of a connection', async t => {
    const lines: LogLine[] = []
    const { app, connect } = await serve(t, {}, { fastify: { logger: logInto(lines, 'info') } })
    await connect()
    await app.close()
    t.match(
      lines.find(line => line['msg'] === 'closing connection'),
      { code: 1000, reason: 'server_shutdown', connectionId: String }
    )
    t.ok(lines.find(line => line['msg'] === 'connection closed'))
  })
  t.end()
})
