import t from 'tap'
import { Store } from '../../lib/exports/store.js'
import { scrape, routes } from '../support/prometheus-text.js'
import { serve } from '../support/service.js'
import { smallDisk } from '../support/small-disk.js'
import { until } from '../support/until.js'

t.test('the probes say whether a durable store takes commits, and how far it lags', async t => {
  const disk = smallDisk(t)
  if (disk === undefined) return
  const store = await Store.start({ durability: { directory: disk.directory, onNotice () {} } })
  t.teardown(async () => { await store.stop().catch(() => {}) })
  const { app, connect } = await serve(t, { routes }, { store })
  for (const url of ['/readyz', '/healthz']) {
    t.match((await app.inject(url)).json(), { status: 'ok', durability: { state: 'ok', lagMs: Number } })
  }
  t.match((await app.noex.getStats()).durability, { mode: 'log', isDurable: true, lastError: null })
  const client = await connect()
  disk.fill()
  const data = { name: 'x'.repeat(100_000) }
  t.equal(await client.code('store.insert', { bucket: 'items', data }), 'INTERNAL_ERROR')
  const response = await app.inject('/readyz')
  t.equal(response.statusCode, 503)
  const durable = { state: 'unavailable', lagMs: Number }
  t.match(response.json(), { status: 'store_unavailable', durability: durable })
  const { durability } = await app.noex.getStats()
  t.match(durability, { isDurable: false, isUnavailable: true, lastError: /ENOSPC|no space/ })
  t.ok((durability?.diskBytes ?? 0) > 0 && (durability?.freeBytes ?? Infinity) < 262_144)
  t.equal((await scrape(app)).value('noex_store_unavailable'), 1)
  disk.free()
  await until(async () => (await app.inject('/readyz')).statusCode === 200)
  t.match((await app.noex.getStats()).durability, { isDurable: true, isUnavailable: false })
})

t.test('a store in memory has no durability', async t => {
  const { app } = await serve(t)
  t.notOk('durability' in (await app.inject('/readyz')).json<object>())
  t.equal((await app.noex.getStats()).durability, null)
})

t.test('the statistics measure the process, operations and queues', async t => {
  const { app, connect, store } = await serve(t, { rateLimit: { maxRequests: 1_000, windowMs: 60_000 } })
  const client = await connect()
  for (let i = 0; i < 9; i++) await client.ask('store.insert', { bucket: 'items', data: { name: 'a' } })
  await client.code('store.insert', { bucket: 'nothing', data: {} })
  await client.code('no.operation')
  const { process, operations, buckets, queues, refusals } = await app.noex.getStats()
  const insert = operations['store.insert']
  t.match(insert, { count: 10, errors: 1 })
  const { seconds = 0, p50Ms = 0, p99Ms = 0, maxMs = 0, bytesOut = 0 } = insert ?? {}
  t.ok(p50Ms > 0 && p50Ms <= p99Ms && p99Ms <= maxMs && maxMs <= seconds * 1_000)
  t.ok(bytesOut > 9 * 100 && bytesOut < 9 * 300, `${bytesOut} for ten replies`)
  t.match(operations['unknown'], { count: 1, errors: 1 })
  t.same(Object.keys(operations).sort(), ['store.insert', 'unknown'])
  const bytes = (await store.getStats()).bytes.perBucket['items']
  t.same(buckets, { items: { records: 9, bytes, indexes: 0 } })
  t.same(queues, { bytes: 0, largestBytes: 0 })
  t.match(refusals, { rate_limit: 0, slow_consumer: 0 })
  t.ok(process.rssBytes > process.heapUsedBytes && process.heapUsedBytes > 1e6)
  t.ok(process.heapLimitBytes >= process.heapTotalBytes && process.externalBytes > 0)
  t.ok(process.cpuSeconds.user > 0 && process.cpuSeconds.system > 0)
  const before = process.gc
  await until(async () => {
    Array.from({ length: 100_000 }, (_, i) => ({ i }))
    return (await app.noex.getStats()).process.gc.count > before.count
  })
  t.ok((await app.noex.getStats()).process.gc.seconds > before.seconds)
})

t.test('of thousands of buckets the largest are told apart, and the others are one', async t => {
  const { app, store } = await serve(t, { routes })
  for (let i = 0; i < 1_200; i++) {
    await store.defineBucket(`b${i}`, { key: 'id', schema: { id: { type: 'number' } } })
    await store.bucket(`b${i}`).insert({ id: i, text: 'x'.repeat(i) })
  }
  const { buckets } = await app.noex.getStats()
  t.equal(Object.keys(buckets).length, 1_000)
  t.ok('b1199' in buckets && !('b0' in buckets))
  const found = await scrape(app)
  t.equal(found.samples('noex_records').length, 101)
  const records = found.samples('noex_records').reduce((sum, { value }) => sum + value, 0)
  t.equal(records, 1_200)
  t.equal(found.value('noex_records', { bucket: '(other)' }), 1_100)
})
