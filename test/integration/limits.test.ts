import websocket from '@fastify/websocket'
import t, { type Test } from 'tap'
import { NoexServer, type AuditEntry, type NoexOptions } from '../../lib/index.js'
import { TestClient, type Frame } from '../support/client.js'
import { serve, startStore, type Served } from '../support/service.js'
import { serveAccounts } from '../support/identity.js'
import { RawSocket, upgradeHeaders } from '../support/raw-socket.js'
import { Barrier } from '../support/barrier.js'

/** Tokens are user ids; the user `admin` may do everything. */
const tokens: NoexOptions['auth'] = {
  validate: async token => ({ userId: token, roles: [token === 'admin' ? 'admin' : 'user'] }),
  permissions: {
    default: 'deny',
    rules: [
      { role: 'admin', allow: '*' },
      { role: 'user', allow: ['store.get', 'store.count'] }
    ]
  }
}

const proxied = { realIpHeader: 'X-Real-IP', trustedProxies: ['127.0.0.1'] }

/** Opens a client whose address is `address`, as the proxy says. */
async function from (t: Test, url: string, address: string): Promise<TestClient> {
  return await TestClient.open(t, url, { headers: { 'x-real-ip': address } })
}

/** The codes of the replies to `times` requests that are sent at once. */
async function codes (
  client: TestClient,
  times: number,
  type: string,
  fields: object = {}
): Promise<string[]> {
  const replies = await Promise.all(
    Array.from({ length: times }, async () => await client.request(type, fields))
  )
  return replies.map(reply => String(reply['type'] === 'error' ? reply['code'] : reply['type']))
}

/** The HTTP status of an upgrade; 101 when it works. */
async function statusOf (t: Test, port: number, ...headers: string[]): Promise<number> {
  const raw = await RawSocket.upgrade(t, port, '/', ['Host: localhost', ...headers])
  return await raw.status()
}

t.test('requests', t => {
  t.test('are limited for each user on all connections together, and told when to come back', async t => {
    const { connect, app } = await serve(t, { auth: tokens, rateLimit: { maxRequests: 5, windowMs: 60_000 } })
    const [one, other, neighbour] = [await connect(), await connect(), await connect()]
    for (const [client, token] of [
      [one, 'ann'],
      [other, 'ann'],
      [neighbour, 'bob']
    ] as const) {
      await client.ask('auth.login', { token })
    }
    t.same(await codes(one, 3, 'store.count', { bucket: 'items' }), ['result', 'result', 'result'])
    t.same(await codes(other, 3, 'store.count', { bucket: 'items' }), ['result', 'result', 'RATE_LIMITED'])
    const refused = await one.request('store.count', { bucket: 'items' })
    t.match(refused, { code: 'RATE_LIMITED', details: { retryAfterMs: Number } })
    const { retryAfterMs } = refused['details']
    t.ok(
      Number.isInteger(retryAfterMs) && retryAfterMs > 50_000 && retryAfterMs <= 60_000,
      `${retryAfterMs} ms`
    )
    t.same(
      await codes(neighbour, 5, 'store.count', { bucket: 'items' }),
      Array(5).fill('result'),
      'bob has his own'
    )
    t.match(await app.noex.getStats(), { rateLimitEnabled: true })
  })

  t.test('are allowed again after the time that was told', async t => {
    const { connect } = await serve(t, { rateLimit: { maxRequests: 2, windowMs: 1_000 } })
    const client = await connect()
    const refused: Frame[] = []
    while (refused.length === 0) {
      const reply = await client.request('store.buckets')
      if (reply['type'] === 'error') refused.push(reply)
    }
    await new Promise(resolve => setTimeout(resolve, refused[0]?.['details'].retryAfterMs))
    t.match(await client.request('store.buckets'), { type: 'result' })
  })

  t.test('[G-I1] are counted also when they are refused, malformed or unknown; only pongs are free', async t => {
    const send: Record<string, (client: TestClient) => void> = {
      'without a login': client => { client.send({ id: 1, type: 'store.count', bucket: 'items' }) },
      forbidden: client => { client.send({ id: 1, type: 'store.clear', bucket: 'items' }) },
      'no JSON': client => { client.send('{') },
      'no request': client => { client.send({ no: 'request' }) },
      unknown: client => { client.send({ id: 1, type: 'store.unknown' }) },
      invalid: client => { client.send({ id: 1, type: 'store.count' }) },
      'a wrong token': client => { client.send({ id: 1, type: 'auth.login' }) }
    }
    for (const [what, sendOne] of Object.entries(send)) {
      const { connect } = await serve(t, { auth: tokens, rateLimit: { maxRequests: 4, windowMs: 60_000 } })
      const client = await connect()
      if (what === 'forbidden' || what === 'invalid') await client.ask('auth.login', { token: 'ann' })
      for (let i = 0; i < 100; i++) client.send({ type: 'pong', timestamp: 1 })
      for (let i = 0; i < 6; i++) sendOne(client)
      const replies: Frame[] = []
      for (let i = 0; i < 6; i++) replies.push(await client.next(frame => frame['type'] === 'error'))
      t.notOk(
        replies.slice(0, 4).some(reply => reply['code'] === 'RATE_LIMITED'),
        `${what}: ${JSON.stringify(replies.map(reply => reply['code']))}`
      )
      t.match(
        replies.slice(4),
        [{ code: 'RATE_LIMITED', details: { retryAfterMs: Number } }, { code: 'RATE_LIMITED' }],
        what
      )
      t.equal(client.ws.readyState, client.ws.OPEN, 'the connection stays')
    }
  })

  t.test('tell when to come back even where errors have no details', async t => {
    const { connect } = await serve(t, {
      exposeErrorDetails: false,
      rateLimit: { maxRequests: 1, windowMs: 60_000 }
    })
    const client = await connect()
    client.send('{')
    client.send('{')
    await client.next(frame => frame['code'] === 'PARSE_ERROR')
    t.match(await client.next(), { id: 0, code: 'RATE_LIMITED', details: { retryAfterMs: Number } })
    t.match(await client.request('store.buckets'), {
      code: 'RATE_LIMITED',
      details: { retryAfterMs: Number }
    })
  })

  t.test('[G-I2] of a user who is named like an address share nothing with it', async t => {
    const { url } = await serve(t, {
      ...proxied,
      auth: tokens,
      rateLimit: { maxRequests: 2, windowMs: 60_000 }
    })
    const user = await from(t, url, '198.51.100.1')
    await user.ask('auth.login', { token: '203.0.113.7' })
    t.same(await codes(user, 3, 'store.count', { bucket: 'items' }), ['result', 'result', 'RATE_LIMITED'])
    const stranger = await from(t, url, '203.0.113.7')
    t.same(await codes(stranger, 3, 'auth.whoami'), ['result', 'result', 'RATE_LIMITED'])
  })

  t.test(
    'of strangers are counted by their real address, a whole /64 of IPv6 as one, and a login among them',
    async t => {
      const { url } = await serve(t, {
        ...proxied,
        auth: tokens,
        rateLimit: { maxRequests: 2, windowMs: 60_000 }
      })
      const [one, other] = [await from(t, url, '2001:db8::1'), await from(t, url, '2001:db8::ffff:2')]
      await one.ask('auth.login', { token: 'ann' })
      t.same(
        await codes(one, 2, 'store.count', { bucket: 'items' }),
        ['result', 'result'],
        'ann pays for herself now'
      )
      t.same(await codes(other, 2, 'auth.whoami'), ['result', 'RATE_LIMITED'])
      t.same(
        await codes(await from(t, url, '2001:db8:0:1::1'), 1, 'auth.whoami'),
        ['result'],
        'the next network'
      )
      t.same(await codes(await from(t, url, '203.0.113.1'), 1, 'auth.whoami'), ['result'])
    }
  )

  t.test('cost what the application says', async t => {
    const { connect, store } = await serve(t, {
      rateLimit: { maxRequests: 10, windowMs: 60_000, costs: { 'store.query': 6, 'store.buckets': 0 } }
    })
    store.defineQuery('all', async ctx => await ctx.bucket('items').all())
    const client = await connect()
    t.same(await codes(client, 20, 'store.buckets'), Array(20).fill('result'), 'free')
    t.same(await codes(client, 2, 'store.query', { query: 'all' }), ['result', 'RATE_LIMITED'])
    t.same(
      await codes(client, 5, 'store.count', { bucket: 'items' }),
      ['result', 'result', 'result', 'result', 'RATE_LIMITED'],
      'what is left'
    )
  })

  t.test('for statistics with a wrong token are counted on the address, and get 429 before the token is looked at', async t => {
    let validated = 0
    const { port } = await serve(t, {
      auth: {
        async validate (token) {
          validated++
          return token === 'right' ? { userId: 'ann', roles: ['admin'] } : null
        }
      },
      rateLimit: { maxRequests: 3, windowMs: 60_000 }
    })
    const get = async (token: string): Promise<Response> =>
      await fetch(`http://127.0.0.1:${port}/stats`, { headers: { authorization: `Bearer ${token}` } })
    for (let i = 0; i < 9; i++) {
      t.equal((await get('right')).status, 200, 'who scrapes all the time is not limited')
    }
    for (let i = 0; i < 3; i++) t.equal((await get('guess')).status, 401)
    const refused = await get('guess')
    t.equal(refused.status, 429)
    t.match(refused.headers.get('retry-after'), /^(?:[1-5]\d|60)$/)
    t.equal(validated, 12)
  })

  t.test('that are refused are recorded: the first of a connection, and at its end how many', async t => {
    const entries: AuditEntry[] = []
    const { connect } = await serve(t, {
      auth: tokens,
      audit: { tiers: ['admin', 'write'], onEntry: entry => { entries.push(entry) } },
      rateLimit: { maxRequests: 2, windowMs: 60_000 }
    })
    const client = await connect()
    await client.ask('auth.login', { token: 'admin' })
    await codes(client, 12, 'store.insert', { bucket: 'items', data: {} })
    t.match(
      entries.map(({ operation, result }) => `${operation} ${result}`),
      ['auth.login success', 'store.insert success', 'store.insert success', 'connection.limited error']
    )
    client.ws.terminate()
    while (entries.length < 5) await new Promise(resolve => { setImmediate(resolve) })
    t.match(entries.slice(3), [
      {
        operation: 'connection.limited',
        userId: 'admin',
        error: 'Rate limit exceeded',
        details: { operation: 'store.insert' }
      },
      { operation: 'connection.limited', details: { frames: 10 } }
    ])
  })
  t.end()
})

t.test('connections', t => {
  t.test(
    'above maxConnections get 503 before they are any, and are let in again when one has gone',
    async t => {
      const { connect, port, app } = await serve(t, { connectionLimits: { maxConnections: 2 } })
      const [first] = [await connect(), await connect()]
      t.equal(await statusOf(t, port), 503)
      t.equal(app.noex.connectionCount, 2)
      first.ws.close()
      await first.closed
      await gone(app, 1)
      t.equal(await statusOf(t, port), 101)
    }
  )

  t.test(
    'are counted when they come at the same time, and not any more when they never become one',
    async t => {
      const turnstile = new Barrier()
      const { port, app, url } = await serve(
        t,
        { connectionLimits: { maxConnections: 3 } },
        { before: app => { app.addHook('preHandler', async () => { await turnstile.pass() }) } }
      )
      const waiting = await Promise.all(
        Array.from({ length: 3 }, async () => await RawSocket.upgrade(t, port))
      )
      await turnstile.held(3)
      t.equal(await statusOf(t, port), 503, 'none is open, but three are on their way')
      t.equal(app.noex.connectionCount, 0)
      for (const { socket } of waiting) socket.resetAndDestroy()
      turnstile.open()
      await until(async () => await statusOf(t, port) === 101)
      t.ok(await TestClient.open(t, url), 'the places of those who went away are free')
    }
  )

  t.test(
    'that a hook of the application refuses, or that are no good WebSocket, leave their place',
    async t => {
      const { port } = await serve(t, { connectionLimits: { maxConnections: 1 } }, {
        before: app => {
          app.addHook('preHandler', async (request, reply) => {
            if (request.headers['x-refuse'] !== undefined) await reply.code(418).send()
          })
        }
      })
      for (let i = 0; i < 3; i++) t.equal(await statusOf(t, port, 'X-Refuse: yes'), 418)
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
      t.equal(await statusOf(t, port), 101)
      t.equal(await statusOf(t, port), 503)
    }
  )

  t.test('of one user: a login on one more is refused, and works when one has gone or logged out', async t => {
    const { connect, app } = await serve(t, { auth: tokens, connectionLimits: { maxConnectionsPerUser: 2 } })
    const [first, second, third, other] = [await connect(), await connect(), await connect(), await connect()]
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
    await gone(app, 3)
    await first.ask('auth.login', { token: 'ann' })
    t.equal(app.noex.revokeSession('ann'), 2)
    await third.closed
    await first.closed
    t.equal(await other.code('auth.login', { token: 'ann' }), 'SESSION_REVOKED')
  })

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

  t.test('of one user whom a gateway names get 429 before they are any', async t => {
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
    t.equal(await statusOf(t, port, ...ann), 429)
    t.equal(await statusOf(t, port, 'Origin: https://desk.example', 'X-Forwarded-User: bob'), 101)
    client.ws.terminate()
    await until(async () => await statusOf(t, port, ...ann) === 101)
    t.equal(await statusOf(t, port, ...ann), 429)
  })

  t.test('of an address are counted by the /64 network of IPv6, and closed with 4003', async t => {
    const { url } = await serve(t, { ...proxied, maxConnectionsPerIp: 1 })
    await from(t, url, '2001:db8::1')
    const second = TestClient.raw(t, url, { headers: { 'x-real-ip': '2001:db8::2' } })
    t.same(await second.closed, { code: 4003, reason: 'too_many_connections' })
    t.ok(await from(t, url, '2001:db8:0:1::1'))
  })
  t.end()
})

t.test('whoever has to log in', t => {
  t.test('has loginTimeoutMs for it, and is closed with 1008', async t => {
    const { connect } = await serve(t, { auth: tokens, loginTimeoutMs: 1_000 })
    const [stranger, chatty, user] = [await connect(), await connect(), await connect()]
    await user.ask('auth.login', { token: 'ann' })
    await chatty.request('auth.whoami')
    t.same(await stranger.closed, { code: 1008, reason: 'login_timeout' })
    t.same(await chatty.closed, { code: 1008, reason: 'login_timeout' }, 'to talk is not to log in')
    t.ok(await user.ask('auth.whoami'))
    t.equal(user.ws.readyState, user.ws.OPEN)
    await user.ask('auth.logout')
    t.same(await user.closed, { code: 1008, reason: 'login_timeout' }, 'again after a logout')
  })

  t.test('has it also when the session has run out', async t => {
    const { connect } = await serve(t, {
      auth: { validate: async token => ({ userId: token, roles: [], expiresAt: Date.now() + 1_000 }) },
      loginTimeoutMs: 1_000
    })
    const client = await connect()
    await client.ask('auth.login', { token: 'ann' })
    t.same(await client.closed, { code: 1008, reason: 'login_timeout' })
  })

  t.test('has no longer for a login that hangs', async t => {
    const turnstile = new Barrier()
    t.teardown(() => { turnstile.open() })
    const { connect, app } = await serve(t, {
      auth: {
        async validate (token) {
          await turnstile.pass()
          return { userId: token, roles: [] }
        }
      },
      loginTimeoutMs: 100
    })
    const client = await connect()
    client.send({ id: 1, type: 'auth.login', token: 'ann' })
    t.same(await client.closed, { code: 1008, reason: 'login_timeout' })
    turnstile.open()
    await gone(app, 0)
    t.match(await app.noex.getStats(), { connections: { active: 0, authenticated: 0 } })
  })

  t.test('is not bothered where nobody has to', async t => {
    for (const auth of [undefined, { ...tokens, required: false }] as const) {
      const { connect } = await serve(t, {
        ...(auth && { auth: auth as NonNullable<NoexOptions['auth']> }),
        loginTimeoutMs: 50,
        heartbeat: { intervalMs: 60 }
      })
      const client = await connect()
      for (let i = 0; i < 3; i++) await client.next(frame => frame['type'] === 'ping')
      t.equal(client.ws.readyState, client.ws.OPEN)
    }
  })

  t.test(
    'are no more than maxUnauthenticatedConnections: the next gets 503 until one has logged in',
    async t => {
      const { connect, port, app } = await serve(t, {
        auth: tokens,
        connectionLimits: { maxUnauthenticatedConnections: 2 }
      })
      const [first, second] = [await connect(), await connect()]
      t.equal(await statusOf(t, port), 503)
      await first.ask('auth.login', { token: 'ann' })
      const third = await connect()
      t.equal(await statusOf(t, port), 503)
      second.ws.terminate()
      await gone(app, 2)
      await connect()
      third.ws.terminate()
      await gone(app, 2)
      await first.ask('auth.logout')
      t.equal(await statusOf(t, port), 503, 'who has logged out is one of them')
    }
  )
  t.end()
})

/** Resolves when the server has no more than `count` connections. */
async function gone (app: Served['app'], count: number): Promise<void> {
  await until(async () => app.noex.connectionCount <= count)
}

async function until (holds: () => Promise<boolean>): Promise<void> {
  const patience = AbortSignal.timeout(10_000)
  while (!await holds()) {
    patience.throwIfAborted()
    await new Promise(resolve => { setImmediate(resolve) })
  }
}

t.test('somebody who goes on asking beyond the limit keeps nobody else waiting', async t => {
  const { url } = await serve(t, { ...proxied, rateLimit: { maxRequests: 1, windowMs: 60_000 } })
  const flooder = await from(t, url, '203.0.113.1')
  const other = await from(t, url, '203.0.113.2')
  for (let i = 1; i <= 50_000; i++) flooder.send({ id: i, type: 'store.buckets' })
  t.match(await other.request('store.buckets'), { type: 'result' })
  t.notOk(
    flooder.waiting.some(frame => frame['id'] === 50_000),
    'the other did not have to wait for all of them'
  )
  t.match(await flooder.next(frame => frame['id'] === 50_000), { code: 'RATE_LIMITED' })
  t.equal(flooder.waiting.filter(frame => frame['type'] === 'result').length, 1)
})

t.test('a stranger who is sent away and stays keeps the place until the socket has ended', async t => {
  const { port } = await serve(t, {
    auth: tokens,
    loginTimeoutMs: 200,
    connectionLimits: { maxUnauthenticatedConnections: 1 }
  })
  const stranger = await RawSocket.upgrade(t, port)
  await stranger.until(/login_timeout/)
  t.equal(await statusOf(t, port), 503)
  await stranger.closed
  await until(async () => await statusOf(t, port) === 101)
})

t.test('connections that are refused with 4003 and stay do not keep others out', async t => {
  const { url, port } = await serve(t, {
    ...proxied,
    maxConnectionsPerIp: 1,
    connectionLimits: { maxConnections: 3 }
  })
  for (let i = 0; i < 10; i++) t.equal(await statusOf(t, port, 'X-Real-IP: 203.0.113.1'), 101)
  t.ok(await from(t, url, '203.0.113.2'))
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

t.test('a server that is given a shorter time for requests than it gives their heads starts all the same', async t => {
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
