import t from 'tap'
import type { BucketDefinition } from '@hamicek/noex-store'
import { startStore, serveBuckets } from '../../support/service.js'
import { goodsBucket } from '../../support/data-operations.js'

t.test('The record model', async t => {
  const { client } = await serveBuckets(t, {
    goods: goodsBucket,
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
    goods: goodsBucket,
    made,
    brief: { ...made, ttl: 1000 },
    key: {
      key: 'id',
      schema: { id: { type: 'number', generated: 'autoincrement' }, a: { type: 'number', default: 1 } }
    }
  }
  const { client } = await serveBuckets(t, buckets)
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
