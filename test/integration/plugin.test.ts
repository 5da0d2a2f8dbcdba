import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import helmet from '@fastify/helmet'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { noexPlugin, NoexServer, type NoexOptions } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { serve, startStore } from '../support/service.js'
import { logInto } from '../support/log-into.js'
import { RawSocket, upgradeHeaders } from '../support/raw-socket.js'
import { projectFile } from '../support/project-file.js'

type Line = Record<string, any>

/** An application that closes with the test and is set up by it. */
async function build (
  t: Test, setUp: (app: FastifyInstance) => Promise<unknown>, options: FastifyServerOptions = {}
): Promise<FastifyInstance> {
  const app = Fastify({ forceCloseConnections: true, ...options })
  t.teardown(async () => { await app.close() })
  await setUp(app)
  await app.ready()
  return app
}

/** Resolves with the status that an upgrade is refused with. */
async function refusal (t: Test, url: string, headers: Record<string, string> = {}): Promise<number> {
  const client = TestClient.raw(t, url, { headers })
  const [, response] = await once(client.ws, 'unexpected-response') as [unknown, { statusCode: number }]
  return response.statusCode
}

t.test('registration', t => {
  t.test('serves the socket at `path`, with or without a query', async t => {
    const { connect, url } = await serve(t, { path: '/live' })
    const client = await connect()
    t.ok(await client.ask('store.buckets'))
    await connect('/live?token=x')
    t.equal(await refusal(t, `${url}/`), 404)
    t.equal(await refusal(t, `${url}/live/`), 404)
    t.equal(await refusal(t, `${url}/Live`), 404)
  })

  t.test('puts its prefix behind that of the enclosing scope', async t => {
    const store = await startStore(t)
    const app = await build(t, async app => {
      await app.register(async scope => { await scope.register(noexPlugin, { store, prefix: '/rt', path: '/live' }) }, { prefix: '/api' })
    })
    for (const path of ['/api/rt/healthz', '/api/rt/stats']) t.equal((await app.inject(path)).statusCode, 200)
    t.equal((await app.inject('/api/rt/live')).statusCode, 426)
    for (const path of ['/healthz', '/rt/healthz', '/api/healthz', '/live']) t.equal((await app.inject(path)).statusCode, 404)
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
    const app = await build(t, async app => {
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

  const refused: Array<{ name: string, message: RegExp, setUp: (app: FastifyInstance, options: NoexOptions) => Promise<unknown> }> = [
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
      setUp: async (app, options) => await app.register(noexPlugin, { ...options, heartBeat: {} } as NoexOptions)
    },
    {
      name: 'with a cost of an operation that does not exist',
      message: /option rateLimit\.costs\.store\.bet is the cost of an operation that does not exist/,
      setUp: async (app, options) => await app.register(noexPlugin, { ...options, rateLimit: { maxRequests: 5, windowMs: 1, costs: { 'store.bet': 5 } } })
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
    const app = await build(t, async app => await app.register(noexPlugin, () => ({ store, name: 'by function' })))
    t.equal((await app.noex.getStats()).name, 'by function')
  })

  t.test('gives access without sessions no means to revoke them', async t => {
    const { app } = await serve(t)
    t.throws(() => app.noex.revokeSession('u-1'), /auth/)
    t.throws(() => app.noex.revokeSessions({ role: 'admin' }), /auth/)
  })
  t.end()
})

t.test('maxPayloadBytes', t => {
  for (const own of [false, true]) {
    t.test(`closes with 1009 above it${own ? ', also on a WebSocket server that the application registered' : ''}`, async t => {
      const { connect } = await serve(t, { maxPayloadBytes: 1_000 }, own ? { before: async app => { await app.register(websocket) } } : {})
      const [client, other] = [await connect(), await connect()]
      const fill = (length: number): string => {
        const frame = JSON.stringify({ id: 1, type: 'store.buckets', filler: '' })
        return frame.replace('""', `"${'x'.repeat(length - frame.length)}"`)
      }
      client.send(fill(1_000))
      t.match(await client.next(), { id: 1, type: 'result' })
      client.send(fill(1_001))
      t.equal((await client.closed).code, 1009)
      t.ok(await other.ask('store.buckets'))
    })
  }
  t.end()
})

t.test('plain HTTP', t => {
  t.test('[G-A3] is answered with 426 on the path of the socket', async t => {
    const { app } = await serve(t)
    for (const method of ['GET', 'HEAD'] as const) {
      const response = await app.inject({ method, url: '/' })
      t.equal(response.statusCode, 426)
      t.equal(response.headers.upgrade, 'websocket')
      if (method === 'GET') t.match(response.json(), { statusCode: 426, error: 'Upgrade Required' })
    }
    t.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 404)
  })

  t.test('[G-A4] is answered with 404 on any other path, upgrades too', async t => {
    const { app, port, url } = await serve(t)
    t.equal((await app.inject('/nowhere')).statusCode, 404)
    t.equal(await refusal(t, `${url}/nowhere`), 404)
    const raw = await RawSocket.upgrade(t, port, '/nowhere')
    t.match(await raw.until(/"statusCode"/), /^HTTP\/1\.1 404 Not Found\r\n/)
    await raw.closed
  })
  t.end()
})

t.test('allowedOrigins', async t => {
  const { url, port, connect, app } = await serve(t, { allowedOrigins: ['https://a.example', 'http://localhost:3000'] })
  const welcome = async (headers: Record<string, string>): Promise<void> => { await TestClient.open(t, url, { headers }) }

  await t.test('lets in what is listed and who sends no origin', async () => {
    await welcome({ origin: 'https://a.example' })
    await welcome({ origin: 'http://localhost:3000' })
    await connect()
  })

  await t.test('refuses everything else with 403', async t => {
    for (const origin of ['https://b.example', 'https://A.example', 'https://a.example/', 'http://a.example', 'https://a.example.evil.example', 'null', '*']) {
      t.equal(await refusal(t, url, { origin }), 403, origin)
    }
    const twice = await RawSocket.upgrade(t, port, '/', ['Host: localhost', 'Origin: https://a.example', 'Origin: https://b.example'])
    t.equal(await twice.status(), 403)
    const empty = await RawSocket.upgrade(t, port, '/', ['Host: localhost', 'Origin:'])
    t.equal(await empty.status(), 403)
    await twice.closed
  })

  await t.test('does not concern plain requests', async t => {
    t.equal((await app.inject({ url: '/healthz', headers: { origin: 'https://b.example' } })).statusCode, 200)
    t.equal((await app.inject({ url: '/', headers: { origin: 'https://b.example' } })).statusCode, 426)
  })

  await t.test('may be empty: then no browser gets in', async t => {
    const { url, connect } = await serve(t, { allowedOrigins: [] })
    t.equal(await refusal(t, url, { origin: 'https://a.example' }), 403)
    await connect()
  })
})

t.test('an upgrade listener of the application', t => {
  t.test('is not taken for that of @fastify/websocket because of its name', async t => {
    const { connect } = await serve(t, {}, { before: app => { app.server.on('upgrade', function onUpgrade () {}) } })
    t.ok(await (await connect()).ask('store.buckets'))
  })
  t.end()
})

t.test('options', t => {
  t.test('are not changed by what the application does to its object later', async t => {
    const allowedOrigins = ['https://a.example']
    const { url } = await serve(t, { allowedOrigins })
    allowedOrigins.push('https://b.example')
    t.equal(await refusal(t, url, { origin: 'https://b.example' }), 403)
  })
  t.end()
})

t.test('maxConnectionsPerIp', t => {
  t.test('closes one connection too many with 4003, without a welcome', async t => {
    const { connect, url, app } = await serve(t, { maxConnectionsPerIp: 2 })
    const [first] = [await connect(), await connect()]
    const third = TestClient.raw(t, url)
    t.same(await third.closed, { code: 4003, reason: 'too_many_connections' })
    t.same(third.waiting, [])
    first.ws.close()
    while (app.noex.connectionCount > 1) await new Promise(resolve => { setImmediate(resolve) })
    await connect()
  })

  t.test('does not count those that it has refused, however long their sockets take to close', async t => {
    const { connect, port, app } = await serve(t, { maxConnectionsPerIp: 2 })
    const [leaving] = [await connect(), await connect()]
    for (let i = 0; i < 3; i++) t.match(await (await RawSocket.upgrade(t, port)).until(/too_many/), /too_many_connections/)
    t.equal(app.noex.connectionCount, 2)
    leaving.ws.close()
    await leaving.closed
    while (app.noex.connectionCount > 1) await new Promise(resolve => { setImmediate(resolve) })
    await connect()
  })

  t.test('counts per address, as Fastify sees it behind a proxy that is trusted', async t => {
    const { url, app } = await serve(t, { maxConnectionsPerIp: 1 }, { fastify: { trustProxy: '127.0.0.1' } })
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
    await TestClient.open(t, url, from('203.0.113.1'))
    await TestClient.open(t, url, from('203.0.113.2'))
    t.match(await TestClient.raw(t, url, from('203.0.113.1')).closed, { code: 4003 })
    while (app.noex.connectionCount > 2) await new Promise(resolve => { setImmediate(resolve) })
    t.same(app.noex.getConnections().map(connection => connection.remoteAddress), ['203.0.113.1', '203.0.113.2'])
  })

  t.test('[G-A2] survives a malformed frame on the connection that it refuses', async t => {
    const { connect, port } = await serve(t, { maxConnectionsPerIp: 1 })
    const client = await connect()
    for (const firstByte of [0xc1, 0x83, 0xf1]) {
      const raw = await RawSocket.open(t, port)
      raw.request('GET / HTTP/1.1', 'Host: localhost', ...upgradeHeaders)
      raw.sendFrame('{}', firstByte)
      await raw.until(/too_many_connections/)
      raw.sendFrame('{}', firstByte)
      raw.socket.destroy()
    }
    t.ok(await client.ask('store.buckets'))
  })
  t.end()
})

t.test('malformed clients', t => {
  const manyHeaders = Array.from({ length: 2_500 }, (_, i) => `X-${i}: 1`)
  const upgrades: Record<string, [target: string, headers: string[]]> = {
    'target //': ['//', ['Host: localhost']],
    'target http://[': ['http://[', ['Host: localhost']],
    'target *': ['*', ['Host: localhost']],
    'an absolute target': ['http://localhost/', ['Host: localhost']],
    'target /%zz': ['/%zz', ['Host: localhost']],
    'target /%00': ['/%00', ['Host: localhost']],
    'target ?': ['?', ['Host: localhost']],
    'target /../..': ['/../..', ['Host: localhost']],
    'an empty Host': ['/', ['Host:']],
    'Host: a b': ['/', ['Host: a b']],
    'Host: [': ['/', ['Host: [']],
    'no Host': ['/', []],
    'two Hosts': ['/', ['Host: a', 'Host: b']],
    '2,500 headers': ['/', ['Host: localhost', ...manyHeaders]],
    'a long target': [`/${'x'.repeat(20_000)}`, ['Host: localhost']],
    'a bad version': ['/', ['Host: localhost', 'Sec-WebSocket-Version: 99']],
    'a bad key': ['/', ['Host: localhost', 'Sec-WebSocket-Key: short']],
    'an extension that is none': ['/', ['Host: localhost', 'Sec-WebSocket-Extensions: ;;;']],
    'a protocol that is none': ['/', ['Host: localhost', 'Sec-WebSocket-Protocol: ,,']],
    'a body': ['/', ['Host: localhost', 'Content-Length: 5']]
  }
  t.test('[G-A1] do not end the process with their upgrades', async t => {
    const { connect, port, app } = await serve(t)
    const client = await connect()
    for (const [name, [target, headers]] of Object.entries(upgrades)) {
      const raw = await RawSocket.upgrade(t, port, target, headers)
      const status = await raw.status()
      t.ok([101, 400, 404, 414, 426, 431].includes(status), `${name}: ${status}`)
      raw.socket.destroy()
      const next = await connect()
      t.ok(await next.ask('store.buckets'))
      next.ws.terminate()
    }
    t.ok(await client.ask('store.buckets'))
    while (app.noex.connectionCount > 1) await client.settled()
  })

  t.test('are closed with the code of their fault, and harm nobody else', async t => {
    const { connect, port } = await serve(t)
    const client = await connect()
    const faults: Array<[string, number, number]> = [['reserved bit', 0xc1, 1002], ['unknown opcode', 0x83, 1002], ['invalid UTF-8', 0x81, 1007]]
    for (const [name, firstByte, code] of faults) {
      const raw = await RawSocket.upgrade(t, port)
      await raw.until(/welcome/)
      if (code === 1007) raw.socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]))
      else raw.sendFrame('{}', firstByte)
      const received = await raw.until(/\x88/)
      const close = Buffer.from(received.slice(received.indexOf('\x88')), 'latin1')
      t.equal(close.readUInt16BE(2), code, name)
      await raw.closed
    }
    t.ok(await client.ask('store.buckets'))
  })

  t.test('may send a frame together with their upgrade: it is not lost', async t => {
    const { port } = await serve(t)
    const raw = await RawSocket.open(t, port)
    raw.request('GET / HTTP/1.1', 'Host: localhost', ...upgradeHeaders)
    raw.sendFrame('{"id":7,"type":"store.buckets"}')
    t.match(await raw.until(/"id":7/), /"welcome".*"id":7,"type":"result"/s)
  })
  t.end()
})

t.test('the address of a client', t => {
  t.test('is that of the socket unless Fastify trusts a proxy', async t => {
    const headers = { 'x-forwarded-for': '203.0.113.9', 'x-real-ip': '203.0.113.9' }
    const plain = await serve(t)
    await TestClient.open(t, plain.url, { headers })
    t.equal(plain.app.noex.getConnections()[0]?.remoteAddress, '127.0.0.1')
    const proxied = await serve(t, {}, { fastify: { trustProxy: true } })
    const client = await TestClient.open(t, proxied.url, { headers })
    t.equal(proxied.app.noex.getConnections()[0]?.remoteAddress, '203.0.113.9')
    t.equal((await client.ask('server.connections'))[0].remoteAddress, '203.0.113.9')
  })
  t.end()
})

for (const trustProxy of [false, true]) {
  t.test(`app.injectWS${trustProxy ? ', behind a trusted proxy' : ''}`, async t => {
    const store = await startStore(t)
    const app = await build(t, async app => {
      await app.register(websocket)
      await app.register(noexPlugin, { store })
    }, { trustProxy })
    const frames: Line[] = []
    const socket: WebSocket = await app.injectWS('/', {}, {
      onInit (ws) { ws.on('message', data => { frames.push(JSON.parse(String(data)) as Line) }) }
    })
    t.teardown(() => { socket.terminate() })
    socket.send('{"id":1,"type":"store.buckets"}')
    while (frames.length < 2) await once(socket, 'message')
    t.match(frames, [{ type: 'welcome', version: '1.0.0' }, { id: 1, type: 'result', data: { count: 0 } }])
  })
}

t.test('the routes for operators', t => {
  t.test('tell the health in three members', async t => {
    const { app, connect } = await serve(t)
    await connect()
    const response = await app.inject('/healthz')
    t.equal(response.statusCode, 200)
    t.match(response.headers, { 'content-type': /application\/json/, 'cache-control': 'no-store' })
    const body = response.json<Line>()
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
    const body = response.json<Line>()
    t.same(Object.keys(body), ['name', 'port', 'host', 'connectionCount', 'uptimeMs', 'authEnabled', 'rateLimitEnabled', 'rulesEnabled', 'connections', 'store', 'rules'])
    t.match(body, {
      name: 'production',
      port,
      host: '127.0.0.1',
      connectionCount: 1,
      authEnabled: false,
      rateLimitEnabled: false,
      rulesEnabled: false,
      connections: { active: 1, authenticated: 0, totalStoreSubscriptions: 1, totalRulesSubscriptions: 0 },
      store: { buckets: { count: 1, names: ['items'] }, records: { total: 1, perBucket: { items: 1 } }, queries: { defined: 1, activeSubscriptions: 1 } },
      rules: null
    })
    const stats = await app.noex.getStats()
    t.same({ ...body, uptimeMs: 0 }, { ...stats, uptimeMs: 0 }, 'the schema hides nothing')
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
      before: async app => { await app.register(helmet, { contentSecurityPolicy: { directives: { defaultSrc: ['\'none\''] }, useDefaults: false } }) }
    })
    const { headers } = await app.inject('/healthz')
    t.equal(headers['content-security-policy'], 'default-src \'none\'')
  })

  t.test('are under the application\'s helmet also when that is not for all routes', async t => {
    const { app } = await serve(t, {}, { before: async app => { await app.register(helmet, { global: false }) } })
    t.ok((await app.inject('/stats')).headers['x-content-type-options'])
    const bare = await serve(t, { helmet: false }, { before: async app => { await app.register(helmet, { global: false }) } })
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
    const lines: Line[] = []
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

  t.test('[G-J9] ask nothing of the store for the health, and once for the statistics, however many clients there are', async t => {
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
  })
  t.end()
})

t.test('the log', t => {
  t.test('is kept at the level and with the serializers that the registration asks for', async t => {
    const lines: Line[] = []
    const store = await startStore(t)
    const app = Fastify({ logger: logInto(lines, 'info'), forceCloseConnections: true })
    t.teardown(async () => { await app.close() })
    await app.register(async scope => { await scope.register(noexPlugin, { store, logLevel: 'silent' }) }, { prefix: '/silent' })
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
    const lines: Line[] = []
    const { app, connect } = await serve(t, {}, { fastify: { logger: logInto(lines, 'info') } })
    const client = await connect()
    const [connection] = app.noex.getConnections()
    client.ws.close(1000)
    await client.closed
    while (app.noex.connectionCount > 0) await new Promise(resolve => { setImmediate(resolve) })
    const upgrade = lines.find(line => line['msg'] === 'incoming request')
    const bindings = { level: 30, reqId: upgrade?.['reqId'], connectionId: connection?.connectionId }
    t.type(bindings.reqId, 'string')
    t.match(lines.find(line => line['msg'] === 'connection opened'), { ...bindings, remoteAddress: '127.0.0.1' })
    t.match(lines.find(line => line['msg'] === 'connection closed'), { ...bindings, code: 1000, durationMs: Number })
  })

  t.test('tells of an origin that was refused and of an operation that failed', async t => {
    const lines: Line[] = []
    const { connect, url, store } = await serve(
      t,
      { allowedOrigins: ['https://a.example'] },
      { fastify: { logger: logInto(lines) } }
    )
    await refusal(t, url, { origin: 'https://b.example' })
    t.match(lines[0], { level: 40, origin: 'https://b.example', reqId: String })
    store.defineQuery('fails', async () => { throw new Error('secret of the application') })
    const client = await connect()
    const reply = await client.request('store.query', { query: 'fails' })
    t.equal(reply['code'], 'INTERNAL_ERROR')
    t.notMatch(JSON.stringify(reply), /secret/)
    t.match(lines[1], { level: 50, operation: 'store.query', err: { message: 'secret of the application' }, reqId: String, connectionId: String })
  })

  t.test('tells of the end that the server makes of a connection', async t => {
    const lines: Line[] = []
    const { app, connect } = await serve(t, {}, { fastify: { logger: logInto(lines, 'info') } })
    await connect()
    await app.close()
    t.match(lines.find(line => line['msg'] === 'closing connection'), { code: 1000, reason: 'server_shutdown', connectionId: String })
    t.ok(lines.find(line => line['msg'] === 'connection closed'))
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
    t.match(server.getConnections(), [{ connectionId: /^conn-/, remoteAddress: '127.0.0.1', authenticated: false, userId: null, roles: [] }])
    t.same(await client.ask('server.connections'), server.getConnections())
    t.match(await server.getStats(), { name: 'production', port: server.port, host: '127.0.0.1', connectionCount: 1, rules: null })
    t.throws(() => server.revokeSession('u-1'), /auth/)
    t.throws(() => server.revokeSessions({}), /auth/)
  })

  t.test('hands options of Fastify on', async t => {
    const lines: Line[] = []
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
    const { server, url } = await start(t, { name: 'production', maxPayloadBytes: 1_048_576, heartbeat: { intervalMs: 30_000, timeoutMs: 10_000 } })
    await TestClient.open(t, url)
    const stats = await server.getStats()
    t.same(Object.keys(stats), [
      'name', 'port', 'host', 'connectionCount', 'uptimeMs', 'authEnabled', 'rateLimitEnabled', 'rulesEnabled', 'connections', 'store', 'rules'
    ])
    t.same(stats.connections, { active: 1, authenticated: 0, totalStoreSubscriptions: 0, totalRulesSubscriptions: 0 })
    t.ok(stats.uptimeMs >= 0)
  })

  t.test('serves the health endpoint of the guide, also while it stops and afterwards [G-J4]', async t => {
    const { server, url } = await start(t)
    const client = await TestClient.open(t, url)
    const beside = createServer((_request, response) => {
      server.getStats().then(stats => {
        response.writeHead(200, { 'Content-Type': 'application/json' })
        response.end(JSON.stringify({ status: 'ok', uptime: stats.uptimeMs, connections: stats.connections.active }))
      }, () => {
        response.writeHead(500)
        response.end()
      })
    })
    t.teardown(() => { beside.close() })
    beside.listen(0, '127.0.0.1')
    await once(beside, 'listening')
    const probe = async () => {
      const response = await fetch(`http://127.0.0.1:${(beside.address() as AddressInfo).port}`, { headers: { connection: 'close' } })
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
    t.match(await client.next(), { type: 'system', event: 'shutdown', gracePeriodMs: 200, reconnectAfterMs: Number })
    t.equal((await fetch(`${http}/healthz`)).status, 503)
    t.equal(await refusal(t, url), 503)
    t.same(await client.closed, { code: 1000, reason: 'server_shutdown' })
    t.equal(await exited, 0)
    t.equal((await server.getStats()).connections.totalStoreSubscriptions, 0)
    await t.rejects(fetch(`${http}/healthz`))
  })
  t.end()
})
