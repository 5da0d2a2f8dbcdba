import t, { type Test } from 'tap'
import type { PermissionConfig } from '../../lib/index.js'
import type { TestClient } from '../support/client.js'
import { serve, type Served } from '../support/service.js'

interface Guarded extends Served {
  /** Opens a client that is logged in as a user of this name with these roles. */
  readonly as: (userId: string, ...roles: string[]) => Promise<TestClient>
}

/** Serves the buckets `items`, `secrets` and `orders` (with an owner), and queries over them. */
async function guard (t: Test, permissions?: PermissionConfig): Promise<Guarded> {
  const served = await serve(t, {
    auth: {
      validate: token => JSON.parse(token),
      permissions
    }
  })
  const { store, connect } = served
  await store.defineBucket('secrets', { key: 'id', schema: { id: { type: 'string' } } })
  await store.defineBucket('orders', {
    key: 'number',
    etsType: 'ordered_set',
    schema: {
      number: { type: 'number', generated: 'autoincrement' },
      owner: { type: 'string' },
      total: { type: 'number', default: 0 }
    },
    indexes: ['owner']
  })
  await store.bucket('secrets').insert({ id: 's' })
  store.defineDeclarativeQuery('all-items', { bucket: 'items' })
  store.defineDeclarativeQuery('all-secrets', { bucket: 'secrets' })
  store.defineDeclarativeQuery('all-orders', { bucket: 'orders' })
  store.defineDeclarativeQuery('order-count', { bucket: 'orders', aggregate: { function: 'count' } })
  store.defineQuery('items-by-code', async ctx => await ctx.bucket('items').all())
  store.defineQuery('both-by-code', async ctx => [
    await ctx.bucket('items').count(),
    await ctx.bucket('secrets').count()
  ])
  store.defineQuery('orders-by-code', async ctx => ({
    first: await ctx.bucket('orders').first(1),
    last: await ctx.bucket('orders').last(1),
    page: await ctx.bucket('orders').paginate({ limit: 2 }),
    one: await ctx.bucket('orders').get(1)
  }))
  const as = async (userId: string, ...roles: string[]): Promise<TestClient> => {
    const client = await connect()
    await client.ask('auth.login', { token: JSON.stringify({ userId, roles }) })
    return client
  }
  return { ...served, as }
}

/** The code of the answer, or `ok`. */
async function outcome (client: TestClient, type: string, fields: object = {}): Promise<string> {
  const reply = await client.request(type, fields)
  return reply['type'] === 'result' ? 'ok' : reply['code'] as string
}

t.test('tiers of the built-in roles', async t => {
  t.test('each role reaches as far as its name says', async t => {
    const { as } = await guard(t)
    const requests = {
      read: ['store.count', { bucket: 'items' }],
      write: ['store.insert', { bucket: 'items', data: {} }],
      admin: ['store.defineBucket', { name: 'x', config: {} }]
    } as const
    const expected = {
      reader: { read: 'ok', write: 'FORBIDDEN', admin: 'FORBIDDEN' },
      writer: { read: 'ok', write: 'ok', admin: 'FORBIDDEN' },
      admin: { read: 'ok', write: 'ok', admin: 'VALIDATION_ERROR' }
    } as const
    for (const [role, codes] of Object.entries(expected)) {
      const client = await as('u', 'clerk', role)
      for (const [tier, code] of Object.entries(codes)) {
        const [type, fields] = requests[tier as keyof typeof requests]
        t.equal(await outcome(client, type, fields), code, `${role}: ${tier}`)
      }
    }
    const reader = await as('u', 'reader')
    t.match(await reader.request('store.insert', { bucket: 'items', data: {} }), {
      message: /requires write/
    })
    t.equal(
      await outcome(await as('u', 'reader', 'writer'), 'store.insert', { bucket: 'items', data: {} }),
      'ok',
      'the farthest of several counts'
    )
  })

  t.test(
    '[G-C7] a role of the application makes no administrator as long as there are no permissions',
    async t => {
      const { as, store } = await guard(t)
      const client = await as('u', 'user')
      t.equal(await outcome(client, 'store.insert', { bucket: 'items', data: {} }), 'ok')
      t.equal(await outcome(client, 'store.dropBucket', { name: 'items' }), 'FORBIDDEN')
      t.equal(await outcome(client, 'server.connections'), 'FORBIDDEN')
      t.ok(store.hasBucket('items'))
    }
  )

  t.test('[G-C7] and as much as the permissions say where there are some', async t => {
    const { as } = await guard(t, {
      default: 'deny',
      rules: [{ role: 'operator', allow: ['store.dropBucket'], buckets: ['items'] }]
    })
    const client = await as('u', 'operator')
    t.equal(await outcome(client, 'store.dropBucket', { name: 'secrets' }), 'FORBIDDEN')
    t.equal(await outcome(client, 'store.dropBucket', { name: 'items' }), 'ok')
  })

  t.test('[G-C15] a name that every object has is an unknown operation', async t => {
    const { as } = await guard(t)
    for (const type of ['constructor', '__proto__', 'toString', 'store.constructor', 'hasOwnProperty']) {
      t.match(
        await (await as('u', 'reader')).request(type),
        { code: 'UNKNOWN_OPERATION', message: `Operation "${type}" is unknown` },
        type
      )
    }
  })
})

t.test('rules', async t => {
  t.test('patterns: everything, a namespace, one operation', async t => {
    const { as } = await guard(t, {
      default: 'deny',
      rules: [
        { role: 'all', allow: '*' },
        { role: 'space', allow: 'store.*' },
        { role: 'one', allow: ['store.count'] }
      ]
    })
    const asked = ['store.count', 'store.findOne', 'server.stats'] as const
    const expected = {
      all: 'ok ok ok',
      space: 'ok ok FORBIDDEN',
      one: 'ok FORBIDDEN FORBIDDEN',
      none: 'FORBIDDEN FORBIDDEN FORBIDDEN'
    }
    for (const [role, codes] of Object.entries(expected)) {
      const client = await as('u', role)
      const found: string[] = []
      for (const type of asked) found.push(await outcome(client, type, { bucket: 'items', filter: {} }))
      t.equal(found.join(' '), codes, role)
    }
    t.match(await (await as('u', 'one')).request('store.get', { bucket: 'items', key: 1 }), {
      message: 'No permission for store.get on items'
    })
  })

  t.test('the guide\'s rules work as they stand', async t => {
    const { as } = await guard(t, {
      default: 'deny',
      rules: [
        { role: 'admin', allow: '*' },
        { role: 'user', allow: ['store.get', 'store.all', 'store.query', 'store.subscribe'] }
      ]
    })
    const user = await as('u', 'user')
    t.equal(await outcome(user, 'store.all', { bucket: 'items' }), 'ok')
    t.equal(await outcome(user, 'store.query', { query: 'both-by-code' }), 'ok')
    t.equal(await outcome(user, 'store.where', { bucket: 'items', filter: {} }), 'FORBIDDEN')
    t.equal(await outcome(await as('a', 'admin'), 'server.stats'), 'ok')
  })

  t.test('[G-C10] who may subscribe may unsubscribe', async t => {
    const { as } = await guard(t, { default: 'deny', rules: [{ role: 'user', allow: 'store.subscribe' }] })
    const client = await as('u', 'user')
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'all-items' })
    t.same(await client.ask('store.unsubscribe', { subscriptionId }), { unsubscribed: true })
  })

  t.test('[G-C1] a decoy field opens nothing', async t => {
    const { as, store } = await guard(t, {
      default: 'deny',
      rules: [{ role: 'user', allow: 'store.*', buckets: ['items'] }]
    })
    const client = await as('u', 'user')
    const decoy = { bucket: 'items', name: 'items', query: 'all-items', key: 'items', topic: 'items' }
    const attempts: ReadonlyArray<readonly [type: string, fields: object]> = [
      ['store.transaction', { operations: [{ op: 'get', bucket: 'secrets', key: 's' }] }],
      [
        'store.transaction',
        {
          operations: [
            { op: 'get', bucket: 'items', key: 's' },
            { op: 'delete', bucket: 'secrets', key: 's' }
          ]
        }
      ],
      ['store.dropBucket', { name: 'secrets' }],
      ['store.updateBucket', { name: 'secrets', updates: {} }],
      ['store.getBucketSchema', { name: 'secrets' }],
      ['store.all', { bucket: 'secrets' }],
      ['store.subscribe', { query: 'all-secrets' }],
      ['store.query', { query: 'all-secrets' }],
      ['store.defineQuery', { name: 'items', config: { bucket: 'secrets' } }],
      ['store.undefineQuery', { name: 'all-secrets' }],
      ['store.defineBucket', { name: 'items2', config: { key: 'id', schema: { id: { type: 'string' } } } }],
      ['store.stats', {}],
      ['store.buckets', {}],
      ['store.listQueries', {}],
      ['server.stats', {}],
      ['server.connections', {}]
    ]
    for (const [type, fields] of attempts) {
      t.equal(
        await outcome(client, type, { ...decoy, ...fields }),
        'FORBIDDEN',
  `${type} ${JSON.stringify(fields)}`
      )
    }
    t.equal(await store.bucket('secrets').count(), 1)
    t.ok(store.getQueryInfo('all-secrets'))
  })

  t.test(
    '[G-C2] a transaction takes the right to itself on each bucket, and to each of its entries',
    async t => {
      const { as } = await guard(t, {
        default: 'deny',
        rules: [
          { role: 'honest', allow: ['store.transaction', 'store.get', 'store.insert'], buckets: ['items'] },
          { role: 'half', allow: ['store.transaction'] },
          { role: 'half', allow: ['store.get'], buckets: ['items'] }
        ]
      })
      const honest = await as('u', 'honest')
      t.equal(
        await outcome(honest, 'store.transaction', {
          operations: [
            { op: 'insert', bucket: 'items', data: {} },
            { op: 'get', bucket: 'items', key: 'x' }
          ]
        }),
        'ok'
      )
      t.equal(
        await outcome(honest, 'store.transaction', {
          operations: [{ op: 'delete', bucket: 'items', key: 'x' }]
        }),
        'FORBIDDEN'
      )
      t.equal(
        await outcome(honest, 'store.transaction', {
          operations: [
            { op: 'get', bucket: 'items', key: 'x' },
            { op: 'get', bucket: 'secrets', key: 'x' }
          ]
        }),
        'FORBIDDEN'
      )
      const half = await as('u', 'half')
      t.equal(
        await outcome(half, 'store.transaction', { operations: [{ op: 'get', bucket: 'items', key: 'x' }] }),
        'ok'
      )
      t.equal(
        await outcome(half, 'store.transaction', {
          operations: [{ op: 'insert', bucket: 'items', data: {} }]
        }),
        'FORBIDDEN'
      )
      t.equal(
        await outcome(half, 'store.transaction', {
          operations: [{ op: 'where', bucket: 'secrets', filter: {} }]
        }),
        'FORBIDDEN'
      )
      t.equal(
        await outcome(half, 'store.transaction', { operations: [null] }),
        'VALIDATION_ERROR',
        'what is malformed is left to validation'
      )
    }
  )

  t.test('[G-C9] buckets restrict queries by what they read, not by their name', async t => {
    const { as, store } = await guard(t, {
      default: 'deny',
      rules: [
        {
          role: 'user',
          allow: [
            'store.subscribe',
            'store.query',
            'store.defineQuery',
            'store.where',
            'store.undefineQuery'
          ],
          buckets: ['items']
        }
      ]
    })
    const client = await as('u', 'user')
    t.equal(await outcome(client, 'store.subscribe', { query: 'all-items' }), 'ok')
    t.equal(await outcome(client, 'store.subscribe', { query: 'items-by-code' }), 'ok')
    t.equal(await outcome(client, 'store.subscribe', { query: 'all-secrets' }), 'FORBIDDEN')
    t.equal(
      await outcome(client, 'store.query', { query: 'both-by-code' }),
      'FORBIDDEN',
      'opening another bucket is noticed when it runs'
    )
    t.equal(await outcome(client, 'store.subscribe', { query: 'both-by-code' }), 'FORBIDDEN')
    store.defineDeclarativeQuery('items', { bucket: 'secrets' })
    t.equal(await outcome(client, 'store.defineQuery', { name: 'mine', config: { bucket: 'items' } }), 'ok')
    t.equal(
      await outcome(client, 'store.defineQuery', { name: 'theirs', config: { bucket: 'secrets' } }),
      'FORBIDDEN'
    )
    t.equal(await outcome(client, 'store.undefineQuery', { name: 'mine' }), 'ok')
    t.equal(await outcome(client, 'store.undefineQuery', { name: 'all-secrets' }), 'FORBIDDEN')
  })

  t.test('[G-C9] a query that is named in buckets may be watched whatever it reads', async t => {
    const { as } = await guard(t, {
      default: 'deny',
      rules: [
        {
          role: 'viewer',
          allow: ['store.subscribe', 'store.query'],
          buckets: ['order-count', 'both-by-code']
        }
      ]
    })
    const client = await as('u', 'viewer')
    t.equal(await outcome(client, 'store.subscribe', { query: 'order-count' }), 'ok')
    t.equal(await outcome(client, 'store.query', { query: 'both-by-code' }), 'ok')
    t.equal(await outcome(client, 'store.query', { query: 'all-orders' }), 'FORBIDDEN')
  })

  t.test('a live query that begins to read another bucket ends', async t => {
    const { as, store } = await guard(t, {
      default: 'deny',
      rules: [{ role: 'user', allow: 'store.*', buckets: ['items'] }]
    })
    store.defineQuery('curious', async ctx => {
      const items = await ctx.bucket('items').count()
      return items < 2 ? items : await ctx.bucket('secrets').all()
    })
    const client = await as('u', 'user')
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'curious' })
    await store.bucket('items').insert({})
    t.equal((await client.push())['data'], 1)
    await store.bucket('items').insert({})
    t.same(await client.next(), {
      type: 'system',
      event: 'subscription_closed',
      subscriptionId,
      reason: 'forbidden'
    })
  })

  t.test('a reference to a bucket takes the right to read it', async t => {
    const { as } = await guard(t, {
      default: 'deny',
      rules: [{ role: 'user', allow: 'store.*', buckets: ['items', 'mine'] }]
    })
    const client = await as('u', 'user')
    const config = (ref: string): object => ({
      key: 'id',
      schema: { id: { type: 'string' }, other: { type: 'string', ref } }
    })
    t.equal(
      await outcome(client, 'store.defineBucket', { name: 'mine', config: config('secrets') }),
      'FORBIDDEN'
    )
    t.equal(await outcome(client, 'store.defineBucket', { name: 'mine', config: config('items') }), 'ok')
    t.equal(
      await outcome(client, 'store.updateBucket', {
        name: 'mine',
        updates: { addFields: { x: { type: 'string', ref: 'secrets' } } }
      }),
      'FORBIDDEN'
    )
  })
})

t.test('check', async t => {
  t.test('decides before the rules, on everything that is touched', async t => {
    const asked: Array<[unknown, string, string]> = []
    const { as } = await guard(t, {
      default: 'deny',
      rules: [{ role: 'user', allow: '*' }],
      check (session, operation, resource) {
        asked.push([session?.userId, operation, resource])
        if (resource === 'secrets') return false
        return operation === 'store.clear' ? true : undefined
      }
    })
    const client = await as('u', 'user')
    t.equal(await outcome(client, 'store.all', { bucket: 'secrets' }), 'FORBIDDEN')
    t.equal(
      await outcome(client, 'store.transaction', {
        operations: [
          { op: 'count', bucket: 'items' },
          { op: 'count', bucket: 'secrets' }
        ]
      }),
      'FORBIDDEN'
    )
    t.equal(await outcome(client, 'store.query', { query: 'both-by-code' }), 'FORBIDDEN')
    t.equal(await outcome(client, 'store.subscribe', { query: 'all-secrets' }), 'FORBIDDEN')
    t.equal(await outcome(client, 'store.all', { bucket: 'items' }), 'ok')
    t.equal(
      await outcome(await as('x', 'stranger'), 'store.clear', { bucket: 'items' }),
      'ok',
      'true allows what no rule does'
    )
    t.ok(
      asked.some(
        ([user, operation, resource]) =>
          user === 'u' && operation === 'store.subscribe' && resource === 'all-secrets'
      ),
      'the query by its name'
    )
  })

  t.test('is given the metadata of the session, which goes nowhere else', async t => {
    const { connect } = await guard(t, {
      check: session => (session?.metadata as { level: number } | undefined)?.level === 7
    })
    const client = await connect()
    const login = await client.ask('auth.login', {
      token: JSON.stringify({ userId: 'u', roles: [], metadata: { level: 7 } })
    })
    t.same(login, { userId: 'u', roles: [], expiresAt: null })
    t.equal(await outcome(client, 'store.count', { bucket: 'items' }), 'ok')
  })

  t.test('that throws refuses with an error of the server', async t => {
    const { as } = await guard(t, { check () { throw new Error('oops') } })
    const client = await as('u', 'admin')
    t.match(await client.request('store.count', { bucket: 'items' }), {
      code: 'INTERNAL_ERROR',
      message: 'The operation failed inside the server'
    })
  })

  t.test('is asked again at each push: who loses the right hears no more', async t => {
    let allowed = true
    const { as, store } = await guard(t, { check: () => allowed })
    const client = await as('u')
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'all-items' })
    await store.bucket('items').insert({ name: 'a' })
    await client.push(subscriptionId)
    allowed = false
    await store.bucket('items').insert({ name: 'b' })
    t.match(await client.next(), { event: 'subscription_closed', subscriptionId, reason: 'forbidden' })
    t.same(client.waiting, [])
  })
})

t.test('check and live queries', async t => {
  t.test('a bucket that is denied meanwhile is not pushed, and nobody else loses their subscription', async t => {
    const denied = new Set<string>()
    const { as, store } = await guard(t, {
      check: (session, _operation, resource) =>
        denied.has(`${String(session?.userId)} ${resource}`) ? false : undefined
    })
    const [ann, bob] = [await as('ann', 'writer'), await as('bob', 'writer')]
    const { subscriptionId } = await ann.ask('store.subscribe', { query: 'all-items' })
    await bob.ask('store.subscribe', { query: 'all-items' })
    denied.add('ann items')
    await store.bucket('items').insert({ name: 'secret' })
    t.match(await bob.push(), { data: [{ name: 'secret' }] })
    t.match(await ann.next(), { event: 'subscription_closed', subscriptionId, reason: 'forbidden' })
    t.same(ann.waiting, [])
  })

  t.test('a check that leaves it to the rules from now on leaves their rows', async t => {
    let decides: boolean | undefined = true
    const { as, store } = await guard(t, {
      default: 'deny',
      rules: [{ role: 'user', allow: 'store.*', where: { name: '$userId' } }],
      check: () => decides
    })
    await store.bucket('items').insertMany([{ name: 'ann' }, { name: 'bob' }])
    const ann = await as('ann', 'user')
    const { subscriptionId, data } = await ann.ask('store.subscribe', { query: 'all-items' })
    t.equal(data.length, 2)
    decides = undefined
    await store.bucket('items').insert({ name: 'bob' })
    t.match((await ann.push(subscriptionId))['data'], [{ name: 'ann' }])
    t.same(ann.waiting, [])
  })

  t.test('metadata that is no JSON is no obstacle', async t => {
    const store = await serve(t, {
      auth: {
        validate: () => ({ userId: 'u', roles: [], metadata: { big: 1n } }),
        permissions: { check: () => undefined }
      }
    })
    store.store.defineQuery('by-code', async ctx => await ctx.bucket('items').count())
    const client = await store.connect()
    await client.ask('auth.login', { token: 'x' })
    t.match(await client.ask('store.subscribe', { query: 'by-code' }), { data: 0 })
  })
})

t.test(
  '[G-C8] a default makes no administrator of an anonymous client or a role of the application',
  async t => {
    const { connect } = await serve(t, {
      auth: {
        required: false,
        validate: token => JSON.parse(token),
        permissions: { rules: [{ role: 'editor', allow: 'store.*' }] }
      }
    })
    const client = await connect()
    t.equal(await outcome(client, 'store.insert', { bucket: 'items', data: {} }), 'ok')
    for (const login of [undefined, 'clerk']) {
      if (login !== undefined) {
        await client.ask('auth.login', { token: JSON.stringify({ userId: 'u', roles: [login] }) })
      }
      t.equal(await outcome(client, 'server.connections'), 'FORBIDDEN')
      t.equal(await outcome(client, 'store.dropBucket', { name: 'items' }), 'FORBIDDEN')
    }
    await client.ask('auth.login', { token: JSON.stringify({ userId: 'a', roles: ['admin'] }) })
    t.equal(await outcome(client, 'server.connections'), 'ok')
    await client.ask('auth.login', { token: JSON.stringify({ userId: 'e', roles: ['editor'] }) })
    t.equal(await outcome(client, 'store.dropBucket', { name: 'items' }), 'ok', 'a rule does')
  }
)

t.test('row rules', async t => {
  const own: PermissionConfig = {
    default: 'deny',
    rules: [
      { role: 'manager', allow: 'store.*' },
      { role: 'user', allow: 'store.*', buckets: ['orders'], where: { owner: '$userId' } }
    ]
  }

  async function withOrders (t: Test): Promise<Guarded> {
    const guarded = await guard(t, own)
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
      'the cursor of somebody else leads nowhere'
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
        await outcome(ann, type, { bucket: 'orders', ...fields }),
        'FORBIDDEN',
  `${type} ${JSON.stringify(fields)}`
      )
    }
    t.same(await store.bucket('orders').all(), before)
    t.equal(await outcome(ann, 'store.update', { bucket: 'orders', key: 99, data: {} }), 'NOT_FOUND')
    t.equal(
      await outcome(ann, 'store.increment', { bucket: 'orders', key: 99, field: 'total', by: 1 }),
      'NOT_FOUND'
    )
    t.equal(await outcome(ann, 'store.delete', { bucket: 'orders', key: 99 }), 'ok')
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

  t.test('queries run over the rows of whoever asks, in their own order', async t => {
    const { as } = await withOrders(t)
    const ann = await as('ann', 'user')
    t.equal(await ann.ask('store.query', { query: 'order-count' }), 3)
    t.match(await ann.ask('store.query', { query: 'orders-by-code' }), {
      first: [{ number: 1 }], last: [{ number: 5 }], page: { records: [{ number: 1 }, { number: 3 }], nextCursor: 3 }, one: { number: 1 }
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

  t.test('subscribers who may see the same share one feed', async t => {
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
    const { as, store } = await guard(t, {
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
      t.equal(await outcome(ann, type, fields), 'FORBIDDEN', type)
    }
    t.equal(await outcome(ann, 'store.count', { bucket: 'orders' }), 'ok')
    t.ok(store.hasBucket('orders'))
  })

  t.test('roles can be named in a filter', async t => {
    const { as, store } = await guard(t, {
      default: 'deny',
      rules: [{ role: 'user', allow: 'store.*', where: { owner: { $in: '$roles' } } }]
    })
    await store.bucket('orders').insertMany([{ owner: 'team-a' }, { owner: 'team-b' }])
    t.equal(await (await as('ann', 'user', 'team-a')).ask('store.count', { bucket: 'orders' }), 1)
    t.equal(await (await as('ann', 'user')).ask('store.count', { bucket: 'orders' }), 0)
  })

  t.test('a user id that looks like something else is only a user id', async t => {
    const { as, store } = await guard(t, own)
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
