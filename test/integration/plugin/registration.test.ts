import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { noexPlugin, NoexServer, type NoexOptions } from '../../../lib/index.js'
import { TestClient } from '../../support/client.js'
import { serve, startStore } from '../../support/service.js'
import { logInto, type LogLine } from '../../support/log-into.js'
import { projectFile } from '../../support/project-file.js'
import { buildApp, refusedStatus } from '../../support/plugin.js'

t.test('registration', t => {
  t.test('serves the socket at `path`, with or without a query', async t => {
    const { connect, url } = await serve(t, { path: '/live' })
    const client = await connect()
    t.ok(await client.ask('store.buckets'))
    await connect('/live?token=x')
    t.equal(await refusedStatus(t, `${url}/`), 404)
    t.equal(await refusedStatus(t, `${url}/live/`), 404)
    t.equal(await refusedStatus(t, `${url}/Live`), 404)
  })

  t.test('puts its prefix behind that of the enclosing scope', async t => {
    const store = await startStore(t)
    const app = await buildApp(t, async app => {
      await app.register(
        async scope => { await scope.register(noexPlugin, { store, prefix: '/rt', path: '/live' }) },
        { prefix: '/api' }
      )
    })
    for (const path of ['/api/rt/healthz', '/api/rt/stats']) t.equal((await app.inject(path)).statusCode, 200)
    t.equal((await app.inject('/api/rt/live')).statusCode, 426)
    for (const path of ['/healthz', '/rt/healthz', '/api/healthz', '/live']) {
      t.equal((await app.inject(path)).statusCode, 404)
    }
  })

  t.test('serves the prefix itself when the path is the default', async t => {
    const { connect } = await serve(t, { prefix: '/rt' })
    const client = await connect('/rt')
    t.ok(await client.ask('store.buckets'))
  })

  t.test('serves two stores in two scopes, each with what is its own', async t => {
    const [a, b] = [await startStore(t), await startStore(t)]
    await a.defineBucket('of-a', { key: 'id', schema: { id: { type: 'string' } } })
    await b.defineBucket('of-b', { key: 'id', schema: { id: { type: 'string' } } })
    const names: Record<string, () => unknown> = {}
    const app = await buildApp(t, async app => {
      for (const [name, store] of [['a', a], ['b', b]] as const) {
        await app.register(async scope => {
          await scope.register(noexPlugin, { store, name })
          names[name] = async () => (await scope.noex.getStats()).name
        }, { prefix: `/${name}` })
      }
    })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const url = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}`
    const [first, second] = [await TestClient.open(t, `${url}/a`), await TestClient.open(t, `${url}/b`)]
    t.same((await first.ask('store.buckets')).names, ['of-a'])
    t.same((await second.ask('store.buckets')).names, ['of-b'])
    t.equal((await first.ask('server.stats')).connectionCount, 1)
    t.equal(await names['a']?.(), 'a')
    t.equal(await names['b']?.(), 'b')
    t.notOk(app.hasDecorator('noex'), 'the scope has it, not the application')
  })

  const refused: Array<{
    name: string
    message: RegExp
    setUp: (app: FastifyInstance, options: NoexOptions) => Promise<unknown>
  }> = [
    {
      name: 'twice in one scope',
      message: /noexPlugin is registered twice in one scope.*prefix/,
      async setUp (app, options) {
        await app.register(noexPlugin, options)
        await app.register(noexPlugin, { ...options, prefix: '/b' })
      }
    },
    {
      name: 'twice on one path',
      message: /option path is "\/", but GET \/ is taken/,
      async setUp (app, options) {
        await app.register(async scope => { await scope.register(noexPlugin, options) })
        await app.register(async scope => { await scope.register(noexPlugin, options) })
      }
    },
    {
      name: 'where GET / is taken',
      message: /option path is "\/", but GET \/ is taken/,
      async setUp (app, options) {
        app.get('/', async () => 'home')
        await app.register(noexPlugin, options)
      }
    },
    {
      name: 'where /healthz is taken',
      message: /option routes\.healthz is "\/healthz", but GET \/healthz is taken/,
      async setUp (app, options) {
        app.get('/healthz', async () => 'fine')
        await app.register(noexPlugin, { ...options, path: '/live' })
      }
    },
    {
      name: 'where /api/stats is taken',
      message: /option routes\.stats is "\/stats", but GET \/api\/stats is taken/,
      async setUp (app, options) {
        app.get('/api/stats', async () => 'fine')
        await app.register(async scope => { await scope.register(noexPlugin, options) }, { prefix: '/api' })
      }
    },
    {
      name: 'with an unknown option',
      message: /option heartBeat is unknown/,
      setUp: async (app, options) =>
        await app.register(noexPlugin, { ...options, heartBeat: {} } as NoexOptions)
    },
    {
      name: 'with a cost of an operation that does not exist',
      message: /option rateLimit\.costs\.store\.bet is the cost of an operation that does not exist/,
      setUp: async (app, options) =>
        await app.register(noexPlugin, {
          ...options,
          rateLimit: { maxRequests: 5, windowMs: 1, costs: { 'store.bet': 5 } }
        })
    },
    {
      name: 'without a store',
      message: /option store is required/,
      setUp: async app => await app.register(noexPlugin, {} as NoexOptions)
    }
  ]
  for (const { name, message, setUp } of refused) {
    t.test(`is refused ${name}`, async t => {
      const store = await startStore(t)
      const app = Fastify()
      t.teardown(async () => { await app.close() })
      await t.rejects((async () => {
        await setUp(app, { store })
        await app.ready()
      })(), message)
    })
  }

  t.test('takes options as a function of the application', async t => {
    const store = await startStore(t)
    const app = await buildApp(
      t,
      async app => await app.register(noexPlugin, () => ({ store, name: 'by function' }))
    )
    t.equal((await app.noex.getStats()).name, 'by function')
  })

  t.test('gives access without sessions no means to revoke them', async t => {
    const { app } = await serve(t)
    t.throws(() => app.noex.revokeSession('u-1'), /auth/)
    t.throws(() => app.noex.revokeSessions({ role: 'admin' }), /auth/)
  })
  t.end()
})

t.test('an upgrade listener of the application', t => {
  t.test('is not taken for that of @fastify/websocket because of its name', async t => {
    const { connect } = await serve(
      t,
      {},
      { before: app => { app.server.on('upgrade', function onUpgrade () {}) } }
    )
    t.ok(await (await connect()).ask('store.buckets'))
  })
  t.end()
})

t.test('options', t => {
  t.test('are not changed by what the application does to its object later', async t => {
    const allowedOrigins = ['https://a.example']
    const { url } = await serve(t, { allowedOrigins })
    allowedOrigins.push('https://b.example')
    t.equal(await refusedStatus(t, url, { origin: 'https://b.example' }), 403)
  })
  t.end()
})

t.test('NoexServer', t => {
  async function start (t: Test, config: Partial<Parameters<typeof NoexServer.start>[0]> = {}) {
    const store = config.store ?? await startStore(t)
    const server = await NoexServer.start({ port: 0, host: '127.0.0.1', ...config, store })
    t.teardown(async () => { await server.stop() })
    return { server, url: `ws://127.0.0.1:${server.port}`, http: `http://127.0.0.1:${server.port}` }
  }

  t.test('has the members of the original', async t => {
    const { server, url } = await start(t, { name: 'production' })
    const client = await TestClient.open(t, url)
    t.equal(server.isRunning, true)
    t.ok(server.port > 0)
    t.equal(server.connectionCount, 1)
    t.match(server.getConnections(), [
      { connectionId: /^conn-/, remoteAddress: '127.0.0.1', authenticated: false, userId: null, roles: [] }
    ])
    t.same(await client.ask('server.connections'), server.getConnections())
    t.match(await server.getStats(), {
      name: 'production',
      port: server.port,
      host: '127.0.0.1',
      connectionCount: 1,
      rules: null
    })
    t.throws(() => server.revokeSession('u-1'), /auth/)
    t.throws(() => server.revokeSessions({}), /auth/)
  })

  t.test('hands options of Fastify on', async t => {
    const lines: LogLine[] = []
    const { server, url } = await start(t, { fastify: { trustProxy: true, logger: logInto(lines, 'info') } })
    await TestClient.open(t, url, { headers: { 'x-forwarded-for': '203.0.113.9' } })
    t.equal(server.getConnections()[0]?.remoteAddress, '203.0.113.9')
    t.ok(lines.some(line => line['msg'] === 'connection opened'))
  })

  t.test('speaks TLS when Fastify is told to', async t => {
    const pem = readFileSync(projectFile('test/fixtures/localhost.pem'))
    const { server } = await start(t, { fastify: { https: { key: pem, cert: pem } } })
    const client = await TestClient.open(t, `wss://127.0.0.1:${server.port}`, { rejectUnauthorized: false })
    t.ok(await client.ask('store.buckets'))
  })

  t.test('[G-J5] leaves nothing behind when it cannot start', async t => {
    const store = await startStore(t)
    const { server } = await start(t)
    await t.rejects(NoexServer.start({ store, port: server.port, host: '127.0.0.1' }), { code: 'EADDRINUSE' })
    t.notOk(Object.hasOwn(store, 'bucket'), 'the store is as it was')
    await t.rejects(NoexServer.start({ store, port: 0, maxPayloadBytes: 0 }), /option maxPayloadBytes/)
    t.notOk(Object.hasOwn(store, 'bucket'))
    const again = await start(t, { store })
    t.ok(await TestClient.open(t, again.url))
  })

  t.test('[G-J5] runs twice in one process under one name, on one store', async t => {
    const store = await startStore(t)
    const [a, b] = [await start(t, { store }), await start(t, { store })]
    t.not(a.server.port, b.server.port)
    await a.server.stop()
    t.ok(await (await TestClient.open(t, b.url)).ask('store.buckets'))
  })

  t.test('gives the statistics that the guide shows', async t => {
    const { server, url } = await start(t, {
      name: 'production',
      maxPayloadBytes: 1_048_576,
      heartbeat: { intervalMs: 30_000, timeoutMs: 10_000 }
    })
    await TestClient.open(t, url)
    const stats = await server.getStats()
    t.same(Object.keys(stats), [
      'name', 'port', 'host', 'connectionCount', 'uptimeMs', 'authEnabled', 'rateLimitEnabled',
      'rulesEnabled', 'connections', 'liveQueries', 'store', 'rules', 'process', 'operations', 'buckets',
      'durability', 'queues', 'refusals'
    ])
    t.same(stats.connections, {
      active: 1,
      authenticated: 0,
      totalStoreSubscriptions: 0,
      totalRulesSubscriptions: 0
    })
    t.ok(stats.uptimeMs >= 0)
  })

  t.test('serves the health endpoint of the guide, also while it stops and afterwards [G-J4]', async t => {
    const { server, url } = await start(t)
    const client = await TestClient.open(t, url)
    const beside = createServer((_request, response) => {
      server.getStats().then(stats => {
        response.writeHead(200, { 'Content-Type': 'application/json' })
        response.end(
          JSON.stringify({ status: 'ok', uptime: stats.uptimeMs, connections: stats.connections.active })
        )
      }, () => {
        response.writeHead(500)
        response.end()
      })
    })
    t.teardown(() => { beside.close() })
    beside.listen(0, '127.0.0.1')
    await once(beside, 'listening')
    const probe = async () => {
      const response = await fetch(`http://127.0.0.1:${(beside.address() as AddressInfo).port}`, {
        headers: { connection: 'close' }
      })
      return { code: response.status, body: await response.json() as unknown }
    }
    t.match(await probe(), { code: 200, body: { status: 'ok', connections: 1 } })
    const stopped = server.stop({ gracePeriodMs: 8_000 })
    await client.next(frame => frame['event'] === 'shutdown')
    t.match(await probe(), { code: 200, body: { status: 'ok', connections: 1 } })
    client.ws.close()
    await stopped
    t.match(await probe(), { code: 200, body: { status: 'ok', connections: 0 } })
  })

  t.test('stops on a signal as the guide does, in its four steps', async t => {
    const { server, url, http } = await start(t)
    const client = await TestClient.open(t, url)
    await client.ask('store.buckets')
    const exited = new Promise<number>(resolve => {
      process.once('SIGUSR2', async () => {
        await server.stop({ gracePeriodMs: 200 })
        resolve(0)
      })
    })
    process.kill(process.pid, 'SIGUSR2')
    t.match(await client.next(), {
      type: 'system',
      event: 'shutdown',
      gracePeriodMs: 200,
      reconnectAfterMs: Number
    })
    t.equal((await fetch(`${http}/healthz`)).status, 503)
    t.equal(await refusedStatus(t, url), 503)
    t.same(await client.closed, { code: 1000, reason: 'server_shutdown' })
    t.equal(await exited, 0)
    t.equal((await server.getStats()).connections.totalStoreSubscriptions, 0)
    await t.rejects(fetch(`${http}/healthz`))
  })
  t.end()
})
