import t from 'tap'
import { serve } from '../support/service.js'

t.test('Every way to write is guarded', async t => {
  const { connect, store } = await serve(t)
  await store.defineBucket('people', {
    key: 'id',
    schema: { id: { type: 'string' }, mail: { type: 'string', format: 'email' } }
  })
  const client = await connect()
  const bucket = 'people'
  const mail = `a@${'a.'.repeat(30_000)}@`
  await client.ask('store.insert', { bucket, data: { id: 'x', mail: 'a@b.cz' } })
  const writes: ReadonlyArray<readonly [type: string, fields: object]> = [
    ['store.insert', { data: { id: 'y', mail } }],
    ['store.insertMany', { data: [{ id: 'y', mail }] }],
    ['store.upsert', { data: { id: 'y', mail } }],
    ['store.upsert', { data: { id: 'x', mail } }],
    ['store.update', { key: 'x', data: { mail } }],
    ['store.updateMany', { filter: {}, data: { mail } }],
    ...[
      { op: 'insert', data: { id: 'y', mail } },
      { op: 'upsert', data: { id: 'x', mail } },
      { op: 'update', key: 'x', data: { mail } },
      { op: 'updateMany', filter: {}, data: { mail } }
    ].map(entry => ['store.transaction', { operations: [{ bucket, ...entry }] }] as const)
  ]
  for (const [type, fields] of writes) {
    t.match(
      await client.request(type, { bucket, ...fields }),
      { code: 'VALIDATION_ERROR', details: [{ field: 'mail', code: 'format' }] },
      type
    )
  }
  t.match(await client.ask('store.all', { bucket }), [{ id: 'x', mail: 'a@b.cz', _version: 1 }])
})

t.test('A filter has a bound, and does not see what every object has', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  await client.ask('store.insert', { bucket: 'items', data: { n: 1 } })
  const or = (length: number) => ({ $or: Array.from({ length }, (_, n) => ({ n })) })
  t.equal(await client.ask('store.count', { bucket: 'items', filter: or(249) }), 1)
  t.match(await client.request('store.count', { bucket: 'items', filter: or(250) }), {
    code: 'VALIDATION_ERROR',
    message: /250/
  })
  for (const name of ['constructor', 'valueOf', 'hasOwnProperty']) {
    t.equal(
      await client.code('store.deleteMany', { bucket: 'items', filter: { [name]: { $exists: true } } }),
      'VALIDATION_ERROR'
    )
    for (const value of [`{{ params.${name} }}`, { $eq: `{{params.${name}}}` }]) {
      t.equal(
        await client.code('store.defineQuery', {
          name: 'q',
          config: { bucket: 'items', filter: { n: value } }
        }),
        'VALIDATION_ERROR'
      )
    }
  }
  t.equal(await client.ask('store.count', { bucket: 'items' }), 1)
})

t.test('A field with a pattern is refused while a stored text does not fit, or takes too long', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  const bucket = 'late'
  const config = { key: 'id', schema: { id: { type: 'string' } } }
  await client.ask('store.defineBucket', { name: bucket, config })
  await client.ask('store.insert', { bucket, data: { id: 'x', z: 'a'.repeat(3_000) } })
  const change = { name: bucket, updates: { addFields: { z: { type: 'string', pattern: '^a*a*a*b' } } } }
  t.match(await client.request('store.updateBucket', change), {
    code: 'VALIDATION_ERROR',
    message: /record with key "x" does not fit: field "z": Matching .* takes too long/
  })
  t.match(await client.ask('store.update', { bucket, key: 'x', data: { z: 'b' } }), { z: 'b', _version: 2 })
  await client.ask('store.updateBucket', change)
  t.match(
    await client.request('store.update', { bucket, key: 'x', data: { z: 'a'.repeat(3_000) } }),
    { code: 'VALIDATION_ERROR', details: [{ field: 'z', code: 'pattern' }] }
  )
})

t.test('What is done for each record has a bound', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  const many = (length: number) => Array.from({ length }, (_, i) => `f${i}`)
  const bad: ReadonlyArray<readonly [type: string, fields: object, path: string]> = [
    ['store.where', { filter: { s: { $contains: 'x'.repeat(1_001) } } }, 'filter.s.$contains'],
    [
      'store.where',
      { filter: { $or: [{ n: { $in: many(6_000) } }, { n: { $nin: many(6_000) } }] } },
      'filter.$or[1].n.$nin'
    ],
    ['store.groupBy', { field: many(17), aggregate: { function: 'count' } }, 'field'],
    [
      'store.defineQuery',
      {
        name: 'q',
        config: { bucket: 'items', sort: Object.fromEntries(many(17).map(name => [name, 'asc'])) }
      },
      'config.sort'
    ],
    ['store.defineQuery', { name: 'q', config: { bucket: 'items', fields: many(251) } }, 'config.fields'],
    [
      'store.transaction',
      { operations: many(1_001).map(key => ({ op: 'get', bucket: 'items', key })) },
      'operations'
    ],
    ['store.insertMany', { data: many(10_001).map(() => ({})) }, 'data'],
    [
      'store.transaction',
      {
        operations: [1, 2].map(() => ({
          op: 'insertMany',
          bucket: 'items',
          data: many(5_001).map(() => ({}))
        }))
      },
      'operations'
    ],
    [
      'store.defineBucket',
      {
        name: 'b',
        config: {
          key: 'id',
          schema: Object.fromEntries(
            ['id', ...many(400)].map(name => [
              name,
              { type: 'string', pattern: '^a*a*a*a*c|d$', default: `${'a'.repeat(90)}d` }
            ])
          )
        }
      },
      'config.schema'
    ],
    [
      'store.defineBucket',
      { name: 'b', config: { key: 'id', schema: { id: { type: 'string', enum: many(251) } } } },
      'config.schema.id.enum'
    ],
    [
      'store.defineBucket',
      { name: 'b', config: { key: 'id', schema: { id: { type: 'string', enum: ['x'.repeat(5_000)] } } } },
      'config.schema.id.enum'
    ],
    [
      'store.defineBucket',
      { name: 'b', config: { key: 'id', schema: { id: { type: 'string', pattern: 'a'.repeat(501) } } } },
      'config.schema.id.pattern'
    ]
  ]
  for (const [type, fields, path] of bad) {
    const { code, message } = await client.request(type, { bucket: 'items', ...fields })
    t.equal(code, 'VALIDATION_ERROR', type)
    t.ok(String(message).startsWith(path), message)
  }
})
