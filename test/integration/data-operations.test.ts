import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { BucketDefinition } from '@hamicek/noex-store'
import type { TestClient } from '../support/client.js'
import { serve, startStore, type Served } from '../support/service.js'

interface Setting extends Served {
  readonly client: TestClient
}

const goods: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string' },
    name: { type: 'string', required: true, minLength: 2 },
    price: { type: 'number', min: 0 },
    code: { type: 'string', unique: true },
    kind: { type: 'string', enum: ['a', 'b'], default: 'a' }
  },
  indexes: ['kind']
}

async function withBuckets (t: Test, buckets: Readonly<Record<string, BucketDefinition>>): Promise<Setting> {
  const served = await serve(t)
  for (const [name, definition] of Object.entries(buckets)) await served.store.defineBucket(name, definition)
  return { ...served, client: await served.connect() }
}

/** A bucket `goods` with the records a, b and c. */
async function withGoods (t: Test): Promise<Setting> {
  const setting = await withBuckets(t, { goods })
  await setting.client.ask('store.insertMany', {
    bucket: 'goods',
    data: [
      { id: 'a', name: 'apple', price: 5, tags: null },
      { id: 'b', name: 'Banana', price: 2.5, kind: 'b', code: 'B1' },
      { id: 'c', name: 'cherry', kind: 'b' }
    ]
  })
  return setting
}

const ids = (records: ReadonlyArray<Readonly<Record<string, unknown>>>) => records.map(record => record['id'])

t.test('The reading operations', async t => {
  const { client } = await withGoods(t)
  const ask = async (type: string, fields: object = {}) =>
    await client.ask(`store.${type}`, { bucket: 'goods', ...fields })

  t.match(await ask('get', { key: 'a' }), {
    id: 'a',
    name: 'apple',
    kind: 'a',
    _version: 1,
    _createdAt: Number,
    _updatedAt: Number
  })
  t.equal(await ask('get', { key: 'nope' }), null, 'a missing record is null')
  for (const key of [0, '', false, {}, [], { id: 'a' }]) {
    t.equal(await ask('get', { key }), null, `so is that of key ${JSON.stringify(key)}`)
  }
  t.same(ids(await ask('all')), ['a', 'b', 'c'])
  t.same(ids(await ask('where', { filter: { kind: 'b' } })), ['b', 'c'])
  t.match(await ask('findOne', { filter: { kind: 'b' } }), { id: 'b' })
  t.equal(await ask('findOne', { filter: { kind: 'x' } }), null)
  t.equal(await ask('count'), 3)
  t.equal(await ask('count', { filter: null }), 3)
  t.equal(await ask('count', { filter: { kind: 'b' } }), 2)
  t.same(ids(await ask('first', { n: 2 })), ['a', 'b'])
  t.same(ids(await ask('last', { n: 2 })), ['b', 'c'], 'the last records keep their order')
  t.same(ids(await ask('last', { n: 1e308 })), ['a', 'b', 'c'])
  t.same(await client.ask('store.buckets'), { count: 2, names: ['items', 'goods'] })
  t.match(await client.ask('store.stats'), {
    name: String,
    buckets: { count: 2, names: ['items', 'goods'] },
    records: { total: 3, perBucket: { items: 0, goods: 3 } },
    indexes: { total: 2, perBucket: { items: 0, goods: 2 } },
    queries: { defined: 0, activeSubscriptions: 0 },
    persistence: { enabled: false },
    ttl: { enabled: Boolean, checkIntervalMs: Number }
  })

  t.test('Aggregates look at numbers only', async t => {
    const table: ReadonlyArray<
      readonly [method: string, field: string, filter: object | null | undefined, expected: number | null]
    > = [
      ['sum', 'price', undefined, 7.5],
      ['sum', 'price', { kind: 'b' }, 2.5],
      ['sum', 'name', undefined, 0],
      ['avg', 'price', null, 3.75],
      ['avg', 'price', { kind: 'x' }, 0],
      ['min', 'price', undefined, 2.5],
      ['max', 'price', undefined, 5],
      ['min', 'price', { id: 'c' }, null],
      ['max', 'tags', undefined, null]
    ]
    for (const [method, field, filter, expected] of table) {
      t.equal(
        await ask(method, { field, filter }),
        expected,
        `${method} of ${field} where ${JSON.stringify(filter)}`
      )
    }
  })

  t.test('groupBy groups by one field or several', async t => {
    t.same(await ask('groupBy', { field: 'kind', aggregate: { function: 'count' } }), [
      { key: { kind: 'a' }, value: 1 },
      { key: { kind: 'b' }, value: 2 }
    ])
    t.same(
      await ask('groupBy', {
        field: ['kind', 'id'],
        aggregate: { function: 'sum', field: 'price' },
        filter: { kind: 'b' }
      }),
      [
        { key: { kind: 'b', id: 'b' }, value: 2.5 },
        { key: { kind: 'b', id: 'c' }, value: 0 }
      ]
    )
    t.same(
      await ask('groupBy', { field: 'kind', aggregate: { function: 'min', field: 'tags' } }),
      [{ key: { kind: 'a' }, value: 0 }, { key: { kind: 'b' }, value: 0 }]
    )
    t.same(await ask('groupBy', { field: 'code', aggregate: { function: 'count' } }), [
      { key: {}, value: 2 },
      { key: { code: 'B1' }, value: 1 }
    ])
  })
})

t.test('paginate', async t => {
  const { client } = await withGoods(t)
  const page = async (fields: object) => {
    const { records, ...rest } = await client.ask('store.paginate', { bucket: 'goods', ...fields })
    return { ids: ids(records), ...rest }
  }
  t.same(await page({ limit: 2 }), { ids: ['a', 'b'], hasMore: true, nextCursor: 'b' })
  t.same(await page({ limit: 2, after: 'b' }), { ids: ['c'], hasMore: false, nextCursor: 'c' })
  t.same(await page({ limit: 2, after: 'c' }), { ids: [], hasMore: false }, 'an empty page has no cursor')
  t.same(
    await page({ limit: 2, after: 'nope' }),
    { ids: [], hasMore: false },
    'an unknown cursor ends the list'
  )
  t.same(
    await page({ limit: 2, after: null }),
    { ids: ['a', 'b'], hasMore: true, nextCursor: 'b' },
    'G-F12 after: null asks for the first page'
  )
})

t.test('An ordered set is sorted by its key where order matters', async t => {
  const definition = (type: 'string' | 'number'): BucketDefinition => ({
    key: 'id',
    schema: { id: { type } },
    etsType: 'ordered_set'
  })
  const { client } = await withBuckets(t, { numbers: definition('number'), texts: definition('string') })
  for (const id of [10, 9, 100]) await client.ask('store.insert', { bucket: 'numbers', data: { id } })
  for (const id of ['b', 'ab', 'a']) await client.ask('store.insert', { bucket: 'texts', data: { id } })
  t.same(ids(await client.ask('store.first', { bucket: 'numbers', n: 2 })), [9, 10])
  t.same(ids(await client.ask('store.last', { bucket: 'numbers', n: 2 })), [10, 100])
  t.same(
    ids((await client.ask('store.paginate', { bucket: 'numbers', limit: 2, after: 9 })).records),
    [10, 100]
  )
  t.same(ids(await client.ask('store.all', { bucket: 'numbers' })), [10, 9, 100])
  t.same(ids(await client.ask('store.first', { bucket: 'texts', n: 3 })), ['a', 'ab', 'b'])
})

t.test('A wrong field is refused and named', async t => {
  const { client } = await withGoods(t)
  const table: ReadonlyArray<readonly [type: string, fields: object, field: string]> = [
    ...[
      'get',
      'all',
      'where',
      'findOne',
      'count',
      'first',
      'last',
      'paginate',
      'sum',
      'avg',
      'min',
      'max',
      'groupBy',
      'insert',
      'insertMany',
      'upsert',
      'update',
      'updateMany',
      'delete',
      'deleteMany',
      'clear'
    ].flatMap(type =>
      [undefined, null, '', 5, {}].map(
        bucket =>
          [
            type,
            {
              bucket,
              key: 'a',
              filter: {},
              n: 1,
              limit: 1,
              field: 'price',
              aggregate: { function: 'count' },
              data: type === 'insertMany' ? [] : {}
            },
            'bucket'
          ] as const
      )
    ),
    ...['get', 'update', 'delete'].flatMap(type =>
      [undefined, null].map(key => [type, { key, data: {} }, 'key'] as const)
    ),
    ...['where', 'findOne', 'updateMany', 'deleteMany'].flatMap(type =>
      [undefined, null, 5, 'x', []].map(filter => [type, { filter, data: {} }, 'filter'] as const)
    ),
    ...['count', 'sum', 'avg', 'min', 'max', 'groupBy'].flatMap(type =>
      [5, 'x', [], true].map(
        filter => [type, { field: 'price', aggregate: { function: 'count' }, filter }, 'filter'] as const
      )
    ),
    ...['sum', 'avg', 'min', 'max', 'groupBy'].flatMap(type =>
      [undefined, null, '', 5].map(
        field => [type, { field, aggregate: { function: 'count' } }, 'field'] as const
      )
    ),
    ...['first', 'last'].flatMap(type =>
      [undefined, null, 0, -1, 1.5, '1', true].map(n => [type, { n }, 'n'] as const)
    ),
    ...[undefined, null, 0, -1, 1.5, '1'].map(limit => ['paginate', { limit }, 'limit'] as const),
    ...['insert', 'upsert'].flatMap(type =>
      [undefined, null, 5, 'x', []].map(data => [type, { data }, 'data'] as const)
    ),
    ...[undefined, null, 5, []].map(data => ['update', { key: 'a', data }, 'data'] as const),
    ...[undefined, null, 5, []].map(data => ['updateMany', { filter: {}, data }, 'data'] as const),
    ...[undefined, null, 5, {}].map(data => ['insertMany', { data }, 'data'] as const),
    ['insertMany', { data: [{ id: 'z', name: 'zz' }, 5] }, 'data[1]'],
    ['insertMany', { data: [null] }, 'data[0]'],
    ['groupBy', { field: [], aggregate: { function: 'count' } }, 'field'],
    ['groupBy', { field: 'kind' }, 'aggregate'],
    ['groupBy', { field: 'kind', aggregate: { function: 'nope' } }, 'aggregate'],
    ['groupBy', { field: 'kind', aggregate: { function: 'sum' } }, 'aggregate']
  ]
  for (const [type, fields, field] of table) {
    const reply = await client.request(`store.${type}`, { bucket: 'goods', ...fields })
    t.match(reply, { type: 'error', code: 'VALIDATION_ERROR' }, `${type} ${JSON.stringify(fields)}`)
    t.ok(reply['message'].startsWith(field), `"${reply['message']}" names ${field}`)
  }
  t.equal(await client.ask('store.count', { bucket: 'goods' }), 3, 'nothing was changed')
})

t.test('An unknown bucket is refused by every operation, after its fields', async t => {
  const { client } = await withGoods(t)
  const fields = {
    key: 'a',
    filter: {},
    n: 1,
    limit: 1,
    field: 'price',
    aggregate: { function: 'count' },
    data: { id: 'a' }
  }
  for (const type of [
    'get',
    'all',
    'where',
    'findOne',
    'count',
    'first',
    'last',
    'paginate',
    'sum',
    'avg',
    'min',
    'max',
    'groupBy',
    'insert',
    'upsert',
    'update',
    'updateMany',
    'delete',
    'deleteMany',
    'clear'
  ]) {
    for (const bucket of ['nope', 'constructor', '__proto__']) {
      t.equal(
        await client.code(`store.${type}`, { bucket, ...fields }),
        'BUCKET_NOT_DEFINED',
        `${type} of ${bucket}`
      )
    }
  }
  t.equal(await client.code('store.insertMany', { bucket: 'nope', data: [] }), 'BUCKET_NOT_DEFINED')
  t.equal(await client.code('store.get', { bucket: 'nope' }), 'VALIDATION_ERROR')
})

t.test('The record model', async t => {
  const { client } = await withBuckets(t, {
    goods,
    brief: { key: 'id', schema: { id: { type: 'string' } }, ttl: '1h' },
    made: {
      key: 'id',
      schema: {
        id: { type: 'string', generated: 'uuid' },
        cuid: { type: 'string', generated: 'cuid' },
        at: { type: 'number', generated: 'timestamp' },
        no: { type: 'number', generated: 'autoincrement' },
        level: { type: 'number', default: 7 }
      }
    }
  })

  t.test('Metadata is the server\'s', async t => {
    const forged = { _version: 99, _createdAt: 1, _updatedAt: 1 }
    const before = Date.now()
    const inserted = await client.ask('store.insert', {
      bucket: 'goods',
      data: { id: 'm', name: 'mm', ...forged }
    })
    t.equal(inserted._version, 1)
    t.ok(inserted._createdAt >= before && inserted._createdAt === inserted._updatedAt)
    const updated = await client.ask('store.update', {
      bucket: 'goods',
      key: 'm',
      data: { price: 1, ...forged }
    })
    t.match(updated, { price: 1, _version: 2, _createdAt: inserted._createdAt })
    t.ok(updated._updatedAt >= inserted._updatedAt)
    t.equal(
      (await client.ask('store.update', { bucket: 'goods', key: 'm', data: {} }))._version,
      3,
      'an empty change counts'
    )
    t.match(await client.ask('store.upsert', { bucket: 'goods', data: { id: 'm', ...forged } }), {
      _version: 4,
      _createdAt: inserted._createdAt,
      price: 1
    })
    t.equal(await client.ask('store.updateMany', { bucket: 'goods', filter: { id: 'm' }, data: forged }), 1)
    t.match(await client.ask('store.get', { bucket: 'goods', key: 'm' }), {
      _version: 5,
      _createdAt: inserted._createdAt
    })
  })

  t.test('G-F13 _expiresAt is the server\'s', async t => {
    const bucket = 'brief'
    const forged = { _expiresAt: 9e15 }
    const expires = async (id: string) => {
      const record = await client.ask('store.get', { bucket, key: id })
      return record._expiresAt - record._createdAt
    }
    const hour = 3_600_000
    await client.ask('store.insert', { bucket, data: { id: 'a', ...forged } })
    await client.ask('store.insertMany', { bucket, data: [{ id: 'b', ...forged }] })
    await client.ask('store.upsert', { bucket, data: { id: 'c', ...forged } })
    for (const id of ['a', 'b', 'c']) t.equal(await expires(id), hour, `${id} expires after the TTL`)

    await client.ask('store.update', { bucket, key: 'a', data: forged })
    await client.ask('store.update', { bucket, key: 'a', data: { _expiresAt: null } })
    await client.ask('store.updateMany', { bucket, filter: {}, data: forged })
    await client.ask('store.upsert', { bucket, data: { id: 'c', ...forged } })
    await client.ask('store.transaction', {
      operations: [
        { op: 'update', bucket, key: 'b', data: forged },
        { op: 'upsert', bucket, data: { id: 'c', ...forged } }
      ]
    })
    await client.ask('store.transaction', {
      operations: [{ op: 'updateMany', bucket, filter: {}, data: forged }]
    })
    for (const id of ['a', 'b', 'c']) t.equal(await expires(id), hour, `${id} still expires after the TTL`)

    await client.ask('store.transaction', {
      operations: [
        { op: 'insert', bucket, data: { id: 'd', ...forged } },
        { op: 'upsert', bucket, data: { id: 'e', ...forged } }
      ]
    })
    for (const id of ['d', 'e']) {
      const lifetime = await expires(id)
      t.ok(Math.abs(lifetime - hour) < 1000, `${id} expires after the TTL`)
    }
    t.notOk(
      '_expiresAt' in
        (await client.ask('store.insert', { bucket: 'goods', data: { id: 'x', name: 'xx', ...forged } })),
      'a bucket without a TTL has none'
    )
  })

  t.test('Generated fields and defaults fill what is absent, and null counts as present', async t => {
    const record = await client.ask('store.insert', { bucket: 'made', data: {} })
    t.match(record, { id: /^[0-9a-f-]{36}$/, cuid: /^c[0-9a-f]{32}$/, at: Number, no: 1, level: 7 })
    t.match(
      await client.ask('store.insert', {
        bucket: 'made',
        data: { cuid: null, at: null, no: null, level: null }
      }),
      { cuid: null, at: null, no: null, level: null }
    )
    t.match(
      await client.ask('store.insert', {
        bucket: 'made',
        data: { id: 'own', no: 50, other: [1, { a: null }] }
      }),
      { id: 'own', no: 50, other: [1, { a: null }] }
    )
    t.match(
      await client.ask('store.update', {
        bucket: 'made',
        key: 'own',
        data: { id: 'new', no: 1, level: null, other: null }
      }),
      { id: 'own', no: 50, level: null, other: null },
      'an update changes neither the key nor what is generated'
    )
  })

  t.test('A record that does not fit the schema is refused with every issue', async t => {
    const reply = await client.request('store.insert', {
      bucket: 'goods',
      data: { id: 'q', name: 'x', price: -1, kind: 'z' }
    })
    t.match(reply, { code: 'VALIDATION_ERROR' })
    t.same(
      reply['details'].map(({ field, code }: { field: string, code: string }) => [field, code]),
      [
        ['name', 'minLength'],
        ['price', 'min'],
        ['kind', 'enum']
      ]
    )
    t.match(await client.request('store.insert', { bucket: 'goods', data: { id: 'q' } }), {
      details: [{ field: 'name', code: 'required' }]
    })
    t.match(await client.request('store.update', { bucket: 'goods', key: 'm', data: { price: 'x' } }), {
      code: 'VALIDATION_ERROR',
      details: [{ field: 'price', code: 'type' }]
    })
    t.match(await client.request('store.upsert', { bucket: 'goods', data: { id: 'm', price: 'x' } }), {
      code: 'VALIDATION_ERROR'
    })
    t.match(await client.request('store.updateMany', { bucket: 'goods', filter: {}, data: { name: null } }), {
      code: 'VALIDATION_ERROR'
    })
    t.match(
      await client.ask('store.get', { bucket: 'goods', key: 'm' }),
      { name: 'mm', _version: 5 },
      'nothing was changed'
    )
  })
})

t.test('G-F1 refuses a primary key that is taken', async t => {
  const key = (generated?: 'autoincrement' | 'timestamp'): BucketDefinition => ({
    key: 'id',
    schema: { id: { type: generated === undefined ? 'string' : 'number', ...(generated && { generated }) } }
  })
  const { client } = await withBuckets(t, {
    plain: key(),
    counted: key('autoincrement'),
    timed: key('timestamp'),
    fixed: { key: 'id', schema: { id: { type: 'string', default: 'only' } } }
  })
  const taken = (bucket: string, value: unknown) => ({
    type: 'error',
    code: 'ALREADY_EXISTS',
    details: { bucket, field: 'id', value }
  })

  t.test('that the client supplies', async t => {
    await client.ask('store.insert', { bucket: 'plain', data: { id: 'k', name: '1' } })
    t.match(
      await client.request('store.insert', { bucket: 'plain', data: { id: 'k', name: '2' } }),
      taken('plain', 'k')
    )
    t.match(
      await client.request('store.insertMany', { bucket: 'plain', data: [{ id: 'a' }, { id: 'k' }] }),
      taken('plain', 'k')
    )
    t.match(
      await client.request('store.insertMany', {
        bucket: 'plain',
        data: [{ id: 'a' }, { id: 'b' }, { id: 'a' }]
      }),
      taken('plain', 'a'),
      'also within one batch'
    )
    t.match(await client.ask('store.all', { bucket: 'plain' }), [{ id: 'k', name: '1', _version: 1 }])
    t.equal(
      (await client.ask('store.all', { bucket: 'plain' })).length,
      1,
      'a batch is stored as a whole or not at all'
    )
    t.match(
      await client.ask('store.insert', { bucket: 'plain', data: { id: 'A "k" already', name: 'quotes' } }),
      { name: 'quotes' }
    )
    t.match(
      await client.request('store.insert', { bucket: 'plain', data: { id: 'A "k" already' } }),
      taken('plain', 'A "k" already')
    )
    t.match(await client.request('store.insert', { bucket: 'plain', data: { id: 'k\n' } }), {
      type: 'result'
    })
    t.match(
      await client.request('store.insert', { bucket: 'plain', data: { id: 'k\n' } }),
      taken('plain', 'k\n')
    )
  })

  t.test('that the store counts, by counting on', async t => {
    await client.ask('store.insert', { bucket: 'counted', data: { id: 2, name: 'supplied' } })
    await client.ask('store.insert', { bucket: 'counted', data: { id: 4, name: 'supplied' } })
    t.match(await client.ask('store.insert', { bucket: 'counted', data: {} }), { id: 3 })
    t.match(await client.ask('store.upsert', { bucket: 'counted', data: {} }), { id: 5 })
    t.same(
      ids(await client.ask('store.insertMany', { bucket: 'counted', data: [{}, { id: 7 }, {}] })),
      [6, 7, 8]
    )
    t.match(
      await client.request('store.insertMany', { bucket: 'counted', data: [{}, { id: 4 }] }),
      taken('counted', 4)
    )
    t.match(await client.request('store.insert', { bucket: 'counted', data: { id: 2 } }), taken('counted', 2))
    t.match(await client.ask('store.where', { bucket: 'counted', filter: { name: 'supplied' } }), [
      { id: 2, _version: 1 },
      { id: 4, _version: 1 }
    ])
    t.equal(await client.ask('store.count', { bucket: 'counted' }), 7)
  })

  t.test('that the store takes from its clock', async t => {
    const reply = await client.request('store.insertMany', {
      bucket: 'timed',
      data: Array.from({ length: 50 }, () => ({}))
    })
    t.match(reply, taken('timed', Number))
    t.ok(Math.abs(reply['details'].value - Date.now()) < 60_000, 'the value is the timestamp')

    const attempts = 40
    for (let id = 1; id <= attempts; id++) {
      client.send({
        id: 1000 + id,
        type: id % 2 === 0 ? 'store.insert' : 'store.upsert',
        bucket: 'timed',
        data: { n: id }
      })
    }
    let stored = 0
    for (let id = 1; id <= attempts; id++) {
      const reply = await client.next()
      if (reply['type'] === 'result') stored++
      else t.match(reply, taken('timed', Number))
    }
    t.equal(
      await client.ask('store.count', { bucket: 'timed' }),
      stored,
      'every insert that was confirmed is there'
    )
  })

  t.test('that is a default', async t => {
    await client.ask('store.insert', { bucket: 'fixed', data: { n: 1 } })
    t.match(await client.request('store.insert', { bucket: 'fixed', data: { n: 2 } }), taken('fixed', 'only'))
    t.match(await client.request('store.upsert', { bucket: 'fixed', data: { n: 2 } }), taken('fixed', 'only'))
    t.match(await client.ask('store.all', { bucket: 'fixed' }), [{ id: 'only', n: 1, _version: 1 }])
  })

  t.test('when two clients insert it at once', async t => {
    const { connect } = await serve(t)
    const clients = await Promise.all([connect(), connect(), connect()])
    const replies = await Promise.all(
      clients.map((client, n) => client.request('store.insert', { bucket: 'items', data: { id: 'same', n } }))
    )
    t.same(replies.map(reply => reply['type']).toSorted(), ['error', 'error', 'result'])
  })
})

t.test('A record without a usable primary key is refused', async t => {
  const { client } = await withBuckets(t, {
    goods,
    nulled: { key: 'id', schema: { id: { type: 'string', default: null } } }
  })
  const table: ReadonlyArray<readonly [bucket: string, data: object, code: string]> = [
    ['goods', { name: 'xx' }, 'required'],
    ['goods', { id: null, name: 'xx' }, 'required'],
    ['goods', { id: {}, name: 'xx' }, 'type'],
    ['goods', { id: ['a'], name: 'xx' }, 'type'],
    ['nulled', {}, 'required']
  ]
  for (const [bucket, data, code] of table) {
    const expected = { code: 'VALIDATION_ERROR', details: [{ field: 'id', code }] }
    t.match(
      await client.request('store.insert', { bucket, data }),
      expected,
      `insert ${JSON.stringify(data)} into ${bucket}`
    )
    t.match(await client.request('store.insertMany', { bucket, data: [data] }), expected)
    t.match(await client.request('store.upsert', { bucket, data }), expected)
    t.match(
      await client.request('store.transaction', { operations: [{ op: 'insert', bucket, data }] }),
      expected
    )
  }
  t.match(await client.request('store.insert', { bucket: 'goods', data: { id: 5, name: 'xx' } }), {
    code: 'VALIDATION_ERROR',
    details: [{ field: 'id', code: 'type' }]
  })
  t.equal((await client.ask('store.stats')).records.total, 0)
})

t.test('A unique field', async t => {
  const { client } = await withGoods(t)
  const taken = { code: 'ALREADY_EXISTS', details: { bucket: 'goods', field: 'code', value: 'B1' } }
  t.match(
    await client.request('store.insert', { bucket: 'goods', data: { id: 'd', name: 'dd', code: 'B1' } }),
    taken
  )
  t.match(
    await client.request('store.insertMany', {
      bucket: 'goods',
      data: [
        { id: 'd', name: 'dd' },
        { id: 'e', name: 'ee', code: 'B1' }
      ]
    }),
    taken
  )
  t.match(await client.request('store.upsert', { bucket: 'goods', data: { id: 'a', code: 'B1' } }), taken)
  t.match(await client.request('store.update', { bucket: 'goods', key: 'a', data: { code: 'B1' } }), taken)
  t.match(await client.request('store.updateMany', { bucket: 'goods', filter: {}, data: { code: 'Z' } }), {
    code: 'ALREADY_EXISTS'
  })
  t.same(
    (await client.ask('store.all', { bucket: 'goods' })).map(
      ({ id, code, _version }: Record<string, unknown>) => [id, code, _version]
    ),
    [
      ['a', undefined, 1],
      ['b', 'B1', 1],
      ['c', undefined, 1]
    ],
    'nothing was changed'
  )
  t.match(
    await client.ask('store.update', { bucket: 'goods', key: 'b', data: { code: 'B1' } }),
    { _version: 2 },
    'a record may keep its own value'
  )
  await client.ask('store.delete', { bucket: 'goods', key: 'b' })
  t.match(
    await client.ask('store.insert', { bucket: 'goods', data: { id: 'b', name: 'bb', code: 'B1' } }),
    { _version: 3 },
    'a value is free again, and no version of a key comes twice'
  )
})

t.test('A full bucket loses no record to an insert that is refused', async t => {
  const { client } = await withBuckets(t, {
    small: {
      key: 'id',
      schema: { id: { type: 'string', generated: 'uuid' }, code: { type: 'string', unique: true } },
      maxSize: 2
    }
  })
  await client.ask('store.insertMany', {
    bucket: 'small',
    data: [
      { id: 'a', code: '1' },
      { id: 'b', code: '2' }
    ]
  })
  t.equal(await client.code('store.insert', { bucket: 'small', data: { code: '2' } }), 'ALREADY_EXISTS')
  t.equal(
    await client.code('store.upsert', { bucket: 'small', data: { id: 'x', code: '2' } }),
    'ALREADY_EXISTS'
  )
  t.same(ids(await client.ask('store.all', { bucket: 'small' })), ['a', 'b'])
  await client.ask('store.insert', { bucket: 'small', data: { id: 'c', code: '3' } })
  t.same(ids(await client.ask('store.all', { bucket: 'small' })), ['b', 'c'], 'the oldest record makes room')
})

t.test('The writing operations', async t => {
  const { client } = await withGoods(t)
  const ask = async (type: string, fields: object = {}) =>
    await client.ask(`store.${type}`, { bucket: 'goods', ...fields })

  t.match(await ask('insert', { data: { id: 'd', name: 'dd' } }), {
    id: 'd',
    name: 'dd',
    kind: 'a',
    _version: 1
  })
  t.match(
    await ask('insertMany', {
      data: [
        { id: 'e', name: 'ee' },
        { id: 'f', name: 'ff' }
      ]
    }),
    [
      { id: 'e', _version: 1 },
      { id: 'f', _version: 1 }
    ]
  )
  t.same(await ask('insertMany', { data: [] }), [])
  t.match(await ask('update', { key: 'd', data: { price: 3 } }), {
    id: 'd',
    name: 'dd',
    price: 3,
    _version: 2
  })
  t.match(
    await ask('upsert', { data: { id: 'd', price: 4 } }),
    { id: 'd', name: 'dd', price: 4, _version: 3 },
    'upsert updates'
  )
  t.match(
    await ask('upsert', { data: { id: 'g', name: 'gg' } }),
    { id: 'g', kind: 'a', _version: 1 },
    'upsert inserts'
  )
  t.equal(await ask('updateMany', { filter: { kind: 'b' }, data: { price: 9 } }), 2)
  t.equal(await ask('updateMany', { filter: { kind: 'x' }, data: { price: 9 } }), 0)
  t.equal(await ask('sum', { field: 'price', filter: { kind: 'b' } }), 18)
  t.same(await ask('delete', { key: 'd' }), { deleted: true })
  t.same(await ask('delete', { key: 'd' }), { deleted: true }, 'also when there is nothing')
  t.same(await ask('delete', { key: { $exists: true } }), { deleted: true })
  t.equal(await ask('count'), 6)
  t.equal(await ask('deleteMany', { filter: { kind: 'b' } }), 2)
  t.equal(await ask('deleteMany', { filter: { kind: 'b' } }), 0)
  t.same(await ask('clear'), { cleared: true })
  t.same(await ask('clear'), { cleared: true })
  t.equal(await ask('count'), 0)
  t.match(
    await ask('insert', { data: { id: 'a', name: 'aa' } }),
    { _version: 2 },
    'a cleared bucket takes records, and no version of a key comes twice'
  )
})

t.test('G-F2 the update of a missing record answers NOT_FOUND', async t => {
  const { client } = await withGoods(t)
  for (const key of ['nope', 5, 0, false, '', {}, [], 'x" not found in bucket "y\n']) {
    t.equal(
      await client.code('store.update', { bucket: 'goods', key, data: {} }),
      'NOT_FOUND',
      `key ${JSON.stringify(key)}`
    )
  }
})

t.test('Filters', async t => {
  const { client } = await withGoods(t)
  const table: ReadonlyArray<readonly [filter: object, expected: string]> = [
    [{}, 'abc'],
    [{ kind: 'b' }, 'bc'],
    [{ kind: 'b', price: 2.5 }, 'b'],
    [{ name: { $eq: 'apple' } }, 'a'],
    [{ name: { $neq: 'apple' } }, 'bc'],
    [{ price: { $gt: 2.5 } }, 'a'],
    [{ price: { $gte: 2.5 } }, 'ab'],
    [{ price: { $lt: 5 } }, 'b'],
    [{ price: { $lte: 5 } }, 'ab'],
    [{ price: { $gt: 2, $lt: 3 } }, 'b'],
    [{ name: { $gt: 'a' } }, 'ac'],
    [{ id: { $in: ['a', 'c', 5] } }, 'ac'],
    [{ id: { $in: [] } }, ''],
    [{ id: { $nin: ['a'] } }, 'bc'],
    [{ name: { $contains: 'AN' } }, 'b'],
    [{ name: { $startsWith: 'b' } }, ''],
    [{ name: { $startsWith: 'B' } }, 'b'],
    [{ name: { $endsWith: 'y' } }, 'c'],
    [{ price: { $exists: true } }, 'ab'],
    [{ tags: { $exists: false } }, 'abc'],
    [{ price: { $between: [2.5, 5] } }, 'ab'],
    [{ name: { $between: ['a', 'b'] } }, 'a'],
    [{ tags: null }, 'a'],
    [{ $or: [{ id: 'a' }, { kind: 'b', price: { $exists: true } }] }, 'ab'],
    [{ $or: [] }, ''],
    [{ $and: [] }, 'abc'],
    [{ $and: [{ kind: 'b' }, { $or: [{ id: 'c' }] }] }, 'c'],
    [{ kind: 'b', $or: [{ id: 'a' }, { id: 'b' }] }, 'b'],
    [{ tags: [] }, ''],
    [{ tags: {} }, ''],
    [{ price: { $gte: 5, $lte: 5 } }, 'a'],
    [{ price: { $between: [5, 5], $eq: 5 } }, 'a'],
    [{ $or: [{ price: { $gt: 4 } }, { price: { $lt: 3 } }] }, 'ab']
  ]
  for (const [filter, expected] of table) {
    t.equal(
      ids(await client.ask('store.where', { bucket: 'goods', filter })).join(''),
      expected,
      JSON.stringify(filter)
    )
  }

  t.test('G-F11 a filter that the store does not understand is refused', async t => {
    const table: ReadonlyArray<readonly [filter: object, at: string]> = [
      [{ price: { $foo: 1 } }, 'filter.price.$foo'],
      [{ price: { $gt: 1, $foo: 1 } }, 'filter.price.$foo'],
      [{ price: { $gt: 1, a: 1 } }, 'filter.price.a'],
      [{ price: { $constructor: 1 } }, 'filter.price.$constructor'],
      [{ constructor: 'x' }, 'filter.constructor'],
      [{ $foo: 1 }, 'filter.$foo'],
      [{ $eq: 1 }, 'filter.$eq'],
      [{ $: 1 }, 'filter.$'],
      [{ $or: 5 }, 'filter.$or'],
      [{ $or: { id: 'a' } }, 'filter.$or'],
      [{ $or: null }, 'filter.$or'],
      [{ $and: 'x' }, 'filter.$and'],
      [{ $or: [{ id: 'a' }, 5] }, 'filter.$or[1]'],
      [{ $and: [{ $or: [{ price: { $in: 5 } }] }] }, 'filter.$and[0].$or[0].price.$in'],
      [{ price: { $in: 5 } }, 'filter.price.$in'],
      [{ price: { $in: 'abc' } }, 'filter.price.$in'],
      [{ price: { $nin: null } }, 'filter.price.$nin'],
      [{ price: { $in: Array.from({ length: 10_001 }, () => 1) } }, 'filter.price.$in'],
      [{ price: { $contains: 5 } }, 'filter.price.$contains'],
      [{ price: { $startsWith: {} } }, 'filter.price.$startsWith'],
      [{ price: { $endsWith: null } }, 'filter.price.$endsWith'],
      [{ price: { $exists: 1 } }, 'filter.price.$exists'],
      [{ price: { $exists: 'true' } }, 'filter.price.$exists'],
      [{ price: { $between: 5 } }, 'filter.price.$between'],
      [{ price: { $between: [] } }, 'filter.price.$between'],
      [{ price: { $between: [1] } }, 'filter.price.$between'],
      [{ price: { $between: [1, 2, 3] } }, 'filter.price.$between'],
      [{ price: { $between: [1, null] } }, 'filter.price.$between'],
      [{ price: { $between: [10, 2] } }, 'filter.price'],
      [{ name: { $between: ['b', 'a'] } }, 'filter.name'],
      [{ price: { $gt: 5, $lt: 3 } }, 'filter.price'],
      [{ price: { $gt: 5, $lte: 5 } }, 'filter.price'],
      [{ price: { $gte: 5, $lt: 5 } }, 'filter.price'],
      [{ price: { $gt: 5, $lt: 5 } }, 'filter.price'],
      [{ price: { $between: [1, 3], $gt: 3 } }, 'filter.price'],
      [{ price: { $eq: 4, $lt: 3 } }, 'filter.price'],
      [{ $and: [{ price: { $gt: 5 } }, { price: { $lt: 3 } }] }, 'filter.$and[1].price'],
      [{ price: 4, $and: [{ $and: [{ price: { $lt: 3 } }] }] }, 'filter.$and[0].$and[0].price'],
      [{ $or: [{ id: 'a' }, { name: { $gte: 'b', $lte: 'a' } }] }, 'filter.$or[1].name'],
      [{ price: { $gt: null } }, 'filter.price.$gt'],
      [{ price: { $gte: {} } }, 'filter.price.$gte'],
      [{ price: { $lt: [1] } }, 'filter.price.$lt'],
      [{ price: { $lte: true } }, 'filter.price.$lte']
    ]
    for (const [filter, at] of table) {
      for (const type of ['where', 'findOne', 'count', 'sum', 'groupBy', 'updateMany', 'deleteMany']) {
        const reply = await client.request(`store.${type}`, {
          bucket: 'goods',
          filter,
          field: 'price',
          aggregate: { function: 'count' },
          data: {}
        })
        t.match(reply, { code: 'VALIDATION_ERROR' }, `${type} ${JSON.stringify(filter).slice(0, 60)}`)
        t.ok(reply['message'].startsWith(`${at}: `), `"${reply['message']}" names ${at}`)
      }
    }
    t.equal(await client.ask('store.count', { bucket: 'goods' }), 3)
  })
})

t.test('G-F3 references', async t => {
  const library: Readonly<Record<string, BucketDefinition>> = {
    authors: { key: 'id', schema: { id: { type: 'string' } } },
    books: {
      key: 'id',
      schema: {
        id: { type: 'string' },
        // Before the cascade, so that a book whose editor is its author is first to be changed and then to be
        // deleted.
        editor: { type: 'string', ref: 'authors', onDelete: 'set_null' },
        author: { type: 'string', ref: 'authors', onDelete: 'cascade' }
      }
    },
    loans: { key: 'id', schema: { id: { type: 'string' }, book: { type: 'string', ref: 'books' } } },
    folders: {
      key: 'id',
      schema: {
        id: { type: 'string' },
        parent: { type: 'string', ref: 'folders', onDelete: 'cascade' },
        link: { type: 'string', ref: 'folders', onDelete: 'set_null' }
      }
    }
  }

  const withLibrary = async (t: Test): Promise<Setting> => {
    const setting = await withBuckets(t, library)
    await setting.client.ask('store.insertMany', {
      bucket: 'authors',
      data: [{ id: 'ann' }, { id: 'bob' }, { id: 'cid' }]
    })
    await setting.client.ask('store.insertMany', {
      bucket: 'books',
      data: [
        { id: 'b1', author: 'ann', editor: 'ann' },
        { id: 'b2', author: 'ann', editor: 'bob' },
        { id: 'b3', author: 'bob', editor: 'cid' },
        { id: 'b4' }
      ]
    })
    return setting
  }
  const left = async (client: TestClient, bucket: string) => ids(await client.ask('store.all', { bucket }))

  t.test('A dangling reference is refused', async t => {
    const { client } = await withLibrary(t)
    const dangling = {
      code: 'VALIDATION_ERROR',
      details: { bucket: 'books', field: 'author', target: 'authors', key: 'nobody' }
    }
    t.match(
      await client.request('store.insert', { bucket: 'books', data: { id: 'x', author: 'nobody' } }),
      dangling
    )
    t.match(
      await client.request('store.insertMany', {
        bucket: 'books',
        data: [{ id: 'x' }, { id: 'y', author: 'nobody' }]
      }),
      dangling
    )
    t.match(
      await client.request('store.upsert', { bucket: 'books', data: { id: 'x', author: 'nobody' } }),
      dangling
    )
    t.match(
      await client.request('store.update', { bucket: 'books', key: 'b4', data: { author: 'nobody' } }),
      dangling
    )
    t.match(
      await client.request('store.updateMany', { bucket: 'books', filter: {}, data: { author: 'nobody' } }),
      dangling
    )
    t.match(
      await client.request('store.transaction', {
        operations: [{ op: 'insert', bucket: 'books', data: { id: 'x', author: 'nobody' } }]
      }),
      dangling
    )
    t.equal(
      await client.code('store.insert', { bucket: 'books', data: { id: 'x', author: { $exists: true } } }),
      'VALIDATION_ERROR'
    )
    t.match(
      await client.ask('store.insert', { bucket: 'books', data: { id: 'x', author: null } }),
      { author: null },
      'null refers to nothing'
    )
  })

  t.test('restrict keeps the record', async t => {
    const { client } = await withLibrary(t)
    await client.ask('store.insert', { bucket: 'loans', data: { id: 'l', book: 'b1' } })
    const held = { code: 'CONFLICT', details: { bucket: 'loans', field: 'book', target: 'books', key: 'b1' } }
    t.match(await client.request('store.delete', { bucket: 'books', key: 'b1' }), held)
    t.match(await client.request('store.deleteMany', { bucket: 'books', filter: {} }), held)
    t.match(
      await client.request('store.delete', { bucket: 'authors', key: 'ann' }),
      held,
      'also at the end of a cascade'
    )
    t.same(await left(client, 'books'), ['b1', 'b2', 'b3', 'b4'], 'nothing was deleted')
    t.same(await left(client, 'authors'), ['ann', 'bob', 'cid'])
    await client.ask('store.delete', { bucket: 'loans', key: 'l' })
    t.same(await client.ask('store.delete', { bucket: 'books', key: 'b1' }), { deleted: true })
  })

  t.test('cascade and set_null', async t => {
    const { client } = await withLibrary(t)
    t.same(await client.ask('store.delete', { bucket: 'authors', key: 'ann' }), { deleted: true })
    t.same(await left(client, 'books'), ['b3', 'b4'])
    await client.ask('store.delete', { bucket: 'authors', key: 'cid' })
    t.match(await client.ask('store.get', { bucket: 'books', key: 'b3' }), {
      author: 'bob',
      editor: null,
      _version: 2
    })
    t.equal(await client.ask('store.deleteMany', { bucket: 'authors', filter: {} }), 1)
    t.same(await left(client, 'books'), ['b4'])
  })

  t.test('A circle of references ends', async t => {
    const { client } = await withLibrary(t)
    await client.ask('store.insertMany', { bucket: 'folders', data: [{ id: 'a' }, { id: 'z' }] })
    await client.ask('store.insertMany', {
      bucket: 'folders',
      data: [
        { id: 'b', parent: 'a' },
        { id: 'c', parent: 'a', link: 'a' },
        { id: 'y', link: 'a' }
      ]
    })
    await client.ask('store.update', { bucket: 'folders', key: 'a', data: { parent: 'b', link: 'a' } })
    await client.ask('store.delete', { bucket: 'folders', key: 'a' })
    t.match(await client.ask('store.all', { bucket: 'folders' }), [{ id: 'z' }, { id: 'y', link: null }])
    await client.ask('store.update', { bucket: 'folders', key: 'z', data: { link: 'y' } })
    t.equal(
      await client.ask('store.deleteMany', { bucket: 'folders', filter: {} }),
      2,
      'records that refer to each other are deleted together'
    )
  })

  t.test('A key that looks like a filter touches nothing', async t => {
    const { client } = await withLibrary(t)
    for (const key of [{ $exists: true }, { $neq: 1 }, { $foo: 1 }, { $in: 5 }, {}, []]) {
      t.same(
        await client.ask('store.delete', { bucket: 'authors', key }),
        { deleted: true },
        JSON.stringify(key)
      )
      t.same(
        await client.ask('store.transaction', { operations: [{ op: 'delete', bucket: 'authors', key }] }),
        { results: [{ index: 0, data: { deleted: true } }] }
      )
    }
    t.same(await left(client, 'books'), ['b1', 'b2', 'b3', 'b4'])
    t.match(await client.ask('store.get', { bucket: 'books', key: 'b1' }), { editor: 'ann', _version: 1 })
  })

  t.test('G-F6 what transactions wrote counts', async t => {
    const { client } = await withLibrary(t)
    await client.ask('store.transaction', {
      operations: [{ op: 'insert', bucket: 'loans', data: { id: 'l', book: 'b4' } }]
    })
    t.equal(
      await client.code('store.delete', { bucket: 'books', key: 'b4' }),
      'CONFLICT',
      'a record that a transaction inserted protects'
    )
    await client.ask('store.transaction', {
      operations: [{ op: 'update', bucket: 'loans', key: 'l', data: { book: 'b3' } }]
    })
    t.equal(
      await client.code('store.delete', { bucket: 'books', key: 'b3' }),
      'CONFLICT',
      'so does one that a transaction changed'
    )
    t.same(
      await client.ask('store.delete', { bucket: 'books', key: 'b4' }),
      { deleted: true },
      'and what it referred to is free'
    )
    await client.ask('store.insert', { bucket: 'loans', data: { id: 'm', book: 'b3' } })
    await client.ask('store.transaction', {
      operations: [
        { op: 'delete', bucket: 'loans', key: 'l' },
        { op: 'deleteMany', bucket: 'loans', filter: { id: 'm' } }
      ]
    })
    t.same(
      await client.ask('store.delete', { bucket: 'books', key: 'b3' }),
      { deleted: true },
      'one that a transaction deleted does not'
    )
  })

  t.test('clear takes the records whatever refers to them', async t => {
    const { client } = await withLibrary(t)
    await client.ask('store.insert', { bucket: 'loans', data: { id: 'l', book: 'b1' } })
    t.same(await client.ask('store.clear', { bucket: 'books' }), { cleared: true })
    t.equal(await client.ask('store.count', { bucket: 'books' }), 0)
    t.match(await client.ask('store.get', { bucket: 'loans', key: 'l' }), { book: 'b1' })
  })

  t.test('A delete outlasts other writers of the record', async t => {
    const { client, store } = await withLibrary(t)
    const authors = store.bucket('authors')
    // It is one step of the store, so there is always a moment for it.
    const writing = (async () => {
      for (let n = 0; await authors.get('bob') !== undefined; n++) {
        await authors.update('bob', { n })
        await nextTurn()
      }
    })()
    t.same(await client.ask('store.delete', { bucket: 'authors', key: 'bob' }), { deleted: true })
    await writing
    t.same(await left(client, 'authors'), ['ann', 'cid'])
  })
})

t.test('Records are laid out as the store alone would lay them out', async t => {
  const plain = await startStore(t)
  let id = 0
  const made: BucketDefinition = {
    key: 'id',
    schema: {
      late: { type: 'string', default: 'l' },
      made: { type: 'number', default: () => 5 },
      never: { type: 'number', default: () => undefined },
      id: { type: 'string', default: () => `id-${id}` },
      n: { type: 'number', generated: 'autoincrement' },
      early: { type: 'number', default: 0 },
      none: { type: 'string' },
      nothing: { type: 'string', default: null }
    }
  }
  const buckets: Readonly<Record<string, BucketDefinition>> = {
    goods,
    made,
    brief: { ...made, ttl: 1000 },
    key: {
      key: 'id',
      schema: { id: { type: 'number', generated: 'autoincrement' }, a: { type: 'number', default: 1 } }
    }
  }
  const { client } = await withBuckets(t, buckets)
  for (const [name, definition] of Object.entries(buckets)) await plain.defineBucket(name, definition)

  const table: ReadonlyArray<readonly [bucket: string, data: Readonly<Record<string, unknown>>]> = [
    ['goods', { id: 'a', name: 'aa' }],
    ['goods', { name: 'aa', id: 'b', kind: 'b', extra: { z: 1, a: [2] } }],
    [
      'goods',
      { kind: 'a', _version: 9, id: 'c', 10: 'ten', _updatedAt: 5, 2: 'two', name: 'cc', 'a\0b': 1, '': 0 }
    ],
    ['made', {}],
    ['made', { early: 3, z: null }],
    ['made', { made: 1, n: 5, late: null }],
    ['brief', { none: 'x' }],
    ['brief', { early: 1, n: null }],
    ['key', {}],
    ['key', { a: null }],
    ['key', { id: 70 }]
  ]
  const masked = (text: string) => text.replaceAll(/\d{13}/g, '<ms>')
  for (const [bucket, data] of table) {
    id++
    const expected = masked(JSON.stringify(await plain.bucket(bucket).insert(data)))
    t.equal(
      masked(JSON.stringify(await client.ask('store.insert', { bucket, data }))),
      expected,
      `${bucket} ${JSON.stringify(data)}`
    )
  }
  t.test('also in a batch and in a transaction', async t => {
    id++
    const data = { z: 1, early: 4 }
    const expected = masked(JSON.stringify(await plain.bucket('brief').insert(data)))
    const [record] = await client.ask('store.insertMany', { bucket: 'brief', data: [data] })
    t.equal(masked(JSON.stringify(record)), expected)
  })
})
