import t, { type Test } from 'tap'
import type { NoexOptions } from '../../../lib/index.js'
import { ask, EventClient, statusOf, streamRoutes, type Answer } from '../../support/events.js'
import { serve, type Served } from '../../support/service.js'
import { until } from '../../support/until.js'

const page = 'https://desk.example'
const ofOneSite = { 'sec-fetch-site': 'same-origin' }
const gateway: Omit<NoexOptions, 'store'> = {
  routes: streamRoutes,
  allowedOrigins: [page],
  auth: {
    gateway: { userHeader: 'X-User', rolesHeader: 'X-Roles', trustedProxies: ['127.0.0.1'] },
    permissions: { default: 'allow' }
  }
}

t.test('the origin of a stream', async t => {
  const { port, app } = await serve(t, { routes: streamRoutes, allowedOrigins: [page, 'http://own.example'] })
  const cases: ReadonlyArray<readonly [status: number, what: string, headers: Record<string, string>]> = [
    [200, 'a page that may connect', { origin: page }],
    [403, 'another page', { origin: 'https://evil.example' }],
    [403, 'no page at all, says a page', { origin: 'null' }],
    [200, 'a program', {}],
    [200, 'an address that the user has typed', { 'sec-fetch-site': 'none' }],
    [403, 'an image in a page of another site', { 'sec-fetch-site': 'cross-site' }],
    [403, 'an image in a page of a site next door', { 'sec-fetch-site': 'same-site' }],
    [200, 'a page of this server, which may connect', { ...ofOneSite, host: 'own.example' }],
    [403, 'a page of this server, which may not', { ...ofOneSite, host: 'evil.example' }],
    [200, 'what browsers say counts, not both', { 'sec-fetch-site': 'cross-site', origin: page }]
  ]
  for (const [expected, what, headers] of cases) t.equal(await statusOf(t, port, headers), expected, what)
  await until(() => app.noex.connectionCount === 0)
  const client = await EventClient.open(t, port)
  t.equal((await client.post('[]', { origin: 'https://evil.example' })).status, 403, 'also of a POST')
  t.equal((await client.post('[]', { origin: page })).status, 202)
})

t.test('behind a gateway a stream has its user, and takes POSTs of that user alone', async t => {
  const { port, app } = await serve(t, gateway)
  t.equal(await statusOf(t, port, { origin: page }), 401, 'no user')
  t.equal(await statusOf(t, port, { 'x-user': 'ann' }), 403, 'no page')
  t.equal(await statusOf(t, port, { 'x-user': 'ann', 'sec-fetch-site': 'none' }), 403, 'no page asks')
  t.equal(await statusOf(t, port, { 'x-user': 'ann', origin: page, x_user: 'root' }), 400)
  const own = { 'x-user': 'ann', 'x-roles': 'writer', 'sec-fetch-site': 'same-origin', host: 'desk.example' }
  const client = await EventClient.open(t, port, own)
  t.match(await client.ask('auth.whoami'), { userId: 'ann', roles: ['writer'] })
  const mine = { 'x-user': 'ann', origin: page }
  const whoami = '{"id":1,"type":"auth.whoami"}'
  t.equal((await client.post(whoami, mine)).status, 202)
  t.match(await client.next(), { data: { userId: 'ann', roles: ['writer'] } })
  t.equal((await client.post(whoami, { ...mine, 'x-user': 'eve' })).status, 404, 'the id has leaked')
  t.equal((await client.post(whoami, { origin: page, 'x-user': '' })).status, 401)
  app.noex.revokeSession('ann')
  t.match(await client.next(), { event: 'session_revoked' })
  t.match(await client.closed(), { code: 4002, reason: 'session_revoked' })
  t.equal((await client.post(whoami, mine)).status, 403)
  t.equal(await statusOf(t, port, { ...own }), 403, 'a revoked user gets no stream')
})

t.test('quotas: of connections, of a user, of clients without a login, of an address', async t => {
  const options = async (connectionLimits: object, others: object = {}): Promise<Served> =>
    await serve(t, { routes: streamRoutes, connectionLimits, ...others })
  const one = await options({ maxConnections: 1 })
  const first = await EventClient.open(t, one.port)
  t.equal(await statusOf(t, one.port, {}), 503)
  first.events.leave()
  await until(() => one.app.noex.connectionCount === 0)
  t.equal((await (await EventClient.open(t, one.port)).post('[]')).status, 202, 'the slot is free again')

  const perUser = await serve(t, { ...gateway, connectionLimits: { maxConnectionsPerUser: 1 } })
  await EventClient.open(t, perUser.port, { 'x-user': 'ann', origin: page })
  t.equal(await statusOf(t, perUser.port, { 'x-user': 'ann', origin: page }), 429)

  const validate = async (): Promise<null> => null
  const unknown = await options({ maxUnauthenticatedConnections: 1 }, { auth: { validate } })
  await EventClient.open(t, unknown.port)
  t.equal(await statusOf(t, unknown.port, {}), 503)

  const perAddress = await options({}, { maxConnectionsPerIp: 1 })
  await EventClient.open(t, perAddress.port)
  const second = await EventClient.raw(t, perAddress.port)
  t.match(await second.closed(), { code: 4003, reason: 'too_many_connections' })
})

t.test('refusals are logged and in the audit trail', async t => {
  const lines: string[] = []
  const { port, app } = await serve(t, { routes: streamRoutes, allowedOrigins: [page], audit: {} }, {
    fastify: { logger: { stream: { write: (line: string) => { lines.push(line) } } } }
  })
  const client = await EventClient.open(t, port)
  await statusOf(t, port, { origin: 'https://evil.example' })
  await client.post('[]', { origin: 'https://evil.example' })
  await app.noex.drain({ gracePeriodMs: 0 })
  t.equal(await statusOf(t, port, {}), 503)
  for (const what of ['stream refused', 'POST to a stream refused', 'the server is shutting down']) {
    t.ok(lines.some(line => line.includes(what)), what)
  }
})

t.test('a client logs in by a message, in time, and has bounds of its own until then', async t => {
  const { port } = await serve(t, {
    routes: streamRoutes,
    loginTimeoutMs: 300,
    connectionLimits: { maxUnauthenticatedPayloadBytes: 40_000 },
    auth: { validate: async token => token === 'good' ? { userId: 'ann', roles: ['admin'] } : null }
  })
  const late = await EventClient.open(t, port)
  t.match(await late.closed(), { code: 1008, reason: 'login_timeout' })
  const greedy = await EventClient.open(t, port)
  const long = { id: 1, type: 'store.count', bucket: 'x'.repeat(40_000) }
  t.equal((await greedy.post(long)).status, 413)
  t.match(await greedy.closed(), { code: 1009 })
  const client = await EventClient.open(t, port)
  t.equal((await client.request('store.count', { bucket: 'items' }))['code'], 'UNAUTHORIZED')
  t.match(await client.ask('auth.login', { token: 'good' }), { userId: 'ann' })
  t.equal((await client.post(long)).status, 202, 'it may send more now')
  t.match(await client.next(), { code: 'BUCKET_NOT_DEFINED' })
})

/** Asks as a browser does before it lets a page ask. */
async function preflight (port: number, path: string, origin: string): Promise<Answer> {
  return await ask(port, path, {
    method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' }
  })
}

async function checkPages (t: Test, served: Served, path: string): Promise<void> {
  const allowed = await preflight(served.port, path, page)
  t.match(allowed, { status: 204, headers: { 'access-control-allow-origin': page, vary: /Origin/ } })
  t.match(allowed.headers['access-control-allow-headers'], /noex-stream/)
  t.equal(allowed.headers['access-control-allow-credentials'], 'true')
  const other = await preflight(served.port, path, 'https://evil.example')
  t.equal(other.headers['access-control-allow-origin'], undefined)
}

t.test('pages of other origins may read what they may ask for', async t => {
  const listed = await serve(t, { routes: streamRoutes, allowedOrigins: [page] })
  for (const path of ['/events', '/rpc']) await checkPages(t, listed, path)
  const { events } = await EventClient.open(t, listed.port, { origin: page })
  t.equal(events.response.headers['access-control-allow-origin'], page)
  const open = await serve(t, { routes: streamRoutes })
  const { headers } = await preflight(open.port, '/rpc', page)
  t.match(headers, { 'access-control-allow-origin': '*' })
  t.equal(headers['access-control-allow-credentials'], undefined, 'cookies do not count')
  const own = await serve(t, { routes: streamRoutes }, {
    before: app => {
      app.addHook('onRequest', async (_request, reply) => {
        reply.header('access-control-allow-origin', 'https://own.example')
      })
    }
  })
  const kept = await preflight(own.port, '/rpc', page)
  t.equal(kept.headers['access-control-allow-origin'], 'https://own.example')
})
