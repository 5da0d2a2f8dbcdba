import Fastify from 'fastify'
import helmet from '@fastify/helmet'
import t from 'tap'
import { noexPlugin, NoexOptionsError } from '../../../lib/index.js'
import { poster, serveRpc } from '../../support/rpc.js'
import { startStore } from '../../support/service.js'
import { until } from '../../support/until.js'

const insert = { type: 'store.insert', bucket: 'items', data: { id: 'a', name: 'lamp' } }
const get = { type: 'store.get', bucket: 'items', key: 'a' }

t.test('a POST is answered with the reply to its request', async t => {
  const { post, connect } = await serveRpc(t)
  const { status, headers, body } = await post(insert)
  t.equal(status, 200)
  t.match(body, { id: 0, type: 'result', data: { id: 'a', name: 'lamp', _version: 1 } })
  t.equal(headers.get('content-type'), 'application/json; charset=utf-8')
  t.equal(headers.get('cache-control'), 'no-store')
  const client = await connect()
  const asked = await client.request('store.get', { bucket: 'items', key: 'a' })
  t.same((await post({ ...get, id: asked['id'] })).body, asked, 'the same message as over a socket')
  t.same((await post({ ...get, id: -1.5, key: 'none' })).body, { id: -1.5, type: 'result', data: null })
})

t.test('what it changes is pushed to clients', async t => {
  const { post, connect } = await serveRpc(t)
  const client = await connect()
  await client.ask('store.subscribe', { find: { bucket: 'items' } })
  await post(insert)
  t.match(await client.next(), { type: 'push', data: [{ id: 'a' }] })
})

t.test('an error has the status of its code', async t => {
  const { post } = await serveRpc(t, { rateLimit: { maxRequests: 8, windowMs: 90_000 } })
  await post(insert)
  const cases = [
    [{ ...get, bucket: 'itmes' }, 404, 'BUCKET_NOT_DEFINED'],
    [{ type: 'store.get', bucket: 'items' }, 400, 'VALIDATION_ERROR'],
    [{ type: 'store.gte' }, 404, 'UNKNOWN_OPERATION'],
    [insert, 409, 'ALREADY_EXISTS'],
    [{ type: 'auth.login', token: 'a' }, 404, 'UNKNOWN_OPERATION'],
    [{ type: 'rules.subscribe', pattern: '*' }, 503, 'RULES_NOT_AVAILABLE'],
    [{ type: 'pong', timestamp: 1 }, 400, 'INVALID_REQUEST']
  ] as const
  for (const [request, status, code] of cases) {
    const answer = await post({ id: 7, ...request })
    t.equal(answer.status, status, code)
    t.match(answer.body, { type: 'error', code, message: String })
  }
  const { status, headers, body } = await post(get)
  t.equal(status, 429)
  t.equal(headers.get('retry-after'), '90')
  t.match(body, { code: 'RATE_LIMITED', details: { retryAfterMs: Number } })
})

t.test('an array is answered with the replies in its order, each request by itself', async t => {
  const { post, store } = await serveRpc(t)
  const { status, body } = await post([
    insert, { ...get, id: 5 }, { ...get, bucket: 'none' }, { id: 'x', ...get },
    { type: 'store.count', bucket: 'items' }
  ])
  t.equal(status, 200)
  t.match(body, [
    { id: 0, type: 'result', data: { id: 'a' } },
    { id: 5, type: 'result', data: { id: 'a' } },
    { id: 0, type: 'error', code: 'BUCKET_NOT_DEFINED' },
    { id: 0, type: 'error', code: 'INVALID_REQUEST', message: 'id: must be a finite number' },
    { id: 0, type: 'result', data: 1 }
  ])
  t.same((await post([])).body, [])
  const many = Array.from({ length: 1_000 }, (_, i) => ({ ...insert, id: i, data: { id: `n${i}` } }))
  const replies = (await post(many)).body as Array<{ id: number }>
  t.same(replies.map(({ id }) => id), many.map(({ id }) => id))
  t.equal(await store.bucket('items').count(), 1_001)
  const tooMany = await post([...many, get])
  t.equal(tooMany.status, 400)
  t.match(tooMany.body, { code: 'PARSE_ERROR' })
})

t.test('a long answer comes whole, alone and in an array', async t => {
  const { post, store } = await serveRpc(t)
  const name = 'ž'.repeat(1_000)
  await store.bucket('items').insertMany(Array.from({ length: 500 }, (_, i) => ({ id: String(i), name })))
  const all = { type: 'store.all', bucket: 'items' }
  const { body } = await post(all)
  t.equal(body.data.length, 500)
  t.equal(body.data[499].name, name)
  const list = (await post([all, get, all])).body
  t.equal(list.length, 3)
  t.same(list[0].data, body.data)
  t.same(list[2].data, body.data)
  const live = (await post({ type: 'store.subscribe', find: { bucket: 'items' }, delta: true })).body
  t.same(live.data.data, body.data)
})

t.test('the header Idempotency-Key is the key of a request, also one over a socket', async t => {
  const { post, connect } = await serveRpc(t)
  const once = { type: 'store.insert', bucket: 'items', data: { name: 'once' } }
  const first = await post(once, { 'idempotency-key': 'key-1' })
  t.same((await post(once, { 'idempotency-key': '"key-1"' })).body, first.body, 'also in quotes')
  t.same((await post({ ...once, idempotencyKey: 'key-1' })).body, first.body)
  t.same((await post({ ...once, idempotencyKey: 'key-1' }, { 'idempotency-key': 'key-1' })).body, first.body)
  t.same((await post([{ ...once, idempotencyKey: 'key-1' }])).body, [first.body])
  const client = await connect()
  const { type, ...fields } = once
  t.same(await client.ask(type, { ...fields, idempotencyKey: 'key-1' }), first.body.data)
  t.equal((await post({ type: 'store.count', bucket: 'items' })).body.data, 1)
  const refused = [
    [{ ...once, idempotencyKey: 'key-2' }, 'key-1', /^idempotencyKey: is another one/],
    [[once], 'key-1', /is for one request/],
    [once, 'a, b', /without a comma/],
    [once, 'a b', /visible ASCII/],
    [once, 'k'.repeat(65), /64/],
    [get, 'key-3', /is not taken by store.get/]
  ] as const
  for (const [body, key, message] of refused) {
    const answer = await post(body, { 'idempotency-key': key })
    t.equal(answer.status, 400, key)
    t.match(answer.body, { code: 'VALIDATION_ERROR', message })
  }
  t.equal((await post({ type: 'store.count', bucket: 'items' })).body.data, 1, 'nothing was done')
})

t.test('other methods are answered with 405, and a stream that is not there with 404', async t => {
  const { app, post } = await serveRpc(t)
  for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'] as const) {
    const { statusCode, headers } = await app.inject({
      method, url: '/rpc', ...(method === 'PUT' && { payload: 'x' })
    })
    t.equal(statusCode, 405, method)
    t.match(headers, { allow: 'POST', 'cache-control': 'no-store' })
  }
  t.equal((await app.inject({ method: 'OPTIONS', url: '/rpc' })).statusCode, 204)
  t.equal((await post(get, { 'noex-stream': 'none' })).status, 404)
})

t.test('answers are under helmet as its options say', async t => {
  const nonces = { enableCSPNonces: true } as const
  const withFunction = { contentSecurityPolicy: { directives: { scriptSrc: [() => '\'self\''] } } }
  for (const options of [{}, nonces, withFunction]) {
    const { headers } = await (await serveRpc(t, { helmet: options })).post(get)
    t.equal(headers.get('x-content-type-options'), 'nosniff')
    t.ok(headers.get('content-security-policy'))
  }
  const partly = await (await serveRpc(t, { helmet: { contentSecurityPolicy: false } })).post(get)
  t.equal(partly.headers.get('content-security-policy'), null)
  t.equal(partly.headers.get('x-content-type-options'), 'nosniff')
  const without = await (await serveRpc(t, { helmet: false })).post(get)
  t.equal(without.headers.get('x-content-type-options'), null)
  const own = await serveRpc(t, { helmet: { frameguard: { action: 'deny' } } }, {
    before: async app => { await app.register(helmet, { xDnsPrefetchControl: { allow: true } }) }
  })
  const { headers } = await own.post(get)
  t.match([headers.get('x-frame-options'), headers.get('x-dns-prefetch-control')], ['DENY', 'on'])
})

t.test('the route is there only where it is asked for, and never over another one', async t => {
  const store = await startStore(t)
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(noexPlugin, { store })
  t.equal((await app.inject({ method: 'POST', url: '/rpc', payload: get })).statusCode, 404)
  for (const [routes, own, message] of [
    [{ rpc: '/rpc' }, 'POST', /routes.rpc is "\/rpc", but POST \/rpc is taken/],
    [{ rpc: '/rpc' }, 'GET', /GET \/rpc is taken/],
    [{ rpc: '/stats' }, undefined, /GET \/stats is taken/],
    [{ rpc: '/' }, undefined, /GET \/ is taken/],
    [{ rpc: 'rpc' }, undefined, /routes.rpc must be a path/]
  ] as const) {
    const other = Fastify()
    t.teardown(async () => { await other.close() })
    if (own !== undefined) other.route({ method: own, url: '/rpc', handler: async () => 'mine' })
    await t.rejects(async () => await other.register(noexPlugin, { store, routes }), {
      constructor: NoexOptionsError, message
    })
  }
})

t.test('the route lies below a prefix, and hooks of the application run for it', async t => {
  const seen: unknown[] = []
  const { post, port } = await serveRpc(t, { prefix: '/api', path: '/live' }, {
    before (app) {
      app.addHook('preHandler', async request => { seen.push(request.url) })
      app.addHook('onSend', async (_request, reply) => { reply.header('x-own', 'yes') })
    }
  })
  const { status, headers } = await post({ type: 'store.buckets' })
  t.equal(status, 200)
  t.equal(headers.get('x-own'), 'yes')
  t.same(seen, ['/api/rpc'])
  t.equal((await poster(`http://127.0.0.1:${port}/rpc`)(get)).status, 404)
})

t.test('a draining service answers 503, and says when to come back', async t => {
  const { app, post, store } = await serveRpc(t, { shutdown: { reconnectWindowMs: 3_000 } })
  let goOn: (() => void) | undefined
  store.defineQuery('slow', async () => await new Promise(resolve => { goOn = () => { resolve([]) } }))
  const pending = post({ type: 'store.query', query: 'slow' })
  await until(() => goOn !== undefined)
  const drained = app.noex.drain()
  const { status, headers, body } = await post(get)
  t.equal(status, 503)
  t.equal(headers.get('connection'), 'close')
  t.match(Number(headers.get('retry-after')), /^[123]$/)
  t.match(body, { id: 0, type: 'error', code: 'INTERNAL_ERROR', details: { reason: 'shutting_down' } })
  goOn?.()
  t.match(await pending, { status: 200, body: { data: [] } })
  await drained
})
