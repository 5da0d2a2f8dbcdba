import t from 'tap'
import { NoexServerError } from '../../../lib/index.js'
import { assertQuiet } from '../../support/client.js'
import { serve } from '../../support/service.js'
import { logInto, type LogLine } from '../../support/log-into.js'

t.test('Unknown operations', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  const unknown = [
    'pong.ping',
    'nope',
    'nope.x',
    '.',
    '.x',
    'store',
    'store.',
    'store.nope',
    'STORE.GET',
    'store.get ',
    ' store.get',
    'store.get.x',
    'store.constructor',
    'store.toString',
    'constructor',
    'constructor.prototype',
    'toString',
    'hasOwnProperty',
    '__proto__',
    '__proto__.x',
    'server',
    'server.nope',
    'rules',
    'welcome',
    'result',
    'error',
    'auth.login',
    'auth.logout',
    'auth.whoami',
    'identity.login',
    'identity.createUser',
    'audit.query',
    'procedures',
    'procedures.x',
    'logic.x',
    'x'.repeat(10_000)
  ]
  for (const type of unknown) {
    const reply = await client.request(type)
    t.match(reply, { type: 'error', code: 'UNKNOWN_OPERATION' }, `"${type.slice(0, 30)}" is unknown`)
    t.notMatch(reply['message'], /function|native/, 'G-C15 the message holds nothing of a prototype')
  }
  for (const type of [
    'rules.emit',
    'rules.nope',
    'rules.',
    'rules.constructor',
    'rules.subscribe',
    'rules.stats',
    'rules.a.b'
  ]) {
    t.equal(await client.code(type), 'RULES_NOT_AVAILABLE', `"${type}" needs a rule engine`)
  }
  t.equal(
    await client.code('nope', { bucket: 5 }),
    'UNKNOWN_OPERATION',
    'an unknown operation is not validated'
  )
  await assertQuiet(t, client)
})

t.test('Members that an operation does not have are without effect', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  const decoys = {
    bucket: 'nowhere',
    name: 'nowhere',
    query: 'nowhere',
    key: 'nowhere',
    filter: { $bad: 1 },
    data: 5,
    limit: -1,
    operations: 'x',
    constructor: 1,
    hasOwnProperty: 1
  }
  const without = (...names: string[]) =>
    Object.fromEntries(Object.entries(decoys).filter(([name]) => !names.includes(name)))

  t.match(
    await client.ask('store.insert', {
      ...without('bucket', 'data'),
      bucket: 'items',
      data: { id: 'a', name: 'x' }
    }),
    { id: 'a' }
  )
  t.match(await client.ask('store.get', { ...without('bucket', 'key'), bucket: 'items', key: 'a' }), {
    id: 'a'
  })
  t.equal((await client.ask('store.all', { ...without('bucket'), bucket: 'items' })).length, 1)
  t.same(await client.ask('store.buckets', decoys), { count: 1, names: ['items'] })
  t.same(
    await client.ask('store.transaction', {
      ...without('operations'),
      operations: [{ ...without('bucket'), op: 'count', bucket: 'items', filter: {} }]
    }),
    { results: [{ index: 0, data: 1 }] }
  )
  t.match(await client.ask('store.getBucketSchema', { ...without('name'), name: 'items' }), { name: 'items' })
  t.match(await client.ask('server.stats', decoys), { connectionCount: 1 })
})

t.test('Without exposeErrorDetails no reply holds a value of a record', async t => {
  const { connect } = await serve(t, { exposeErrorDetails: false })
  const client = await connect()
  const secret = 'secret-4711'
  await client.ask('store.defineBucket', {
    name: 'users',
    config: {
      key: 'id',
      schema: {
        id: { type: 'string' },
        mail: { type: 'string', unique: true },
        age: { type: 'number' },
        boss: { type: 'string', ref: 'users' }
      }
    }
  })
  await client.ask('store.insert', { bucket: 'users', data: { id: secret, mail: secret } })
  await client.ask('store.insert', { bucket: 'users', data: { id: 'b', mail: 'b', boss: secret } })

  const attempts: ReadonlyArray<readonly [type: string, fields: object, code: string]> = [
    ['store.insert', { bucket: 'users', data: { id: secret } }, 'ALREADY_EXISTS'],
    ['store.insert', { bucket: 'users', data: { id: 'c', mail: secret } }, 'ALREADY_EXISTS'],
    [
      'store.insertMany',
      { bucket: 'users', data: [{ id: 'c' }, { id: 'd', mail: secret }] },
      'ALREADY_EXISTS'
    ],
    ['store.insertMany', { bucket: 'users', data: [{ id: secret }] }, 'ALREADY_EXISTS'],
    ['store.update', { bucket: 'users', key: 'b', data: { mail: secret } }, 'ALREADY_EXISTS'],
    ['store.updateMany', { bucket: 'users', filter: {}, data: { mail: secret } }, 'ALREADY_EXISTS'],
    ['store.upsert', { bucket: 'users', data: { id: 'e', mail: secret } }, 'ALREADY_EXISTS'],
    [
      'store.transaction',
      { operations: [{ op: 'insert', bucket: 'users', data: { id: 'f', mail: secret } }] },
      'ALREADY_EXISTS'
    ],
    [
      'store.transaction',
      { operations: [{ op: 'insert', bucket: 'users', data: { id: secret } }] },
      'CONFLICT'
    ],
    ['store.insert', { bucket: 'users', data: { id: 'g', boss: `${secret}-gone` } }, 'VALIDATION_ERROR'],
    ['store.insert', { bucket: 'users', data: { id: 'g', age: secret } }, 'VALIDATION_ERROR'],
    ['store.update', { bucket: 'users', key: `${secret}-gone`, data: {} }, 'NOT_FOUND'],
    ['store.delete', { bucket: 'users', key: secret }, 'CONFLICT'],
    [
      'store.updateBucket',
      { name: 'users', updates: { addFields: { note: { type: 'string', pattern: `(${secret}` } } } },
      'VALIDATION_ERROR'
    ]
  ]
  for (const [type, fields, code] of attempts) {
    const reply = await client.request(type, fields)
    t.equal(reply['code'], code, `${type} answers ${code}`)
    t.same(Object.keys(reply), ['id', 'type', 'code', 'message'], 'details are left out')
    t.notMatch(reply['message'], secret, 'the message does not tell the value')
  }
})

t.test('G-F11 a failure inside the server is answered in general terms and logged', async t => {
  const lines: LogLine[] = []
  const { connect, store } = await serve(t, {}, { fastify: { logger: logInto(lines, 'error') } })
  store.defineQuery('broken', async () => { throw new TypeError('the reason is private') })
  const client = await connect()
  const reply = await client.request('store.query', { query: 'broken' })
  t.match(reply, { type: 'error', code: 'INTERNAL_ERROR' })
  t.notMatch(JSON.stringify(reply), /private/)
  t.equal(lines.length, 1)
  t.match(lines[0], {
    operation: 'store.query',
    err: { type: 'TypeError', message: 'the reason is private' }
  })
  await assertQuiet(t, client)
})

t.test(
  'A failure that cannot be put into JSON is answered in general terms, and the process lives',
  async t => {
    const lines: LogLine[] = []
    const { connect, store } = await serve(t, {}, { fastify: { logger: logInto(lines, 'error') } })
    store.defineQuery('bigint', async () => { throw new NoexServerError('CONFLICT', 'mine', { id: 1n }) })
    store.defineQuery('result', async () => ({ id: 1n }))
    store.defineQuery(
      'validator',
      async () => { throw Object.assign(new Error('private'), { name: 'ValidationError' }) }
    )
    const client = await connect()
    for (const query of ['bigint', 'result', 'validator']) {
      t.match(await client.request('store.query', { query }), {
        type: 'error',
        code: 'INTERNAL_ERROR',
        details: undefined
      })
      t.equal(await client.code('store.subscribe', { query }), 'INTERNAL_ERROR')
    }
    t.equal(lines.length, 6)
    await assertQuiet(t, client)
  }
)
