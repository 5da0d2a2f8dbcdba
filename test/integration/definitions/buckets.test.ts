import t from 'tap'
import { assertIntact, minimalBucket, numberField, textField, withKept } from '../../support/definitions.js'
import { serveBuckets } from '../../support/service.js'

t.test('A bucket', async t => {
  const { client } = await serveBuckets(t)
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
  t.equal(await client.code('store.defineBucket', { name: 'whole', config: minimalBucket }), 'ALREADY_EXISTS')
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
    await client.ask('store.defineBucket', { name: 'whole', config: minimalBucket }),
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
      await client.ask('store.defineBucket', { name, config: minimalBucket })
      t.match(await client.ask('store.insert', { bucket: name, data: { id: 'a' } }), { id: 'a' })
      t.equal((await client.ask('store.stats')).records.perBucket[name], 1, `"${name.slice(0, 20)}"`)
      await client.ask('store.dropBucket', { name })
    }
    for (const name of ['__proto__', 'a\0b', 'a\nb', '\u001f']) {
      t.match(
        await client.request('store.defineBucket', { name, config: minimalBucket }),
        { code: 'VALIDATION_ERROR', message: /^name: / },
        JSON.stringify(name)
      )
    }
  })
})

t.test('The fields of the operations are checked first', async t => {
  const { client } = await serveBuckets(t)
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
  const field = (definition: unknown) => ({ key: 'id', schema: { id: textField, f: definition } })
  const nested = (levels: number): object =>
    levels === 0 ? textField : { type: 'object', properties: { in: nested(levels - 1) } }
  const table: ReadonlyArray<readonly [config: object, at: string]> = [
    [{}, 'config.key'],
    [{ key: 'id' }, 'config.schema'],
    [{ schema: { id: textField } }, 'config.key'],
    [{ key: '', schema: { '': textField } }, 'config.key'],
    [{ key: 5, schema: { id: textField } }, 'config.key'],
    [{ key: 'id', schema: null }, 'config.schema'],
    [{ key: 'id', schema: [] }, 'config.schema'],
    [{ key: 'id', schema: {} }, 'config.key'],
    [{ key: 'nope', schema: { id: textField } }, 'config.key'],
    [{ key: 'toString', schema: { id: textField } }, 'config.key'],
    [{ ...minimalBucket, nope: 1 }, 'config.nope'],
    [{ ...minimalBucket, validate: 'x' }, 'config.validate'],
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
    ].map(ttl => [{ ...minimalBucket, ttl }, 'config.ttl'] as const),
    ...[0, -1, 1.5, '5', null].map(maxSize => [{ ...minimalBucket, maxSize }, 'config.maxSize'] as const),
    ...[0, -1, 1.5, '5', null].map(
      maxRecords => [{ ...minimalBucket, maxRecords }, 'config.maxRecords'] as const
    ),
    ...[0, -1, 1.5, '5', null].map(maxBytes => [{ ...minimalBucket, maxBytes }, 'config.maxBytes'] as const),
    ...['heap', 5, null].map(etsType => [{ ...minimalBucket, etsType }, 'config.etsType'] as const),
    ...['x', 1, null].map(persistent => [{ ...minimalBucket, persistent }, 'config.persistent'] as const),
    [{ ...minimalBucket, indexes: 'id' }, 'config.indexes'],
    [{ ...minimalBucket, indexes: [5] }, 'config.indexes[0]'],
    [{ ...minimalBucket, indexes: ['id', 'nope'] }, 'config.indexes[1]'],
    [{ ...minimalBucket, indexes: ['constructor'] }, 'config.indexes[0]'],
    ...[null, 5, 'string', [], {}].map(definition => [field(definition), 'config.schema.f'] as const),
    [field({ type: 'integer' }), 'config.schema.f.type'],
    [field({ type: null }), 'config.schema.f.type'],
    [field({ ...textField, nope: 1 }), 'config.schema.f.nope'],
    [field({ ...textField, validate: 'x' }), 'config.schema.f.validate'],
    [field({ ...textField, required: 'yes' }), 'config.schema.f.required'],
    [field({ ...textField, unique: 1 }), 'config.schema.f.unique'],
    [field({ ...textField, generated: 'random' }), 'config.schema.f.generated'],
    [field({ ...textField, enum: 'a' }), 'config.schema.f.enum'],
    [field({ ...textField, enum: {} }), 'config.schema.f.enum'],
    [field({ ...textField, format: 'ip' }), 'config.schema.f.format'],
    [field({ ...numberField, min: '1' }), 'config.schema.f.min'],
    [field({ ...numberField, max: null }), 'config.schema.f.max'],
    [field({ ...textField, minLength: -1 }), 'config.schema.f.minLength'],
    [field({ ...textField, maxLength: 1.5 }), 'config.schema.f.maxLength'],
    [field({ ...textField, default: 5 }), 'config.schema.f.default'],
    [field({ ...numberField, default: '5' }), 'config.schema.f.default'],
    [field({ type: 'array', default: {} }), 'config.schema.f.default'],
    [field({ type: 'object', default: [] }), 'config.schema.f.default'],
    [field({ type: 'boolean', default: 0 }), 'config.schema.f.default'],
    [field({ type: 'date', default: true }), 'config.schema.f.default'],
    [field({ ...numberField, generated: 'uuid' }), 'config.schema.f.generated'],
    [field({ ...textField, generated: 'autoincrement' }), 'config.schema.f.generated'],
    [field({ type: 'string', generated: 'uuid', maxLength: 5 }), 'config.schema.f.generated'],
    [field({ type: 'string', generated: 'uuid', pattern: '^x$' }), 'config.schema.f.generated'],
    [field({ ...textField, enum: ['x'], default: 'y' }), 'config.schema.f.default'],
    [field({ ...numberField, min: 5, default: 1 }), 'config.schema.f.default'],
    [field({ type: 'array', items: textField, default: [1] }), 'config.schema.f.default'],
    [field({ ...textField, enum: [] }), 'config.schema.f.enum'],
    [field({ ...textField, enum: [1], required: true }), 'config.schema.f.enum'],
    ...['_version', '_createdAt', '_updatedAt', '_expiresAt'].map(
      name =>
        [
          { ...minimalBucket, schema: { id: textField, [name]: numberField } },
          `config.schema.${name}`
        ] as const
    ),
    [field({ ...numberField, min: 2, max: 1 }), 'config.schema.f.min'],
    [field({ ...textField, minLength: 2, maxLength: 1 }), 'config.schema.f.minLength'],
    [field({ ...textField, pattern: 5 }), 'config.schema.f.pattern'],
    [field({ ...textField, pattern: '(' }), 'config.schema.f.pattern'],
    [field({ ...textField, pattern: '[z-a]' }), 'config.schema.f.pattern'],
    [field({ ...textField, pattern: '(a+)+$' }), 'config.schema.f.pattern'],
    [field({ ...textField, pattern: '^(([a-z])+.)+[A-Z]([a-z])+$' }), 'config.schema.f.pattern'],
    [field({ ...textField, pattern: '(x*)*' }), 'config.schema.f.pattern'],
    [field({ ...textField, ref: 'nope' }), 'config.schema.f.ref'],
    [field({ ...textField, ref: '' }), 'config.schema.f.ref'],
    [field({ ...textField, ref: 5 }), 'config.schema.f.ref'],
    [field({ ...textField, ref: 'kept', onDelete: 'explode' }), 'config.schema.f.onDelete'],
    [field({ ...textField, ref: 'kept', onDelete: 'set_null', required: true }), 'config.schema.f.onDelete'],
    [field({ type: 'object', properties: 5 }), 'config.schema.f.properties'],
    [field({ type: 'object', properties: { in: null } }), 'config.schema.f.properties.in'],
    [
      field({ type: 'object', properties: { in: { ...textField, pattern: '(' } } }),
      'config.schema.f.properties.in.pattern'
    ],
    [
      field({ type: 'object', properties: { in: { ...textField, ref: 'kept' } } }),
      'config.schema.f.properties.in.ref'
    ],
    [field({ type: 'array', items: [] }), 'config.schema.f.items'],
    [field({ type: 'array', items: { type: 'x' } }), 'config.schema.f.items.type'],
    [
      field({ type: 'array', items: { type: 'object', properties: { in: { ...textField, ref: 'kept' } } } }),
      'config.schema.f.items.properties.in.ref'
    ],
    [field(nested(12)), 'config.schema.f.properties.in'],
    ...['constructor', 'valueOf', 'hasOwnProperty'].map(
      name => [{ key: 'id', schema: { id: textField, [name]: textField } }, `config.schema.${name}`] as const
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
  await assertIntact(t, setting)
  t.same(await client.ask('store.defineBucket', { name: 'bad', config: minimalBucket }), {
    name: 'bad',
    created: true
  })
  await assertIntact(t, setting, ['items', 'kept', 'bad'])
})

t.test('A client may bound records and bytes of a bucket, and give it only fields that they fit', async t => {
  const { client } = await serveBuckets(t)
  await client.ask('store.defineBucket', { name: 'few', config: { ...minimalBucket, maxRecords: 2 } })
  await client.ask('store.insertMany', { bucket: 'few', data: [{ id: 'a' }, { id: 'b', q: 'text' }] })
  t.match(
    await client.request('store.insert', { bucket: 'few', data: { id: 'c' } }),
    { code: 'VALIDATION_ERROR', details: { bucket: 'few', quota: 'maxRecords', limit: 2 } }
  )
  await client.ask('store.defineBucket', { name: 'small', config: { ...minimalBucket, maxBytes: 100 } })
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
  const { client } = await serveBuckets(t)
  const nested = (levels: number): object =>
    levels === 0 ? textField : { type: 'object', properties: { in: nested(levels - 1) } }
  await client.ask('store.defineBucket', {
    name: 'tree',
    config: {
      key: 'id',
      schema: { id: textField, parent: { ...textField, ref: 'tree', onDelete: 'cascade' }, deep: nested(10) }
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
