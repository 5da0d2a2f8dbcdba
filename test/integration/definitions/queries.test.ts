import t from 'tap'
import { serveBuckets } from '../../support/service.js'

t.test('A declarative query', async t => {
  const { client, store } = await serveBuckets(t)
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
  const { client, store } = await serveBuckets(t)
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
  const { client } = await serveBuckets(t)
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
  const { client } = await serveBuckets(t)
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
  const { client } = await serveBuckets(t)
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
