import { bridgeStoreToRules } from '@hamicek/noex-store'
import t from 'tap'
import type { TestClient } from '../../support/client.js'
import { startStore, type Served } from '../../support/service.js'
import { serveAccounts } from '../../support/identity.js'
import { pushedTopics, rule, serveRules, startEngine } from '../../support/rules.js'

t.test('permissions', async t => {
  const users: Record<string, string[]> = {
    boss: ['admin'],
    scribe: ['writer'],
    guest: ['reader'],
    clerk: ['clerk']
  }
  const auth = {
    validate: (token: string) => users[token] === undefined ? null : { userId: token, roles: users[token] },
    permissions: {
      default: 'deny',
      rules: [
        { role: 'admin', allow: '*' }, { role: 'writer', allow: 'rules.*' },
        { role: 'reader', allow: 'rules.*' },
        {
          role: 'clerk',
          allow: ['rules.emit', 'rules.subscribe', 'rules.getFact', 'rules.queryFacts'],
          topics: ['order.*', 'desk:open', 'till:*']
        }
      ]
    }
  } as const

  async function login (served: Served, token: string): Promise<TestClient> {
    const client = await served.connect()
    await client.ask('auth.login', { token })
    return client
  }

  t.test('tiers: a reader listens, a writer speaks, an administrator makes rules', async t => {
    const served = await serveRules(t, { auth })
    const [boss, scribe, guest] = [
      await login(served, 'boss'),
      await login(served, 'scribe'),
      await login(served, 'guest')
    ]
    t.ok(await guest.ask('rules.subscribe', { pattern: '*' }))
    t.equal(await guest.code('rules.emit', { topic: 'a' }), 'FORBIDDEN')
    t.equal(await guest.code('rules.setFact', { key: 'a', value: 1 }), 'FORBIDDEN')
    t.ok(await scribe.ask('rules.emit', { topic: 'a' }))
    t.equal(await scribe.code('rules.registerRule', { rule: rule('a') }), 'FORBIDDEN')
    t.equal(await scribe.code('rules.getRules'), 'FORBIDDEN')
    t.ok(await boss.ask('rules.registerRule', { rule: rule('a') }))
    t.equal(await (await served.connect()).code('rules.stats'), 'UNAUTHORIZED')
  })

  t.test('topics confine topics, patterns and keys, with any other fields of the request', async t => {
    const served = await serveRules(t, { auth })
    const clerk = await login(served, 'clerk')
    t.ok(await clerk.ask('rules.emit', { topic: 'order.placed' }))
    t.equal(
      await clerk.code('rules.emit', {
        topic: 'stock.low',
        key: 'order.placed',
        pattern: 'order.placed',
        ruleId: 'order.x'
      }),
      'FORBIDDEN'
    )
    t.equal(await clerk.code('rules.emit', { topic: 'order' }), 'FORBIDDEN')
    t.equal(await clerk.ask('rules.getFact', { key: 'desk:open' }), null)
    t.equal(await clerk.code('rules.getFact', { key: 'desk:closed', topic: 'order.x' }), 'FORBIDDEN')
    t.equal(await clerk.ask('rules.getFact', { key: 'till:1:cash' }), null, 'a family of keys')
    t.same(await clerk.ask('rules.queryFacts', { pattern: 'till:*' }), [])
    t.equal(await clerk.code('rules.getFact', { key: 'tills' }), 'FORBIDDEN')
    for (const pattern of ['*', '*:1', 'til*']) {
      t.equal(await clerk.code('rules.queryFacts', { pattern }), 'FORBIDDEN', pattern)
    }
    for (const pattern of ['*', '*.placed', 'order*', 'stock.*', 'order']) {
      t.equal(await clerk.code('rules.subscribe', { pattern }), 'FORBIDDEN', pattern)
    }
    await clerk.ask('rules.subscribe', { pattern: 'order.*' })
    for (const topic of ['order', 'order.placed', 'order.eu.paid', 'orders.x']) {
      await served.engine.emit(topic)
    }
    t.same(
      await pushedTopics(clerk),
      ['order.placed', 'order.eu.paid'],
      'a pattern reaches no topic that the permission does not'
    )
  })

  t.test(
    'subscriptions follow the session: silent after a logout, back after a login, ended where not allowed',
    async t => {
      const served = await serveRules(t, { auth: { ...auth, required: false } })
      const client = await login(served, 'scribe')
      const { subscriptionId } = await client.ask('rules.subscribe', { pattern: 'stock.*' })
      await client.ask('auth.logout')
      await served.engine.emit('stock.low')
      t.same(await pushedTopics(client), [])
      await client.ask('auth.login', { token: 'guest' })
      await served.engine.emit('stock.high')
      t.same(await pushedTopics(client), ['stock.high'], 'what happened meanwhile is not sent later')
      await client.ask('auth.login', { token: 'clerk' })
      t.match(await client.next(frame => frame['event'] === 'subscription_closed'), {
        subscriptionId,
        reason: 'forbidden'
      })
      await served.engine.emit('stock.none')
      t.same(await pushedTopics(client), [])
      t.same(await client.ask('rules.unsubscribe', { subscriptionId }), { unsubscribed: true }, 'once')
      t.match(served.app.noex.getConnections()[0], { rulesSubscriptionCount: 0 })
    }
  )

  t.test('a check decides each push anew', async t => {
    let allowed = true
    const served = await serveRules(t, {
      auth: {
        ...auth,
        permissions: {
          check: (_session: unknown, operation: string) => (operation === 'rules.subscribe' ? allowed : true)
        }
      }
    })
    const client = await login(served, 'guest')
    await client.ask('rules.subscribe', { pattern: '*' })
    await served.engine.emit('one')
    t.same(await pushedTopics(client), ['one'])
    allowed = false
    await served.engine.emit('two')
    t.match(await client.next(frame => frame['event'] === 'subscription_closed'), { reason: 'forbidden' })
    t.same(await pushedTopics(client), [])
  })

  t.test(
    'no subscriber receives records of system buckets and no rule keeps them, with any bridge',
    async t => {
      const store = await startStore(t)
      const engine = await startEngine(t)
      // Before the server, as most applications will.
      t.teardown(await bridgeStoreToRules(store, engine))
      const served = await serveAccounts(t, {}, { rules: engine }, { store })
      const client = await served.superadmin()
      const keep = {
        actions: [
          { type: 'set_fact', key: 'kept', value: { ref: 'event' } },
          { type: 'emit_event', topic: 'told', data: { of: { ref: 'event' } } }
        ]
      }
      for (const [id, topic] of Object.entries({ all: '*', users: 'bucket._users.*', wide: 'bucket.*' })) {
        await client.ask('rules.registerRule', {
          rule: rule(id, {
            trigger: { type: 'event', topic },
            conditions: [{ source: { type: 'event', field: 'bucket' }, operator: 'exists' }],
            ...keep
          })
        })
      }
      await client.ask('rules.subscribe', { pattern: '*' })
      await served.user('alice', 'admin')
      await store.settle()
      await engine.waitForProcessingQueue()
      t.same(await pushedTopics(client), [])
      t.same(await client.ask('rules.getAllFacts'), [])
      await store.bucket('items').insert({ name: 'seen' })
      await store.settle()
      await engine.waitForProcessingQueue()
      t.ok((await pushedTopics(client)).includes('bucket.items.inserted'))
      t.match(await client.ask('rules.getFact', { key: 'kept' }), {
        bucket: 'items',
        record: { name: 'seen' }
      })
      t.ok(Object.hasOwn(engine, 'emit'))
      await served.app.close()
      t.notOk(Object.hasOwn(engine, 'emit'), 'the engine has its own method back')
    }
  )

  t.test('a user confined to some topics writes no rules, which could reach all of them', async t => {
    const confined = {
      ...auth,
      permissions: {
        default: 'deny',
        rules: [
          { role: 'clerk', allow: 'rules.*', topics: ['stock.*'] },
          { role: 'admin', allow: '*' }
        ]
      }
    } as const
    const served = await serveRules(t, { auth: confined })
    const [clerk, boss] = [await login(served, 'clerk'), await login(served, 'boss')]
    const reaching = rule('stock.a', {
      trigger: { type: 'event', topic: 'other' },
      actions: [{ type: 'emit_event', topic: 'stock.leak', data: { of: { ref: 'event' } } }]
    })
    t.equal(await clerk.code('rules.registerRule', { rule: reaching }), 'FORBIDDEN')
    await boss.ask('rules.registerRule', { rule: rule('stock.b') })
    t.equal(
      await clerk.code('rules.updateRule', {
        ruleId: 'stock.b',
        updates: { trigger: { type: 'event', topic: 'other' } }
      }),
      'FORBIDDEN'
    )
    t.same(await clerk.ask('rules.disableRule', { ruleId: 'stock.b' }), { ruleId: 'stock.b', enabled: false })
  })

  t.test('access lists and roles of the built-in accounts reach topics', async t => {
    const engine = await startEngine(t)
    const served = await serveAccounts(t, {}, { rules: engine })
    const admin = await served.superadmin()
    const id = await served.user('bob')
    const bob = await served.as(id)
    t.equal(await bob.code('rules.emit', { topic: 'order.placed' }), 'FORBIDDEN')
    await admin.ask('identity.grant', {
      subjectType: 'user',
      subjectId: id,
      resourceType: 'topic',
      resourceName: 'order.placed',
      operations: ['write']
    })
    t.ok(await bob.ask('rules.emit', { topic: 'order.placed' }))
    t.equal(
      await bob.code('rules.subscribe', { pattern: 'order.placed' }),
      'FORBIDDEN',
      'to write is not to read'
    )
    await admin.ask('identity.grant', {
      subjectType: 'user',
      subjectId: id,
      resourceType: 'topic',
      resourceName: 'order.placed',
      operations: ['read']
    })
    await bob.ask('rules.subscribe', { pattern: 'order.placed' })
    await admin.ask('rules.emit', { topic: 'order.placed' })
    t.same(await pushedTopics(bob), ['order.placed'])
    await admin.ask('identity.revoke', {
      subjectType: 'user',
      subjectId: id,
      resourceType: 'topic',
      resourceName: 'order.placed',
      operations: ['read', 'write']
    })
    await admin.ask('rules.emit', { topic: 'order.placed' })
    t.match(await bob.next(frame => frame['event'] === 'subscription_closed'), { reason: 'forbidden' })
  })
})

t.test('the trail names the resources, and has no data', async t => {
  const { connect, app } = await serveRules(t, { audit: { tiers: ['admin', 'write', 'read'] } })
  const client = await connect()
  await client.ask('rules.emit', { topic: 'order.placed', data: { secret: 'hidden' }, key: 'decoy' })
  await client.ask('rules.setFact', { key: 'k', value: 'hidden', topic: 'decoy' })
  await client.ask('rules.registerRule', { rule: rule('r') })
  await client.ask('rules.subscribe', { pattern: 'order.*' })
  const { entries } = await client.ask('audit.query')
  const resources = entries.map(
    ({ operation, resource }: Record<string, string>) => `${operation} ${resource}`
  )
  for (const expected of [
    'rules.emit order.placed',
    'rules.setFact k',
    'rules.registerRule r',
    'rules.subscribe order.*'
  ]) {
    t.ok(resources.includes(expected), expected)
  }
  t.notMatch(JSON.stringify(entries), /hidden|decoy/)
  t.ok(app.noex)
})
