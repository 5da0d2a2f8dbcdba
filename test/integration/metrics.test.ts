import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import perfHooks, { type IntervalHistogram } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import { RuleEngine } from '@hamicek/noex-rules'
import { register as globalRegistry } from 'prom-client'
import t from 'tap'
import type { AuditSink } from '../../lib/audit/sink.js'
import { noexPlugin } from '../../lib/index.js'
import { serve, startStore } from '../support/service.js'
import { routes, scrape, scrapeUntil } from '../support/prometheus-text.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { Barrier } from '../support/barrier.js'

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
    const barrier = new Barrier()
    store.defineQuery('slow', async () => {
      await barrier.pass()
      return 1
    })
    const client = await connect()
    const reply = client.ask('store.query', { query: 'slow' })
    await barrier.held()
    const began = performance.now()
    while (performance.now() - began < 30) await setImmediate()
    t.equal(
      (await scrape(app)).samples('noex_requests_total').length,
      0,
      'what is not answered yet is not counted'
    )
    await barrier.release()
    await reply
    const found = await scrape(app)
    t.equal(found.value('noex_request_duration_seconds_bucket', { operation: 'store.query', le: '0.025' }), 0)
    t.equal(found.value('noex_request_duration_seconds_bucket', { operation: 'store.query', le: '+Inf' }), 1)
  })

  t.test('for unknown operations share one label, however many names clients send', async t => {
    const { app, connect } = await serve(t, { routes })
    const client = await connect()
    await client.code('auth.whoami')
    await client.code('identity.login')
    const lines = async (): Promise<number> => (await app.inject('/metrics')).body.split('\n')
      .filter(line => line.startsWith('noex_')).length
    const before = await lines()
    for (let i = 0; i < 1_000; i++) client.send({ id: 1_000 + i, type: `store.get${i}"}\n{` })
    await client.next(frame => frame['id'] === 1_999)
    const found = await scrape(app)
    t.same(found.labels('noex_requests_total', 'operation'), new Set(['unknown']))
    t.equal(found.value('noex_requests_total', { operation: 'unknown', code: 'UNKNOWN_OPERATION' }), 1_002)
    t.equal(await lines(), before, 'the scrape has not grown')
  })

  t.test('that are malformed are counted by their error', async t => {
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

  t.test('are counted when their reply may leave, with its code', async t => {
    const sink = new HeldSink()
    const { app, connect } = await serve(t, {
      routes,
      audit: { tiers: ['write'], logLevel: 'silent', sinks: [sink] }
    })
    t.teardown(() => { sink.barrier.open() })
    const client = await connect()
    const reply = client.ask('store.insert', { bucket: 'items', data: {} })
    await sink.barrier.held()
    const held = await scrape(app)
    t.equal(held.samples('noex_requests_total').length, 0)
    t.equal(held.value('noex_audit_queued_entries', { sink: 'held' }), 1)
    t.ok((held.value('noex_audit_lag_seconds', { sink: 'held' }) ?? -1) >= 0)
    await sink.barrier.release()
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
    t.teardown(() => { sink.barrier.open() })
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

t.test('live queries and events are counted: subscriptions, evaluations and pushes', async t => {
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
  t.equal(after.value('noex_evaluations_total'), 1, 'a change is put into the result of a declarative query')
  t.equal(after.value('noex_pushes_total', { kind: 'store' }), 3)
  t.equal(after.value('noex_pushes_total', { kind: 'rules' }), 1)
  for (const client of clients) client.ws.close()
  const left = await scrapeUntil(app, 'noex_connections', {}, value => value === 0)
  for (const name of ['noex_subscriptions', 'noex_feeds']) {
    for (const kind of ['store', 'rules']) t.equal(left.value(name, { kind }), 0)
  }
})

t.test('two instances of one process, and the metrics of the application, are separate', async t => {
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

t.test('a shutdown is visible, and ends the measurement', async t => {
  // The process has a registry of its own, which stays.
  await serve(t, { routes })
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
  // `disable` returns whether it was still running.
  t.ok(histograms.every(histogram => !histogram.disable()))
})

t.test('without the package prom-client', async t => {
  t.test('the plugin starts only without routes.metrics, and names the package otherwise', async t => {
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
        const failed = error => { console.log(error.name + ': ' + error.message) }
        const started = () => { console.log('started') }
        await app.register(noexPlugin, { store, routes: { metrics } }).then(started, failed)
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

/** A sink whose batches become durable when the test opens its barrier. */
class HeldSink implements AuditSink {
  readonly name = 'held'
  readonly policy = { admin: 'drop', write: 'block', read: 'drop' } as const
  readonly barrier = new Barrier()

  async open () {
    return {
      write: async () => { await this.barrier.pass() },
      close: async () => { this.barrier.open() }
    }
  }
}
