import t from 'tap'
import { readAccounts, rejectedTransaction, transact, withAccounts } from '../../support/transactions.js'

const untouched = [['a', 5, 1], ['b', 7, 1]]

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
      const reply = await rejectedTransaction(client, ...operations)
      t.match(reply, { type: 'error', code, ...(details && { details }) }, title)
      const place = `operations[${operations.indexOf(entry)}]: `
      t.ok(reply['message'].startsWith(place), `"${reply['message']}" names ${place}`)
    }
    t.same(await readAccounts(client), untouched, 'nothing was written')
  }
  t.match((await client.ask('store.stats')).records.perBucket, { items: 0, brief: 0, log: 1 })
  t.match(
    await client.ask('store.insert', { bucket: 'accounts', data: { id: 'z', balance: 0, code: 'Z' } }),
    { code: 'Z' },
    'no index has kept what was undone'
  )
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
    await rejectedTransaction(client, {
      op: 'update',
      bucket,
      key: 'a',
      data: { balance: 7 },
      expectedVersion: 1
    }),
    stale
  )
  t.match(await rejectedTransaction(client, { op: 'delete', bucket, key: 'a', expectedVersion: 1 }), stale)
  t.match(await rejectedTransaction(client, { op: 'delete', bucket, key: 'nope', expectedVersion: 1 }), {
    code: 'CONFLICT',
    details: { key: 'nope', version: null }
  })
  t.match(await transact(client,
    { op: 'update', bucket, key: 'b', data: { balance: 1 }, expectedVersion: 1 },
    { op: 'update', bucket, key: 'b', data: { balance: 2 }, expectedVersion: 2 }
  ), [{ _version: 2 }, { _version: 3 }], 'a version that the transaction itself has made counts')
  await transact(client, { op: 'delete', bucket, key: 'a', expectedVersion: 2 })
  t.same(await readAccounts(client), [['b', 2, 3]])
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
      await rejectedTransaction(client, log, entry),
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
      const reply = await rejectedTransaction(
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
  await rejectedTransaction(
    client,
    { op: 'update', bucket: 'accounts', key: 'a', data: { balance: 1 } },
    { op: 'update', bucket: 'accounts', key: 'nope', data: {} }
  )
  await client.settled()
  t.same(client.waiting, [], 'no state in between, and nothing of what was undone')
})
