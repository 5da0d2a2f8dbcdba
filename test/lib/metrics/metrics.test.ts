import t from 'tap'
import { register as globalRegistry } from 'prom-client'
import { EventLoopDelay } from '../../../lib/metrics/event-loop-delay.js'
import { Exposition } from '../../../lib/metrics/exposition.js'
import type { MetricsSnapshot } from '../../../lib/metrics/metrics-snapshot.js'
import { RequestMetrics } from '../../../lib/metrics/request-metrics.js'
import { Histogram } from '../../../lib/util/histogram.js'
import { EVALUATION_BOUNDS } from '../../../lib/subscriptions/query-metrics.js'
import { FakeClock } from '../../support/fake-clock.js'
import { Scrape } from '../../support/prometheus-text.js'

const readings: MetricsSnapshot = {
  uptimeMs: 12_345,
  ready: true,
  draining: false,
  connections: 7,
  connectionLimit: 100,
  authenticated: 5,
  subscriptions: { store: 30, rules: 4 },
  distinctSubscriptions: { store: 3, rules: 2 },
  evaluations: 11,
  evaluationsOf: [{ query: 'totals', durations: durationsOf([2, 3_000]), slow: 3 }],
  live: { bytes: 4_096, resume: { keys: 7, bytes: 512 } },
  pushes: { store: 110, rules: 8 },
  queued: { allBytes: 2_048, largestBytes: 1_500 },
  rejections: { rate_limit: 2, per_ip: 0 },
  closes: { client: 3, slow_consumer: 0 },
  store: { isUnavailable: false, lagMs: 0, diskBytes: [['log', 7], ['free', 9]] },
  buckets: [['orders', { records: 4, bytes: 520 }]],
  sinks: [],
  operations: [],
  heapLimitBytes: 4_096,
  eventLoop: { p50: 0.001, p99: 0.02, max: 0.3 }
}

function durationsOf (list: readonly number[]): Histogram {
  const histogram = new Histogram(EVALUATION_BOUNDS.map(bound => bound * 1_000))
  for (const ms of list) histogram.add(ms)
  return histogram
}

t.test('requests', t => {
  t.test(
    'are counted by operation and code, and their durations fall into buckets up to and including the bound',
    t => {
      const requestMetrics = new RequestMetrics()
      for (const durationMs of [0.05, 0.1, 0.100_1, 5_000, 5_001]) {
        requestMetrics.ended('store.get', undefined, durationMs, 10)
      }
      requestMetrics.ended('store.get', 'FORBIDDEN', 1, 10)
      requestMetrics.ended('store.get', 'FORBIDDEN', 1, 10)
      t.equal(requestMetrics.operations.length, 1)
      const [{ operation, codes, buckets, totalMs }] = requestMetrics.operations as [
        (typeof requestMetrics.operations)[0]
      ]
      t.equal(operation, 'store.get')
      t.same([...codes], [['ok', 5], ['FORBIDDEN', 2]])
      t.same([...Array.from(buckets)], [2, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 1])
      t.ok(Math.abs(totalMs - 10_003.250_1) < 1e-6)
      t.end()
    }
  )

  t.test('for what is no operation have one name', t => {
    const requestMetrics = new RequestMetrics()
    for (let i = 0; i < 1_000; i++) requestMetrics.ended(undefined, 'UNKNOWN_OPERATION', 0.01, 10)
    t.same(
      requestMetrics.operations.map(({ operation, codes }) => [operation, [...codes]]),
      [
        [
          'unknown',
          [
            ['ok', 0],
            ['UNKNOWN_OPERATION', 1_000]
          ]
        ]
      ]
    )
    t.end()
  })

  t.end()
})

t.test('a scrape', async t => {
  t.test('has every figure, in seconds and bytes, and is what the format asks for', async t => {
    const exposition = await Exposition.open()
    const requestMetrics = new RequestMetrics()
    requestMetrics.ended('store.get', undefined, 2, 10)
    requestMetrics.ended('store.get', 'NOT_FOUND', 3, 10)
    t.equal(exposition.contentType, 'text/plain; version=0.0.4; charset=utf-8')
    const scrape = new Scrape(await exposition.text({ ...readings, operations: requestMetrics.operations }))
    const expected: Array<[string, Record<string, string>, number]> = [
      ['noex_uptime_seconds', {}, 12.345],
      ['noex_ready', {}, 1],
      ['noex_draining', {}, 0],
      ['noex_connections', {}, 7],
      ['noex_authenticated_connections', {}, 5],
      ['noex_subscriptions', { kind: 'store' }, 30],
      ['noex_subscriptions', { kind: 'rules' }, 4],
      ['noex_feeds', { kind: 'store' }, 3],
      ['noex_feeds', { kind: 'rules' }, 2],
      ['noex_evaluations_total', {}, 11],
      ['noex_slow_evaluations_total', { query: 'totals' }, 3],
      ['noex_evaluation_seconds_bucket', { query: 'totals', le: '0.001' }, 0],
      ['noex_evaluation_seconds_bucket', { query: 'totals', le: '0.005' }, 1],
      ['noex_evaluation_seconds_bucket', { query: 'totals', le: '+Inf' }, 2],
      ['noex_evaluation_seconds_sum', { query: 'totals' }, 3.002],
      ['noex_records', { bucket: 'orders' }, 4],
      ['noex_bucket_bytes', { bucket: 'orders' }, 520],
      ['noex_event_loop_delay_p99_seconds', {}, 0.02],
      ['noex_live_query_bytes', {}, 4_096],
      ['noex_resume_keys', {}, 7],
      ['noex_resume_bytes', {}, 512],
      ['noex_pushes_total', { kind: 'store' }, 110],
      ['noex_pushes_total', { kind: 'rules' }, 8],
      ['noex_store_disk_bytes', { kind: 'log' }, 7],
      ['noex_store_disk_bytes', { kind: 'free' }, 9],
      ['noex_queued_bytes', {}, 2_048],
      ['noex_largest_queue_bytes', {}, 1_500],
      ['noex_refusals_total', { limit: 'rate_limit' }, 2],
      ['noex_refusals_total', { limit: 'per_ip' }, 0],
      ['noex_closes_total', { reason: 'client' }, 3],
      ['noex_closes_total', { reason: 'slow_consumer' }, 0],
      ['noex_requests_total', { operation: 'store.get', code: 'ok' }, 1],
      ['noex_requests_total', { operation: 'store.get', code: 'NOT_FOUND' }, 1],
      ['noex_request_duration_seconds_bucket', { operation: 'store.get', le: '0.001' }, 0],
      ['noex_request_duration_seconds_bucket', { operation: 'store.get', le: '0.0025' }, 1],
      ['noex_request_duration_seconds_bucket', { operation: 'store.get', le: '0.005' }, 2],
      ['noex_request_duration_seconds_bucket', { operation: 'store.get', le: '+Inf' }, 2],
      ['noex_request_duration_seconds_sum', { operation: 'store.get' }, 0.005],
      ['noex_request_duration_seconds_count', { operation: 'store.get' }, 2]
    ]
    for (const [name, labels, value] of expected) {
      t.equal(scrape.value(name, labels), value, `${name}${JSON.stringify(labels)}`)
    }
  })

  t.test('replaces the one before: counts are not added twice, and what is gone is gone', async t => {
    const exposition = await Exposition.open()
    const sink = { name: 'file', problem: null, queued: 1, lagMs: 20, dropped: 0 }
    await exposition.text({ ...readings, sinks: [sink] })
    const [one, two] = (
      await Promise.all([
        exposition.text(readings),
        exposition.text({ ...readings, evaluations: 12, ready: false })
      ])
    ).map(text => new Scrape(text)) as [Scrape, Scrape]
    t.equal(one.value('noex_evaluations_total'), 11)
    t.equal(one.value('noex_pushes_total', { kind: 'store' }), 110)
    t.equal(one.samples('noex_audit_lag_seconds').length, 0)
    t.same([two.value('noex_evaluations_total'), two.value('noex_ready')], [12, 0])
  })

  t.test('tells the sinks apart, also when they have the same name', async t => {
    const exposition = await Exposition.open()
    const odd = 'a "quoted" name\\with\na second line'
    const sinks = [
      { name: odd, problem: null, queued: 1, lagMs: 1_500, dropped: 0 },
      { name: 'postgres', problem: 'database unreachable', queued: 2, lagMs: 0, dropped: 3 },
      { name: 'postgres', problem: null, queued: 4, lagMs: 0, dropped: 0 }
    ]
    const scrape = new Scrape(await exposition.text({ ...readings, sinks }))
    t.equal(scrape.value('noex_audit_lag_seconds', { sink: odd }), 1.5)
    t.equal(scrape.value('noex_audit_dropped_entries_total', { sink: 'postgres' }), 3)
    t.equal(scrape.value('noex_audit_failing', { sink: 'postgres' }), 1)
    t.equal(scrape.value('noex_audit_queued_entries', { sink: 'postgres#3' }), 4)
  })

  t.test(
    'of one instance has nothing of another, and nothing reaches the registry of the application',
    async t => {
      const [one, two] = [await Exposition.open(), await Exposition.open()] as const
      const requestMetrics = new RequestMetrics()
      requestMetrics.ended('store.get', undefined, 1, 10)
      const text = await one.text({ ...readings, operations: requestMetrics.operations })
      t.equal(new Scrape(text).value('noex_requests_total', { operation: 'store.get', code: 'ok' }), 1)
      t.equal(new Scrape(await two.text(readings)).samples('noex_requests_total').length, 0)
      t.same(globalRegistry.getMetricsAsArray(), [])
    }
  )
})

t.test('the delay of the event loop', t => {
  t.test('is that beyond the time between two looks, and no reader takes a peak from another', async t => {
    const clock = new FakeClock()
    const delay = new EventLoopDelay(clock)
    t.teardown(() => { delay.stop() })
    t.same(delay.read(), { p50: 0, p99: 0, max: 0 }, 'before the first look')
    await looked(delay)
    block(200)
    await looked(delay, 0.1)
    const { p50, p99, max } = delay.read()
    t.ok(max < 60, 'in seconds')
    t.ok(p50 <= p99 && p99 <= max)
    t.ok(delay.read().max >= max)
    clock.turn(60_000)
    t.ok(delay.read().max >= max, 'it is still there a minute later')
    clock.turn(60_000)
    t.same(delay.read(), { p50: 0, p99: 0, max: 0 }, 'after two minutes it is over')
  })

  t.end()
})

/** Blocks the event loop. */
function block (ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

/** Resolves when a delay of at least so many seconds has been measured; fails after twenty seconds. */
async function looked (delay: EventLoopDelay, seconds = 0): Promise<void> {
  const end = performance.now() + 20_000
  while (delay.read().max <= seconds) {
    if (performance.now() > end) throw new Error('nothing was measured')
    await new Promise(resolve => { setTimeout(resolve, 5) })
  }
}
