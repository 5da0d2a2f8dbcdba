import t, { type Test } from 'tap'
import type { PermissionConfig } from '../../../lib/index.js'
import { servePermissions, type ServedPermissions, outcomeOf } from '../../support/permissions.js'

t.test('row rules', async t => {
  const own: PermissionConfig = {
    default: 'deny',
    rules: [
      { role: 'manager', allow: 'store.*' },
      { role: 'user', allow: 'store.*', buckets: ['orders'], where: { owner: '$userId' } }
    ]
  }

  async function withOrders (t: Test): Promise<ServedPermissions> {
    const guarded = await servePermissions(t, own)
    await guarded.store
      .bucket('orders')
      .insertMany(['ann', 'bob', 'ann', 'bob', 'ann'].map((owner, i) => ({ owner, total: i })))
    return guarded
  }

  t.test('reads see the rows of the user and no others', async t => {
    const { as } = await withOrders(t)
    const ann = await as('ann', 'user')
    const numbers = async (type: string, fields: object): Promise<unknown> =>
      (await ann.ask(type, { bucket: 'orders', ...fields })).map(({ number }: { number: number }) => number)
    t.same(await numbers('store.all', {}), [1, 3, 5])
    t.same(await numbers('store.where', { filter: { total: { $gte: 1 } } }), [3, 5])
    t.same(await numbers('store.where', { filter: { owner: 'bob' } }), [])
    t.same(await numbers('store.where', { filter: { $or: [{ owner: 'bob' }, { total: 4 }] } }), [5])
    t.same(await numbers('store.first', { n: 2 }), [1, 3])
    t.same(await numbers('store.last', { n: 2 }), [3, 5])
    t.equal(await ann.ask('store.get', { bucket: 'orders', key: 2 }), null)
    t.match(await ann.ask('store.get', { bucket: 'orders', key: 3 }), { owner: 'ann' })
    t.equal(await ann.ask('store.findOne', { bucket: 'orders', filter: { owner: 'bob' } }), null)
    t.equal(await ann.ask('store.count', { bucket: 'orders' }), 3)
    t.equal(await ann.ask('store.sum', { bucket: 'orders', field: 'total' }), 6)
    t.equal(
      await ann.ask('store.max', { bucket: 'orders', field: 'total', filter: { total: { $lt: 4 } } }),
      2
    )
    t.same(
      await ann.ask('store.groupBy', { bucket: 'orders', field: 'owner', aggregate: { function: 'count' } }),
      [{ key: { owner: 'ann' }, value: 3 }]
    )
    const page = await ann.ask('store.paginate', { bucket: 'orders', limit: 2 })
    t.match(page, { records: [{ number: 1 }, { number: 3 }], hasMore: true, nextCursor: 3 })
    t.match(await ann.ask('store.paginate', { bucket: 'orders', limit: 2, after: page.nextCursor }), {
      records: [{ number: 5 }],
      hasMore: false
    })
    t.same(
      (await ann.ask('store.paginate', { bucket: 'orders', limit: 2, after: 2 })).records,
      [],
      'the cursor of another user leads nowhere'
    )
  })

  t.test('writes outside are refused, and change nothing', async t => {
    const { as, store } = await withOrders(t)
    const ann = await as('ann', 'user')
    const before = await store.bucket('orders').all()
    const attempts: ReadonlyArray<readonly [type: string, fields: object]> = [
      ['store.insert', { data: { owner: 'bob' } }],
      ['store.insert', { data: {} }],
      ['store.insertMany', { data: [{ owner: 'ann' }, { owner: 'bob' }] }],
      ['store.upsert', { data: { number: 2, total: 9 } }],
      ['store.upsert', { data: { number: 1, owner: 'bob' } }],
      ['store.update', { key: 2, data: { total: 9 } }],
      ['store.update', { key: 2, data: { owner: 'ann' } }],
      ['store.update', { key: 1, data: { owner: 'bob' } }],
      ['store.increment', { key: 2, field: 'total', by: 1 }],
      ['store.increment', { key: 2, field: 'owner', by: 1 }],
      ['store.increment', { key: 2, field: 'total', by: 1, expectedVersion: 9 }],
      ['store.updateMany', { filter: {}, data: { owner: 'bob' } }],
      ['store.delete', { key: 2 }],
      ['store.clear', {}],
      [
        'store.transaction',
        {
          operations: [
            { op: 'insert', bucket: 'orders', data: { owner: 'ann' } },
            { op: 'delete', bucket: 'orders', key: 4 }
          ]
        }
      ]
    ]
    for (const [type, fields] of attempts) {
      t.equal(
        await outcomeOf(ann, type, { bucket: 'orders', ...fields }),
        'FORBIDDEN',
  `${type} ${JSON.stringify(fields)}`
      )
    }
    t.same(await store.bucket('orders').all(), before)
    t.equal(await outcomeOf(ann, 'store.update', { bucket: 'orders', key: 99, data: {} }), 'NOT_FOUND')
    t.equal(
      await outcomeOf(ann, 'store.increment', { bucket: 'orders', key: 99, field: 'total', by: 1 }),
      'NOT_FOUND'
    )
    t.equal(await outcomeOf(ann, 'store.delete', { bucket: 'orders', key: 99 }), 'ok')
  })

  t.test('writes inside work, and those by a filter reach no further', async t => {
    const { as, store } = await withOrders(t)
    const ann = await as('ann', 'user')
    t.match(await ann.ask('store.insert', { bucket: 'orders', data: { owner: 'ann' } }), {
      number: 6,
      total: 0
    })
    t.match(await ann.request('store.insert', { bucket: 'orders', data: { number: 6, owner: 'ann' } }), {
      code: 'ALREADY_EXISTS',
      details: { bucket: 'orders', field: 'number', value: 6 }
    })
    t.match(await ann.ask('store.update', { bucket: 'orders', key: 1, data: { total: 50 } }), {
      total: 50,
      owner: 'ann'
    })
    t.match(await ann.ask('store.increment', { bucket: 'orders', key: 1, field: 'total', by: 5 }), {
      total: 55, owner: 'ann'
    })
    t.equal(await ann.ask('store.updateMany', { bucket: 'orders', filter: {}, data: { total: 7 } }), 4)
    t.equal(await ann.ask('store.deleteMany', { bucket: 'orders', filter: {} }), 4)
    t.same(
      (await store.bucket('orders').all()).map(({ owner, total }) => [owner, total]),
      [
        ['bob', 1],
        ['bob', 3]
      ]
    )
  })

  t.test('queries run over the rows of the caller, in their own order', async t => {
    const { as } = await withOrders(t)
    const ann = await as('ann', 'user')
    t.equal(await ann.ask('store.query', { query: 'order-count' }), 3)
    t.match(await ann.ask('store.query', { query: 'orders-by-code' }), {
      first: [{ number: 1 }],
      last: [{ number: 5 }],
      page: { records: [{ number: 1 }, { number: 3 }], nextCursor: 3 },
      one: { number: 1 }
    })
    t.match(await (await as('bob', 'user')).ask('store.query', { query: 'orders-by-code' }), {
      first: [{ number: 2 }],
      last: [{ number: 4 }],
      one: null
    })
    t.equal(await (await as('max', 'manager')).ask('store.query', { query: 'order-count' }), 5)
  })

  t.test('a row that leaves the filter leaves the live result', async t => {
    const { as, store } = await withOrders(t)
    const ann = await as('ann', 'user')
    const { data, subscriptionId } = await ann.ask('store.subscribe', { query: 'all-orders' })
    t.equal(data.length, 3)
    await store.bucket('orders').update(3, { owner: 'bob' })
    t.match((await ann.push(subscriptionId))['data'], [{ number: 1 }, { number: 5 }])
    await store.bucket('orders').insert({ owner: 'bob' })
    await store.bucket('orders').insert({ owner: 'ann' })
    const { data: later } = await ann.push(subscriptionId)
    t.same(later.map(({ number }: { number: number }) => number), [1, 5, 7], 'what others do is not seen')
  })

  t.test('subscribers who may see the same share one live query', async t => {
    const { as, store } = await withOrders(t)
    let evaluations = 0
    store.defineQuery('counted', async ctx => {
      evaluations++
      return await ctx.bucket('orders').count()
    })
    const clients = [
      await as('ann', 'user'),
      await as('ann', 'user'),
      await as('bob', 'user'),
      await as('m1', 'manager'),
      await as('m2', 'manager')
    ]
    const counts: number[] = []
    for (const client of clients) {
      counts.push((await client.ask('store.subscribe', { query: 'counted' })).data)
    }
    t.same(counts, [3, 3, 2, 5, 5])
    t.equal(evaluations, 3, 'one for ann, one for bob, one for both managers')
    evaluations = 0
    await store.bucket('orders').insert({ owner: 'ann' })
    await Promise.all(clients.map(async client => { await client.settled() }))
    t.equal(evaluations, 3)
    t.same(clients.map(client => client.waiting.map(frame => frame['data'])), [[4], [4], [], [6], [6]])
  })

  t.test('the first rule that fits decides', async t => {
    const { as } = await withOrders(t)
    t.equal(await (await as('ann', 'user', 'manager')).ask('store.count', { bucket: 'orders' }), 5)
  })

  t.test('a rule with a filter allows what concerns records, and nothing else', async t => {
    const { as, store } = await servePermissions(t, {
      default: 'deny',
      rules: [{ role: 'user', allow: '*', where: { owner: '$userId' } }]
    })
    const ann = await as('ann', 'user')
    for (const [type, fields] of [
      ['store.stats', {}],
      ['store.buckets', {}],
      ['server.stats', {}],
      ['store.dropBucket', { name: 'orders' }],
      ['store.clear', { bucket: 'orders' }]
    ] as const) {
      t.equal(await outcomeOf(ann, type, fields), 'FORBIDDEN', type)
    }
    t.equal(await outcomeOf(ann, 'store.count', { bucket: 'orders' }), 'ok')
    t.ok(store.hasBucket('orders'))
  })

  t.test('roles can be named in a filter', async t => {
    const { as, store } = await servePermissions(t, {
      default: 'deny',
      rules: [{ role: 'user', allow: 'store.*', where: { owner: { $in: '$roles' } } }]
    })
    await store.bucket('orders').insertMany([{ owner: 'team-a' }, { owner: 'team-b' }])
    t.equal(await (await as('ann', 'user', 'team-a')).ask('store.count', { bucket: 'orders' }), 1)
    t.equal(await (await as('ann', 'user')).ask('store.count', { bucket: 'orders' }), 0)
  })

  t.test('a user id that looks like something else is only a user id', async t => {
    const { as, store } = await servePermissions(t, own)
    await store.bucket('orders').insertMany([{ owner: '$userId' }, { owner: 'ann' }, {}])
    for (const [userId, count] of [
      ['$userId', 1],
      ['$roles', 0],
      ['{"$gt":""}', 0],
      ['__proto__', 0]
    ] as const) {
      t.equal(await (await as(userId, 'user')).ask('store.count', { bucket: 'orders' }), count, userId)
    }
  })
})
