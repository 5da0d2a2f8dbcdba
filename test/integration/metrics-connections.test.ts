import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import type { ExternalAuth } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { serve, type Served } from '../support/service.js'
import { routes, scrape, Scrape, scrapeUntil } from '../support/prometheus-text.js'

t.test('connections', async t => {
  t.test('are counted, those with a session apart', async t => {
    const { app, connect } = await serveTokens(t)
    const client = await connect()
    await connect()
    const headers = { authorization: 'Bearer admin' }
    const logged = async (): Promise<Array<number | undefined>> => {
      const found = new Scrape((await app.inject({ url: '/metrics', headers })).body)
      return [found.value('noex_connections'), found.value('noex_authenticated_connections')]
    }
    t.same(await logged(), [2, 0])
    await client.ask('auth.login', { token: 'user' })
    t.same(await logged(), [2, 1])
    await client.ask('auth.logout')
    t.same(await logged(), [2, 0])
  })

  t.test('that end are counted once, by reason', async t => {
    const { app, connect, url } = await serve(t, { routes, maxConnectionsPerIp: 4 })
    const closes = async (reason: string, count: number): Promise<void> => {
      const found = await scrapeUntil(app, 'noex_closes_total', { reason }, value => value === count)
      await scrapeUntil(app, 'noex_connections', {}, value => value === 0)
      t.equal(found.value('noex_closes_total', { reason }), count, reason)
    }
    const [leaves, dies, binary, wrong] = [
      await connect(),
      await connect(),
      await connect(),
      await connect()
    ] as const
    const refused = TestClient.raw(t, url)
    t.match(await refused.closed, { code: 4003 })
    leaves.ws.close()
    dies.ws.terminate()
    binary.ws.send(Buffer.from('x'))
    // A frame whose reserved bits are set.
    ;(wrong.ws as unknown as { _socket: Socket })._socket.write(Buffer.from([0xf1, 0x80, 0, 0, 0, 0]))
    for (const reason of ['too_many_connections', 'client', 'lost', 'binary_not_supported', 'failed']) {
      await closes(reason, 1)
    }
    const found = await scrape(app)
    t.equal(found.samples('noex_closes_total').reduce((sum, { value }) => sum + value, 0), 5)
    t.equal(found.value('noex_refusals_total', { limit: 'connections_per_ip' }), 1)
  })

  t.test('that do not read have bytes waiting for them', async t => {
    const { app, store, connect } = await serve(t, {
      routes,
      backpressure: { drainTimeoutMs: 60_000, maxBufferedBytes: 8 * 2 ** 20 }
    })
    const size = 2 ** 20
    let version = 0
    store.defineQuery(
      'text',
      async ctx => `${await ctx.bucket('items').count()}${version++}${'x'.repeat(size)}`
    )
    const client = await connect()
    await connect()
    await client.ask('store.subscribe', { query: 'text' })
    t.equal((await scrape(app)).value('noex_queued_bytes'), 0)
    const socket = (client.ws as unknown as { _socket: Socket })._socket
    socket.pause()
    for (let i = 0; (await scrape(app)).value('noex_queued_bytes') === 0; i++) {
      if (i > 100) throw new Error('the client goes on reading')
      await store.bucket('items').insert({})
      await scrapeUntil(app, 'noex_evaluations_total', {}, value => value >= i + 2)
    }
    const found = await scrape(app)
    t.equal(
      found.value('noex_largest_queue_bytes'),
      found.value('noex_queued_bytes'),
      'nothing waits for the other'
    )
    socket.resume()
    await scrapeUntil(app, 'noex_queued_bytes', {}, value => value === 0)
  })
})

t.test('refusals are counted by limit, from zero on', async t => {
  const { app, url, connect } = await serve(t, {
    routes,
    allowedOrigins: ['https://shop.example'],
    connectionLimits: { maxSubscriptionsPerConnection: 0 },
    rateLimit: { maxRequests: 3, windowMs: 60_000 }
  })
  const before = (await scrape(app)).samples('noex_refusals_total')
  t.ok(before.length > 5)
  t.ok(
    before.every(({ value }) => value === 0),
    'a counter that starts with its first refusal would hide that one'
  )
  await t.rejects(TestClient.open(t, url, { headers: { origin: 'https://elsewhere.example' } }))
  const client = await connect()
  t.equal(await client.code('store.subscribe', { query: 'nothing' }), 'RATE_LIMITED')
  for (let i = 0; i < 2; i++) await client.request('store.buckets')
  for (let i = 0; i < 2; i++) t.equal(await client.code('store.buckets'), 'RATE_LIMITED')
  const found = await scrape(app)
  t.equal(found.value('noex_refusals_total', { limit: 'origin' }), 1)
  t.equal(found.value('noex_refusals_total', { limit: 'subscriptions' }), 1)
  t.equal(found.value('noex_refusals_total', { limit: 'rate_limit' }), 2)
  t.equal(found.samples('noex_refusals_total').length, before.length)
})

t.test('access', async t => {
  t.test('needs the right to server.stats, and no answer is cached', async t => {
    const { app } = await serveTokens(t)
    const get = async (authorization?: string) =>
      await app.inject({ url: '/metrics', headers: authorization === undefined ? {} : { authorization } })
    const anonymous = await get()
    t.equal(anonymous.statusCode, 401)
    t.equal(anonymous.headers['www-authenticate'], 'Bearer')
    t.notMatch(anonymous.body, /noex_/)
    t.equal((await get('Bearer nonsense')).statusCode, 401)
    t.equal((await get('Bearer user')).statusCode, 403)
    const admin = await get('Bearer admin')
    t.equal(admin.statusCode, 200)
    t.equal(admin.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
    for (const { headers } of [anonymous, admin]) t.equal(headers['cache-control'], 'no-store')
    t.ok(admin.headers['x-content-type-options'], 'it is under helmet')
  })

  t.test('is refused, with no reason, when the token cannot be checked', async t => {
    const { app } = await serveTokens(t, { async validate () { throw new Error('secret place') } })
    const answer = await app.inject({ url: '/metrics', headers: { authorization: 'Bearer x' } })
    t.equal(answer.statusCode, 503)
    t.notMatch(answer.body, /secret place/)
  })

  t.test('needs a path: without one there is nothing', async t => {
    const { app } = await serve(t)
    t.equal((await app.inject('/metrics')).statusCode, 404)
    await t.rejects(serve(t, { routes: { metrics: '/stats' } }), {
      code: 'NOEX_ERR_INVALID_OPTION',
      message: /routes\.metrics is "\/stats"/
    })
  })
})

/** Serves with the tokens `admin` and `user`. */
async function serveTokens (t: Test, auth: Partial<ExternalAuth> = {}): Promise<Served> {
  return await serve(t, {
    routes,
    auth: {
      validate: token => (token === 'admin' || token === 'user' ? { userId: token, roles: [token] } : null),
      ...auth
    }
  })
}
