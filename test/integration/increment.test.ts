import t, { type Test } from 'tap'
import type { BucketDefinition } from '@hamicek/noex-store'
import type { Frame, TestClient } from '../support/client.js'
import { serve, type Served } from '../support/service.js'

const MAX = Number.MAX_SAFE_INTEGER

const counters: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string' },
    n: { type: 'number' },
    text: { type: 'string' },
    few: { type: 'number', min: 0, max: 10 },
    whole: { type: 'object' },
    number: { type: 'number', generated: 'autoincrement' },
    score: { type: 'number', unique: true }
  }
}

async function setUp (t: Test): Promise<Served & { readonly client: TestClient }> {
  const served = await serve(t, { audit: { tiers: ['write'] } })
  await served.store.defineBucket('counters', counters)
  await served.store.bucket('counters').insertMany([
    { id: 'a', n: 5, text: 'x', few: 9, whole: {}, score: 1 },
    { id: 'b', n: null, score: 2 },
    { id: 'c', n: 1.5, large: MAX, huge: 1e308 },
    { id: 'd', fresh: 1, meta: { k: 1 } }
  ])
  return { ...served, client: await served.connect() }
}

/** The same as an operation, as an entry of a transaction, and as a step of a procedure. */
const ways: Readonly<Record<string, (client: TestClient, fields: object) => Promise<Frame>>> = {
  operation: async (client, fields) => await client.request('store.increment', fields),
  async entry (client, fields) {
    const reply = await client.request('store.transaction', { operations: [{ op: 'increment', ...fields }] })
    return reply['type'] === 'error' ? reply : { ...reply, data: reply['data'].results[0].data }
  },
  async step (client, fields) {
    const reply = await call(client, { action: 'store.increment', ...fields, as: 'record' }, false)
    return reply['type'] === 'error' ? reply : { ...reply, data: reply['data'].results.record }
  },
  async 'step of a transaction' (client, fields) {
    const reply = await call(client, { action: 'store.increment', ...fields, as: 'record' }, true)
    return reply['type'] === 'error' ? reply : { ...reply, data: reply['data'].results.record }
  }
}

let procedures = 0

async function call (client: TestClient, step: object, transaction: boolean): Promise<Frame> {
  const name = `procedure ${++procedures}`
  await client.ask('procedures.register', { procedure: { name, steps: [step], transaction } })
  return await client.request('procedures.call', { name })
}

for (const [title, increment] of Object.entries(ways)) {
  t.test(`A number is added to a field: ${title}`, async t => {
    const { client, store } = await setUp(t)
    const of = async (fields: object): Promise<Frame> =>
      await increment(client, { bucket: 'counters', key: 'a', field: 'n', by: 1, ...fields })
    t.match(await of({}), { data: { id: 'a', n: 6, text: 'x', _version: 2 } })
    t.match(await of({ by: -10 }), { data: { n: -4, _version: 3 } })
    t.match(await of({ by: 0.5 }), { data: { n: -3.5 } })
    t.match(await of({ key: 'b' }), { data: { n: 1 } }, 'null counts as 0')
    const message = /field: no record of bucket "counters" has this field; did you mean "fresh"\?$/
    t.match(
      await of({ field: 'frehs' }),
      { code: 'VALIDATION_ERROR', message },
      'a misspelt name makes no field'
    )
    t.match(
      await of({ field: 'meta.k' }),
      { code: 'VALIDATION_ERROR', message: /field: is a path into the field "meta"/ }
    )
    t.match(await of({ field: 'n.k' }), { message: /field: is a path into the field "n"/ })
    t.match(await of({ key: 'c', field: 'fresh', by: 7 }), { data: { fresh: 7 } }, 'so does what is absent')
    t.match(await of({ expectedVersion: 4 }), { data: { n: -2.5, _version: 5 } })
    t.match(await of({ by: 0 }), { data: { n: -2.5, _version: 6 } })
    t.match(await store.bucket('counters').get('a'), { n: -2.5, text: 'x', few: 9, _version: 6 })
  })

  t.test(`Nothing is added where the sum would be wrong: ${title}`, async t => {
    const { client, store } = await setUp(t)
    const before = await store.bucket('counters').all()
    const table: ReadonlyArray<readonly [fields: object, expected: object]> = [
      [{ key: 'none' }, { code: 'NOT_FOUND' }],
      [{ bucket: 'nope' }, { code: 'BUCKET_NOT_DEFINED' }],
      [
        { expectedVersion: 2 },
        { code: 'CONFLICT', details: { bucket: 'counters', key: 'a', expectedVersion: 2, version: 1 } }
      ],
      [
        { field: 'text' },
        { code: 'VALIDATION_ERROR', message: /field: "text" of the record holds no number$/ }
      ],
      [
        { field: 'whole' },
        { code: 'VALIDATION_ERROR', message: /field: "whole" of the record holds no number$/ }
      ],
      [
        { field: 'few', by: 2 },
        { code: 'VALIDATION_ERROR', details: [{ field: 'few', code: 'max' }] }
      ],
      [
        { field: 'few', by: -10 },
        { code: 'VALIDATION_ERROR', details: [{ field: 'few', code: 'min' }] }
      ],
      [{ field: 'score' }, { code: 'ALREADY_EXISTS', details: { field: 'score', value: 2 } }],
      ...['id', 'number', '_version', '_createdAt', '_updatedAt', '_expiresAt'].map(
        field => [{ field }, { code: 'VALIDATION_ERROR', message: `"${field}" cannot be changed` }] as const
      ),
      ...['constructor', '__proto__', 'toString'].map(
        field =>
          [
            { field },
            { code: 'VALIDATION_ERROR', message: `"${field}" is a name that every object has` }
          ] as const
      ),
      [
        { key: 'c', field: 'large' },
        {
          code: 'VALIDATION_ERROR',
          message: /field "large": overflow: the result would be beyond ±9007199254740991/
        }
      ],
      [
        { key: 'a', by: MAX },
        { code: 'VALIDATION_ERROR', message: /field "n": overflow/ }
      ]
    ]
    for (const [fields, expected] of table) {
      t.match(
        await increment(client, { bucket: 'counters', key: 'a', field: 'n', by: 1, ...fields }),
        { type: 'error', ...expected },
        JSON.stringify(fields)
      )
    }
    t.same(await store.bucket('counters').all(), before)
    t.match(
      await increment(client, { bucket: 'counters', key: 'c', field: 'huge', by: 1 }),
      { code: 'VALIDATION_ERROR' },
      'an integer that is not exact already'
    )
  })
}

t.test('The fields of an increment are checked', async t => {
  const { client } = await setUp(t)
  const valid = { bucket: 'counters', key: 'a', field: 'n', by: 1 }
  const table: Readonly<Record<string, readonly unknown[]>> = {
    bucket: [undefined, null, '', 5],
    key: [undefined, null],
    field: [undefined, null, '', 5, ['n'], {}],
    by: [undefined, null, '1', true, [], {}, 2 ** 53, -(2 ** 53), 1e308],
    expectedVersion: [null, 0, -1, 1.5, '1']
  }
  for (const [name, values] of Object.entries(table)) {
    for (const value of values) {
      const reply = await client.request('store.increment', { ...valid, [name]: value })
      t.match(reply, { code: 'VALIDATION_ERROR' }, `${name} ${JSON.stringify(value)}`)
      t.match(reply['message'], name)
    }
  }
  client.send('{"id":99999,"type":"store.increment","bucket":"counters","key":"a","field":"n","by":1e400}')
  t.match(await client.next(({ id }) => id === 99_999), { code: 'VALIDATION_ERROR' })
  t.match(await client.ask('store.get', { bucket: 'counters', key: 'a' }), { n: 5 })
})

t.test('An increment is recorded under its own name, and watchers hear of it', async t => {
  const { client } = await setUp(t)
  await client.ask('store.defineQuery', {
    name: 'sum',
    config: { bucket: 'counters', aggregate: { function: 'sum', field: 'n' } }
  })
  const { subscriptionId, data } = await client.ask('store.subscribe', { query: 'sum' })
  t.equal(data, 6.5)
  await client.ask('store.increment', { bucket: 'counters', key: 'a', field: 'n', by: 2 })
  t.match(await client.push(subscriptionId), { data: 8.5 })
  t.match(await client.ask('audit.query', { operation: 'store.increment' }), {
    entries: [{ operation: 'store.increment', resource: 'counters', result: 'success' }]
  })
})

t.test('A field that earlier entries have written can be counted', async t => {
  const { client } = await setUp(t)
  const bucket = 'counters'
  const increment = { op: 'increment', bucket, key: 'a', by: 1 }
  const operations = [
    { op: 'update', bucket, key: 'b', data: { later: 1 } },
    { ...increment, field: 'later' }
  ]
  t.match(
    await client.request('store.transaction', { operations: [...operations].reverse() }),
    { code: 'VALIDATION_ERROR', message: /^operations\[0\]\.field: no record / }
  )
  t.match(await client.ask('store.transaction', { operations }), { results: [{}, { data: { later: 1 } }] })
  const steps = [
    { action: 'store.update', bucket, key: 'b', data: { latest: 1 } },
    { action: 'store.increment', bucket, key: 'a', field: 'latest', by: 2, as: 'record' }
  ]
  await client.ask('procedures.register', { procedure: { name: 'p', steps, transaction: true } })
  t.match(await client.ask('procedures.call', { name: 'p' }), { results: { record: { latest: 2 } } })
})

t.test('A permission names increments by themselves', async t => {
  const { connect, store } = await serve(t, {
    auth: {
      validate: async (token: string) => ({ userId: token, roles: [token] }),
      permissions: {
        default: 'deny',
        rules: [
          { role: 'counter', allow: ['store.increment', 'store.transaction'], buckets: ['items'] },
          { role: 'writer', allow: ['store.update', 'store.transaction'], buckets: ['items'] }
        ]
      }
    }
  })
  await store.bucket('items').insert({ id: 'a', n: 1 })
  const increment = { bucket: 'items', key: 'a', field: 'n', by: 1 }
  const update = { bucket: 'items', key: 'a', data: { n: 9 } }
  for (const [role, mayIncrement] of [
    ['counter', true],
    ['writer', false]
  ] as const) {
    const client = await connect()
    await client.ask('auth.login', { token: role })
    const outcome = async (type: string, fields: object): Promise<boolean> =>
      (await client.request(type, fields))['code'] !== 'FORBIDDEN'
    t.equal(await outcome('store.increment', increment), mayIncrement)
    t.equal(
      await outcome('store.transaction', { operations: [{ op: 'increment', ...increment }] }),
      mayIncrement
    )
    t.equal(await outcome('store.update', update), !mayIncrement)
  }
})
