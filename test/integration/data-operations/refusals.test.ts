import t from 'tap'
import { withGoods } from '../../support/data-operations.js'

t.test('A wrong field is refused and named', async t => {
  const { client } = await withGoods(t)
  const table: ReadonlyArray<readonly [type: string, fields: object, field: string]> = [
    ...[
      'get', 'all', 'where', 'findOne', 'count', 'first', 'last', 'paginate', 'sum', 'avg', 'min', 'max',
      'groupBy', 'insert', 'insertMany', 'upsert', 'update', 'updateMany', 'delete', 'deleteMany', 'clear'
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
    'get', 'all', 'where', 'findOne', 'count', 'first', 'last', 'paginate', 'sum', 'avg', 'min', 'max',
    'groupBy', 'insert', 'upsert', 'update', 'updateMany', 'delete', 'deleteMany', 'clear'
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
