import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t from 'tap'
import { noexPlugin, operation, type AuditEntry } from '../../../lib/index.js'
import { logInto, type LogLine } from '../../support/log-into.js'
import { projectFile } from '../../support/project-file.js'
import { RawSocket } from '../../support/raw-socket.js'
import { serveRpc } from '../../support/rpc.js'
import { startStore } from '../../support/service.js'
import { until } from '../../support/until.js'

const count = { type: 'store.count', bucket: 'items' }
const bearer = { authorization: 'Bearer anna' }

const auth = {
  validate: async (token: string) => token === 'anna' ? { userId: 'anna', roles: ['admin'] } : null
}

t.test('requests over HTTP and over sockets count together', async t => {
  const { post, connect } = await serveRpc(t, { rateLimit: { maxRequests: 4, windowMs: 60_000 } })
  const client = await connect()
  await client.ask('store.count', { bucket: 'items' })
  t.equal((await post(count)).status, 200)
  t.match((await post([count, count, count])).body, [
    { type: 'result' }, { type: 'result' }, { code: 'RATE_LIMITED', details: { retryAfterMs: Number } }
  ])
  t.equal(await client.code('store.count', { bucket: 'items' }), 'RATE_LIMITED')
  t.equal((await post('no JSON')).status, 429, 'what is no request counts too')
})

t.test('others have their turn between the requests of an array', async t => {
  let turns = 0
  let first = 0
  let last = 0
  const busy = operation({
    name: 'shop.busy',
    tier: 'read',
    handler () {
      const end = performance.now() + 1
      while (performance.now() < end);
      first ||= turns
      last = turns
      return {}
    }
  })
  let isOver = false
  const turn = (): void => {
    turns++
    if (!isOver) setImmediate(turn)
  }
  const { post } = await serveRpc(t, { operations: [busy] })
  turn()
  const { body } = await post(Array.from({ length: 200 }, () => ({ type: 'shop.busy' })))
  isOver = true
  t.equal(body.length, 200)
  t.ok(last - first >= 5, `${last - first} turns`)
})

t.test('before a login only small bodies are read', async t => {
  const limits = { maxUnauthenticatedPayloadBytes: 1_000 }
  const { post } = await serveRpc(t, { auth, connectionLimits: limits })
  const long = { ...count, filter: { name: 'x'.repeat(2_000) } }
  t.equal((await post(long)).status, 413)
  t.equal((await post(long, bearer)).status, 200)
})

t.test('an address has 256 requests under way, and users have their own', async t => {
  const { app, post, port, store } = await serveRpc(t, { auth: { ...auth, required: false } })
  let goOn = (): void => {}
  let running = 0
  const gate = new Promise<void>(resolve => { goOn = resolve })
  store.defineQuery('waiting', async () => {
    running++
    await gate
    return []
  })
  const body = JSON.stringify({ type: 'store.query', query: 'waiting' })
  const pending = Array.from({ length: 255 }, async () => await post(body))
  await until(() => running === 255)
  // One that only sends its head takes a place as well.
  const slow = await RawSocket.open(t, port)
  slow.request('POST /rpc HTTP/1.1', 'Host: a', 'Content-Type: application/json', 'Content-Length: 100')
  let refused = await post(count)
  await until(async () => (refused = await post(count)).status === 429)
  t.match(refused.body, { code: 'RATE_LIMITED', message: 'Too many requests are under way' })
  t.equal(refused.headers.get('retry-after'), '1')
  t.equal((await post(count, bearer)).status, 200)
  slow.socket.destroy()
  await until(async () => (await post(count)).status === 200)
  goOn()
  t.ok((await Promise.all(pending)).every(({ status }) => status === 200))
  t.equal((await app.inject({ method: 'POST', url: '/rpc', payload: count })).statusCode, 200)
})

t.test('a handler is told when its client leaves, which has its place until the handler ends', async t => {
  let running = 0
  let told = 0
  let goOn = (): void => {}
  const gate = new Promise<void>(resolve => { goOn = resolve })
  const slow = operation({
    name: 'shop.slow',
    async handler ({ signal }) {
      running++
      signal.addEventListener('abort', () => { told++ })
      await gate
    }
  })
  const { post, port } = await serveRpc(t, { operations: [slow] })
  const body = JSON.stringify({ type: 'shop.slow' })
  const head = ['POST /rpc HTTP/1.1', 'Host: a', 'Content-Type: application/json']
  const asked = await Promise.all(Array.from({ length: 256 }, async () => {
    const raw = await RawSocket.open(t, port)
    raw.request(...head, `Content-Length: ${body.length}`)
    raw.socket.write(body)
    return raw
  }))
  await until(() => running === 256)
  for (const { socket } of asked) socket.destroy()
  await until(() => told === 256)
  t.equal((await post({ type: 'shop.slow' })).status, 429)
  t.equal(running, 256)
  goOn()
  await until(async () => (await post(count)).status === 200)
})

t.test('the audit and the log name the request, and a flood of junk does not fill them', async t => {
  const lines: LogLine[] = []
  const entries: AuditEntry[] = []
  const { post, store } = await serveRpc(t, {
    auth: { ...auth, required: false },
    audit: { tiers: ['read', 'write', 'admin'], onEntry: entry => { entries.push(entry) } },
    rateLimit: { maxRequests: 1_000, windowMs: 60_000 }
  }, { fastify: { logger: logInto(lines, 'info'), genReqId: () => 'req-of-test' } })
  await post({ type: 'store.insert', bucket: 'items', data: { id: 'a' } }, bearer)
  await post([count, { ...count, bucket: 'none' }])
  t.match(entries, [
    { userId: 'anna', sessionId: null, operation: 'store.insert', remoteAddress: '127.0.0.1' },
    { userId: null, sessionId: null, operation: 'store.count', result: 'success' },
    { operation: 'store.count', result: 'error', error: /not defined/ }
  ])
  const logged = lines.filter(({ audit }) => audit !== undefined)
  t.same(logged.map(({ reqId }) => reqId), Array(3).fill('req-of-test'))
  store.defineQuery('broken', async () => { throw new Error('of the query') })
  t.equal((await post({ type: 'store.query', query: 'broken' })).status, 500)
  t.match(lines.find(({ level }) => level === 50), { reqId: 'req-of-test', err: { message: 'of the query' } })
  entries.length = 0
  for (let i = 0; i < 40; i++) await post('junk')
  await post(count, { authorization: 'Bearer wrong' })
  t.same(new Set(entries.map(({ operation }) => operation)), new Set(['connection.malformed']))
  t.ok(entries.length >= 10 && entries.length <= 20, String(entries.length))
})

t.test('a refusal is in the audit and in the log', async t => {
  const lines: LogLine[] = []
  const entries: AuditEntry[] = []
  const { post } = await serveRpc(t, {
    auth, audit: { onEntry: entry => { entries.push(entry) } }, allowedOrigins: ['https://app.example']
  }, { fastify: { logger: logInto(lines) } })
  await post(count, { authorization: 'Bearer wrong' })
  await post(count, { origin: 'https://evil.example' })
  t.match(entries, [
    { operation: 'connection.refuse', error: /^no valid token/, remoteAddress: '127.0.0.1' },
    { operation: 'connection.refuse', error: 'the origin is not allowed' }
  ])
  t.match(lines.filter(({ msg }) => msg === 'request refused'), [
    { level: 40, reason: /^no valid token/ }, { level: 40, reason: 'the origin is not allowed' }
  ])
  t.notOk(JSON.stringify(lines).includes('wrong'), 'without the token')
})

t.test('metrics count requests over HTTP as others', async t => {
  const { app, post } = await serveRpc(t, { routes: { metrics: '/metrics', rpc: '/rpc' } })
  await post(count)
  await post({ ...count, bucket: 'none' })
  await post(count, { 'content-type': 'text/plain' })
  const { body } = await app.inject('/metrics')
  t.match(body, 'noex_requests_total{operation="store.count",code="ok"} 1')
  t.match(body, 'noex_requests_total{operation="store.count",code="BUCKET_NOT_DEFINED"} 1')
  t.match(body, 'noex_requests_total{operation="unknown",code="INVALID_REQUEST"} 1')
  t.match(body, 'noex_refusals_total{limit="calls"} 0')
})

t.test('requests are answered over HTTP/2, long ones too', async t => {
  const pem = readFileSync(projectFile('test/fixtures/localhost.pem'))
  const store = await startStore(t)
  const text = { type: 'string' } as const
  await store.defineBucket('items', { key: 'id', schema: { id: text, name: text } })
  const name = 'x'.repeat(1_000)
  await store.bucket('items').insertMany(Array.from({ length: 500 }, (_, i) => ({ id: String(i), name })))
  const app = Fastify({
    http2: true, https: { key: pem, cert: pem }, forceCloseConnections: true
  } as FastifyServerOptions) as unknown as FastifyInstance
  t.teardown(async () => { await app.close() })
  await app.register(noexPlugin, { store, routes: { rpc: '/rpc' } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  t.teardown(() => { session.destroy() })
  await once(session, 'connect')
  const post = async (body: string, type = 'application/json'): Promise<[status: unknown, body: any]> => {
    const stream = session.request({ ':path': '/rpc', ':method': 'POST', 'content-type': type })
    stream.end(body)
    const [headers] = await once(stream, 'response')
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    return [headers[':status'], JSON.parse(text)]
  }
  t.match(await post(JSON.stringify(count)), [200, { data: 500 }])
  t.match(await post(JSON.stringify({ ...count, bucket: 'none' })), [404, { code: 'BUCKET_NOT_DEFINED' }])
  t.match(await post('x', 'text/plain'), [415, { code: 'INVALID_REQUEST' }])
  const [status, body] = await post(JSON.stringify([{ type: 'store.all', bucket: 'items' }, count]))
  t.match([status, body[0].data.length, body[1].data], [200, 500, 500])
  t.match(await post('x'.repeat(2_000_000)), [413, { code: 'INVALID_REQUEST' }])
  t.match(await post(JSON.stringify(count)), [200, { data: 500 }], 'the session goes on')
})
