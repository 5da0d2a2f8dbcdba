import type { Socket } from 'node:net'
import t from 'tap'
import { everything, MemorySink } from '../../support/audit-sinks.js'
import { TestClient } from '../../support/client.js'
import { framesOf } from '../../support/live-queries.js'
import { serve } from '../../support/service.js'
import { defineSlowQuery } from '../../support/slow-query.js'
import { until } from '../../support/until.js'

const auth = { validate: (token: string) => ({ userId: token, roles: ['admin'] }) }

t.test('a ping is answered before a login, and with members of any kind', async t => {
  const { url } = await serve(t, { auth })
  const client = await TestClient.open(t, url)
  client.send({ id: 0, type: 'ping' })
  t.same(await client.next(), { id: 0, type: 'result', data: {} })
  client.send({ id: -1.5, type: 'ping', idempotencyKey: 3, revision: 'x', timestamp: null, data: [{}] })
  t.same(await client.next(), { id: -1.5, type: 'result', data: {} })
})

t.test('one that is no request is refused as any', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  for (const [text, id, code] of [
    ['{"type":"ping"}', 0, 'INVALID_REQUEST'],
    ['{"id":"1","type":"ping"}', 0, 'INVALID_REQUEST'],
    ['{"id":9007199254740993,"type":"ping"}', 0, 'INVALID_REQUEST'],
    ['{"id":1,"type":"ping","n":1e400}', 1, 'VALIDATION_ERROR'],
    ['{"id":2,"type":"PING"}', 2, 'UNKNOWN_OPERATION']
  ] as const) {
    client.send(text)
    t.match(await client.next(), { id, type: 'error', code }, text)
  }
})

t.test('pings are neither limited nor audited nor counted', async t => {
  const sink = new MemorySink()
  const { connect, app } = await serve(t, {
    auth,
    rateLimit: { maxRequests: 3, windowMs: 3_600_000 },
    audit: { ...everything, sinks: [sink] },
    routes: { metrics: '/metrics' }
  })
  const client = await connect()
  await client.ask('auth.login', { token: 'ann' })
  for (let i = 0; i < 100; i++) t.same(await client.ask('ping'), {})
  t.same(await client.ask('store.buckets'), { count: 1, names: ['items'] }, 'there is room for requests')
  while ((await client.request('store.buckets'))['code'] !== 'RATE_LIMITED');
  t.same(await client.ask('ping'), {})
  t.notOk(sink.entries.some(({ operation }) => operation.includes('ping')))
  const scraped = await app.inject({ url: '/metrics', headers: { authorization: 'Bearer ann' } })
  t.match(scraped.body, /noex_requests_total\{[^}]*store\.buckets/)
  t.notMatch(scraped.body, /"ping"/)
})

t.test('pings keep the order of the requests', async t => {
  const { connect, store } = await serve(t)
  const barrier = defineSlowQuery(t, store)
  const client = await connect()
  const frames = framesOf(client)
  client.send({ id: 1, type: 'ping' })
  client.send({ id: 2, type: 'store.query', query: 'slow' })
  client.send({ id: 3, type: 'ping' })
  client.send({ id: 4, type: 'store.buckets' })
  client.send({ id: 5, type: 'ping' })
  await barrier.held()
  barrier.open()
  await client.next(({ id }) => id === 5)
  t.same(frames.map(({ id }) => id as number), [1, 2, 3, 4, 5])
})

t.test('who sends pings and does not read is read no further', async t => {
  const { connect, app, store } = await serve(t, { backpressure: { maxBufferedBytes: 65_536 } })
  const client = await connect()
  const socket = (client.ws as unknown as { readonly _socket: Socket })._socket
  socket.pause()
  const count = 200_000
  const text = JSON.stringify({ id: 7, type: 'ping', filler: 'x'.repeat(50) })
  for (let i = 0; i < count; i++) client.send(text)
  client.send({ id: 8, type: 'store.insert', bucket: 'items', data: { id: 'last' } })
  // Another client is served, and time passes.
  const other = await connect()
  for (let i = 0; i < 200; i++) await other.ask('store.buckets')
  t.ok(client.ws.bufferedAmount > 0, 'the server has not taken all')
  t.equal(await store.bucket('items').get('last'), undefined)
  socket.resume()
  await until(async () => await store.bucket('items').get('last') !== undefined)
  t.equal(app.noex.getConnections().length, 2)
})
