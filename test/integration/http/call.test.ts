import t from 'tap'
import type { FastifyRequest } from 'fastify'
import { NoexServerError, operation, Type } from '../../../lib/index.js'
import { FakeRuleEngine } from '../../support/fake-rule-engine.js'
import { serveRpc } from '../../support/rpc.js'
import { serve } from '../../support/service.js'
import { until } from '../../support/until.js'

t.test('app.noex.call answers as a request over the socket', async t => {
  const { app, connect } = await serve(t)
  const client = await connect()
  const inserted = await app.noex.call<{ id: string }>(null, 'store.insert', {
    bucket: 'items', data: { name: 'lamp' }
  })
  t.match(inserted, { name: 'lamp', _version: 1 })
  const asked = await client.ask('store.get', { bucket: 'items', key: inserted.id })
  t.same(await app.noex.call(null, 'store.get', { bucket: 'items', key: inserted.id }), asked)
  t.equal(await app.noex.call(null, 'store.get', { bucket: 'items', key: 'none' }), null)
  t.same(await app.noex.call(null, 'store.buckets'), { count: 1, names: ['items'] })
})

t.test('its result belongs to the application, which may change it', async t => {
  const { app } = await serve(t)
  const data = { bucket: 'items', data: { id: 'a', name: 'lamp' } }
  const record = await app.noex.call<{ name: string }>(null, 'store.insert', data)
  record.name = 'other'
  t.match(await app.noex.call(null, 'store.get', { bucket: 'items', key: 'a' }), { name: 'lamp' })
})

t.test('what a call changes is pushed to clients', async t => {
  const { app, connect } = await serve(t)
  const client = await connect()
  await client.ask('store.subscribe', { find: { bucket: 'items' } })
  await app.noex.call(null, 'store.insert', { bucket: 'items', data: { id: 'a' } })
  t.match(await client.next(), { type: 'push', data: [{ id: 'a' }] })
})

t.test('it rejects with the error that a client would be sent, and the status for it', async t => {
  const { app } = await serve(t)
  await app.noex.call(null, 'store.insert', { bucket: 'items', data: { id: 'a' } })
  const cases = [
    ['store.get', { bucket: 'itmes', key: 1 }, 'BUCKET_NOT_DEFINED', 404, /did you mean "items"/],
    ['store.get', { bucket: 'items' }, 'VALIDATION_ERROR', 400, /^key: is required/],
    ['store.cuont', { bucket: 'items' }, 'UNKNOWN_OPERATION', 404, /did you mean "store.count"/],
    ['store.insert', { bucket: 'items', data: { id: 'a' } }, 'ALREADY_EXISTS', 409, /./],
    ['store.update', { bucket: 'items', key: 'b', data: {} }, 'NOT_FOUND', 404, /./],
    ['rules.emit', { topic: 'a' }, 'RULES_NOT_AVAILABLE', 503, /./],
    ['store.insert', JSON.parse('{"bucket":"items","data":{"__proto__":1}}'), 'VALIDATION_ERROR', 400,
      /^data.__proto__: is not accepted/]
  ] as const
  for (const [operation, fields, code, statusCode, message] of cases) {
    const error = await app.noex.call(null, operation, fields).catch((error: unknown) => error)
    t.ok(error instanceof NoexServerError, operation)
    t.match(error, { name: 'NoexServerError', code, message, statusCode })
  }
  const { details } = await app.noex.call(null, 'store.insert', { bucket: 'items', data: { id: 'a' } })
    .catch((error: NoexServerError) => error) as NoexServerError
  t.match(details, { bucket: 'items', field: 'id' })
})

t.test('a route that lets the error through is answered with its status', async t => {
  const { app } = await serve(t, { rateLimit: { maxRequests: 3, windowMs: 60_000 } }, {
    before (app) {
      app.get('/items/:key', async (request: FastifyRequest<{ Params: { key: string } }>) =>
        await app.noex.call(request, 'store.update', { bucket: 'items', ...request.params, data: {} }))
    }
  })
  for (let i = 0; i < 3; i++) {
    const answer = await app.inject('/items/none')
    t.equal(answer.statusCode, 404)
    t.match(answer.json(), { statusCode: 404, code: 'NOT_FOUND', error: 'Not Found' })
  }
  const limited = await app.inject('/items/none')
  t.equal(limited.statusCode, 429)
  t.match(limited.headers, { 'retry-after': '60' })
})

t.test('a subscription is answered with the present result, and ends with the call', async t => {
  const { app, store } = await serve(t, {
    connectionLimits: { maxTotalSubscriptions: 1 }
  })
  store.defineQuery('in-code', async ctx => await ctx.bucket('items').all())
  await app.noex.call(null, 'store.insert', { bucket: 'items', data: { id: 'a' } })
  const find = { bucket: 'items' }
  for (let i = 0; i < 3; i++) {
    t.same(Object.keys(await app.noex.call<object>(null, 'store.subscribe', { find })), ['data'])
    t.match(await app.noex.call(null, 'store.subscribe', { query: 'in-code' }), { data: [{ id: 'a' }] })
  }
  const first = await app.noex.call<{ epoch: string, revision: number }>(
    null, 'store.subscribe', { find, delta: true })
  t.match(first, { epoch: String, revision: Number, key: 'id', data: [{ id: 'a' }] })
  t.notOk('subscriptionId' in first)
  await app.noex.call(null, 'store.insert', { bucket: 'items', data: { id: 'b' } })
  const { epoch, revision } = first
  t.match(
    await app.noex.call(null, 'store.subscribe', { find, delta: true, since: { epoch, revision } }),
    { delta: { remove: [], upsert: [{ id: 'b' }] } }
  )
  const page = await app.noex.call(null, 'store.subscribe', { find, delta: true, page: { limit: 1 } })
  t.match(page, { hasMore: true, nextCursor: String, data: [{ id: 'a' }] })
  const { connections } = await app.noex.getStats()
  t.equal(connections.totalStoreSubscriptions, 0)
  await t.rejects(app.noex.call(null, 'store.subscribe', { query: 'none' }), { code: 'QUERY_NOT_DEFINED' })
  t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 0)
})

t.test('a subscription of a call is refused while all are taken', async t => {
  const { app, connect } = await serve(t, { connectionLimits: { maxTotalSubscriptions: 1 } })
  const client = await connect()
  const { subscriptionId } = await client.ask('store.subscribe', { find: { bucket: 'items' } })
  const subscribe = async (): Promise<unknown> =>
    await app.noex.call(null, 'store.subscribe', { find: { bucket: 'items' } })
  await t.rejects(subscribe(), { code: 'RATE_LIMITED', statusCode: 429 })
  await client.ask('store.unsubscribe', { subscriptionId })
  t.match(await subscribe(), { data: [] })
})

t.test('an operation that takes a connection is refused, and says what to do instead', async t => {
  const validate = async (): Promise<null> => null
  const { app } = await serve(t, {
    rules: new FakeRuleEngine(), auth: { validate, required: false }
  })
  const cases = [
    ['auth.login', { token: 'a' }, /header Authorization/],
    ['auth.logout', {}, /leave the token out/],
    ['store.unsubscribe', { subscriptionId: 'sub-1' }, /only a connection has subscriptions/],
    ['rules.subscribe', { pattern: '*' }, /events are pushed/],
    ['rules.unsubscribe', { subscriptionId: 'sub-1' }, /only a connection has subscriptions/]
  ] as const
  for (const [operation, fields, message] of cases) {
    const session = { userId: 'anna', roles: ['admin'] }
    await t.rejects(app.noex.call(session, operation, fields), { code: 'UNKNOWN_OPERATION', message })
  }
})

t.test('a call with a key is done once, also when it is a request of a socket', async t => {
  const { app, connect } = await serve(t)
  const client = await connect()
  const insert = { bucket: 'items', data: { name: 'once' } }
  const key = { idempotencyKey: 'BXwLq0iVYTUcvyzZ6mJ4Nw' }
  const first = await app.noex.call<object>(null, 'store.insert', insert, key)
  t.same(await app.noex.call(null, 'store.insert', insert, key), first)
  t.same(await app.noex.call(null, 'store.insert', { ...insert, ...key }), first)
  t.same(await client.ask('store.insert', { ...insert, ...key }), first)
  t.equal(await app.noex.call(null, 'store.count', { bucket: 'items' }), 1)
  await t.rejects(app.noex.call(null, 'store.count', { bucket: 'items' }, key), { code: 'VALIDATION_ERROR' })
})

t.test('operations of the application, and procedures, are called as others', async t => {
  const double = operation({
    name: 'shop.double',
    input: Type.Object({ n: Type.Integer() }),
    handler: async ({ input: { n }, call }) =>
      ({ n: 2 * n, items: await call('store.count', { bucket: 'items' }) })
  })
  const { app, post } = await serveRpc(t, { operations: [double] })
  t.same(await app.noex.call(null, 'shop.double', { n: 21 }), { n: 42, items: 0 })
  t.same((await post({ type: 'shop.double', n: 4 })).body.data, { n: 8, items: 0 })
  await t.rejects(app.noex.call(null, 'shop.double', { n: 'a' }), { code: 'VALIDATION_ERROR' })
  await app.noex.call(null, 'procedures.register', {
    procedure: { name: 'add', steps: [{ action: 'store.insert', bucket: 'items', data: { id: 'a' } }] }
  })
  await app.noex.call(null, 'procedures.call', { name: 'add' })
  t.match(await app.noex.call(null, 'store.get', { bucket: 'items', key: 'a' }), { id: 'a' })
})

t.test('records of ephemeral buckets end after a call as after a connection', async t => {
  const { app, store } = await serve(t, { presence: { graceMs: 5 } })
  await store.defineBucket('cursors', { key: 'id', schema: { id: { type: 'string' } }, ephemeral: true })
  await app.noex.call(null, 'store.insert', { bucket: 'cursors', data: { id: 'a' } })
  await until(async () => await store.bucket('cursors').count() === 0)
})

t.test('calls are refused once the service shuts down, and those under way are waited for', async t => {
  const { app, store } = await serve(t)
  let goOn: (() => void) | undefined
  store.defineQuery('slow', async ctx => {
    await new Promise<void>(resolve => { goOn = resolve })
    return await ctx.bucket('items').count()
  })
  const pending = app.noex.call(null, 'store.query', { query: 'slow' })
  await until(() => goOn !== undefined)
  const drained = app.noex.drain()
  await t.rejects(app.noex.call(null, 'store.buckets'), {
    code: 'INTERNAL_ERROR', details: { reason: 'shutting_down' }, statusCode: 503
  })
  goOn?.()
  t.equal(await pending, 0)
  await drained
})

t.test('a call that does not end is given up when the service has waited', async t => {
  const { app, store } = await serve(t)
  let hasBegun = false
  store.defineQuery('hanging', async () => {
    hasBegun = true
    return await new Promise(() => {})
  })
  const pending = app.noex.call(null, 'store.query', { query: 'hanging' })
  const failure = pending.catch((error: unknown) => error)
  await until(() => hasBegun)
  await app.noex.drain()
  t.match(await failure, { code: 'INTERNAL_ERROR', details: { reason: 'shutting_down' } })
})
