import { RuleEngine } from '@hamicek/noex-rules'
import t from 'tap'
import { Type } from 'typebox'
import { NoexServerError } from '../../../lib/index.js'
import { act, anyOf, serveOperations, type Context } from '../../support/own-operations.js'

const call = act(async ({ call, input }) => await call(input.operation, input.fields), {
  input: anyOf('operation', 'fields'), name: 'shop.call'
})

t.test('a handler calls other operations with the rights of its client', async t => {
  const auth = {
    validate: (token: string) => ({ userId: token, roles: ['clerk'] }),
    permissions: {
      default: 'deny' as const,
      rules: [
        { role: 'clerk', allow: ['shop.*'] },
        { role: 'clerk', allow: 'store.*', buckets: ['items'], where: { name: '$userId' } }
      ]
    }
  }
  const { connect, store } = await serveOperations(t, [call], { auth })
  await store.bucket('items').insertMany([{ id: 'a', name: 'alice' }, { id: 'b', name: 'bob' }])
  const client = await connect()
  await client.ask('auth.login', { token: 'alice' })
  const ask = async (operation: string, fields?: object) =>
    await client.request('shop.call', { operation, ...(fields && { fields }) })
  t.match(await ask('store.get', { bucket: 'items', key: 'a' }), { data: { name: 'alice' } })
  t.match(await ask('store.get', { bucket: 'items', key: 'b' }), { data: null })
  t.match(await ask('store.count', { bucket: 'items' }), { data: 1 })
  t.match(await ask('store.insert', { bucket: 'items', data: { name: 'alice' } }), { data: { _version: 1 } })
  t.match(await ask('store.insert', { bucket: 'items', data: { name: 'bob' } }), { code: 'FORBIDDEN' })
  t.match(await ask('store.dropBucket', { name: 'items' }), { code: 'FORBIDDEN' })
  t.match(await ask('store.all', { bucket: 'secrets' }), { code: 'FORBIDDEN' })
  t.match(await ask('store.get', { bucket: 'items' }), {
    code: 'VALIDATION_ERROR', message: 'store.get: key: is required'
  }, 'the refusal names the operation')
  t.match(await ask('store.where', { bucket: 'items', filter: { nmae: 'x' } }), {
    code: 'VALIDATION_ERROR', message: /^store\.where: /
  })
})

t.test('operations that concern the connection are not called, nor those that nothing has', async t => {
  const rules = await RuleEngine.start()
  t.teardown(async () => { await rules.stop() })
  const auth = { validate: (token: string) => ({ userId: token, roles: ['admin'] }), required: false }
  const { connect, lines, store } = await serveOperations(t, [call], { auth, rules })
  store.defineDeclarativeQuery('all', { bucket: 'items' })
  const client = await connect()
  const refused: ReadonlyArray<readonly [operation: unknown, fields: unknown, logged: RegExp]> = [
    ['store.subscribe', { query: 'all' }, /store\.subscribe cannot be called: it concerns the connection/],
    ['store.unsubscribe', { subscriptionId: 'x' }, /cannot be called/],
    ['rules.subscribe', { pattern: '*' }, /cannot be called/],
    ['auth.login', { token: 'x' }, /cannot be called/],
    ['auth.logout', {}, /cannot be called/],
    ['store.gte', {}, /there is no operation "store\.gte" to call; did you mean "store\.get"\?/],
    ['identity.whoami', {}, /there is no operation "identity\.whoami" to call/],
    [undefined, {}, /there is no operation "undefined" to call/],
    [5, {}, /there is no operation "5"/],
    ['store.count', { bucket: 'items', idempotencyKey: 'k' }, /takes no idempotencyKey/],
    ['store.count', null, /fields of a call are an object/],
    ['store.count', 5, /fields of a call are an object/]
  ]
  for (const [operation, fields, logged] of refused) {
    lines.splice(0)
    t.equal(await client.code('shop.call', { operation, fields }), 'INTERNAL_ERROR', String(operation))
    t.match(lines[0]?.['err'].message, logged)
  }
  t.match(await client.ask('shop.call', { operation: 'rules.emit', fields: { topic: 'a.b', data: {} } }), {
    topic: 'a.b'
  }, 'a reply that is encoded already is a value again')
  t.same(await client.ask('shop.call', { operation: 'rules.queryFacts', fields: { pattern: '*' } }), [])
  t.same(client.waiting, [])
})

t.test('operations of the application call each other, to a depth', async t => {
  const depths: number[] = []
  const signals: AbortSignal[] = []
  const nested = act(async ({ call, input, signal }) => {
    depths.push(input.depth)
    signals.push(signal)
    const { depth, to } = input
    return depth === to ? 'the bottom' : await call('shop.act', { depth: depth + 1, to })
  }, { input: Type.Object({ depth: Type.Number(), to: Type.Number() }) })
  const { connect, lines } = await serveOperations(t, [nested])
  const client = await connect()
  t.equal(await client.ask('shop.act', { depth: 0, to: 8 }), 'the bottom')
  t.same(depths, [0, 1, 2, 3, 4, 5, 6, 7, 8])
  t.ok(signals.every(({ aborted }) => aborted), 'all are over')
  t.equal(await client.code('shop.act', { depth: 0, to: 9 }), 'INTERNAL_ERROR')
  t.match(JSON.stringify(lines), /shop\.act is called within 8 operations that call each other/)
  t.equal(await client.code('shop.act', { depth: 0, to: Infinity }), 'VALIDATION_ERROR')
})

t.test('a call has the time of the request around it', async t => {
  const inner: Context[] = []
  const { connect, store } = await serveOperations(t, [
    act(async ({ call }) => await call('shop.inner'), { name: 'shop.outer' }),
    act(async context => {
      inner.push(context)
      t.equal(context.signal.aborted, false)
      await new Promise(() => {})
    }, { name: 'shop.inner' })
  ], { operationTimeoutMs: 30 })
  const client = await connect()
  t.match(await client.request('shop.outer'), { code: 'INTERNAL_ERROR' })
  const [{ signal, store: own }] = inner as [Context]
  t.equal(signal.aborted, true)
  await t.rejects(own.bucket('items').insert({}), /is over/)
  t.equal(await store.bucket('items').count(), 0)
})

t.test('a refusal of an operation within goes through, or is caught', async t => {
  const { connect } = await serveOperations(t, [
    act(() => { throw new NoexServerError('CONFLICT', 'Sold out', { left: 0 }) }, { name: 'shop.inner' }),
    act(async ({ call }) => await call('shop.inner'), { name: 'shop.through' }),
    act(async ({ call }) => await call('shop.inner').catch((error: NoexServerError) => error.code), {
      name: 'shop.caught'
    })
  ])
  const client = await connect()
  t.match(await client.request('shop.through'), {
    code: 'CONFLICT', message: 'shop.inner: Sold out', details: { left: 0 }
  })
  t.equal(await client.ask('shop.caught'), 'CONFLICT')
})

t.test('the work of all calls counts against one budget', async t => {
  const { connect, store } = await serveOperations(t, [
    act(async ({ call }) => {
      for (let i = 0; i < 3; i++) await call('store.where', { bucket: 'items', filter: { n: { $gt: 0 } } })
    }),
    act(async ({ store }) => {
      for (let i = 0; i < 3; i++) await store.bucket('items').where({ n: { $gt: 0 } })
    }, { name: 'shop.own' })
  ], { workBudget: 250, rateLimit: { maxRequests: 100, windowMs: 60_000, costs: { work: 100 } } })
  await store.bucket('items').insertMany(Array.from({ length: 100 }, (_, n) => ({ n })))
  const client = await connect()
  t.match(await client.request('shop.act'), { code: 'VALIDATION_ERROR', details: { workBudget: 250 } })
  t.equal(await client.ask('shop.own'), null, 'the own reads of a handler are counted, and not refused')
})

t.test('a write within a call has the limit of a request', async t => {
  const { connect, store } = await serveOperations(t, [
    act(async ({ call }) => await call('store.updateMany', { bucket: 'items', filter: {}, data: { n: 1 } })),
    act(async ({ store }) => await store.bucket('items').updateMany({}, { n: 2 }), { name: 'shop.own' })
  ], { maxCommitChanges: 5 })
  await store.bucket('items').insertMany(Array.from({ length: 10 }, (_, n) => ({ n })))
  const client = await connect()
  t.match(await client.request('shop.act'), { code: 'VALIDATION_ERROR', details: { maxCommitChanges: 5 } })
  t.equal(await client.ask('shop.own'), 10)
})

t.test('procedures are called, and do not call operations of the application', async t => {
  const steps = [{ action: 'store.insert', bucket: 'items', data: { name: 'x' } }]
  const definitions = [{ name: 'add', steps }] as never
  const { connect } = await serveOperations(t, [call], { procedures: { definitions } })
  const client = await connect()
  const calling = { operation: 'procedures.call', fields: { name: 'add' } }
  t.match(await client.ask('shop.call', calling), { success: true })
  const procedure = { name: 'wrong', steps: [{ action: 'shop.call', operation: 'store.buckets' }] }
  t.match(await client.request('procedures.register', { procedure }), {
    code: 'VALIDATION_ERROR',
    message: /steps\[0\]\.action: must be one of store\.get, .*, not "shop\.call"/
  })
})
