import t, { type Test } from 'tap'
import type { NoexOptions } from '../../../lib/index.js'
import { ask, EventClient, Events, streamRoutes } from '../../support/events.js'
import { serve, type Served } from '../../support/service.js'
import { until } from '../../support/until.js'

const STREAMS = 1_000

/** Serves records that make so many megabytes of JSON, not all of it ASCII. */
async function serveMany (
  t: Test, megabytes: number, options: Omit<NoexOptions, 'store'> = {}
): Promise<Served> {
  const served = await serve(t, { routes: { ...streamRoutes, metrics: '/metrics' }, ...options })
  const records = Array.from({ length: 1_000 }, (_, n) => ({
    id: `item-${n}`, n, name: `š😀 ${'x'.repeat(1_000 * megabytes)}`
  }))
  await served.store.bucket('items').insertMany(records)
  return served
}

async function closeReasons (port: number): Promise<string> {
  return (await ask(port, '/metrics')).body
}

t.test('a long result comes whole, in parts as fast as the client reads', async t => {
  const { port, store } = await serveMany(t, 2)
  const client = await EventClient.open(t, port)
  const all = await store.bucket('items').all()
  await client.post([
    { id: 1, type: 'store.all', bucket: 'items' }, { id: 2, type: 'store.count', bucket: 'items' }
  ])
  client.events.response.pause()
  t.equal(await (await EventClient.open(t, port)).ask('store.count', { bucket: 'items' }), 1_000)
  client.events.response.resume()
  const { data } = await client.next(({ id }) => id === 1)
  t.equal(JSON.stringify(data), JSON.stringify(all))
  t.match(await client.next(), { id: 2, data: 1_000 })
  const find = { bucket: 'items', sort: { n: 'asc' } }
  const live = await client.ask('store.subscribe', { find, delta: true })
  t.equal(live.data.length, 1_000)
  await store.bucket('items').update('item-0', { name: 'short' })
  t.match(await client.next(), { type: 'push', delta: { upsert: [{ id: 'item-0' }] } })
})

t.test('a client that does not read is closed, and holds no other up', async t => {
  const backpressure = { maxBufferedBytes: 100_000, drainTimeoutMs: 300 }
  const { port, app, store } = await serveMany(t, 1, { backpressure })
  const client = await EventClient.open(t, port)
  await client.ask('store.subscribe', { find: { bucket: 'items', limit: 1 } })
  client.events.response.pause()
  await client.post(Array.from({ length: 20 }, (_, id) => ({ id, type: 'store.all', bucket: 'items' })))
  const other = await EventClient.open(t, port)
  t.equal(await other.ask('store.count', { bucket: 'items' }), 1_000)
  await until(() => app.noex.connectionCount === 1)
  t.match(await closeReasons(port), /^noex_closes_total\{reason="slow_consumer"\} 1$/m)
  await store.bucket('items').insert({ n: 5 })
  t.equal(await other.ask('store.count', { bucket: 'items' }), 1_001)
  t.equal((await client.post('[]')).status, 404)
})

t.test('a client that reads again gets the newest state, and none of those between', async t => {
  const { port, store, app } = await serve(t, {
    routes: streamRoutes, backpressure: { maxBufferedBytes: 50_000, drainTimeoutMs: 60_000 }
  })
  const client = await EventClient.open(t, port)
  await client.ask('store.subscribe', { find: { bucket: 'items', sort: { n: 'desc' }, limit: 1 } })
  client.events.response.pause()
  const name = 'x'.repeat(200_000)
  // Until what is sent stays in the server.
  for (let n = 1; n <= 100; n++) await store.bucket('items').insert({ id: String(n), n, name })
  t.match((await app.noex.getStats()), { connectionCount: 1 })
  client.events.response.resume()
  await client.next(({ type, data }) => type === 'push' && data[0].n === 100)
  t.ok(client.events.text.length < 100 * name.length, 'some were left out')
})

t.test('a ping must be answered by a POST, within its time', async t => {
  const { port } = await serve(t, { routes: streamRoutes, heartbeat: { intervalMs: 200, timeoutMs: 150 } })
  const lively = await EventClient.open(t, port)
  const silent = await EventClient.open(t, port)
  for (let i = 0; i < 4; i++) {
    const { timestamp } = await lively.next(({ type }) => type === 'ping')
    t.equal((await lively.post({ type: 'pong', timestamp })).status, 202)
  }
  t.match(await silent.closed(), { code: 4001, reason: 'heartbeat_timeout' })
  t.equal(await lively.ask('store.count', { bucket: 'items' }), 0)
})

t.test(`${STREAMS} streams see a change, and leave nothing behind`, { timeout: 120_000 }, async t => {
  const { port, app, store } = await serve(t, { routes: streamRoutes })
  const clients: EventClient[] = []
  for (let i = 0; i < STREAMS; i += 50) {
    clients.push(...await Promise.all(Array.from({ length: 50 }, async () => {
      const client = await EventClient.open(t, port)
      await client.ask('store.subscribe', { find: { bucket: 'items' }, delta: true })
      return client
    })))
  }
  t.equal(app.noex.connectionCount, STREAMS)
  await store.bucket('items').insert({ n: 7 })
  const pushes = await Promise.all(
    clients.map(async client => await client.next(({ type }) => type === 'push'))
  )
  t.ok(pushes.every(({ delta }) => delta.upsert[0].n === 7))
  const [half, rest] = [clients.slice(0, STREAMS / 2), clients.slice(STREAMS / 2)]
  for (const { events } of half) events.leave()
  await until(() => app.noex.connectionCount === rest.length)
  const drained = app.noex.drain({ gracePeriodMs: 0 })
  const closes = await Promise.all(rest.map(async client => await client.closed()))
  t.ok(closes.every(({ code, reason }) => code === 1000 && reason === 'server_shutdown'))
  t.ok((await Promise.all(rest.map(async ({ events }) => await events.ended))).every(isWhole => isWhole))
  await drained
  t.equal(app.noex.connectionCount, 0)
})

t.test('single live queries of clients that do not read are closed as well', async t => {
  const { port, app, store } = await serveMany(t, 1, {
    backpressure: { maxBufferedBytes: 100_000, drainTimeoutMs: 300 }
  })
  const events = await Events.open(t, port, `/events?find=${encodeURIComponent('{"bucket":"items"}')}`)
  events.response.pause()
  for (let n = 0; app.noex.connectionCount > 0 && n < 200; n++) {
    await store.bucket('items').update('item-0', { n })
    await new Promise(resolve => { setTimeout(resolve, 10) })
  }
  await until(() => app.noex.connectionCount === 0)
  t.match(await closeReasons(port), /^noex_closes_total\{reason="slow_consumer"\} 1$/m)
})
