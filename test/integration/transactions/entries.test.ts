import t from 'tap'
import type { Frame } from '../../support/client.js'
import { readAccounts, rejectedTransaction, transact, withAccounts } from '../../support/transactions.js'

t.test('Every kind of entry gives the result of its operation', async t => {
  const { client } = await withAccounts(t)
  const bucket = 'accounts'
  const table: ReadonlyArray<readonly [entry: object, expected: object | number | null]> = [
    [{ op: 'get', bucket, key: 'a' }, { id: 'a', balance: 5 }],
    [{ op: 'get', bucket, key: 'nope' }, null],
    [
      { op: 'insert', bucket, data: { id: 'c', balance: 1 } },
      { id: 'c', balance: 1, _version: 1, _createdAt: Number, _updatedAt: Number }
    ],
    [
      {
        op: 'insertMany',
        bucket,
        data: [
          { id: 'd', balance: 1 },
          { id: 'e', balance: 2 }
        ]
      },
      [{ id: 'd' }, { id: 'e' }]
    ],
    [{ op: 'insertMany', bucket, data: [] }, []],
    [
      { op: 'update', bucket, key: 'a', data: { balance: 6, id: 'z', _version: 50 } },
      { id: 'a', balance: 6, _version: 2 }
    ],
    [
      { op: 'upsert', bucket, data: { id: 'b', balance: 8 } },
      { id: 'b', balance: 8, code: 'B', _version: 2 }
    ],
    [{ op: 'upsert', bucket, data: { id: 'f', balance: 9 } }, { id: 'f', balance: 9, _version: 1 }],
    [{ op: 'updateMany', bucket, filter: { balance: { $lt: 3 } }, data: { code: null } }, 3],
    [{ op: 'updateMany', bucket, filter: { id: 'nope' }, data: {} }, 0],
    [{ op: 'where', bucket, filter: { balance: { $gte: 8 } } }, [{ id: 'b' }, { id: 'f' }]],
    [{ op: 'findOne', bucket, filter: { balance: 2 } }, { id: 'e' }],
    [{ op: 'findOne', bucket, filter: { balance: 50 } }, null],
    [{ op: 'count', bucket }, 6],
    [{ op: 'count', bucket, filter: null }, 6],
    [{ op: 'count', bucket, filter: { balance: { $gt: 5 } } }, 3],
    [{ op: 'delete', bucket, key: 'c' }, { deleted: true }],
    [{ op: 'delete', bucket, key: 'nope' }, { deleted: true }],
    [{ op: 'deleteMany', bucket, filter: { id: { $in: ['d', 'e'] } } }, 2],
    [{ op: 'deleteMany', bucket, filter: { id: 'nope' } }, 0],
    [
      { op: 'groupBy', bucket, field: 'code', aggregate: { function: 'sum', field: 'balance' } },
      [
        { key: {}, value: 15 },
        { key: { code: 'B' }, value: 8 }
      ]
    ]
  ]
  const { results } = await client.ask('store.transaction', { operations: table.map(([entry]) => entry) })
  t.same(results.map(({ index }: Frame) => index), table.map((_, index) => index))
  table.forEach(([entry, expected], index) => {
    t.same(Object.keys(results[index]), ['index', 'data'])
    t.match(results[index].data, expected, JSON.stringify(entry))
  })
  t.same(await readAccounts(client), [['a', 6, 2], ['b', 8, 2], ['f', 9, 1]])
})

t.test('Later entries see what earlier ones did', async t => {
  const { client } = await withAccounts(t)
  const bucket = 'accounts'
  t.match(
    await transact(
      client,
      { op: 'insert', bucket, data: { id: 'c', balance: 1 } },
      { op: 'get', bucket, key: 'c' },
      { op: 'update', bucket, key: 'c', data: { balance: 2 } },
      { op: 'update', bucket, key: 'c', data: { code: 'C' } },
      { op: 'findOne', bucket, filter: { code: 'C' } },
      { op: 'delete', bucket, key: 'c' },
      { op: 'get', bucket, key: 'c' },
      { op: 'delete', bucket, key: 'a' },
      { op: 'count', bucket },
      { op: 'where', bucket, filter: {} }
    ),
    [
      {},
      { balance: 1 },
      { balance: 2, _version: 2 },
      { balance: 2, code: 'C', _version: 3 },
      { id: 'c', balance: 2 },
      {},
      null,
      {},
      1,
      [{ id: 'b' }]
    ]
  )
  t.same(await readAccounts(client), [['b', 7, 1]])
})

t.test('groupBy answers as the operation does', async t => {
  const { client } = await withAccounts(t)
  await client.ask('store.insertMany', {
    bucket: 'items',
    data: [{ name: 'x', n: 1 }, { name: 'x', n: 4 }, { name: '1' }, { n: 3 }, { name: null, n: 5 }]
  })
  for (const fn of ['count', 'sum', 'avg', 'min', 'max']) {
    for (const field of ['name', ['name'], ['name', 'n'], ['n', 'id']]) {
      for (const filter of [undefined, null, {}, { name: 'x' }, { name: 'none' }]) {
        const fields = { bucket: 'items', field, filter, aggregate: { function: fn, field: 'n' } }
        t.same(
          await transact(client, { op: 'groupBy', ...fields }),
          [await client.ask('store.groupBy', fields)],
          `${fn} by ${String(field)} where ${JSON.stringify(filter)}`
        )
      }
    }
  }
})

t.test('The message of an entry that fails is that of the operation, behind its place', async t => {
  const { client } = await withAccounts(t)
  const bucket = 'accounts'
  const get = { op: 'get', bucket, key: 'a' }
  const table: ReadonlyArray<readonly [operation: string, fields: object]> = [
    ['update', { bucket, key: 'nope', data: {} }],
    ['update', { bucket, key: 'b', data: { balance: -1 } }],
    ['update', { bucket, key: 'a', data: { balance: 1 }, expectedVersion: 9 }],
    ['increment', { bucket, key: 'b', field: 'code', by: 1 }],
    ['insert', { bucket, data: { id: 'c', balance: 1, code: 'B' } }],
    ['insert', { bucket: 'log', data: { account: 'nope' } }],
    ['delete', { bucket, key: 'b' }],
    ['insert', { bucket: 'acounts', data: {} }]
  ]
  for (const [op, fields] of table) {
    const alone = await client.request(`store.${op}`, fields)
    const inside = await rejectedTransaction(client, get, get, { op, ...fields })
    const { id: _, ...expected }: Frame = { ...alone, message: `operations[2]: ${alone['message']}` }
    t.match(inside, { type: 'error', ...expected }, expected['message'])
  }
})

t.test('Entries are checked before any runs', async t => {
  const { client } = await withAccounts(t)
  const write = { op: 'insert', bucket: 'items', data: { id: 'x' } }
  const aggregate = { function: 'count' }
  const whole = { bucket: 'items', key: 'k', by: 1, data: {}, filter: {}, field: 'n', aggregate }
  const entry = (fields: object) => ({ ...whole, ...fields })
  const names = [
    'get', 'insert', 'insertMany', 'upsert', 'update', 'increment', 'updateMany', 'delete', 'deleteMany',
    'where', 'findOne', 'count', 'groupBy'
  ]
  const table: ReadonlyArray<readonly [entry: unknown, at: string]> = [
    ...[null, 5, 'get', true, [], [{ op: 'get' }]].map(value => [value, ': ']),
    ...[undefined, null, '', 5, 'GET', 'store.get', 'clear', 'constructor', '__proto__', {}].map(op => [
      entry({ op }),
      '.op: '
    ]),
    ...names.flatMap(op => [undefined, null, '', 5].map(bucket => {
      return [entry({ op, bucket, data: op === 'insertMany' ? [] : {} }), '.bucket: ']
    })),
    ...['get', 'update', 'increment', 'delete'].flatMap(op => {
      return [undefined, null].map(key => [entry({ op, key }), '.key: '])
    }),
    ...['insert', 'upsert', 'update', 'updateMany'].flatMap(op => {
      return [undefined, null, 5, []].map(data => [entry({ op, data }), '.data: '])
    }),
    ...[undefined, null, {}].map(data => [entry({ op: 'insertMany', data }), '.data: ']),
    [entry({ op: 'insertMany', data: [{}, 5] }), '.data[1]: '],
    ...['updateMany', 'deleteMany', 'where', 'findOne'].flatMap(op => {
      return [undefined, null, 5, []].map(filter => [entry({ op, filter }), '.filter: '])
    }),
    ...['count', 'groupBy'].flatMap(op => [5, 'x', []].map(filter => [entry({ op, filter }), '.filter: '])),
    ...['updateMany', 'deleteMany', 'where', 'findOne', 'count', 'groupBy'].flatMap(op => [
      [entry({ op, filter: { n: { $foo: 1 } } }), '.filter.n.$foo: '],
      [entry({ op, filter: { $or: [{}, { n: { $in: 5 } }] } }), '.filter.$or[1].n.$in: ']
    ]),
    ...['update', 'increment', 'delete'].flatMap(op => [null, 0, -1, 1.5, '1'].map(expectedVersion => {
      return [entry({ op, expectedVersion }), '.expectedVersion: ']
    })),
    ...[undefined, null, '', 5, ['n']].map(field => [entry({ op: 'increment', field }), '.field: ']),
    ...[undefined, null, '1', [], {}, 2 ** 53, -1e308].map(by => [entry({ op: 'increment', by }), '.by: ']),
    [entry({ op: 'groupBy', field: [] }), '.field: '],
    [entry({ op: 'groupBy', aggregate: undefined }), '.aggregate: ']
  ].map(([value, at]) => [value, String(at)])
  for (const [value, at] of table) {
    const reply = await rejectedTransaction(client, write, write, value as object)
    t.match(reply, { code: 'VALIDATION_ERROR' }, JSON.stringify(value))
    t.ok(reply['message'].startsWith(`operations[2]${at}`), `"${reply['message']}" names operations[2]${at}`)
  }
  for (const operations of [undefined, null, 5, 'x', {}, []]) {
    t.match(
      await client.request('store.transaction', { operations }),
      { code: 'VALIDATION_ERROR', message: /^operations: / },
      `operations ${JSON.stringify(operations)}`
    )
  }
  t.equal(
    await client.code('store.transaction', {
      operations: [{ op: 'get', bucket: 'nope', key: 1 }, { op: 'get' }]
    }),
    'VALIDATION_ERROR',
    'also before buckets are looked up'
  )
  t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
})
