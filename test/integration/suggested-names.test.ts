import { RuleEngine } from '@hamicek/noex-rules'
import t from 'tap'
import type { PermissionConfig } from '../../lib/index.js'
import { serve, startStore } from '../support/service.js'
import { serveAccounts } from '../support/identity.js'

t.test('A name that nothing has is answered with the nearest that there is', async t => {
  const rules = await RuleEngine.start()
  t.teardown(async () => { await rules.stop() })
  rules.registerRule({ id: 'low-stock', name: 'x', trigger: { type: 'fact', pattern: '*' } })
  const { connect, store } = await serve(t, { rules, exposeErrorDetails: false })
  await store.defineBucket('orders', { key: 'id', schema: { id: { type: 'string' } } })
  store.defineDeclarativeQuery('open-orders', { bucket: 'orders' })
  const client = await connect()
  await client.ask(
    'procedures.register',
    { procedure: { name: 'greet', steps: [{ action: 'return', value: 1 }] } }
  )

  const table: ReadonlyArray<readonly [type: string, fields: object, code: string, message: string]> = [
    [
      'store.gett',
      { bucket: 'orders', key: 'a' },
      'UNKNOWN_OPERATION',
      'Operation "store.gett" is unknown; did you mean "store.get"?'
    ],
    [
      'store.upsrt',
      {},
      'UNKNOWN_OPERATION',
      'Operation "store.upsrt" is unknown; did you mean "store.upsert"?'
    ],
    [
      'rules.emitt',
      {},
      'UNKNOWN_OPERATION',
      'Operation "rules.emitt" is unknown; did you mean "rules.emit"?'
    ],
    ['logic.run', {}, 'UNKNOWN_OPERATION', 'Operation "logic.run" is unknown'],
    ['x'.repeat(10_000), {}, 'UNKNOWN_OPERATION', `Operation "${'x'.repeat(128)}…" is unknown`],
    [
      'store.all',
      { bucket: 'ordres' },
      'BUCKET_NOT_DEFINED',
      'Bucket "ordres" is not defined; did you mean "orders"?'
    ],
    [
      'store.insert',
      { bucket: 'order', data: {} },
      'BUCKET_NOT_DEFINED',
      'Bucket "order" is not defined; did you mean "orders"?'
    ],
    [
      'store.insert',
      { bucket: 'nothing like it', data: {} },
      'BUCKET_NOT_DEFINED',
      'Bucket "nothing like it" is not defined'
    ],
    [
      'store.dropBucket',
      { name: 'itemz' },
      'BUCKET_NOT_DEFINED',
      'Bucket "itemz" is not defined; did you mean "items"?'
    ],
    [
      'store.getBucketSchema',
      { name: '_procedure' },
      'BUCKET_NOT_DEFINED',
      'Bucket "_procedure" is not defined'
    ],
    ['store.transaction', {
      operations: [{ op: 'get', bucket: 'orders', key: 'a' }, { op: 'count', bucket: 'itens' }]
    }, 'BUCKET_NOT_DEFINED',
    'Bucket "itens" is not defined; did you mean "items"?'],
    [
      'store.defineQuery',
      { name: 'q', config: { bucket: 'ordrs' } },
      'BUCKET_NOT_DEFINED',
      'Bucket "ordrs" is not defined; did you mean "orders"?'
    ],
    [
      'store.query',
      { query: 'open-order' },
      'QUERY_NOT_DEFINED',
      'Query "open-order" is not defined; did you mean "open-orders"?'
    ],
    [
      'store.subscribe',
      { query: 'openorders' },
      'QUERY_NOT_DEFINED',
      'Query "openorders" is not defined; did you mean "open-orders"?'
    ],
    [
      'store.undefineQuery',
      { name: 'open_orders' },
      'QUERY_NOT_DEFINED',
      'Query "open_orders" is not defined; did you mean "open-orders"?'
    ],
    [
      'procedures.call',
      { name: 'great' },
      'NOT_FOUND',
      'Procedure "great" does not exist; did you mean "greet"?'
    ],
    [
      'rules.getRule',
      { ruleId: 'lowstock' },
      'NOT_FOUND',
      'Rule "lowstock" does not exist; did you mean "low-stock"?'
    ],
    [
      'rules.updateRule',
      { ruleId: 'low-stok', updates: {} },
      'NOT_FOUND',
      'Rule "low-stok" does not exist; did you mean "low-stock"?'
    ],
    [
      'store.where',
      { bucket: 'items', filter: { name: { $contain: 'x' } } },
      'VALIDATION_ERROR',
      'filter.name.$contain: is no operator; did you mean "$contains"?'
    ],
    ['store.defineBucket', {
      name: 'b',
      config: { key: 'nmae', schema: { name: { type: 'string' } } }
    }, 'VALIDATION_ERROR',
    'config.key: must be a field of the schema; did you mean "name"?'],
    ['store.updateBucket', { name: 'items', updates: { addIndexes: ['nam'] } }, 'VALIDATION_ERROR',
      'updates.addIndexes[0]: must be a field of the schema; did you mean "name"?'],
    ['store.groupBy', {
      bucket: 'items',
      field: 'n',
      aggregate: { function: 'summ', field: 'n' }
    }, 'VALIDATION_ERROR',
    'aggregate.function: must be one of count, sum, avg, min, max'],
    [
      'store.unsubscribe',
      { subscriptionId: 'sub-1' },
      'NOT_FOUND',
      'Subscription "sub-1" is not one of this connection'
    ]
  ]
  for (const [type, fields, code, message] of table) {
    t.match(
      await client.request(type, fields),
      { code, message },
    `${type.slice(0, 30)} ${JSON.stringify(fields)}`
    )
  }
  const broken = { rule: { id: 'a', name: 'x', trigger: { type: 'fact' } } }
  t.match(
    await client.request('rules.registerRule', broken),
    { code: 'VALIDATION_ERROR', message: /^The rule is not valid: trigger/ }
  )
})

t.test('No name is suggested that the client may not use', async t => {
  const permissions: PermissionConfig = {
    default: 'deny',
    rules: [
      {
        role: 'some',
        allow: ['store.where', 'store.insert', 'store.query', 'store.count'],
        buckets: ['items', 'itemz']
      },
      { role: 'any', allow: 'store.*' }
    ]
  }
  const { connect, store } = await serve(
    t,
    { auth: { validate: token => ({ userId: token, roles: [token] }), required: false, permissions } }
  )
  await store.defineBucket('itemzx', { key: 'id', schema: { id: { type: 'string' } } })
  store.defineDeclarativeQuery('secrets', { bucket: 'itemzx' })
  const as = async (role: string) => {
    const client = await connect()
    await client.ask('auth.login', { token: role })
    return client
  }
  const [any, some] = [await as('any'), await as('some')]
  t.match(
    await any.request('store.where', { bucket: 'itemz', filter: {} }),
    { message: 'Bucket "itemz" is not defined; did you mean "items"?' }
  )
  t.match(
    await some.request('store.where', { bucket: 'itemz', filter: {} }),
    { message: 'Bucket "itemz" is not defined; did you mean "items"?' }
  )
  await store.dropBucket('items')
  t.match(
    await any.request('store.where', { bucket: 'itemz', filter: {} }),
    { message: 'Bucket "itemz" is not defined; did you mean "itemzx"?' }
  )
  t.match(
    await some.request('store.where', { bucket: 'itemz', filter: {} }),
    { message: 'Bucket "itemz" is not defined' },
    'a bucket'
  )
  t.match(await some.request('store.secrets'), { code: 'FORBIDDEN' })
  t.match(
    await some.request('store.query', { query: 'secret' }),
    { code: 'QUERY_NOT_DEFINED', message: 'Query "secret" is not defined' },
    'a query'
  )
  t.match(
    await any.request('store.query', { query: 'secret' }),
    { message: 'Query "secret" is not defined; did you mean "secrets"?' }
  )
  t.match(
    await any.request('store.transactio', { operations: [{ op: 'get', bucket: 'itemzx', key: 'a' }] }),
    { message: 'Operation "store.transactio" is unknown; did you mean "store.transaction"?' }
  )
})

t.test('Accounts: neither system buckets nor operations for administrators are suggested', async t => {
  const { login, connect, superadmin } = await serveAccounts(t)
  const writer = await login('writer one', 'writer')
  t.match(
    await writer.request('store.insert', { bucket: 'item', data: {} }),
    { message: 'Bucket "item" is not defined; did you mean "items"?' }
  )
  t.match(
    await writer.request('identity.createUsr'),
    { code: 'UNKNOWN_OPERATION', message: 'Operation "identity.createUsr" is unknown' }
  )
  t.match(
    await writer.request('identity.whomi'),
    { message: 'Operation "identity.whomi" is unknown; did you mean "identity.whoami"?' }
  )
  const admin = await superadmin()
  t.match(
    await admin.request('store.insert', { bucket: 'users', data: {} }),
    { message: 'Bucket "users" is not defined' }
  )
  t.match(
    await admin.request('identity.createUsr'),
    { message: 'Operation "identity.createUsr" is unknown; did you mean "identity.createUser"?' }
  )
  t.match(
    await admin.request('identity.assignRole', { userId: 'nope', roleName: 'writer' }),
    { code: 'NOT_FOUND', message: 'User "nope" does not exist' }
  )
  const { id } = await admin.ask(
    'identity.createUser',
    { username: 'a new user', password: 'long enough for this' }
  )
  t.match(
    await admin.request('identity.assignRole', { userId: id, roleName: 'writr' }),
    { code: 'NOT_FOUND', message: 'Role "writr" does not exist; did you mean "writer"?' }
  )
  const anonymous = await connect()
  t.match(
    await anonymous.request('auth.whoamii'),
    { message: 'Operation "auth.whoamii" is unknown; did you mean "auth.whoami"?' }
  )
  t.match(
    await anonymous.request('auth.logi'),
    { message: 'Operation "auth.logi" is unknown; did you mean "auth.login"?' }
  )
})

t.test('A query does not tell the name of a bucket that its caller may not know', async t => {
  const permissions: PermissionConfig = {
    default: 'deny',
    rules: [{ role: 'guest', allow: 'store.query', buckets: ['listed', 'coded', 'half'] }]
  }
  const store = await startStore(t)
  await store.defineBucket('vault', { key: 'id', schema: { id: { type: 'string' } } })
  store.defineDeclarativeQuery('listed', { bucket: 'vault' })
  store.defineQuery('coded', async ctx => await ctx.bucket('vault').all())
  store.defineQuery('open', async ctx => await ctx.bucket('vault').all())
  const { connect } = await serve(
    t,
    { auth: { validate: token => ({ userId: token, roles: ['guest'] }), permissions } },
    { store }
  )
  const client = await connect()
  await client.ask('auth.login', { token: 'g' })
  const reply = await client.request('store.query', { query: 'open' })
  t.match(reply, { code: 'FORBIDDEN' })
  t.notMatch(reply['message'], /vault/)
  await store.dropBucket('vault')
  for (const query of ['listed', 'coded']) {
    const reply = await client.request('store.query', { query })
    t.match(reply, { code: 'BUCKET_NOT_DEFINED' }, query)
    t.notMatch(reply['message'], /vault/, 'the bucket was never named by the client')
  }
})

t.test('Nor does a procedure that runs with other rights than those of its caller', async t => {
  const read = (bucket: string) => ({ action: 'store.where', bucket, filter: {}, as: 'all' })
  const permissions: PermissionConfig = {
    default: 'deny',
    rules: [
      { role: 'guest', allow: 'procedures.call' },
      { role: 'guest', allow: 'store.*', buckets: ['items', 'itemz'] },
      { role: 'reader', allow: '*' }
    ]
  }
  const { connect } = await serve(t, {
    auth: { validate: token => ({ userId: token, roles: [token] }), permissions },
    procedures: {
      definitions: [
        { name: 'hidden', runAs: 'owner', steps: [read('vault')] },
        { name: 'open', runAs: 'owner', steps: [read('itemz')] },
        { name: 'own', steps: [read('itemz')] }
      ] as never
    }
  })
  const client = await connect()
  await client.ask('auth.login', { token: 'guest' })
  const call = async (name: string) => await client.request('procedures.call', { name })
  t.match(
    await call('hidden'),
    { code: 'BUCKET_NOT_DEFINED', message: 'steps[0]: A bucket that this reads or changes is not defined' }
  )
  for (const name of ['open', 'own']) {
    const message = 'steps[0]: Bucket "itemz" is not defined; did you mean "items"?'
    t.match(await call(name), { message }, name)
  }
})
