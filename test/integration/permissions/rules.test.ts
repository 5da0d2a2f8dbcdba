import t from 'tap'
import { servePermissions, outcomeOf } from '../../support/permissions.js'

t.test('tiers of the built-in roles', async t => {
  t.test('each role reaches as far as its name says', async t => {
    const { as } = await servePermissions(t)
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
        t.equal(await outcomeOf(client, type, fields), code, `${role}: ${tier}`)
      }
    }
    const reader = await as('u', 'reader')
    t.match(await reader.request('store.insert', { bucket: 'items', data: {} }), {
      message: /requires write/
    })
    t.equal(
      await outcomeOf(await as('u', 'reader', 'writer'), 'store.insert', { bucket: 'items', data: {} }),
      'ok',
      'the farthest of several counts'
    )
  })

  t.test(
    '[G-C7] a role of the application makes no administrator as long as there are no permissions',
    async t => {
      const { as, store } = await servePermissions(t)
      const client = await as('u', 'user')
      t.equal(await outcomeOf(client, 'store.insert', { bucket: 'items', data: {} }), 'ok')
      t.equal(await outcomeOf(client, 'store.dropBucket', { name: 'items' }), 'FORBIDDEN')
      t.equal(await outcomeOf(client, 'server.connections'), 'FORBIDDEN')
      t.ok(store.hasBucket('items'))
    }
  )

  t.test('[G-C7] and as much as the permissions say where there are some', async t => {
    const { as } = await servePermissions(t, {
      default: 'deny',
      rules: [{ role: 'operator', allow: ['store.dropBucket'], buckets: ['items'] }]
    })
    const client = await as('u', 'operator')
    t.equal(await outcomeOf(client, 'store.dropBucket', { name: 'secrets' }), 'FORBIDDEN')
    t.equal(await outcomeOf(client, 'store.dropBucket', { name: 'items' }), 'ok')
  })

  t.test('[G-C15] a name that every object has is an unknown operation', async t => {
    const { as } = await servePermissions(t)
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
    const { as } = await servePermissions(t, {
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
      for (const type of asked) found.push(await outcomeOf(client, type, { bucket: 'items', filter: {} }))
      t.equal(found.join(' '), codes, role)
    }
    t.match(await (await as('u', 'one')).request('store.get', { bucket: 'items', key: 1 }), {
      message: 'No permission for store.get on items'
    })
  })

  t.test('the guide\'s rules work as they stand', async t => {
    const { as } = await servePermissions(t, {
      default: 'deny',
      rules: [
        { role: 'admin', allow: '*' },
        { role: 'user', allow: ['store.get', 'store.all', 'store.query', 'store.subscribe'] }
      ]
    })
    const user = await as('u', 'user')
    t.equal(await outcomeOf(user, 'store.all', { bucket: 'items' }), 'ok')
    t.equal(await outcomeOf(user, 'store.query', { query: 'both-by-code' }), 'ok')
    t.equal(await outcomeOf(user, 'store.where', { bucket: 'items', filter: {} }), 'FORBIDDEN')
    t.equal(await outcomeOf(await as('a', 'admin'), 'server.stats'), 'ok')
  })

  t.test('[G-C10] who may subscribe may unsubscribe', async t => {
    const { as } = await servePermissions(t, {
      default: 'deny',
      rules: [{ role: 'user', allow: 'store.subscribe' }]
    })
    const client = await as('u', 'user')
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'all-items' })
    t.same(await client.ask('store.unsubscribe', { subscriptionId }), { unsubscribed: true })
  })

  t.test('[G-C1] a decoy field opens nothing', async t => {
    const { as, store } = await servePermissions(t, {
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
        await outcomeOf(client, type, { ...decoy, ...fields }),
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
      const { as } = await servePermissions(t, {
        default: 'deny',
        rules: [
          { role: 'honest', allow: ['store.transaction', 'store.get', 'store.insert'], buckets: ['items'] },
          { role: 'half', allow: ['store.transaction'] },
          { role: 'half', allow: ['store.get'], buckets: ['items'] }
        ]
      })
      const honest = await as('u', 'honest')
      t.equal(
        await outcomeOf(honest, 'store.transaction', {
          operations: [
            { op: 'insert', bucket: 'items', data: {} },
            { op: 'get', bucket: 'items', key: 'x' }
          ]
        }),
        'ok'
      )
      t.equal(
        await outcomeOf(honest, 'store.transaction', {
          operations: [{ op: 'delete', bucket: 'items', key: 'x' }]
        }),
        'FORBIDDEN'
      )
      t.equal(
        await outcomeOf(honest, 'store.transaction', {
          operations: [
            { op: 'get', bucket: 'items', key: 'x' },
            { op: 'get', bucket: 'secrets', key: 'x' }
          ]
        }),
        'FORBIDDEN'
      )
      const half = await as('u', 'half')
      t.equal(
        await outcomeOf(half, 'store.transaction', {
          operations: [{ op: 'get', bucket: 'items', key: 'x' }]
        }),
        'ok'
      )
      t.equal(
        await outcomeOf(half, 'store.transaction', {
          operations: [{ op: 'insert', bucket: 'items', data: {} }]
        }),
        'FORBIDDEN'
      )
      t.equal(
        await outcomeOf(half, 'store.transaction', {
          operations: [{ op: 'where', bucket: 'secrets', filter: {} }]
        }),
        'FORBIDDEN'
      )
      t.equal(
        await outcomeOf(half, 'store.transaction', { operations: [null] }),
        'VALIDATION_ERROR',
        'what is malformed is left to validation'
      )
    }
  )

  t.test('[G-C9] buckets restrict queries by what they read, not by their name', async t => {
    const { as, store } = await servePermissions(t, {
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
    t.equal(await outcomeOf(client, 'store.subscribe', { query: 'all-items' }), 'ok')
    t.equal(await outcomeOf(client, 'store.subscribe', { query: 'items-by-code' }), 'ok')
    t.equal(await outcomeOf(client, 'store.subscribe', { query: 'all-secrets' }), 'FORBIDDEN')
    t.equal(
      await outcomeOf(client, 'store.query', { query: 'both-by-code' }),
      'FORBIDDEN',
      'opening another bucket is noticed when it runs'
    )
    t.equal(await outcomeOf(client, 'store.subscribe', { query: 'both-by-code' }), 'FORBIDDEN')
    store.defineDeclarativeQuery('items', { bucket: 'secrets' })
    t.equal(await outcomeOf(client, 'store.defineQuery', { name: 'mine', config: { bucket: 'items' } }), 'ok')
    t.equal(
      await outcomeOf(client, 'store.defineQuery', { name: 'theirs', config: { bucket: 'secrets' } }),
      'FORBIDDEN'
    )
    t.equal(await outcomeOf(client, 'store.undefineQuery', { name: 'mine' }), 'ok')
    t.equal(await outcomeOf(client, 'store.undefineQuery', { name: 'all-secrets' }), 'FORBIDDEN')
  })

  t.test('[G-C9] a query that is named in buckets may be watched independently of what it reads', async t => {
    const { as } = await servePermissions(t, {
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
    t.equal(await outcomeOf(client, 'store.subscribe', { query: 'order-count' }), 'ok')
    t.equal(await outcomeOf(client, 'store.query', { query: 'both-by-code' }), 'ok')
    t.equal(await outcomeOf(client, 'store.query', { query: 'all-orders' }), 'FORBIDDEN')
  })

  t.test('a live query that begins to read another bucket ends', async t => {
    const { as, store } = await servePermissions(t, {
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
    const { as } = await servePermissions(t, {
      default: 'deny',
      rules: [{ role: 'user', allow: 'store.*', buckets: ['items', 'mine'] }]
    })
    const client = await as('u', 'user')
    const config = (ref: string): object => ({
      key: 'id',
      schema: { id: { type: 'string' }, other: { type: 'string', ref } }
    })
    t.equal(
      await outcomeOf(client, 'store.defineBucket', { name: 'mine', config: config('secrets') }),
      'FORBIDDEN'
    )
    t.equal(await outcomeOf(client, 'store.defineBucket', { name: 'mine', config: config('items') }), 'ok')
    t.equal(
      await outcomeOf(client, 'store.updateBucket', {
        name: 'mine',
        updates: { addFields: { x: { type: 'string', ref: 'secrets' } } }
      }),
      'FORBIDDEN'
    )
  })
})
