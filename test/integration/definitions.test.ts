import t, { type Test } from 'tap'
import { MemoryAdapter } from '@hamicek/noex-store'
import type { TestClient } from '../support/client.js'
import { serve, startStore, type Served } from '../support/service.js'

interface Setting extends Served {
  readonly client: TestClient
}

const text = { type: 'string' } as const
const number = { type: 'number' } as const
const minimal = { key: 'id', schema: { id: text } }
const numbered = { key: 'id', schema: { id: { type: 'string', generated: 'uuid' }, n: number } }

async function connected (t: Test): Promise<Setting> {
  const served = await serve(t)
  return { ...served, client: await served.connect() }
}

/** A bucket `kept` with three records. */
async function withKept (t: Test): Promise<Setting> {
  const setting = await connected(t)
  await setting.client.ask('store.defineBucket', {
    name: 'kept',
    config: { ...minimal, ttl: '1h', indexes: ['id'] }
  })
  await setting.client.ask('store.insertMany', {
    bucket: 'kept',
    data: [{ id: 'a', twin: 1 }, { id: 'b', twin: 1 }, { id: 'c' }]
  })
  return setting
}

/** Checks that everything which tells of the store still answers, and that `kept` has lost nothing. */
async function isIntact (
  t: Test,
  { client, app }: Setting,
  buckets: readonly string[] = ['items', 'kept']
): Promise<void> {
  t.same((await client.ask('store.stats')).buckets.names, buckets)
  t.same((await client.ask('server.stats')).store.buckets.names, buckets)
  t.same((await app.noex.getStats()).store?.buckets.names, buckets)
  t.match(await client.ask('store.all', { bucket: 'kept' }), [
    { id: 'a', _version: 1 },
    { id: 'b', _version: 1 },
    { id: 'c', _version: 1 }
  ])
}

t.test('A bucket', async t => {
  const { client } = await connected(t)
  const config = {
    key: 'id',
    schema: {
      id: { type: 'string', generated: 'cuid' },
      name: {
        type: 'string',
        required: true,
        default: 'x',
        minLength: 1,
        maxLength: 20,
        pattern: '^[a-z]+$',
        unique: true
      },
      mail: { type: 'string', format: 'email' },
      site: { type: 'string', format: 'url' },
      on: { type: 'date', format: 'iso-date' },
      n: { type: 'number', min: 0, max: 10 },
      kind: { type: 'string', enum: ['a', 'b', null, 5] },
      flag: { type: 'boolean' },
      at: { type: 'number', generated: 'timestamp' },
      address: { type: 'object', properties: { city: { type: 'string', required: true } } },
      tags: { type: 'array', items: { type: 'string', minLength: 2 } },
      parent: { type: 'string', ref: 'whole', onDelete: 'set_null' },
      item: { type: 'string', ref: 'items', onDelete: 'cascade' },
      other: { type: 'string', ref: 'items', onDelete: 'restrict' }
    },
    indexes: ['kind', 'n'],
    etsType: 'ordered_set',
    persistent: false,
    ttl: '1.5h',
    maxSize: 100
  }
  t.same(await client.ask('store.defineBucket', { name: 'whole', config }), { name: 'whole', created: true })
  t.same(
    await client.ask('store.getBucketSchema', { name: 'whole' }),
    { name: 'whole', config },
    'the definition comes back as it was given'
  )
  t.same(await client.ask('store.buckets'), { count: 2, names: ['items', 'whole'] })
  t.equal(await client.code('store.defineBucket', { name: 'whole', config: minimal }), 'ALREADY_EXISTS')
  t.match(
    await client.ask('store.insert', {
      bucket: 'whole',
      data: { parent: null, address: { city: 'x' }, tags: ['ab'] }
    }),
    { name: 'x', at: Number, _expiresAt: Number }
  )
  t.match(
    await client.request('store.insert', {
      bucket: 'whole',
      data: { name: 'A', address: {}, tags: ['a', 5] }
    }),
    {
      details: [
        { field: 'name', code: 'pattern' },
        { field: 'address.city', code: 'required' },
        { field: 'tags[0]', code: 'minLength' },
        { field: 'tags[1]', code: 'type' }
      ]
    }
  )
  t.same(await client.ask('store.dropBucket', { name: 'whole' }), { name: 'whole', dropped: true })
  for (const type of ['store.dropBucket', 'store.getBucketSchema', 'store.updateBucket']) {
    t.equal(await client.code(type, { name: 'whole', updates: {} }), 'BUCKET_NOT_DEFINED', type)
  }
  t.same(
    await client.ask('store.defineBucket', { name: 'whole', config: minimal }),
    { name: 'whole', created: true },
    'the name is free again'
  )
  t.equal(await client.ask('store.count', { bucket: 'whole' }), 0)

  t.test('may have any name that can be told apart', async t => {
    for (const name of [
      'a.b',
      '*',
      'a.*',
      'bucket',
      'constructor',
      'toString',
      ' ',
      '\u{1F600}',
      'x'.repeat(1000)
    ]) {
      await client.ask('store.defineBucket', { name, config: minimal })
      t.match(await client.ask('store.insert', { bucket: name, data: { id: 'a' } }), { id: 'a' })
      t.equal((await client.ask('store.stats')).records.perBucket[name], 1, `"${name.slice(0, 20)}"`)
      await client.ask('store.dropBucket', { name })
    }
    for (const name of ['__proto__', 'a\0b', 'a\nb', '\u001f']) {
      t.match(
        await client.request('store.defineBucket', { name, config: minimal }),
        { code: 'VALIDATION_ERROR', message: /^name: / },
        JSON.stringify(name)
      )
    }
  })
})

t.test('The fields of the operations are checked first', async t => {
  const { client } = await connected(t)
  const table: ReadonlyArray<readonly [type: string, fields: object, field: string]> = [
    ...[
      'defineBucket',
      'dropBucket',
      'updateBucket',
      'getBucketSchema',
      'defineQuery',
      'undefineQuery'
    ].flatMap(type =>
      [undefined, null, '', 5, {}].map(
        name => [type, { name, config: { bucket: 'items' }, updates: {} }, 'name'] as const
      )
    ),
    ...['defineBucket', 'defineQuery'].flatMap(type =>
      [undefined, null, 'x', 5, []].map(config => [type, { name: 'n', config }, 'config'] as const)
    ),
    ...[undefined, null, 'x', 5, []].map(
      updates => ['updateBucket', { name: 'nope', updates }, 'updates'] as const
    ),
    ...[undefined, null, '', 5].flatMap(query =>
      ['query', 'subscribe'].map(type => [type, { query }, 'query'] as const)
    ),
    ...[undefined, null, '', 5].map(
      subscriptionId => ['unsubscribe', { subscriptionId }, 'subscriptionId'] as const
    )
  ]
  for (const [type, fields, field] of table) {
    t.match(
      await client.request(`store.${type}`, fields),
      { code: 'VALIDATION_ERROR', message: new RegExp(`^${field}: `) },
      `${type} ${JSON.stringify(fields)}`
    )
  }
})

t.test('G-F9 a bad definition is refused and leaves nothing behind', async t => {
  const setting = await withKept(t)
  const { client } = setting
  const field = (definition: unknown) => ({ key: 'id', schema: { id: text, f: definition } })
  const nested = (levels: number): object =>
    levels === 0 ? text : { type: 'object', properties: { in: nested(levels - 1) } }
  const table: ReadonlyArray<readonly [config: object, at: string]> = [
    [{}, 'config.key'],
    [{ key: 'id' }, 'config.schema'],
    [{ schema: { id: text } }, 'config.key'],
    [{ key: '', schema: { '': text } }, 'config.key'],
    [{ key: 5, schema: { id: text } }, 'config.key'],
    [{ key: 'id', schema: null }, 'config.schema'],
    [{ key: 'id', schema: [] }, 'config.schema'],
    [{ key: 'id', schema: {} }, 'config.key'],
    [{ key: 'nope', schema: { id: text } }, 'config.key'],
    [{ key: 'toString', schema: { id: text } }, 'config.key'],
    [{ ...minimal, nope: 1 }, 'config.nope'],
    [{ ...minimal, validate: 'x' }, 'config.validate'],
    ...[
      'zzz',
      '',
      '5',
      '5x',
      '-5s',
      '0s',
      '1 week',
      's',
      `${'9'.repeat(400)}d`,
      0,
      -1,
      null,
      true,
      {},
      []
    ].map(ttl => [{ ...minimal, ttl }, 'config.ttl'] as const),
    ...[0, -1, 1.5, '5', null].map(maxSize => [{ ...minimal, maxSize }, 'config.maxSize'] as const),
    ...[0, -1, 1.5, '5', null].map(maxRecords => [{ ...minimal, maxRecords }, 'config.maxRecords'] as const),
    ...[0, -1, 1.5, '5', null].map(maxBytes => [{ ...minimal, maxBytes }, 'config.maxBytes'] as const),
    ...['heap', 5, null].map(etsType => [{ ...minimal, etsType }, 'config.etsType'] as const),
    ...['x', 1, null].map(persistent => [{ ...minimal, persistent }, 'config.persistent'] as const),
    [{ ...minimal, indexes: 'id' }, 'config.indexes'],
    [{ ...minimal, indexes: [5] }, 'config.indexes[0]'],
    [{ ...minimal, indexes: ['id', 'nope'] }, 'config.indexes[1]'],
    [{ ...minimal, indexes: ['constructor'] }, 'config.indexes[0]'],
    ...[null, 5, 'string', [], {}].map(definition => [field(definition), 'config.schema.f'] as const),
    [field({ type: 'integer' }), 'config.schema.f.type'],
    [field({ type: null }), 'config.schema.f.type'],
    [field({ ...text, nope: 1 }), 'config.schema.f.nope'],
    [field({ ...text, validate: 'x' }), 'config.schema.f.validate'],
    [field({ ...text, required: 'yes' }), 'config.schema.f.required'],
    [field({ ...text, unique: 1 }), 'config.schema.f.unique'],
    [field({ ...text, generated: 'random' }), 'config.schema.f.generated'],
    [field({ ...text, enum: 'a' }), 'config.schema.f.enum'],
    [field({ ...text, enum: {} }), 'config.schema.f.enum'],
    [field({ ...text, format: 'ip' }), 'config.schema.f.format'],
    [field({ ...number, min: '1' }), 'config.schema.f.min'],
    [field({ ...number, max: null }), 'config.schema.f.max'],
    [field({ ...text, minLength: -1 }), 'config.schema.f.minLength'],
    [field({ ...text, maxLength: 1.5 }), 'config.schema.f.maxLength'],
    [field({ ...text, default: 5 }), 'config.schema.f.default'],
    [field({ ...number, default: '5' }), 'config.schema.f.default'],
    [field({ type: 'array', default: {} }), 'config.schema.f.default'],
    [field({ type: 'object', default: [] }), 'config.schema.f.default'],
    [field({ type: 'boolean', default: 0 }), 'config.schema.f.default'],
    [field({ type: 'date', default: true }), 'config.schema.f.default'],
    [field({ ...number, generated: 'uuid' }), 'config.schema.f.generated'],
    [field({ ...text, generated: 'autoincrement' }), 'config.schema.f.generated'],
    [field({ type: 'string', generated: 'uuid', maxLength: 5 }), 'config.schema.f.generated'],
    [field({ type: 'string', generated: 'uuid', pattern: '^x$' }), 'config.schema.f.generated'],
    [field({ ...text, enum: ['x'], default: 'y' }), 'config.schema.f.default'],
    [field({ ...number, min: 5, default: 1 }), 'config.schema.f.default'],
    [field({ type: 'array', items: text, default: [1] }), 'config.schema.f.default'],
    [field({ ...text, enum: [] }), 'config.schema.f.enum'],
    [field({ ...text, enum: [1], required: true }), 'config.schema.f.enum'],
    ...['_version', '_createdAt', '_updatedAt', '_expiresAt'].map(
      name => [{ ...minimal, schema: { id: text, [name]: number } }, `config.schema.${name}`] as const
    ),
    [field({ ...number, min: 2, max: 1 }), 'config.schema.f.min'],
    [field({ ...text, minLength: 2, maxLength: 1 }), 'config.schema.f.minLength'],
    [field({ ...text, pattern: 5 }), 'config.schema.f.pattern'],
    [field({ ...text, pattern: '(' }), 'config.schema.f.pattern'],
    [field({ ...text, pattern: '[z-a]' }), 'config.schema.f.pattern'],
    [field({ ...text, pattern: '(a+)+$' }), 'config.schema.f.pattern'],
    [field({ ...text, pattern: '^(([a-z])+.)+[A-Z]([a-z])+$' }), 'config.schema.f.pattern'],
    [field({ ...text, pattern: '(x*)*' }), 'config.schema.f.pattern'],
    [field({ ...text, ref: 'nope' }), 'config.schema.f.ref'],
    [field({ ...text, ref: '' }), 'config.schema.f.ref'],
    [field({ ...text, ref: 5 }), 'config.schema.f.ref'],
    [field({ ...text, ref: 'kept', onDelete: 'explode' }), 'config.schema.f.onDelete'],
    [field({ ...text, ref: 'kept', onDelete: 'set_null', required: true }), 'config.schema.f.onDelete'],
    [field({ type: 'object', properties: 5 }), 'config.schema.f.properties'],
    [field({ type: 'object', properties: { in: null } }), 'config.schema.f.properties.in'],
    [
      field({ type: 'object', properties: { in: { ...text, pattern: '(' } } }),
      'config.schema.f.properties.in.pattern'
    ],
    [
      field({ type: 'object', properties: { in: { ...text, ref: 'kept' } } }),
      'config.schema.f.properties.in.ref'
    ],
    [field({ type: 'array', items: [] }), 'config.schema.f.items'],
    [field({ type: 'array', items: { type: 'x' } }), 'config.schema.f.items.type'],
    [
      field({ type: 'array', items: { type: 'object', properties: { in: { ...text, ref: 'kept' } } } }),
      'config.schema.f.items.properties.in.ref'
    ],
    [field(nested(12)), 'config.schema.f.properties.in'],
    ...['constructor', 'valueOf', 'hasOwnProperty'].map(
      name => [{ key: 'id', schema: { id: text, [name]: text } }, `config.schema.${name}`] as const
    )
  ]
  for (const [config, at] of table) {
    const reply = await client.request('store.defineBucket', { name: 'bad', config })
    t.match(reply, { type: 'error', code: 'VALIDATION_ERROR' }, JSON.stringify(config).slice(0, 90))
    t.ok(reply['message']?.startsWith(at), `"${String(reply['message'])}" names ${at}`)
    t.equal(
      await client.code('store.getBucketSchema', { name: 'bad' }),
      'BUCKET_NOT_DEFINED',
      'the name is not taken'
    )
  }
  await isIntact(t, setting)
  t.same(await client.ask('store.defineBucket', { name: 'bad', config: minimal }), {
    name: 'bad',
    created: true
  })
  await isIntact(t, setting, ['items', 'kept', 'bad'])
})

t.test('A client may bound records and bytes of a bucket, and give it only fields that they fit', async t => {
  const { client } = await connected(t)
  await client.ask('store.defineBucket', { name: 'few', config: { ...minimal, maxRecords: 2 } })
  await client.ask('store.insertMany', { bucket: 'few', data: [{ id: 'a' }, { id: 'b', q: 'text' }] })
  t.match(
    await client.request('store.insert', { bucket: 'few', data: { id: 'c' } }),
    { code: 'VALIDATION_ERROR', details: { bucket: 'few', quota: 'maxRecords', limit: 2 } }
  )
  await client.ask('store.defineBucket', { name: 'small', config: { ...minimal, maxBytes: 100 } })
  t.match(
    await client.request('store.insert', { bucket: 'small', data: { id: 'x'.repeat(200) } }),
    { code: 'VALIDATION_ERROR', details: { bucket: 'small', quota: 'maxBytes', limit: 100 } }
  )
  t.match(
    await client.request('store.updateBucket', {
      name: 'few', updates: { addFields: { q: { type: 'number' } } }
    }),
    { code: 'VALIDATION_ERROR', message: /key "b".*"q"/ }
  )
})

t.test('A definition may refer to its own bucket, and nest as deep as the store looks', async t => {
  const { client } = await connected(t)
  const nested = (levels: number): object =>
    levels === 0 ? text : { type: 'object', properties: { in: nested(levels - 1) } }
  await client.ask('store.defineBucket', {
    name: 'tree',
    config: {
      key: 'id',
      schema: { id: text, parent: { ...text, ref: 'tree', onDelete: 'cascade' }, deep: nested(10) }
    }
  })
  await client.ask('store.insert', { bucket: 'tree', data: { id: 'a' } })
  await client.ask('store.insert', { bucket: 'tree', data: { id: 'b', parent: 'a' } })
  t.equal(
    await client.code('store.insert', { bucket: 'tree', data: { id: 'c', parent: 'nope' } }),
    'VALIDATION_ERROR'
  )
  await client.ask('store.delete', { bucket: 'tree', key: 'a' })
  t.equal(await client.ask('store.count', { bucket: 'tree' }), 0)
})

t.test('updateBucket', async t => {
  const setting = await withKept(t)
  const { client } = setting
  const update = async (updates: object) => await client.ask('store.updateBucket', { name: 'kept', updates })

  t.same(await update({}), { name: 'kept', updated: true })
  await update({ addFields: { age: { ...number, min: 0 } }, addIndexes: ['age', 'id'] })
  await isIntact(t, setting)
  t.match(await client.ask('store.getBucketSchema', { name: 'kept' }), {
    config: { schema: { age: { type: 'number', min: 0 } }, indexes: ['id', 'age'], ttl: '1h' }
  })
  t.match(await client.request('store.insert', { bucket: 'kept', data: { id: 'x', age: -1 } }), {
    details: [{ field: 'age', code: 'min' }]
  })
  await update({ ttl: null })
  t.notOk(
    '_expiresAt' in (await client.ask('store.insert', { bucket: 'kept', data: { id: 'd' } })),
    'ttl: null removes the TTL'
  )
  await update({ ttl: 60_000 })
  t.match(await client.ask('store.insert', { bucket: 'kept', data: { id: 'e' } }), { _expiresAt: Number })
  await client.ask('store.deleteMany', { bucket: 'kept', filter: { id: { $in: ['d', 'e'] } } })
  await isIntact(t, setting)

  t.test('G-F9 a bad update loses nothing', async t => {
    const table: ReadonlyArray<readonly [updates: object, at: string]> = [
      ...['soon', '', '5', '0s', 0, -1, true, {}, []].map(ttl => [{ ttl }, 'updates.ttl'] as const),
      [{ nope: 1 }, 'updates.nope'],
      [{ key: 'age' }, 'updates.key'],
      [{ schema: {} }, 'updates.schema'],
      [{ addFields: null }, 'updates.addFields'],
      [{ addFields: [] }, 'updates.addFields'],
      [{ addFields: { z: null } }, 'updates.addFields.z'],
      [{ addFields: { z: { type: 'nope' } } }, 'updates.addFields.z.type'],
      [{ addFields: { z: { ...text, pattern: '(a+)+' } } }, 'updates.addFields.z.pattern'],
      [{ addFields: { z: { ...text, ref: 'nope' } } }, 'updates.addFields.z.ref'],
      [{ addFields: { id: text } }, 'updates.addFields.id'],
      [{ addFields: { age: number } }, 'updates.addFields.age'],
      [{ addIndexes: 'id' }, 'updates.addIndexes'],
      [{ addIndexes: ['nope'] }, 'updates.addIndexes[0]'],
      [{ addIndexes: ['id', 5] }, 'updates.addIndexes[1]'],
      [{ addIndexes: ['valueOf'] }, 'updates.addIndexes[0]']
    ]
    for (const [updates, at] of table) {
      const reply = await client.request('store.updateBucket', { name: 'kept', updates })
      t.match(reply, { type: 'error', code: 'VALIDATION_ERROR' }, JSON.stringify(updates))
      t.ok(reply['message']?.startsWith(at), `"${String(reply['message'])}" names ${at}`)
    }
    await isIntact(t, setting)
  })

  t.test('G-F9 a field that records share cannot become unique', async t => {
    t.match(
      await client.request('store.updateBucket', {
        name: 'kept',
        updates: { addFields: { twin: { ...number, unique: true } } }
      }),
      { code: 'ALREADY_EXISTS', details: { bucket: 'kept', field: 'twin', value: 1 } }
    )
    await isIntact(t, setting)
    await client.ask('store.updateBucket', {
      name: 'kept',
      updates: { addFields: { mail: { ...text, unique: true } } }
    })
    await client.ask('store.insert', { bucket: 'kept', data: { id: 'm', mail: 'm' } })
    t.equal(
      await client.code('store.insert', { bucket: 'kept', data: { id: 'n', mail: 'm' } }),
      'ALREADY_EXISTS'
    )
    await client.ask('store.delete', { bucket: 'kept', key: 'm' })
    await isIntact(t, setting)
  })

  t.test('A reference that is added holds like any other', async t => {
    await client.ask('store.updateBucket', {
      name: 'kept',
      updates: { addFields: { item: { ...text, ref: 'items' } } }
    })
    await client.ask('store.insert', { bucket: 'items', data: { id: 'i' } })
    const data = { id: 'r', item: 'gone' }
    t.equal(await client.code('store.insert', { bucket: 'kept', data }), 'VALIDATION_ERROR', 'insert')
    t.equal(
      await client.code('store.insertMany', { bucket: 'kept', data: [data] }),
      'VALIDATION_ERROR',
      'insertMany'
    )
    t.equal(await client.code('store.upsert', { bucket: 'kept', data }), 'VALIDATION_ERROR', 'upsert')
    t.equal(
      await client.code('store.update', { bucket: 'kept', key: 'a', data: { item: 'gone' } }),
      'VALIDATION_ERROR',
      'update'
    )
    t.equal(
      await client.code('store.updateMany', { bucket: 'kept', filter: {}, data: { item: 'gone' } }),
      'VALIDATION_ERROR',
      'updateMany'
    )
    await client.ask('store.insert', { bucket: 'kept', data: { id: 'r', item: 'i' } })
    t.equal(await client.code('store.delete', { bucket: 'items', key: 'i' }), 'CONFLICT')
  })
})

t.test('A write is neither lost nor refused while the schema changes', async t => {
  t.test('on the connection that changes it', async t => {
    const { client } = await connected(t)
    await client.ask('store.defineBucket', { name: 'b', config: numbered })
    let id = 0
    for (let round = 0; round < 20; round++) {
      client.send({ id: ++id, type: 'store.insert', bucket: 'b', data: { n: id } })
      client.send({
        id: ++id,
        type: 'store.updateBucket',
        name: 'b',
        updates: { addFields: { [`f${round}`]: number } }
      })
      client.send({ id: ++id, type: 'store.insert', bucket: 'b', data: { n: id } })
    }
    for (let n = 1; n <= id; n++) t.match(await client.next(), { id: n, type: 'result' })
    t.equal(await client.ask('store.count', { bucket: 'b' }), 40)
  })

  t.test('from other connections', async t => {
    const { client, connect } = await connected(t)
    await client.ask('store.defineBucket', { name: 'b', config: numbered })
    await client.ask('store.defineBucket', {
      name: 'noted',
      config: {
        key: 'id',
        schema: { id: { type: 'string', generated: 'uuid' }, ref: { ...text, ref: 'b', onDelete: 'cascade' } }
      }
    })
    const writes = 100
    const requests: ReadonlyArray<(n: number) => object> = [
      n => ({ type: 'store.insert', bucket: 'b', data: { n } }),
      n => ({ type: 'store.insert', bucket: 'b', data: { id: `own-${n}`, n } }),
      n => ({
        type: 'store.transaction',
        operations: [
          { op: 'insert', bucket: 'b', data: { n } },
          { op: 'count', bucket: 'noted' }
        ]
      }),
      n => ({ type: 'store.upsert', bucket: 'b', data: { id: `up-${n}`, n } }),
      n => ({ type: 'store.delete', bucket: 'b', key: `none-${n}` }),
      () => ({ type: 'store.stats' }),
      () => ({ type: 'store.all', bucket: 'b' }),
      () => ({ type: 'server.stats' })
    ]
    const others = await Promise.all(requests.map(async request => ({ request, other: await connect() })))
    for (const { request, other } of others) {
      for (let n = 1; n <= writes; n++) other.send({ id: n, ...request(n) })
    }
    for (let round = 0; round < 30; round++) {
      await client.ask('store.updateBucket', {
        name: round % 2 === 0 ? 'b' : 'noted',
        updates: { addFields: { [`f${round}`]: number } }
      })
    }
    const refused: unknown[] = []
    for (const { other } of others) {
      for (let n = 1; n <= writes; n++) {
        const reply = await other.next()
        if (reply['type'] !== 'result' || reply['data']?.store === null) refused.push(reply)
      }
    }
    t.same(refused, [])
    t.equal(await client.ask('store.count', { bucket: 'b' }), 4 * writes)
  })
})

t.test('G-F15 a persistent bucket that was dropped starts empty', async t => {
  const adapter = new MemoryAdapter()
  const store = await startStore(t, { name: 'persistent', persistence: { adapter, debounceMs: 1 } })
  const { connect } = await serve(t, {}, { store })
  const client = await connect()
  const config = { key: 'id', schema: { id: text, code: { ...text, unique: true } } }
  await client.ask('store.defineBucket', { name: 'b', config })
  await client.ask('store.insert', { bucket: 'b', data: { id: 'old', code: '1' } })
  // Writes everything to the adapter, as the store would after a while.
  await store.createBackup()
  await client.ask('store.dropBucket', { name: 'b' })
  await client.ask('store.defineBucket', { name: 'b', config })
  t.same(await client.ask('store.all', { bucket: 'b' }), [])
  t.match(await client.ask('store.insert', { bucket: 'b', data: { id: 'old', code: '1' } }), { _version: 1 })
  t.equal((await client.ask('store.stats')).persistence.enabled, true)
})

t.test('A declarative query', async t => {
  const { client, store } = await connected(t)
  await client.ask('store.insertMany', {
    bucket: 'items',
    data: [
      { id: 'a', name: 'x', n: 2 },
      { id: 'b', name: 'y', n: 1 },
      { id: 'c', name: 'x', n: null }
    ]
  })
  store.defineQuery('code', async () => 1)
  const config = {
    bucket: 'items',
    filter: { name: '{{ params.name }}' },
    sort: { n: 'asc' },
    offset: 0,
    limit: 5,
    fields: ['id']
  }

  t.same(await client.ask('store.defineQuery', { name: 'q', config }), { name: 'q', defined: true })
  t.same(await client.ask('store.listQueries'), {
    queries: [
      { name: 'code', type: 'programmatic', activeSubscriptions: 0 },
      { name: 'q', type: 'declarative', activeSubscriptions: 0, config }
    ]
  })
  t.equal(await client.code('store.defineQuery', { name: 'q', config }), 'ALREADY_EXISTS')
  t.equal(
    await client.code('store.defineQuery', { name: 'code', config }),
    'ALREADY_EXISTS',
    'both kinds share their names'
  )
  t.equal(
    await client.code('store.defineQuery', { name: 'r', config: { bucket: 'nope' } }),
    'BUCKET_NOT_DEFINED'
  )
  t.same(await client.ask('store.query', { query: 'q', params: { name: 'x' } }), [{ id: 'a' }, { id: 'c' }])
  const { subscriptionId } = await client.ask('store.subscribe', { query: 'q', params: { name: 'x' } })
  t.match((await client.ask('store.listQueries')).queries[1], { activeSubscriptions: 1 })
  await client.ask('store.unsubscribe', { subscriptionId })
  t.same(await client.ask('store.undefineQuery', { name: 'q' }), { name: 'q', undefined: true })
  t.equal(await client.code('store.undefineQuery', { name: 'q' }), 'QUERY_NOT_DEFINED')
  t.equal(await client.code('store.query', { query: 'q' }), 'QUERY_NOT_DEFINED')
  t.equal(await client.code('store.subscribe', { query: 'q' }), 'QUERY_NOT_DEFINED')
  t.same(
    await client.ask('store.undefineQuery', { name: 'code' }),
    { name: 'code', undefined: true },
    'programmatic queries too'
  )
  for (const name of ['constructor', '__proto__', 'a.b']) {
    await client.ask('store.defineQuery', { name, config: { bucket: 'items' } })
    t.equal((await client.ask('store.query', { query: name })).length, 3, `may be named ${name}`)
  }
})

t.test('store.query gives the result of a query once', async t => {
  const { client, store } = await connected(t)
  await client.ask('store.insertMany', {
    bucket: 'items',
    data: [
      { id: 'a', name: 'x', n: 2 },
      { id: 'b', name: 'y', n: 1 },
      { id: 'c', name: 'x' },
      { id: 'd', name: 'z', n: 9 }
    ]
  })
  const table: ReadonlyArray<readonly [title: string, config: object, params: unknown, expected: unknown]> = [
    ['all records', { fields: ['id'] }, undefined, [{ id: 'a' }, { id: 'b' }, { id: 'c' }, { id: 'd' }]],
    ['an empty filter', { filter: {}, fields: ['id'], limit: 1 }, null, [{ id: 'a' }]],
    [
      'sorted, with absent values last',
      { sort: { n: 'desc' }, fields: ['id'] },
      {},
      [{ id: 'd' }, { id: 'a' }, { id: 'b' }, { id: 'c' }]
    ],
    [
      'sorted by two fields',
      { sort: { name: 'desc', id: 'desc' }, fields: ['id'] },
      {},
      [{ id: 'd' }, { id: 'b' }, { id: 'c' }, { id: 'a' }]
    ],
    ['a slice', { offset: 1, limit: 2, fields: ['id'] }, {}, [{ id: 'b' }, { id: 'c' }]],
    ['no records', { limit: 0 }, {}, []],
    ['fields that are missing', { fields: ['id', 'n', 'nope'], filter: { id: 'c' } }, {}, [{ id: 'c' }]],
    [
      'a parameter',
      { filter: { n: { $gt: '{{params.min}}' } }, fields: ['id'] },
      { min: 1 },
      [{ id: 'a' }, { id: 'd' }]
    ],
    [
      'a parameter in a list',
      { filter: { id: { $in: ['{{ params.a }}', 'd'] } }, fields: ['id'] },
      { a: 'b' },
      [{ id: 'b' }, { id: 'd' }]
    ],
    [
      'a list as parameter',
      { filter: { id: { $in: '{{ params.ids }}' } }, fields: ['id'] },
      { ids: ['b', 'c'] },
      [{ id: 'b' }, { id: 'c' }]
    ],
    [
      'a parameter inside $or',
      {
        filter: { $or: [{ id: '{{ params.a }}' }, { n: { $between: ['{{ params.lo }}', 9] } }] },
        fields: ['id']
      },
      { a: 'c', lo: 5 },
      [{ id: 'c' }, { id: 'd' }]
    ],
    ['a null parameter', { filter: { n: '{{ params.n }}' }, fields: ['id'] }, { n: null }, []],
    ['text around the braces', { filter: { name: 'x{{ params.n }}' } }, { n: '' }, []],
    [
      'parameters that are not used',
      { filter: { id: 'a' }, fields: ['id'] },
      { any: 'thing' },
      [{ id: 'a' }]
    ],
    ['count', { aggregate: { function: 'count' } }, {}, 4],
    ['sum', { aggregate: { function: 'sum', field: 'n' } }, {}, 12],
    ['avg', { aggregate: { function: 'avg', field: 'n' } }, {}, 4],
    ['min of nothing', { aggregate: { function: 'min', field: 'nope' } }, {}, null],
    ['max', { aggregate: { function: 'max', field: 'n' }, limit: 1 }, {}, 9],
    [
      'groupBy',
      { aggregate: { function: 'sum', field: 'n', groupBy: 'name' } },
      {},
      [
        { key: { name: 'x' }, value: 2 },
        { key: { name: 'y' }, value: 1 },
        { key: { name: 'z' }, value: 9 }
      ]
    ],
    [
      'groupBy two fields',
      { aggregate: { function: 'count', groupBy: ['name', 'n'] }, filter: { name: 'x' } },
      {},
      [
        { key: { name: 'x', n: 2 }, value: 1 },
        { key: { name: 'x' }, value: 1 }
      ]
    ]
  ]
  for (const [title, config, params, expected] of table) {
    await client.ask('store.defineQuery', { name: 'q', config: { bucket: 'items', ...config } })
    t.same(await client.ask('store.query', { query: 'q', params }), expected, title)
    t.same(
      (await client.ask('store.subscribe', { query: 'q', params })).data,
      expected,
      `${title}, subscribed`
    )
    await client.ask('store.undefineQuery', { name: 'q' })
  }

  store.defineQuery('echo', async (_context: unknown, params: unknown) => params)
  for (const params of [{ a: { $gt: 1 } }, [1], 'x', 0, false, '']) {
    t.same(
      await client.ask('store.query', { query: 'echo', params }),
      params,
      'a programmatic query takes any parameter'
    )
  }
  t.equal(await client.ask('store.query', { query: 'echo' }), null, 'undefined is sent as null')
  t.equal(await client.ask('store.query', { query: 'echo', params: null }), null)
})

t.test('G-F10 a bad query definition is refused', async t => {
  const { client } = await connected(t)
  const table: ReadonlyArray<readonly [config: object, at: string]> = [
    [{ bucket: '' }, 'config.bucket'],
    [{ bucket: 5 }, 'config.bucket'],
    [{ bucket: null }, 'config.bucket'],
    [{ nope: 1 }, 'config.nope'],
    [{ filter: 5 }, 'config.filter'],
    [{ filter: null }, 'config.filter'],
    [{ filter: [] }, 'config.filter'],
    [{ filter: { n: { $foo: 1 } } }, 'config.filter.n.$foo'],
    [{ filter: { n: { $in: 5 } } }, 'config.filter.n.$in'],
    [{ filter: { n: { $in: 'x{{ params.a }}' } } }, 'config.filter.n.$in'],
    [{ filter: { $or: '{{ params.a }}' } }, 'config.filter.$or'],
    [{ filter: { $or: ['{{ params.a }}'] } }, 'config.filter.$or[0]'],
    [{ filter: { n: { $between: [1, {}] } } }, 'config.filter.n.$between'],
    [{ sort: 'n' }, 'config.sort'],
    [{ sort: [] }, 'config.sort'],
    [{ sort: { n: 'up' } }, 'config.sort.n'],
    [{ sort: { n: 1 } }, 'config.sort.n'],
    [{ offset: -1 }, 'config.offset'],
    [{ offset: 1.5 }, 'config.offset'],
    [{ limit: '5' }, 'config.limit'],
    [{ limit: null }, 'config.limit'],
    [{ fields: 'id' }, 'config.fields'],
    [{ fields: [5] }, 'config.fields[0]'],
    [{ aggregate: 'count' }, 'config.aggregate'],
    [{ aggregate: {} }, 'config.aggregate.function'],
    [{ aggregate: { function: 'median', field: 'n' } }, 'config.aggregate.function'],
    [{ aggregate: { function: 'sum' } }, 'config.aggregate.field'],
    [{ aggregate: { function: 'sum', field: '' } }, 'config.aggregate.field'],
    [{ aggregate: { function: 'count', groupBy: [] } }, 'config.aggregate.groupBy'],
    [{ aggregate: { function: 'count', groupBy: 5 } }, 'config.aggregate.groupBy'],
    [{ aggregate: { function: 'count', nope: 1 } }, 'config.aggregate.nope']
  ]
  for (const [config, at] of table) {
    const reply = await client.request('store.defineQuery', {
      name: 'bad',
      config: { bucket: 'items', ...config }
    })
    t.match(reply, { type: 'error', code: 'VALIDATION_ERROR' }, JSON.stringify(config))
    t.ok(reply['message']?.startsWith(at), `"${String(reply['message'])}" names ${at}`)
  }
  t.match(await client.request('store.defineQuery', { name: 'bad', config: {} }), {
    code: 'VALIDATION_ERROR',
    message: /^config\.bucket: /
  })
  t.same(await client.ask('store.listQueries'), { queries: [] }, 'the name is not taken')
})

t.test('A query as data is refused without a parameter of its filter, which would match more', async t => {
  const { client } = await connected(t)
  await client.ask('store.insertMany', { bucket: 'items', data: [{ name: 'private', n: 1 }, { name: 'x' }] })
  const wanted = '{{ params.p }}'
  const filters = [
    { name: wanted },
    { name: { $eq: wanted } },
    { $or: [{ n: { $gt: wanted } }] },
    { name: { $in: [wanted, 'x'] } }
  ]
  for (const [i, filter] of filters.entries()) {
    await client.ask('store.defineQuery', { name: `q${i}`, config: { bucket: 'items', filter } })
    for (const params of [undefined, {}, { other: 'x' }]) {
      for (const type of ['store.query', 'store.subscribe']) {
        t.match(
          await client.request(type, { query: `q${i}`, params }),
          { code: 'VALIDATION_ERROR', message: 'params.p: is required by the filter of the query' },
          `${type} ${JSON.stringify(filter)} ${JSON.stringify(params)}`
        )
      }
    }
  }
  t.match((await client.ask('server.connections'))[0], { storeSubscriptionCount: 0 })
})

t.test('G-F14 a parameter of a declarative query cannot widen its filter', async t => {
  const { client } = await connected(t)
  await client.ask('store.insert', { bucket: 'items', data: { name: 'private', n: 1 } })
  await client.ask('store.defineQuery', {
    name: 'mine',
    config: { bucket: 'items', filter: { name: '{{ params.n }}' } }
  })
  await client.ask('store.defineQuery', {
    name: 'above',
    config: { bucket: 'items', filter: { n: { $gt: '{{ params.n }}' } } }
  })
  const table: ReadonlyArray<readonly [query: string, params: unknown]> = [
    ...[{ $exists: true }, { $neq: 0 }, {}, { a: 1 }, [{ $exists: true }], [[1]]].map(
      n => ['mine', { n }] as const
    ),
    ['mine', { other: { $exists: true } }],
    ...['x', 5, true, []].map(params => ['mine', params] as const),
    ...[null, true, [1], { $gt: 0 }].map(n => ['above', { n }] as const)
  ]
  for (const [query, params] of table) {
    for (const type of ['store.query', 'store.subscribe']) {
      t.match(
        await client.request(type, { query, params }),
        { code: 'VALIDATION_ERROR', message: /^(?:params\b|filter\.n\.\$gt: )/ },
        `${type} ${query} ${JSON.stringify(params)}`
      )
    }
  }
  await client.ask('store.defineQuery', {
    name: 'between',
    config: { bucket: 'items', filter: { n: { $gt: '{{ params.least }}', $lt: '{{ params.most }}' } } }
  })
  t.match(
    await client.request('store.query', { query: 'between', params: { least: 5, most: 3, n: 1 } }),
    { code: 'VALIDATION_ERROR', message: 'filter.n: asks for a range that no value lies in' },
    'the field of the filter is no parameter'
  )
  t.match(
    (await client.ask('server.connections'))[0],
    { storeSubscriptionCount: 0 },
    'no subscription remains'
  )
})
