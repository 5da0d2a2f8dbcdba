import t from 'tap'
import type { BucketDefinition } from '@hamicek/noex-store'
import { idsOf, withGoods } from '../../support/data-operations.js'
import { serveBuckets } from '../../support/service.js'

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
  t.same(idsOf(await ask('all')), ['a', 'b', 'c'])
  t.same(idsOf(await ask('where', { filter: { kind: 'b' } })), ['b', 'c'])
  t.match(await ask('findOne', { filter: { kind: 'b' } }), { id: 'b' })
  t.equal(await ask('findOne', { filter: { kind: 'x' } }), null)
  t.equal(await ask('count'), 3)
  t.equal(await ask('count', { filter: null }), 3)
  t.equal(await ask('count', { filter: { kind: 'b' } }), 2)
  t.same(idsOf(await ask('first', { n: 2 })), ['a', 'b'])
  t.same(idsOf(await ask('last', { n: 2 })), ['b', 'c'], 'the last records keep their order')
  t.same(idsOf(await ask('last', { n: 1e308 })), ['a', 'b', 'c'])
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
    return { ids: idsOf(records), ...rest }
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
  const { client } = await serveBuckets(t, { numbers: definition('number'), texts: definition('string') })
  for (const id of [10, 9, 100]) await client.ask('store.insert', { bucket: 'numbers', data: { id } })
  for (const id of ['b', 'ab', 'a']) await client.ask('store.insert', { bucket: 'texts', data: { id } })
  t.same(idsOf(await client.ask('store.first', { bucket: 'numbers', n: 2 })), [9, 10])
  t.same(idsOf(await client.ask('store.last', { bucket: 'numbers', n: 2 })), [10, 100])
  t.same(
    idsOf((await client.ask('store.paginate', { bucket: 'numbers', limit: 2, after: 9 })).records),
    [10, 100]
  )
  t.same(idsOf(await client.ask('store.all', { bucket: 'numbers' })), [10, 9, 100])
  t.same(idsOf(await client.ask('store.first', { bucket: 'texts', n: 3 })), ['a', 'ab', 'b'])
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
      idsOf(await client.ask('store.where', { bucket: 'goods', filter })).join(''),
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
