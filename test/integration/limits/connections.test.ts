import websocket from '@fastify/websocket'
import t from 'tap'
import { NoexServer } from '../../../lib/index.js'
import { TestClient } from '../../support/client.js'
import { serve, startStore } from '../../support/service.js'
import { serveAccounts } from '../../support/identity.js'
import { RawSocket, upgradeHeaders } from '../../support/raw-socket.js'
import { Barrier } from '../../support/barrier.js'
import { openFrom, untilConnections, behindProxy, upgradeStatus, userTokens } from '../../support/limits.js'
import { until } from '../../support/until.js'

t.test('connections', t => {
  t.test(
    'above maxConnections get 503 before they are any, and are let in again when one has gone',
    async t => {
      const { connect, port, app } = await serve(t, { connectionLimits: { maxConnections: 2 } })
      const [first] = [await connect(), await connect()]
      t.equal(await upgradeStatus(t, port), 503)
      t.equal(app.noex.connectionCount, 2)
      first.ws.close()
      await first.closed
      await untilConnections(app, 1)
      t.equal(await upgradeStatus(t, port), 101)
    }
  )

  t.test(
    'are counted when they come at the same time, and not any more when they never become one',
    async t => {
      const barrier = new Barrier()
      const { port, app, url } = await serve(
        t,
        { connectionLimits: { maxConnections: 3 } },
        { before: app => { app.addHook('preHandler', async () => { await barrier.pass() }) } }
      )
      const waiting = await Promise.all(
        Array.from({ length: 3 }, async () => await RawSocket.upgrade(t, port))
      )
      await barrier.held(3)
      t.equal(await upgradeStatus(t, port), 503, 'none is open, but three are on their way')
      t.equal(app.noex.connectionCount, 0)
      for (const { socket } of waiting) socket.resetAndDestroy()
      barrier.open()
      await until(async () => await upgradeStatus(t, port) === 101)
      t.ok(await TestClient.open(t, url), 'the slots of closed connections are free')
    }
  )

  t.test(
    'that a hook of the application refuses, or that are no good WebSocket, release their slot',
    async t => {
      const { port } = await serve(t, { connectionLimits: { maxConnections: 1 } }, {
        before: app => {
          app.addHook('preHandler', async (request, reply) => {
            if (request.headers['x-refuse'] !== undefined) await reply.code(418).send()
          })
        }
      })
      for (let i = 0; i < 3; i++) t.equal(await upgradeStatus(t, port, 'X-Refuse: yes'), 418)
      for (let i = 0; i < 3; i++) {
        const raw = await RawSocket.open(t, port)
        raw.request(
          'GET / HTTP/1.1',
          'Host: localhost',
          ...upgradeHeaders.filter(header => !header.startsWith('Sec-WebSocket-Key'))
        )
        t.equal(await raw.status(), 400)
        await raw.closed
      }
      t.equal(await upgradeStatus(t, port), 101)
      t.equal(await upgradeStatus(t, port), 503)
    }
  )

  t.test(
    'of one user: a login on one more is refused, and works when one has gone or logged out',
    async t => {
      const { connect, app } = await serve(t, {
        auth: userTokens,
        connectionLimits: { maxConnectionsPerUser: 2 }
      })
      const [first, second, third, other] = [
        await connect(),
        await connect(),
        await connect(),
        await connect()
      ]
      await first.ask('auth.login', { token: 'ann' })
      await second.ask('auth.login', { token: 'ann' })
      await second.ask('auth.login', { token: 'ann' })
      t.equal(await third.code('auth.login', { token: 'ann' }), 'RATE_LIMITED')
      t.match(await third.ask('auth.whoami'), { authenticated: false })
      await other.ask('auth.login', { token: 'bob' })
      t.equal(await other.code('auth.login', { token: 'ann' }), 'RATE_LIMITED')
      t.match(await other.ask('auth.whoami'), { userId: 'bob' }, 'still who it was')
      await first.ask('auth.logout')
      await third.ask('auth.login', { token: 'ann' })
      t.equal(await first.code('auth.login', { token: 'ann' }), 'RATE_LIMITED')
      second.ws.terminate()
      await untilConnections(app, 3)
      await first.ask('auth.login', { token: 'ann' })
      t.equal(app.noex.revokeSession('ann'), 2)
      await third.closed
      await first.closed
      t.equal(await other.code('auth.login', { token: 'ann' }), 'SESSION_REVOKED')
    }
  )

  t.test('of one user with an account: the session of a login that is refused does not stay', async t => {
    const { connect, store, user } = await serveAccounts(
      t,
      {},
      { connectionLimits: { maxConnectionsPerUser: 1 } }
    )
    await user('ann', 'reader')
    const login = { username: 'ann', password: 'correct horse battery staple' }
    const [first, second] = [await connect(), await connect()]
    await first.ask('identity.login', login)
    t.equal(await second.code('identity.login', login), 'RATE_LIMITED')
    await until(async () => await store.bucket('_sessions').count() === 1)
    await first.ask('identity.refreshSession')
    t.equal(await store.bucket('_sessions').count(), 1)
    t.match(await first.ask('identity.whoami'), { authenticated: true })
  })

  t.test('of one user that a gateway names get 429 before they are any', async t => {
    const { url, port } = await serve(t, {
      allowedOrigins: ['https://desk.example'],
      auth: { gateway: { userHeader: 'X-Forwarded-User', trustedProxies: ['127.0.0.1'] } },
      connectionLimits: { maxConnectionsPerUser: 1 }
    })
    const ann = ['Origin: https://desk.example', 'X-Forwarded-User: ann']
    const client = await TestClient.open(t, url, {
      origin: 'https://desk.example',
      headers: { 'x-forwarded-user': 'ann' }
    })
    t.equal(await upgradeStatus(t, port, ...ann), 429)
    t.equal(await upgradeStatus(t, port, 'Origin: https://desk.example', 'X-Forwarded-User: bob'), 101)
    client.ws.terminate()
    await until(async () => await upgradeStatus(t, port, ...ann) === 101)
    t.equal(await upgradeStatus(t, port, ...ann), 429)
  })

  t.test('of an address are counted by the /64 network of IPv6, and closed with 4003', async t => {
    const { url } = await serve(t, { ...behindProxy, maxConnectionsPerIp: 1 })
    await openFrom(t, url, '2001:db8::1')
    const second = TestClient.raw(t, url, { headers: { 'x-real-ip': '2001:db8::2' } })
    t.same(await second.closed, { code: 4003, reason: 'too_many_connections' })
    t.ok(await openFrom(t, url, '2001:db8:0:1::1'))
  })
  t.end()
})

t.test(
  'an unauthenticated client that is disconnected and stays keeps its slot until the socket has ended',
  async t => {
    const { port } = await serve(t, {
      auth: userTokens,
      loginTimeoutMs: 200,
      connectionLimits: { maxUnauthenticatedConnections: 1 }
    })
    const guest = await RawSocket.upgrade(t, port)
    await guest.until(/login_timeout/)
    t.equal(await upgradeStatus(t, port), 503)
    await guest.closed
    await until(async () => await upgradeStatus(t, port) === 101)
  }
)

t.test('connections that are refused with 4003 and stay do not keep others out', async t => {
  const { url, port } = await serve(t, {
    ...behindProxy,
    maxConnectionsPerIp: 1,
    connectionLimits: { maxConnections: 3 }
  })
  for (let i = 0; i < 10; i++) t.equal(await upgradeStatus(t, port, 'X-Real-IP: 203.0.113.1'), 101)
  t.ok(await openFrom(t, url, '203.0.113.2'))
})

t.test('an upgrade that a test injects is let in by the same rules', async t => {
  const { app } = await serve(
    t,
    { allowedOrigins: ['https://desk.example'], connectionLimits: { maxConnections: 1 } },
    {
      before: async app => {
        await app.register(websocket)
        app.addHook('preHandler', async (request, reply) => {
          if (request.headers['x-refuse'] !== undefined) await reply.code(418).send()
        })
      }
    }
  )
  await app.ready()
  await t.rejects(app.injectWS('/', { headers: { origin: 'https://evil.example' } }), /403/)
  for (let i = 0; i < 3; i++) {
    await t.rejects(
      app.injectWS('/', { headers: { origin: 'https://desk.example', 'x-refuse': 'yes' } }),
      /418/
    )
  }
  const ws = await app.injectWS('/', { headers: { origin: 'https://desk.example' } })
  await t.rejects(app.injectWS('/', { headers: { origin: 'https://desk.example' } }), /503/)
  ws.terminate()
})

t.test('a server starts although its time for requests is shorter than that for their heads', async t => {
  const store = await startStore(t)
  const server = await NoexServer.start({
    store,
    port: 0,
    host: '127.0.0.1',
    fastify: { http: { requestTimeout: 5_000 } }
  })
  t.teardown(async () => { await server.stop() })
  t.ok(await TestClient.open(t, `ws://127.0.0.1:${server.port}`))
})
