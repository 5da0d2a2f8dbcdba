import Fastify from 'fastify'
import t from 'tap'
import { Type } from 'typebox'
import { noexPlugin, NoexServer, operation } from '../../../lib/index.js'
import { TestClient } from '../../support/client.js'
import { act, anyOf, serveOperations, type Context } from '../../support/own-operations.js'
import { serve, startStore } from '../../support/service.js'

const order = operation({
  name: 'shop.order',
  input: Type.Object({
    sku: Type.String({ minLength: 1 }), quantity: Type.Optional(Type.Integer({ minimum: 1 }))
  }),
  handler: ({ input: { sku, quantity = 1 } }) => ({ sku, quantity })
})

t.test('an operation of the application is called like those of the server', async t => {
  const { connect } = await serveOperations(t, [order])
  const client = await connect()
  t.same(await client.ask('shop.order', { sku: 'A1', quantity: 2 }), { sku: 'A1', quantity: 2 })
  t.same(await client.ask('shop.order', { sku: 'A1' }), { sku: 'A1', quantity: 1 })

  const refusals: ReadonlyArray<readonly [fields: object, message: string]> = [
    [{}, 'sku: is required'],
    [{ sku: '' }, 'sku: must not have fewer than 1 characters'],
    [{ sku: 5 }, 'sku: must be string'],
    [{ sku: 'A1', quantity: 0 }, 'quantity: must be >= 1'],
    [{ sku: 'A1', quantity: null }, 'quantity: must be integer']
  ]
  for (const [fields, message] of refusals) {
    t.match(await client.request('shop.order', fields), { code: 'VALIDATION_ERROR', message })
  }
  t.match(await client.request('shop.ordr', {}), {
    code: 'UNKNOWN_OPERATION', message: 'Operation "shop.ordr" is unknown; did you mean "shop.order"?'
  })
})

t.test('a handler gets the members that its input declares, and no others', async t => {
  const seen: unknown[] = []
  const handler = ({ input }: Context): void => { seen.push(input) }
  const closed = Type.Object({ a: Type.Number() }, { additionalProperties: false })
  const open = Type.Object({ a: Type.Number() }, { additionalProperties: Type.Number() })
  const { connect } = await serveOperations(t, [
    act(handler, { name: 'shop.plain', input: anyOf('a', 'toString', 'constructor') }),
    act(handler, { name: 'shop.none' }),
    act(handler, { name: 'shop.closed', input: closed }),
    act(handler, { name: 'shop.open', input: open })
  ])
  const client = await connect()
  const fields = { a: 1, b: 2, constructor: 3 }
  t.equal(await client.ask('shop.plain', fields), null, 'undefined is null')
  await client.ask('shop.none', { ...fields, idempotencyKey: 'k' })
  await client.ask('shop.closed', { a: 1, idempotencyKey: 'k2' })
  await client.ask('shop.open', { a: 1, b: 2 })
  t.same(seen, [{ a: 1, constructor: 3 }, {}, { a: 1 }, { a: 1, b: 2 }])
  t.match(await client.request('shop.closed', { a: 1, b: 2 }), {
    code: 'VALIDATION_ERROR', message: 'b: is unknown'
  })
  t.match(await client.request('shop.open', { a: 1, b: 'x' }), { code: 'VALIDATION_ERROR', message: /^b: / })
})

t.test('any fields are answered, and none reaches the handler unchecked', async t => {
  const seen: unknown[] = []
  const input = Type.Object({
    text: Type.String(), list: Type.Array(Type.Number()), deep: Type.Object({ a: Type.Boolean() })
  })
  const { connect, lines } = await serveOperations(t, [
    act(context => { seen.push(context.input) }, {
      input,
      audit: ['text', 'list'],
      resources: ({ text }: { text: string }) => [{ type: 'bucket', name: text }]
    })
  ], { audit: { tiers: ['write'] } })
  const client = await connect()
  const right = { text: 'a', list: [1], deep: { a: true } }
  const values: unknown[] = [
    null, '', 'x', '\0', 'constructor', 0, -1, 1.5, 1e308, true, [], [null], ['x'], [[]], {}, { a: 1 },
    { a: { a: { a: 1 } } }, { then: 1 }, { toJSON: 1 }, { length: 5 }, { constructor: 1 }, { a: true, b: 1 }
  ]
  const codes = new Set<unknown>()
  for (const name of [...Object.keys(right), 'then', 'toJSON', 'constructor', 'hasOwnProperty']) {
    for (const value of values) {
      const { type, code } = await client.request('shop.act', { ...right, [name]: value })
      codes.add(code ?? type)
    }
  }
  t.same([...codes].sort(), ['VALIDATION_ERROR', 'result'])
  t.ok(seen.length > 0)
  for (const given of seen) {
    t.match(given, { text: String, list: Array, deep: { a: Boolean } })
    t.same(Object.keys(given as object).sort(), Object.keys(right).sort())
  }
  t.same(lines, [])
})

t.test('the context tells who asks, and from where', async t => {
  const seen: Context[] = []
  const validate = (token: string) => ({ userId: token, roles: ['writer'], metadata: { team: 1 } })
  const auth = { validate, required: false }
  const { connect, lines } = await serveOperations(t, [act(context => {
    seen.push(context)
    context.log.warn({ n: 1 }, 'seen')
  })], { auth })
  const client = await connect()
  await client.ask('shop.act')
  await client.ask('auth.login', { token: 'alice' })
  await client.ask('shop.act')
  const [anonymous, alice] = seen
  t.equal(anonymous?.session, null)
  t.match(alice?.session, { userId: 'alice', roles: ['writer'], metadata: { team: 1 } })
  t.throws(() => { (alice?.session?.roles as string[]).push('admin') }, 'its roles cannot be changed')
  t.match(alice?.origin, { remoteAddress: '127.0.0.1', connectionId: String, headers: { host: String } })
  t.match(lines, [{ n: 1, operation: 'shop.act', connectionId: alice?.origin.connectionId, msg: 'seen' }, {}])
})

t.test('its requests cost, and are counted, under its name', async t => {
  const rateLimit = { maxRequests: 10, windowMs: 60_000, costs: { 'shop.order': 5 } }
  const { connect, app } = await serveOperations(t, [order], { rateLimit, routes: { metrics: '/metrics' } })
  const client = await connect()
  for (let i = 0; i < 2; i++) await client.ask('shop.order', { sku: 'A1' })
  t.equal(await client.code('shop.order', { sku: 'A1' }), 'RATE_LIMITED')
  const { payload } = await app.inject('/metrics')
  t.match(payload, /noex_requests_total\{operation="shop\.order",code="ok"\} 2/)
  t.match(payload, /noex_requests_total\{operation="shop\.order",code="RATE_LIMITED"\} 1/)
})

t.test('costs and permissions that name none of them are refused at boot', async t => {
  const store = await startStore(t)
  const operations = [order]
  const bad: ReadonlyArray<readonly [options: object, path: string]> = [
    [
      { rateLimit: { maxRequests: 10, windowMs: 1_000, costs: { 'shop.ordr': 1 } } },
      'rateLimit.costs.shop.ordr'
    ],
    [
      { auth: { validate: () => null, permissions: { rules: [{ role: 'a', allow: 'shop.ordr' }] } } },
      'auth.permissions.rules[0].allow'
    ]
  ]
  for (const [options, path] of bad) {
    const app = Fastify()
    t.teardown(async () => { await app.close() })
    await t.rejects(async () => { await app.register(noexPlugin, { store, operations, ...options }) }, {
      path, message: /did you mean "shop\.order"\?/
    })
  }
  const rules = [{ role: 'a', allow: ['shop.order'] }, { role: 'b', allow: 'shop.*' }]
  await serve(t, { operations, auth: { validate: () => null, permissions: { rules } } }, { store })
})

t.test('NoexServer takes them, too', async t => {
  const store = await startStore(t)
  const server = await NoexServer.start({ store, port: 0, host: '127.0.0.1', operations: [order] })
  t.teardown(async () => { await server.stop() })
  const client = await TestClient.open(t, `ws://127.0.0.1:${server.port}`)
  t.match(await client.ask('shop.order', { sku: 'A1' }), { sku: 'A1' })
})

t.test('two services of one process have their own', async t => {
  const one = await serve(t, { operations: [act(() => 1)] })
  const other = await serve(t, { operations: [act(() => 2)] })
  const none = await serve(t)
  t.equal(await (await one.connect()).ask('shop.act'), 1)
  t.equal(await (await other.connect()).ask('shop.act'), 2)
  t.equal(await (await none.connect()).code('shop.act'), 'UNKNOWN_OPERATION')
})

t.test('the application calls them for a route, as another client', async t => {
  const seen: Context[] = []
  const { app } = await serveOperations(t, [order, act(context => {
    seen.push(context)
    t.equal(context.signal.aborted, false)
  })])
  t.same(await app.noex.call(null, 'shop.order', { sku: 'A1' }), { sku: 'A1', quantity: 1 })
  await t.rejects(app.noex.call(null, 'shop.order', {}), { code: 'VALIDATION_ERROR', statusCode: 400 })
  await app.noex.call({ userId: 'alice', roles: [] }, 'shop.act')
  t.match(seen, [{ session: { userId: 'alice' }, origin: { connectionId: null } }])
  t.equal(seen[0]?.signal.aborted, true)
})

t.test('app.noex.store is the store', async t => {
  const { app, store } = await serve(t)
  await app.noex.store.bucket('items').insert({ name: 'a' }, { user: 'alice' })
  t.match(await store.bucket('items').all(), [{ name: 'a' }])
  t.equal(app.noex.store.revision, store.revision)
})
