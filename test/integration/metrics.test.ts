import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import perfHooks, { type IntervalHistogram } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { RuleEngine } from '@hamicek/noex-rules'
import { register as globalRegistry } from 'prom-client'
import t, { type Test } from 'tap'
import type { AuditSink } from '../../lib/audit/sink.js'
import { noexPlugin, type ExternalAuth } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { serve, startStore, type Served } from '../support/service.js'
import { Scrape } from '../support/prometheus-text.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { Barrier } from '../support/barrier.js'

const routes = { metrics: '/metrics' }

async function scrape (app: FastifyInstance, url = '/metrics'): Promise<Scrape> {
  const response = await app.inject(url)
  if (response.statusCode !== 200) throw new Error(`${url} answers ${response.statusCode}`)
  return new Scrape(response.body)
}

/** Scrapes until a value is the one that is expected, and returns that scrape; fails after twenty seconds. */
async function scrapeUntil (
  app: FastifyInstance,
  name: string,
  labels: Record<string, string>,
  isRight: (value: number) => boolean
): Promise<Scrape> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const found = await scrape(app)
    const value = found.value(name, labels)
    if (value !== undefined && isRight(value)) return found
    if (performance.now() > deadline) throw new Error(`${name}${JSON.stringify(labels)} is ${value}`)
    await setImmediate()
  }
}

t.test('requests', async t => {
  t.test('are counted by operation and code, and each has a duration', async t => {
    const { app, connect } = await serve(t, { routes })
    const client = await connect()
    await client.ask('store.insert', { bucket: 'items', data: { id: 'a' } })
    await client.ask('store.get', { bucket: 'items', key: 'a' })
    await client.ask('store.get', { bucket: 'items', key: 'b' })
    await client.code('store.get', { bucket: 'nothing', key: 'a' })
    await client.code('store.insert', { bucket: 'items', data: { id: 'a' } })
    const found = await scrape(app)
    const count = (operation: string, code: string): number | undefined =>
      found.value('noex_requests_total', { operation, code })
    t.same([count('store.get', 'ok'), count('store.get', 'BUCKET_NOT_DEFINED')], [2, 1])
    t.same([count('store.insert', 'ok'), count('store.insert', 'ALREADY_EXISTS')], [1, 1])
    t.equal(found.value('noex_request_duration_seconds_count', { operation: 'store.get' }), 3)
    const sum = found.value('noex_request_duration_seconds_sum', { operation: 'store.get' }) ?? NaN
    t.ok(sum > 0 && sum < 60, 'in seconds')
  })

  t.test('that take long have a long duration', async t => {
    const { app, store, connect } = await serve(t, { routes })
    const turnstile = new Barrier()
    store.defineQuery('slow', async () => {
      await turnstile.pass()
      return 1
    })
    const client = await connect()
    const reply = client.ask('store.query', { query: 'slow' })
    await turnstile.held()
    const began = performance.now()
    while (performance.now() - began < 30) await setImmediate()
    t.equal(
      (await scrape(app)).samples('noex_requests_total').length,
      0,
      'what is not answered yet is not counted'
    )
    await turnstile.release()
    await reply
    const found = await scrape(app)
    t.equal(found.value('noex_request_duration_seconds_bucket', { operation: 'store.query', le: '0.025' }), 0)
    t.equal(found.value('noex_request_duration_seconds_bucket', { operation: 'store.query', le: '+Inf' }), 1)
  })

  t.test('for what the service does not have share one label, however many names clients think of', async t => {
    const { app, connect } = await serve(t, { routes })
    const client = await connect()
    await client.code('auth.whoami')
    await client.code('identity.login')
    const before = (await app.inject('/metrics')).body.length
    for (let i = 0; i < 1_000; i++) client.send({ id: 1_000 + i, type: `store.get${i}"}\n{` })
    await client.next(frame => frame['id'] === 1_999)
    const response = await app.inject('/metrics')
    const found = new Scrape(response.body)
    t.same(found.labels('noex_requests_total', 'operation'), new Set(['unknown']))
    t.equal(found.value('noex_requests_total', { operation: 'unknown', code: 'UNKNOWN_OPERATION' }), 1_002)
    t.ok(response.body.length < before + 200, 'the scrape has not grown')
  })

  t.test('that are none are counted by what is wrong with them', async t => {
    const { app, connect } = await serve(t, { routes })
    const client = await connect()
    client.send('nonsense')
    client.send([])
    client.send({ type: 'store.get' })
    await client.settled()
    const found = await scrape(app)
    t.equal(found.value('noex_requests_total', { operation: 'unknown', code: 'PARSE_ERROR' }), 2)
    t.equal(found.value('noex_requests_total', { operation: 'unknown', code: 'INVALID_REQUEST' }), 1)
  })

  t.test('are counted when their reply may leave, with what that says', async t => {
    const sink = new HeldSink()
    const { app, connect } = await serve(t, {
      routes,
      audit: { tiers: ['write'], logLevel: 'silent', sinks: [sink] }
    })
    t.teardown(() => { sink.turnstile.open() })
    const client = await connect()
    const reply = client.ask('store.insert', { bucket: 'items', data: {} })
    await sink.turnstile.held()
    const held = await scrape(app)
    t.equal(held.samples('noex_requests_total').length, 0)
    t.equal(held.value('noex_audit_queued_entries', { sink: 'held' }), 1)
    t.ok((held.value('noex_audit_lag_seconds', { sink: 'held' }) ?? -1) >= 0)
    await sink.turnstile.release()
    await reply
    const found = await scrapeUntil(
      app,
      'noex_requests_total',
      { operation: 'store.insert', code: 'ok' },
      value => value === 1
    )
    t.equal(found.value('noex_audit_dropped_entries_total', { sink: 'held' }), 0)
    await scrapeUntil(app, 'noex_audit_queued_entries', { sink: 'held' }, value => value === 0)
  })

  t.test('whose entry does not become durable in time count as failures', async t => {
    const sink = new HeldSink()
    const { app, connect } = await serve(t, {
      routes,
      audit: { tiers: ['write'], logLevel: 'silent', sinks: [sink], writeTimeoutMs: 50 }
    })
    t.teardown(() => { sink.turnstile.open() })
    t.equal((await scrape(app)).value('noex_ready'), 1)
    t.equal(await (await connect()).code('store.insert', { bucket: 'items', data: {} }), 'INTERNAL_ERROR')
    const found = await scrapeUntil(
      app,
      'noex_requests_total',
      { operation: 'store.insert', code: 'INTERNAL_ERROR' },
      value => value === 1
    )
    t.equal(found.value('noex_requests_total', { operation: 'store.insert', code: 'ok' }), 0)
    t.equal(found.value('noex_audit_failing', { sink: 'held' }), 1)
    t.equal(found.value('noex_ready'), 0)
  })
})

t.test('live queries and events are counted: what is watched, evaluated and pushed', async t => {
  const rules = await RuleEngine.start()
  t.teardown(async () => { await rules.stop() })
  const { app, store, connect } = await serve(t, { routes, rules })
  store.defineDeclarativeQuery('all-items', { bucket: 'items' })
  const clients = [await connect(), await connect(), await connect()]
  for (const client of clients) await client.ask('store.subscribe', { query: 'all-items' })
  await clients[0]?.ask('rules.subscribe', { pattern: 'order.*' })
  const before = await scrape(app)
  t.equal(before.value('noex_connections'), 3)
  t.equal(before.value('noex_subscriptions', { kind: 'store' }), 3)
  t.equal(before.value('noex_subscriptions', { kind: 'rules' }), 1)
  t.equal(before.value('noex_feeds', { kind: 'store' }), 1, 'three clients watch the same')
  t.equal(before.value('noex_feeds', { kind: 'rules' }), 1)
  t.equal(before.value('noex_evaluations_total'), 1)
  t.equal(before.value('noex_pushes_total', { kind: 'store' }), 0, 'the first result is no push')
  await store.bucket('items').insert({})
  await rules.emit('order.placed', {})
  for (const client of clients) await client.next(({ channel }) => channel === 'subscription')
  await clients[0]?.next(({ channel }) => channel === 'event')
  const after = await scrape(app)
  t.equal(after.value('noex_evaluations_total'), 2)
  t.equal(after.value('noex_pushes_total', { kind: 'store' }), 3)
  t.equal(after.value('noex_pushes_total', { kind: 'rules' }), 1)
  for (const client of clients) client.ws.close()
  const left = await scrapeUntil(app, 'noex_connections', {}, value => value === 0)
  for (const name of ['noex_subscriptions', 'noex_feeds']) {
    for (const kind of ['store', 'rules']) t.equal(left.value(name, { kind }), 0)
  }
})

t.test('connections', async t => {
  t.test('are counted by whether somebody is logged in', async t => {
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
  t.test('is by the right to server.stats, and nothing is kept by anybody', async t => {
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

t.test('two instances of one process, and what the application measures itself, do not meet', async t => {
  globalRegistry.clear()
  const { app, connect } = await serve(t, { routes }, {
    before: async app => {
      await app.register(async scope => {
        await scope.register(noexPlugin, {
          store: await startStore(t),
          prefix: '/desk',
          path: '/live',
          routes
        })
      })
    }
  })
  await (await connect()).ask('store.buckets')
  t.equal((await scrape(app)).value('noex_requests_total', { operation: 'store.buckets', code: 'ok' }), 1)
  t.equal((await scrape(app, '/desk/metrics')).samples('noex_requests_total').length, 0)
  t.same(globalRegistry.getMetricsAsArray(), [])
})

t.test('a shutdown shows, and ends the measuring', async t => {
  const histograms: IntervalHistogram[] = []
  const { monitorEventLoopDelay } = perfHooks
  perfHooks.monitorEventLoopDelay = options => {
    const histogram = monitorEventLoopDelay(options)
    histograms.push(histogram)
    return histogram
  }
  syncBuiltinESMExports()
  t.teardown(() => {
    perfHooks.monitorEventLoopDelay = monitorEventLoopDelay
    syncBuiltinESMExports()
  })
  await serve(t)
  t.equal(histograms.length, 0, 'nothing is measured without metrics')
  const { app, connect } = await serve(t, { routes })
  t.ok(histograms.length > 0)
  const client = await connect()
  const serving = await scrape(app)
  t.same([serving.value('noex_ready'), serving.value('noex_draining')], [1, 0])
  const drained = app.noex.drain({ gracePeriodMs: 60_000 })
  const draining = await scrape(app)
  t.same(
    [draining.value('noex_ready'), draining.value('noex_draining'), draining.value('noex_connections')],
    [0, 1, 1]
  )
  client.ws.close()
  await drained
  await app.close()
  // Tells whether it was still running.
  t.ok(histograms.every(histogram => !histogram.disable()))
})

t.test('without the package prom-client', async t => {
  t.test('the plugin does not start with routes.metrics, and says what to install; without, it does', async t => {
    const index = new URL('../../lib/index.js', import.meta.url)
    const script = join(temporaryDirectory(t), 'script.mjs')
    writeFileSync(script, `
      import { register } from 'node:module'
      const hook = ${JSON.stringify(`export async function resolve (specifier, context, next) {
        if (specifier !== 'prom-client') return await next(specifier, context)
        throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
      }`)}
      register('data:text/javascript,' + encodeURIComponent(hook))
      const { default: Fastify } = await import(${JSON.stringify(import.meta.resolve('fastify'))})
      const { Store } = await import(${JSON.stringify(import.meta.resolve('@hamicek/noex-store'))})
      const { noexPlugin } = await import(${JSON.stringify(index)})
      for (const metrics of ['/metrics', false]) {
        const store = await Store.start()
        const app = Fastify()
        await app.register(noexPlugin, { store, routes: { metrics } }).then(() => { console.log('started') }, error => { console.log(error.name + ': ' + error.message) })
        await app.close().catch(() => {})
        await store.stop()
      }`)
    const child = spawn(process.execPath, [...process.execArgv, script], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    t.teardown(() => { child.kill('SIGKILL') })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => { output += String(chunk) })
    const [code] = await once(child, 'close') as [number | null]
    t.equal(code, 0)
    t.same(output.trim().split('\n'), [
      'NoexOptionsError: option routes.metrics needs the package prom-client: npm install prom-client',
      'started'
    ])
  })
})

/** A sink whose batches become durable when the test lets them pass. */
class HeldSink implements AuditSink {
  readonly name = 'held'
  readonly policy = { admin: 'drop', write: 'block', read: 'drop' } as const
  readonly turnstile = new Barrier()

  async open () {
    return {
      write: async () => { await this.turnstile.pass() },
      close: async () => { this.turnstile.open() }
    }
  }
}

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
