import t, { type Test } from 'tap'
import type { BucketDefinition } from '@hamicek/noex-store'
import type { Frame, TestClient } from '../support/client.js'
import { serve, type Served } from '../support/service.js'

interface Setting extends Served {
  readonly client: TestClient
}

const buckets: Readonly<Record<string, BucketDefinition>> = {
  accounts: {
    key: 'id',
    schema: {
      id: { type: 'string' },
      balance: { type: 'number', min: 0, required: true },
      code: { type: 'string', unique: true }
    }
  },
  log: {
    key: 'id',
    schema: {
      id: { type: 'number', generated: 'autoincrement' },
      account: { type: 'string', ref: 'accounts' }
    }
  },
  notes: {
    key: 'id',
    schema: {
      id: { type: 'string', generated: 'uuid' },
      log: { type: 'number', ref: 'log', onDelete: 'cascade' },
      seen: { type: 'number', ref: 'log', onDelete: 'set_null' }
    }
  },
  brief: { key: 'id', schema: { id: { type: 'string' } }, ttl: '1h' },
  small: { key: 'id', schema: { id: { type: 'string' } }, maxSize: 2 },
  timed: { key: 'id', schema: { id: { type: 'number', generated: 'timestamp' } } },
  fixed: { key: 'id', schema: { id: { type: 'string', default: 'only' } } }
}

/** Accounts a (5) and b (7, code B), and an entry of the log for b. */
async function withAccounts (t: Test): Promise<Setting> {
  const served = await serve(t)
  for (const [name, definition] of Object.entries(buckets)) await served.store.defineBucket(name, definition)
  const client = await served.connect()
  await client.ask('store.insertMany', {
    bucket: 'accounts',
    data: [
      { id: 'a', balance: 5 },
      { id: 'b', balance: 7, code: 'B' }
    ]
  })
  await client.ask('store.insert', { bucket: 'log', data: { account: 'b' } })
  return { ...served, client }
}

/** Runs a transaction and returns the results of its entries. */
async function transact (client: TestClient, ...operations: readonly object[]): Promise<any[]> {
  const { results } = await client.ask('store.transaction', { operations })
  return results.map(({ data }: Frame) => data)
}

async function refusal (client: TestClient, ...operations: readonly object[]): Promise<Frame> {
  return await client.request('store.transaction', { operations })
}

const accounts = async (client: TestClient) =>
  (await client.ask('store.all', { bucket: 'accounts' })).map(({ id, balance, _version }: Frame) => [
    id,
    balance,
    _version
  ])

const untouched = [['a', 5, 1], ['b', 7, 1]]

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
  t.same(await accounts(client), [['a', 6, 2], ['b', 8, 2], ['f', 9, 1]])
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
  t.same(await accounts(client), [['b', 7, 1]])
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

t.test('All entries take effect, or none', async t => {
  const { client } = await withAccounts(t)
  const write = { op: 'update', bucket: 'accounts', key: 'a', data: { balance: 50 } }
  const insert = (bucket: string, data: object) => ({ op: 'insert', bucket, data })
  const table: ReadonlyArray<readonly [title: string, entry: object, code: string, details?: object]> = [
    ['an unknown bucket', { op: 'get', bucket: 'nope', key: 1 }, 'BUCKET_NOT_DEFINED'],
    [
      'an unknown bucket with a name of every object',
      { op: 'count', bucket: 'constructor' },
      'BUCKET_NOT_DEFINED'
    ],
    [
      'a record that does not fit',
      insert('accounts', { id: 'c', balance: -1 }),
      'VALIDATION_ERROR',
      [{ field: 'balance', code: 'min' }]
    ],
    [
      'an update that does not fit',
      { op: 'update', bucket: 'accounts', key: 'b', data: { balance: null } },
      'VALIDATION_ERROR',
      [{ field: 'balance', code: 'required' }]
    ],
    [
      'the update of a missing record',
      { op: 'update', bucket: 'accounts', key: 'nope', data: {} },
      'NOT_FOUND'
    ],
    [
      'an existing key',
      insert('accounts', { id: 'b', balance: 1 }),
      'CONFLICT',
      { bucket: 'accounts', key: 'b' }
    ],
    [
      'an existing key in a batch',
      {
        op: 'insertMany',
        bucket: 'accounts',
        data: [
          { id: 'c', balance: 1 },
          { id: 'b', balance: 1 }
        ]
      },
      'CONFLICT'
    ],
    [
      'a key that comes twice',
      {
        op: 'insertMany',
        bucket: 'accounts',
        data: [
          { id: 'c', balance: 1 },
          { id: 'c', balance: 1 }
        ]
      },
      'CONFLICT'
    ],
    [
      'a unique value that is taken',
      insert('accounts', { id: 'c', balance: 1, code: 'B' }),
      'ALREADY_EXISTS',
      { bucket: 'accounts', field: 'code', value: 'B' }
    ],
    [
      'a unique value that comes twice',
      { op: 'updateMany', bucket: 'accounts', filter: {}, data: { code: 'Z' } },
      'ALREADY_EXISTS'
    ],
    [
      'a dangling reference',
      insert('log', { account: 'nope' }),
      'VALIDATION_ERROR',
      { bucket: 'log', field: 'account', target: 'accounts', key: 'nope' }
    ],
    [
      'a record that others hold',
      { op: 'delete', bucket: 'accounts', key: 'b' },
      'CONFLICT',
      { bucket: 'log', field: 'account', target: 'accounts', key: 'b' }
    ]
  ]
  for (const [title, entry, code, details] of table) {
    for (const operations of [
      [write, entry],
      [entry, write],
      [insert('items', { id: 'x' }), entry, insert('brief', { id: 'y' })]
    ]) {
      const reply = await refusal(client, ...operations)
      t.match(reply, { type: 'error', code, ...(details && { details }) }, title)
      const place = `operations[${operations.indexOf(entry)}]: `
      t.ok(reply['message'].startsWith(place), `"${reply['message']}" names ${place}`)
    }
    t.same(await accounts(client), untouched, 'nothing was written')
  }
  t.match((await client.ask('store.stats')).records.perBucket, { items: 0, brief: 0, log: 1 })
  t.match(
    await client.ask('store.insert', { bucket: 'accounts', data: { id: 'z', balance: 0, code: 'Z' } }),
    { code: 'Z' },
    'no index has kept what was undone'
  )
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
    const inside = await refusal(client, get, get, { op, ...fields })
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
    const reply = await refusal(client, write, write, value as object)
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

t.test('G-F7 an entry may expect a version', async t => {
  const { client } = await withAccounts(t)
  const bucket = 'accounts'
  t.match(
    await transact(client, { op: 'update', bucket, key: 'a', data: { balance: 6 }, expectedVersion: 1 }),
    [{ _version: 2 }]
  )
  const stale = { code: 'CONFLICT', details: { bucket, key: 'a', expectedVersion: 1, version: 2 } }
  t.match(
    await refusal(client, { op: 'update', bucket, key: 'a', data: { balance: 7 }, expectedVersion: 1 }),
    stale
  )
  t.match(await refusal(client, { op: 'delete', bucket, key: 'a', expectedVersion: 1 }), stale)
  t.match(await refusal(client, { op: 'delete', bucket, key: 'nope', expectedVersion: 1 }), {
    code: 'CONFLICT',
    details: { key: 'nope', version: null }
  })
  t.match(await transact(client,
    { op: 'update', bucket, key: 'b', data: { balance: 1 }, expectedVersion: 1 },
    { op: 'update', bucket, key: 'b', data: { balance: 2 }, expectedVersion: 2 }
  ), [{ _version: 2 }, { _version: 3 }], 'a version that the transaction itself has made counts')
  await transact(client, { op: 'delete', bucket, key: 'a', expectedVersion: 2 })
  t.same(await accounts(client), [['b', 2, 3]])
})

t.test('A record that another writer changes meanwhile answers CONFLICT', async t => {
  const { client, store } = await withAccounts(t)
  const transaction = store.transaction.bind(store)
  let interfere: () => Promise<unknown> = async () => {}
  store.transaction = async work => await transaction(async tx => {
    const result = await work(tx)
    await interfere()
    return result
  })
  const other = store.bucket('accounts')
  const log = { op: 'insert', bucket: 'log', data: { account: 'b' } }
  const table: ReadonlyArray<
    readonly [title: string, entry: object, interfere: () => Promise<unknown>, undo: () => Promise<unknown>]
  > = [
    [
      'an update',
      { op: 'update', bucket: 'accounts', key: 'a', data: { balance: 1 } },
      () => other.update('a', { balance: 9 }),
      () => other.update('a', { balance: 5 })
    ],
    [
      'a delete',
      { op: 'delete', bucket: 'accounts', key: 'a' },
      () => other.update('a', { balance: 9 }),
      () => other.update('a', { balance: 5 })
    ],
    [
      'an insert',
      { op: 'insert', bucket: 'accounts', data: { id: 'c', balance: 1 } },
      () => other.insert({ id: 'c', balance: 9 }),
      () => other.delete('c')
    ]
  ]
  for (const [title, entry, meanwhile, undo] of table) {
    interfere = meanwhile
    t.match(
      await refusal(client, log, entry),
      { code: 'CONFLICT', details: { bucket: 'accounts', key: String } },
      title
    )
    interfere = async () => {}
    t.equal(
      await client.ask('store.count', { bucket: 'log' }),
      1,
      'the bucket that was written first is as it was'
    )
    t.match(
      await client.ask('store.get', { bucket: 'accounts', key: title === 'an insert' ? 'c' : 'a' }),
      { balance: 9 },
      'the other writer has won'
    )
    await undo()
  }
})

t.test('Transactions that race for one record do not lose an update', async t => {
  const { connect, client } = await withAccounts(t)
  const clients = await Promise.all(Array.from({ length: 5 }, () => connect()))
  let confirmed = 0
  await Promise.all(clients.map(async client => {
    for (let n = 0; n < 10; n++) {
      const reply = await refusal(
        client,
        { op: 'get', bucket: 'accounts', key: 'a' },
        { op: 'update', bucket: 'accounts', key: 'a', data: {} },
        { op: 'insert', bucket: 'items', data: {} }
      )
      if (reply['type'] === 'result') confirmed++
      else t.equal(reply['code'], 'CONFLICT')
    }
  }))
  t.equal((await client.ask('store.get', { bucket: 'accounts', key: 'a' }))._version, 1 + confirmed)
  t.equal(await client.ask('store.count', { bucket: 'items' }), confirmed)
})

t.test('G-F5 one key may be written several times', async t => {
  const { client } = await withAccounts(t)
  const bucket = 'accounts'
  const update = { op: 'update', bucket, key: 'a', data: { balance: 1 } }
  t.match(await transact(client, update, { op: 'delete', bucket, key: 'a' }), [
    { balance: 1 }, { deleted: true }
  ])
  t.equal(await client.ask('store.get', { bucket, key: 'a' }), null)
  const insert = (id: string) => ({ op: 'insert', bucket, data: { id, balance: 1 } })
  t.match(
    await transact(client, insert('c'), { op: 'delete', bucket, key: 'c' }, insert('c')),
    [{}, {}, { id: 'c' }]
  )
  t.match(await transact(client, { op: 'delete', bucket, key: 'c' }, insert('c')), [{}, { _version: 2 }])
  t.match(await client.ask('store.get', { bucket, key: 'c' }), { balance: 1, _version: 2 })
})

t.test('Unique values may be swapped', async t => {
  const { client } = await withAccounts(t)
  const bucket = 'accounts'
  await client.ask('store.update', { bucket, key: 'a', data: { code: 'A' } })
  const give = (key: string, code: string) => ({ op: 'update', bucket, key, data: { code } })
  t.match(await transact(client, give('a', 'B'), give('b', 'A')), [{ code: 'B' }, { code: 'A' }])
})

t.test('G-F1 no record takes the place of one that the transaction has inserted', async t => {
  const { client } = await withAccounts(t)
  t.equal(
    (
      await refusal(
        client,
        { op: 'insert', bucket: 'accounts', data: { id: 'c', balance: 1 } },
        { op: 'insert', bucket: 'accounts', data: { id: 'c', balance: 2 } }
      )
    )['code'],
    'CONFLICT'
  )
  t.equal(
    (
      await refusal(
        client,
        { op: 'insert', bucket: 'fixed', data: { n: 1 } },
        { op: 'insert', bucket: 'fixed', data: { n: 2 } }
      )
    )['code'],
    'CONFLICT',
    'by a default'
  )
  t.equal(
    (
      await refusal(
        client,
        { op: 'upsert', bucket: 'fixed', data: { n: 1 } },
        { op: 'upsert', bucket: 'fixed', data: { n: 2 } }
      )
    )['code'],
    'CONFLICT'
  )
  t.match(
    await transact(
      client,
      { op: 'insert', bucket: 'log', data: { id: 3 } },
      { op: 'insert', bucket: 'log', data: {} },
      { op: 'insert', bucket: 'log', data: {} },
      { op: 'upsert', bucket: 'log', data: {} }
    ),
    [{ id: 3 }, { id: Number }, { id: Number }, { id: Number }]
  )
  t.equal(await client.ask('store.count', { bucket: 'log' }), 5, 'numbers go on after those that are taken')

  let stored = 0
  for (let n = 0; n < 20; n++) {
    const reply = await refusal(
      client,
      { op: 'insert', bucket: 'timed', data: {} },
      { op: 'upsert', bucket: 'timed', data: {} },
      { op: 'insertMany', bucket: 'timed', data: [{}] }
    )
    if (reply['type'] === 'result') stored += 3
    else t.match(reply, { code: 'CONFLICT' })
  }
  t.equal(
    await client.ask('store.count', { bucket: 'timed' }),
    stored,
    'every insert that was confirmed is there'
  )
})

t.test('G-F6 references hold inside a transaction', async t => {
  const { client } = await withAccounts(t)
  t.match(await transact(client,
    { op: 'insert', bucket: 'accounts', data: { id: 'c', balance: 1 } },
    { op: 'insert', bucket: 'log', data: { account: 'c' } },
    { op: 'delete', bucket: 'log', key: 1 },
    { op: 'delete', bucket: 'accounts', key: 'b' }
  ), [{}, { account: 'c' }, {}, {}], 'what the transaction has written counts')
  const [entry] = await client.ask('store.all', { bucket: 'log' })
  t.equal(
    (
      await refusal(
        client,
        { op: 'delete', bucket: 'accounts', key: 'a' },
        { op: 'update', bucket: 'log', key: entry.id, data: { account: 'a' } }
      )
    )['code'],
    'VALIDATION_ERROR',
    'a record that the transaction has deleted is gone'
  )
  t.equal(
    (
      await refusal(
        client,
        { op: 'insert', bucket: 'log', data: { account: 'a' } },
        { op: 'delete', bucket: 'accounts', key: 'a' }
      )
    )['code'],
    'CONFLICT',
    'one that it has inserted holds'
  )
  t.equal(
    (await refusal(client, { op: 'updateMany', bucket: 'log', filter: {}, data: { account: 'nope' } }))[
      'code'
    ],
    'VALIDATION_ERROR'
  )
  t.equal(
    (await refusal(client, { op: 'upsert', bucket: 'log', data: { id: entry.id, account: 'nope' } }))['code'],
    'VALIDATION_ERROR'
  )

  await client.ask('store.insertMany', {
    bucket: 'notes',
    data: [{ id: 'x', seen: entry.id }, { id: 'y', log: entry.id, seen: entry.id }, { id: 'z' }]
  })
  t.match(
    await transact(
      client,
      { op: 'delete', bucket: 'log', key: entry.id },
      { op: 'where', bucket: 'notes', filter: {} }
    ),
    [{ deleted: true }, [{ id: 'x', seen: null }, { id: 'z' }]],
    'cascade and set_null'
  )
  t.match(await client.ask('store.all', { bucket: 'notes' }), [
    { id: 'x', seen: null, _version: 2 },
    { id: 'z', _version: 1 }
  ])
})

t.test('G-F6 new records expire', async t => {
  const { client } = await withAccounts(t)
  const before = Date.now()
  const results = await transact(
    client,
    { op: 'insert', bucket: 'brief', data: { id: 'a' } },
    { op: 'insertMany', bucket: 'brief', data: [{ id: 'b' }] },
    { op: 'upsert', bucket: 'brief', data: { id: 'c' } }
  )
  for (const { _expiresAt } of results.flat()) {
    t.ok(_expiresAt >= before + 3_600_000 && _expiresAt <= Date.now() + 3_600_000)
  }
  t.match(await client.ask('store.all', { bucket: 'brief' }), results.flat())
})

t.test('G-F6 a full bucket gives up its oldest records', async t => {
  const { client } = await withAccounts(t)
  const ids = async () => (await client.ask('store.all', { bucket: 'small' })).map(({ id }: Frame) => id)
  const insert = (id: string) => ({ op: 'insert', bucket: 'small', data: { id } })
  await transact(client, insert('a'), insert('b'))
  t.same(await ids(), ['a', 'b'])
  await transact(client, insert('c'))
  t.same(await ids(), ['b', 'c'])
  await transact(client, insert('d'), insert('e'), insert('f'))
  t.equal((await ids()).length, 2)
  await transact(client, { op: 'delete', bucket: 'small', key: (await ids())[0] }, insert('g'))
  t.ok((await ids()).includes('g'), 'a deleted record makes room')
  const before = await ids()
  await transact(client, { op: 'count', bucket: 'small' })
  t.same(await ids(), before, 'reading evicts nothing')
  await transact(client, { op: 'update', bucket: 'small', key: before[0], data: { n: 1 } }, insert('h'))
  t.same(
    await ids(),
    [before[0], 'h'],
    'a record that the transaction has updated stays, and the next oldest goes'
  )
})

t.test('A live query is told once of what a transaction did', async t => {
  const { client } = await withAccounts(t)
  await client.ask('store.defineQuery', {
    name: 'sum',
    config: { bucket: 'accounts', aggregate: { function: 'sum', field: 'balance' } }
  })
  const { subscriptionId, data } = await client.ask('store.subscribe', { query: 'sum' })
  t.equal(data, 12)
  await transact(
    client,
    { op: 'update', bucket: 'accounts', key: 'a', data: { balance: 0 } },
    { op: 'update', bucket: 'accounts', key: 'b', data: { balance: 20 } }
  )
  t.match(await client.push(subscriptionId), { data: 20 })
  await refusal(
    client,
    { op: 'update', bucket: 'accounts', key: 'a', data: { balance: 1 } },
    { op: 'update', bucket: 'accounts', key: 'nope', data: {} }
  )
  await client.settled()
  t.same(client.waiting, [], 'no state in between, and nothing of what was undone')
})
