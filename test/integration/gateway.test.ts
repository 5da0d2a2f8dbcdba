import t, { type Test } from 'tap'
import type { GatewayOptions, NoexOptions } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { serve, type ServeSettings, type Served } from '../support/service.js'
import { RawSocket } from '../support/raw-socket.js'
import { Barrier } from '../support/barrier.js'
import { logInto, type LogLine } from '../support/log-into.js'

const local = ['127.0.0.1']

async function serveGateway (
  t: Test,
  gateway: Partial<GatewayOptions> = {},
  options: Omit<NoexOptions, 'store' | 'auth'> = {},
  settings: ServeSettings = {}
): Promise<Served> {
  return await serve(t, {
    allowedOrigins: [origin],
    ...options,
    auth: {
      gateway: {
        userHeader: 'X-Forwarded-User',
        rolesHeader: 'X-Forwarded-Groups',
        trustedProxies: local,
        ...gateway
      },
      permissions: {
        default: 'deny',
        rules: [
          { role: 'admin', allow: '*' },
          { role: 'user', allow: 'store.count' }
        ]
      }
    }
  }, settings)
}

const origin = 'https://desk.example'

/** The status of an upgrade with exactly these headers, and the page's origin unless they have one. */
async function status (t: Test, port: number, ...headers: string[]): Promise<number> {
  const page = headers.some(header => header.startsWith('Origin')) ? [] : [`Origin: ${origin}`]
  const raw = await RawSocket.upgrade(t, port, '/', ['Host: localhost', ...page, ...headers])
  const code = await raw.status()
  raw.socket.destroy()
  return code
}

t.test('[G-B20] the gateway\'s header says who the client is, from the start', async t => {
  const { url, app } = await serveGateway(t)
  const client = TestClient.raw(t, url, {
    origin,
    headers: { 'x-forwarded-user': 'ann', 'x-forwarded-groups': 'user, staff' }
  })
  t.match(await client.next(), { type: 'welcome', requiresAuth: false, userId: 'ann' })
  t.same(await client.ask('auth.whoami'), {
    authenticated: true,
    userId: 'ann',
    roles: ['user', 'staff'],
    expiresAt: null
  })
  t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
  t.equal(await client.code('store.all', { bucket: 'items' }), 'FORBIDDEN')
  t.equal(await client.code('auth.login', { token: 'x' }), 'UNKNOWN_OPERATION')
  t.equal(await client.code('auth.logout'), 'UNKNOWN_OPERATION')
  t.match(app.noex.getConnections(), [{ authenticated: true, userId: 'ann', roles: ['user', 'staff'] }])
})

t.test('a bad header is refused before the upgrade, and logged without its value', async t => {
  const lines: LogLine[] = []
  const { port, app } = await serveGateway(t, {}, {}, { fastify: { logger: logInto(lines) } })
  const table: ReadonlyArray<readonly [code: number, ...headers: string[]]> = [
    [401],
    [401, 'X-Forwarded-Groups: admin'],
    [401, 'X-Forwarded-User:'],
    [400, 'X-Forwarded-User: ann', 'X-Forwarded-User: root'],
    [400, 'X-Forwarded-User: ann', 'x-forwarded-user: root'],
    [400, 'X-Forwarded-User: ann, root'],
    [400, 'X_Forwarded_User: root', 'X-Forwarded-User: ann'],
    [400, 'X.Forwarded.User: root'],
    [400, 'X-Forwarded_User: root'],
    [400, 'X-Forwarded-User: ann', 'X_Forwarded_Groups: admin'],
    [400, `X-Forwarded-User: ${'a'.repeat(257)}`],
    [400, 'X-Forwarded-User: a\u00e9'],
    [101, 'X-Forwarded-User: ann']
  ]
  for (const [code, ...headers] of table) {
    t.equal(await status(t, port, ...headers), code, headers.join(' | '))
  }
  t.equal(app.noex.connectionCount <= 1, true)
  const refusals = lines.filter(({ msg }) => msg === 'upgrade refused')
  t.equal(refusals.length, table.length - 1)
  t.notMatch(JSON.stringify(lines), /root/, 'the log does not repeat what was sent')
})

t.test('only the gateway can name a user', async t => {
  const { port } = await serveGateway(t, { trustedProxies: ['10.0.0.0/8'] })
  t.equal(await status(t, port, 'X-Forwarded-User: ann'), 400)
  t.equal(await status(t, port), 401, 'and no client is anonymous')
  const viaForwarded = await serveGateway(
    t,
    { trustedProxies: ['10.0.0.0/8'] },
    {},
    { fastify: { trustProxy: true } }
  )
  t.equal(
    await status(t, viaForwarded.port, 'X-Forwarded-For: 10.0.0.1', 'X-Forwarded-User: ann'),
    400,
    'the peer counts, not what it says'
  )
})

t.test('a secret tells the gateway from other programs on its host', async t => {
  const { port, url } = await serveGateway(t, {
    secretHeader: 'X-Gateway-Secret',
    secret: 'correct-horse-battery'
  })
  t.equal(await status(t, port, 'X-Forwarded-User: ann'), 401)
  t.equal(await status(t, port, 'X-Forwarded-User: ann', 'X-Gateway-Secret: wrong'), 401)
  const client = await TestClient.open(t, url, {
    origin,
    headers: { 'x-forwarded-user': 'ann', 'x-gateway-secret': 'correct-horse-battery' }
  })
  t.match(await client.ask('auth.whoami'), { userId: 'ann', roles: [] })
})

t.test('a page of another origin cannot use the gateway\'s session', async t => {
  const { port } = await serveGateway(t)
  t.equal(await status(t, port, 'X-Forwarded-User: ann', 'Origin: https://evil.example'), 403)
  t.equal(await status(t, port, 'X-Forwarded-User: ann', `Origin: ${origin}`), 101)
})

t.test('nor can what does not say where it comes from: the gateway logs in any client', async t => {
  const { port, url } = await serveGateway(t)
  await t.rejects(TestClient.open(t, url, { headers: { 'x-forwarded-user': 'ann' } }), 'without an origin')
  for (const value of [
    '',
    'null',
    `${origin}/`,
    `${origin}:443`,
    origin.toUpperCase(),
    `${origin}.evil.example`,
    `${origin}, ${origin}`,
    'http://desk.example'
  ]) {
    t.equal(await status(t, port, 'X-Forwarded-User: ann', `Origin: ${value}`), 403, value)
  }
  t.equal(
    await status(t, port, 'X-Forwarded-User: ann', `Origin: ${origin}`, `Origin: ${origin}`),
    403,
    'said twice'
  )
  await t.rejects(
    serveGateway(t, {}, { allowedOrigins: [origin, 'null'] }),
    /option allowedOrigins must not have "null"/,
    'any site can make a page without an origin'
  )
})

t.test('a revoked user is closed, and refused at the next upgrade', async t => {
  const { port, url, app } = await serveGateway(t)
  const client = await TestClient.open(t, url, { origin, headers: { 'x-forwarded-user': 'ann' } })
  t.equal(app.noex.revokeSession('ann'), 1)
  t.equal((await client.closed).code, 4002)
  t.equal(await status(t, port, 'X-Forwarded-User: ann'), 403)
  t.equal(await status(t, port, 'X-Forwarded-User: bob'), 101)
})

t.test('a user who is revoked while the upgrade is on its way does not come in', async t => {
  const barrier = new Barrier()
  const { url, app } = await serveGateway(
    t,
    {},
    {},
    { before: app => { app.addHook('preHandler', async () => { await barrier.pass() }) } }
  )
  const client = TestClient.raw(t, url, {
    origin,
    headers: { 'x-forwarded-user': 'ann', 'x-forwarded-groups': 'admin' }
  })
  await barrier.held()
  t.equal(app.noex.revokeSession('ann'), 0)
  barrier.open()
  t.equal((await client.closed).code, 4002)
  t.notMatch(app.noex.getConnections(), [{ authenticated: true }])
})

t.test('nor one whose role is revoked meanwhile; who has the role and comes later does', async t => {
  const barrier = new Barrier()
  const { url, app } = await serveGateway(
    t,
    {},
    {},
    { before: app => { app.addHook('preHandler', async () => { await barrier.pass() }) } }
  )
  const headers = { 'x-forwarded-user': 'ann', 'x-forwarded-groups': 'admin' }
  const client = TestClient.raw(t, url, { origin, headers })
  await barrier.held()
  t.equal(app.noex.revokeSessions({ role: 'admin' }), 0)
  barrier.open()
  t.equal((await client.closed).code, 4002)
  t.equal((await (await TestClient.open(t, url, { origin, headers })).ask('auth.whoami')).userId, 'ann')
})

t.test('/stats goes by the gateway\'s headers', async t => {
  const { port } = await serveGateway(t)
  const get = async (headers: Record<string, string>): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}/stats`, { headers })).status
  t.equal(await get({}), 401)
  t.equal(await get({ 'x-forwarded-user': 'ann', 'x-forwarded-groups': 'user' }), 403)
  t.equal(await get({ 'x-forwarded-user': 'ann', 'x-forwarded-groups': 'admin' }), 200)
  t.equal(
    await get({
      'x-forwarded-user': 'ann',
      'x-forwarded-groups': 'admin',
      authorization: 'Bearer of the proxy'
    }),
    200,
    'a token is the proxy\'s own matter'
  )
  t.equal(await get({ x_forwarded_user: 'ann' }), 400)
  t.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200)
})

t.test('client address', async t => {
  const addressOf = async (
    t: Test,
    served: Served,
    headers: Record<string, string | string[]>
  ): Promise<string> => {
    await TestClient.open(t, served.url, { headers: headers as Record<string, string> })
    return served.app.noex.getConnections().at(-1)?.remoteAddress ?? ''
  }

  t.test('[G-D7] is that of realIpHeader from a trusted proxy', async t => {
    const served = await serve(t, { realIpHeader: 'X-Real-IP', trustedProxies: local })
    t.equal(
      await addressOf(t, served, { 'x-real-ip': '203.0.113.9', 'x-forwarded-for': '6.6.6.6' }),
      '203.0.113.9'
    )
    t.equal(await addressOf(t, served, { 'x-real-ip': '::ffff:203.0.113.9' }), '203.0.113.9')
    t.equal(await addressOf(t, served, { 'x-real-ip': '2001:DB8:0:0::1' }), '2001:db8::1')
    t.equal(await addressOf(t, served, {}), '127.0.0.1')
    t.equal(await status(t, served.port, 'X-Real-IP: 1.1.1.1', 'X-Real-IP: 2.2.2.2'), 400)
    t.equal(await status(t, served.port, 'X-Real-IP: localhost'), 400)
    t.equal(await status(t, served.port, 'X_Real_IP: 1.1.1.1'), 400)
  })

  t.test('is the peer\'s own where it is not trusted, in spite of what it says', async t => {
    const served = await serve(t, { realIpHeader: 'X-Real-IP', trustedProxies: ['10.0.0.0/8'] })
    t.equal(await addressOf(t, served, { 'x-real-ip': '203.0.113.9' }), '127.0.0.1')
  })

  t.test('is request.ip otherwise', async t => {
    const plain = await serve(t)
    t.equal(
      await addressOf(t, plain, { 'x-real-ip': '203.0.113.9', 'x-forwarded-for': '203.0.113.8' }),
      '127.0.0.1'
    )
    const trusting = await serve(t, {}, { fastify: { trustProxy: '127.0.0.1' } })
    t.equal(await addressOf(t, trusting, { 'x-forwarded-for': '203.0.113.8' }), '203.0.113.8')
  })

  t.test('is what maxConnectionsPerIp counts', async t => {
    const { url } = await serve(t, {
      realIpHeader: 'X-Real-IP',
      trustedProxies: local,
      maxConnectionsPerIp: 1
    })
    await TestClient.open(t, url, { headers: { 'x-real-ip': '203.0.113.1' } })
    await TestClient.open(t, url, { headers: { 'x-real-ip': '203.0.113.2' } })
    const second = TestClient.raw(t, url, { headers: { 'x-real-ip': '203.0.113.2' } })
    t.same(await second.closed, { code: 4003, reason: 'too_many_connections' })
  })
})
