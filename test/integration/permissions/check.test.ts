import t from 'tap'
import { serve } from '../../support/service.js'
import { servePermissions, outcomeOf } from '../../support/permissions.js'

t.test('check', async t => {
  t.test('decides before the rules, on every resource of the request', async t => {
    const asked: Array<[unknown, string, string]> = []
    const { as } = await servePermissions(t, {
      default: 'deny',
      rules: [{ role: 'user', allow: '*' }],
      check (session, operation, resource) {
        asked.push([session?.userId, operation, resource])
        if (resource === 'secrets') return false
        return operation === 'store.clear' ? true : undefined
      }
    })
    const client = await as('u', 'user')
    t.equal(await outcomeOf(client, 'store.all', { bucket: 'secrets' }), 'FORBIDDEN')
    t.equal(
      await outcomeOf(client, 'store.transaction', {
        operations: [
          { op: 'count', bucket: 'items' },
          { op: 'count', bucket: 'secrets' }
        ]
      }),
      'FORBIDDEN'
    )
    t.equal(await outcomeOf(client, 'store.query', { query: 'both-by-code' }), 'FORBIDDEN')
    t.equal(await outcomeOf(client, 'store.subscribe', { query: 'all-secrets' }), 'FORBIDDEN')
    t.equal(await outcomeOf(client, 'store.all', { bucket: 'items' }), 'ok')
    t.equal(
      await outcomeOf(await as('x', 'stranger'), 'store.clear', { bucket: 'items' }),
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
    const { connect } = await servePermissions(t, {
      check: session => (session?.metadata as { level: number } | undefined)?.level === 7
    })
    const client = await connect()
    const login = await client.ask('auth.login', {
      token: JSON.stringify({ userId: 'u', roles: [], metadata: { level: 7 } })
    })
    t.same(login, { userId: 'u', roles: [], expiresAt: null })
    t.equal(await outcomeOf(client, 'store.count', { bucket: 'items' }), 'ok')
  })

  t.test('that throws refuses with an error of the server', async t => {
    const { as } = await servePermissions(t, { check () { throw new Error('oops') } })
    const client = await as('u', 'admin')
    t.match(await client.request('store.count', { bucket: 'items' }), {
      code: 'INTERNAL_ERROR',
      message: 'The operation failed inside the server'
    })
  })

  t.test('is asked again at each push: who loses the right hears no more', async t => {
    let allowed = true
    const { as, store } = await servePermissions(t, { check: () => allowed })
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
  t.test('a bucket denied meanwhile is not pushed, and other clients keep their subscriptions', async t => {
    const denied = new Set<string>()
    const { as, store } = await servePermissions(t, {
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
    const { as, store } = await servePermissions(t, {
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
    t.equal(await outcomeOf(client, 'store.insert', { bucket: 'items', data: {} }), 'ok')
    for (const login of [undefined, 'clerk']) {
      if (login !== undefined) {
        await client.ask('auth.login', { token: JSON.stringify({ userId: 'u', roles: [login] }) })
      }
      t.equal(await outcomeOf(client, 'server.connections'), 'FORBIDDEN')
      t.equal(await outcomeOf(client, 'store.dropBucket', { name: 'items' }), 'FORBIDDEN')
    }
    await client.ask('auth.login', { token: JSON.stringify({ userId: 'a', roles: ['admin'] }) })
    t.equal(await outcomeOf(client, 'server.connections'), 'ok')
    await client.ask('auth.login', { token: JSON.stringify({ userId: 'e', roles: ['editor'] }) })
    t.equal(await outcomeOf(client, 'store.dropBucket', { name: 'items' }), 'ok', 'a rule does')
  }
)
