import t from 'tap'
import type { Frame } from '../../support/client.js'
import { rejectedTransaction, transact, withAccounts } from '../../support/transactions.js'

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
      await rejectedTransaction(
        client,
        { op: 'insert', bucket: 'accounts', data: { id: 'c', balance: 1 } },
        { op: 'insert', bucket: 'accounts', data: { id: 'c', balance: 2 } }
      )
    )['code'],
    'CONFLICT'
  )
  t.equal(
    (
      await rejectedTransaction(
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
      await rejectedTransaction(
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
    const reply = await rejectedTransaction(
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
      await rejectedTransaction(
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
      await rejectedTransaction(
        client,
        { op: 'insert', bucket: 'log', data: { account: 'a' } },
        { op: 'delete', bucket: 'accounts', key: 'a' }
      )
    )['code'],
    'CONFLICT',
    'one that it has inserted holds'
  )
  t.equal(
    (
      await rejectedTransaction(client, {
        op: 'updateMany',
        bucket: 'log',
        filter: {},
        data: { account: 'nope' }
      })
    )['code'],
    'VALIDATION_ERROR'
  )
  t.equal(
    (
      await rejectedTransaction(client, {
        op: 'upsert',
        bucket: 'log',
        data: { id: entry.id, account: 'nope' }
      })
    )['code'],
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
