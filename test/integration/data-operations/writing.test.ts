import t from 'tap'
import type { BucketDefinition } from '@hamicek/noex-store'
import { serve, serveBuckets } from '../../support/service.js'
import { goodsBucket, idsOf, withGoods } from '../../support/data-operations.js'

t.test('G-F1 refuses a primary key that is taken', async t => {
  const key = (generated?: 'autoincrement' | 'timestamp'): BucketDefinition => ({
    key: 'id',
    schema: { id: { type: generated === undefined ? 'string' : 'number', ...(generated && { generated }) } }
  })
  const { client } = await serveBuckets(t, {
    plain: key(),
    counted: key('autoincrement'),
    timed: key('timestamp'),
    fixed: { key: 'id', schema: { id: { type: 'string', default: 'only' } } }
  })
  const taken = (bucket: string, value: unknown) => ({
    type: 'error',
    code: 'ALREADY_EXISTS',
    details: { bucket, field: 'id', value }
  })

  t.test('that the client supplies', async t => {
    await client.ask('store.insert', { bucket: 'plain', data: { id: 'k', name: '1' } })
    t.match(
      await client.request('store.insert', { bucket: 'plain', data: { id: 'k', name: '2' } }),
      taken('plain', 'k')
    )
    t.match(
      await client.request('store.insertMany', { bucket: 'plain', data: [{ id: 'a' }, { id: 'k' }] }),
      taken('plain', 'k')
    )
    t.match(
      await client.request('store.insertMany', {
        bucket: 'plain',
        data: [{ id: 'a' }, { id: 'b' }, { id: 'a' }]
      }),
      taken('plain', 'a'),
      'also within one batch'
    )
    t.match(await client.ask('store.all', { bucket: 'plain' }), [{ id: 'k', name: '1', _version: 1 }])
    t.equal(
      (await client.ask('store.all', { bucket: 'plain' })).length,
      1,
      'a batch is stored as a whole or not at all'
    )
    t.match(
      await client.ask('store.insert', { bucket: 'plain', data: { id: 'A "k" already', name: 'quotes' } }),
      { name: 'quotes' }
    )
    t.match(
      await client.request('store.insert', { bucket: 'plain', data: { id: 'A "k" already' } }),
      taken('plain', 'A "k" already')
    )
    t.match(await client.request('store.insert', { bucket: 'plain', data: { id: 'k\n' } }), {
      type: 'result'
    })
    t.match(
      await client.request('store.insert', { bucket: 'plain', data: { id: 'k\n' } }),
      taken('plain', 'k\n')
    )
  })

  t.test('that the store counts, by counting on', async t => {
    await client.ask('store.insert', { bucket: 'counted', data: { id: 2, name: 'supplied' } })
    await client.ask('store.insert', { bucket: 'counted', data: { id: 4, name: 'supplied' } })
    t.match(await client.ask('store.insert', { bucket: 'counted', data: {} }), { id: 3 })
    t.match(await client.ask('store.upsert', { bucket: 'counted', data: {} }), { id: 5 })
    t.same(
      idsOf(await client.ask('store.insertMany', { bucket: 'counted', data: [{}, { id: 7 }, {}] })),
      [6, 7, 8]
    )
    t.match(
      await client.request('store.insertMany', { bucket: 'counted', data: [{}, { id: 4 }] }),
      taken('counted', 4)
    )
    t.match(await client.request('store.insert', { bucket: 'counted', data: { id: 2 } }), taken('counted', 2))
    t.match(await client.ask('store.where', { bucket: 'counted', filter: { name: 'supplied' } }), [
      { id: 2, _version: 1 },
      { id: 4, _version: 1 }
    ])
    t.equal(await client.ask('store.count', { bucket: 'counted' }), 7)
  })

  t.test('that the store takes from its clock', async t => {
    const reply = await client.request('store.insertMany', {
      bucket: 'timed',
      data: Array.from({ length: 50 }, () => ({}))
    })
    t.match(reply, taken('timed', Number))
    t.ok(Math.abs(reply['details'].value - Date.now()) < 60_000, 'the value is the timestamp')

    const attempts = 40
    for (let id = 1; id <= attempts; id++) {
      client.send({
        id: 1000 + id,
        type: id % 2 === 0 ? 'store.insert' : 'store.upsert',
        bucket: 'timed',
        data: { n: id }
      })
    }
    let stored = 0
    for (let id = 1; id <= attempts; id++) {
      const reply = await client.next()
      if (reply['type'] === 'result') stored++
      else t.match(reply, taken('timed', Number))
    }
    t.equal(
      await client.ask('store.count', { bucket: 'timed' }),
      stored,
      'every insert that was confirmed is there'
    )
  })

  t.test('that is a default', async t => {
    await client.ask('store.insert', { bucket: 'fixed', data: { n: 1 } })
    t.match(await client.request('store.insert', { bucket: 'fixed', data: { n: 2 } }), taken('fixed', 'only'))
    t.match(await client.request('store.upsert', { bucket: 'fixed', data: { n: 2 } }), taken('fixed', 'only'))
    t.match(await client.ask('store.all', { bucket: 'fixed' }), [{ id: 'only', n: 1, _version: 1 }])
  })

  t.test('when two clients insert it at once', async t => {
    const { connect } = await serve(t)
    const clients = await Promise.all([connect(), connect(), connect()])
    const replies = await Promise.all(
      clients.map((client, n) => client.request('store.insert', { bucket: 'items', data: { id: 'same', n } }))
    )
    t.same(replies.map(reply => reply['type']).toSorted(), ['error', 'error', 'result'])
  })
})

t.test('A record without a usable primary key is refused', async t => {
  const { client } = await serveBuckets(t, {
    goods: goodsBucket,
    nulled: { key: 'id', schema: { id: { type: 'string', default: null } } }
  })
  const table: ReadonlyArray<readonly [bucket: string, data: object, code: string]> = [
    ['goods', { name: 'xx' }, 'required'],
    ['goods', { id: null, name: 'xx' }, 'required'],
    ['goods', { id: {}, name: 'xx' }, 'type'],
    ['goods', { id: ['a'], name: 'xx' }, 'type'],
    ['nulled', {}, 'required']
  ]
  for (const [bucket, data, code] of table) {
    const expected = { code: 'VALIDATION_ERROR', details: [{ field: 'id', code }] }
    t.match(
      await client.request('store.insert', { bucket, data }),
      expected,
      `insert ${JSON.stringify(data)} into ${bucket}`
    )
    t.match(await client.request('store.insertMany', { bucket, data: [data] }), expected)
    t.match(await client.request('store.upsert', { bucket, data }), expected)
    t.match(
      await client.request('store.transaction', { operations: [{ op: 'insert', bucket, data }] }),
      expected
    )
  }
  t.match(await client.request('store.insert', { bucket: 'goods', data: { id: 5, name: 'xx' } }), {
    code: 'VALIDATION_ERROR',
    details: [{ field: 'id', code: 'type' }]
  })
  t.equal((await client.ask('store.stats')).records.total, 0)
})

t.test('A unique field', async t => {
  const { client } = await withGoods(t)
  const taken = { code: 'ALREADY_EXISTS', details: { bucket: 'goods', field: 'code', value: 'B1' } }
  t.match(
    await client.request('store.insert', { bucket: 'goods', data: { id: 'd', name: 'dd', code: 'B1' } }),
    taken
  )
  t.match(
    await client.request('store.insertMany', {
      bucket: 'goods',
      data: [
        { id: 'd', name: 'dd' },
        { id: 'e', name: 'ee', code: 'B1' }
      ]
    }),
    taken
  )
  t.match(await client.request('store.upsert', { bucket: 'goods', data: { id: 'a', code: 'B1' } }), taken)
  t.match(await client.request('store.update', { bucket: 'goods', key: 'a', data: { code: 'B1' } }), taken)
  t.match(await client.request('store.updateMany', { bucket: 'goods', filter: {}, data: { code: 'Z' } }), {
    code: 'ALREADY_EXISTS'
  })
  t.same(
    (await client.ask('store.all', { bucket: 'goods' })).map(
      ({ id, code, _version }: Record<string, unknown>) => [id, code, _version]
    ),
    [
      ['a', undefined, 1],
      ['b', 'B1', 1],
      ['c', undefined, 1]
    ],
    'nothing was changed'
  )
  t.match(
    await client.ask('store.update', { bucket: 'goods', key: 'b', data: { code: 'B1' } }),
    { _version: 2 },
    'a record may keep its own value'
  )
  await client.ask('store.delete', { bucket: 'goods', key: 'b' })
  t.match(
    await client.ask('store.insert', { bucket: 'goods', data: { id: 'b', name: 'bb', code: 'B1' } }),
    { _version: 3 },
    'a value is free again, and no version of a key comes twice'
  )
})

t.test('A full bucket loses no record to an insert that is refused', async t => {
  const { client } = await serveBuckets(t, {
    small: {
      key: 'id',
      schema: { id: { type: 'string', generated: 'uuid' }, code: { type: 'string', unique: true } },
      maxSize: 2
    }
  })
  await client.ask('store.insertMany', {
    bucket: 'small',
    data: [
      { id: 'a', code: '1' },
      { id: 'b', code: '2' }
    ]
  })
  t.equal(await client.code('store.insert', { bucket: 'small', data: { code: '2' } }), 'ALREADY_EXISTS')
  t.equal(
    await client.code('store.upsert', { bucket: 'small', data: { id: 'x', code: '2' } }),
    'ALREADY_EXISTS'
  )
  t.same(idsOf(await client.ask('store.all', { bucket: 'small' })), ['a', 'b'])
  await client.ask('store.insert', { bucket: 'small', data: { id: 'c', code: '3' } })
  t.same(
    idsOf(await client.ask('store.all', { bucket: 'small' })),
    ['b', 'c'],
    'the oldest record makes room'
  )
})

t.test('The writing operations', async t => {
  const { client } = await withGoods(t)
  const ask = async (type: string, fields: object = {}) =>
    await client.ask(`store.${type}`, { bucket: 'goods', ...fields })

  t.match(await ask('insert', { data: { id: 'd', name: 'dd' } }), {
    id: 'd',
    name: 'dd',
    kind: 'a',
    _version: 1
  })
  t.match(
    await ask('insertMany', {
      data: [
        { id: 'e', name: 'ee' },
        { id: 'f', name: 'ff' }
      ]
    }),
    [
      { id: 'e', _version: 1 },
      { id: 'f', _version: 1 }
    ]
  )
  t.same(await ask('insertMany', { data: [] }), [])
  t.match(await ask('update', { key: 'd', data: { price: 3 } }), {
    id: 'd',
    name: 'dd',
    price: 3,
    _version: 2
  })
  t.match(
    await ask('upsert', { data: { id: 'd', price: 4 } }),
    { id: 'd', name: 'dd', price: 4, _version: 3 },
    'upsert updates'
  )
  t.match(
    await ask('upsert', { data: { id: 'g', name: 'gg' } }),
    { id: 'g', kind: 'a', _version: 1 },
    'upsert inserts'
  )
  t.equal(await ask('updateMany', { filter: { kind: 'b' }, data: { price: 9 } }), 2)
  t.equal(await ask('updateMany', { filter: { kind: 'x' }, data: { price: 9 } }), 0)
  t.equal(await ask('sum', { field: 'price', filter: { kind: 'b' } }), 18)
  t.same(await ask('delete', { key: 'd' }), { deleted: true })
  t.same(await ask('delete', { key: 'd' }), { deleted: true }, 'also when there is nothing')
  t.same(await ask('delete', { key: { $exists: true } }), { deleted: true })
  t.equal(await ask('count'), 6)
  t.equal(await ask('deleteMany', { filter: { kind: 'b' } }), 2)
  t.equal(await ask('deleteMany', { filter: { kind: 'b' } }), 0)
  t.same(await ask('clear'), { cleared: true })
  t.same(await ask('clear'), { cleared: true })
  t.equal(await ask('count'), 0)
  t.match(
    await ask('insert', { data: { id: 'a', name: 'aa' } }),
    { _version: 2 },
    'a cleared bucket takes records, and no version of a key comes twice'
  )
})

t.test('G-F2 the update of a missing record answers NOT_FOUND', async t => {
  const { client } = await withGoods(t)
  for (const key of ['nope', 5, 0, false, '', {}, [], 'x" not found in bucket "y\n']) {
    t.equal(
      await client.code('store.update', { bucket: 'goods', key, data: {} }),
      'NOT_FOUND',
      `key ${JSON.stringify(key)}`
    )
  }
})
