import t, { type Test } from 'tap'
import { noexPlugin } from '../../../lib/index.js'
import { serve, startStore } from '../../support/service.js'
import { Barrier } from '../../support/barrier.js'
import { countItems, defineCounted, insertItem, items, subscribe } from '../../support/live-queries.js'

t.test('limits', t => {
  t.test('refuse a subscription too many of one connection, before the fields are looked at', async t => {
    const { connect, store } = await serve(t, { connectionLimits: { maxSubscriptionsPerConnection: 2 } })
    store.defineQuery('count', countItems)
    const [client, other] = [await connect(), await connect()]
    const { subscriptionId } = await subscribe(client, 'count')
    await subscribe(client, 'count')
    const refused = await client.request('store.subscribe', { query: 'count' })
    t.equal(refused['code'], 'RATE_LIMITED')
    t.notOk('details' in refused)
    t.equal(await client.code('store.subscribe', {}), 'RATE_LIMITED')
    await subscribe(other, 'count')
    await client.ask('store.unsubscribe', { subscriptionId })
    await subscribe(client, 'count')
    t.equal(await client.code('store.subscribe', { query: 'count' }), 'RATE_LIMITED')
  })

  t.test('[G-E9] hold for all connections together when they subscribe at once', async t => {
    const { connect, store, app } = await serve(t, { connectionLimits: { maxTotalSubscriptions: 3 } })
    const barrier = new Barrier()
    defineCounted<number>(store, 'slow', async (ctx, n) => {
      await barrier.pass()
      return [n, await countItems(ctx)]
    })
    const clients = await Promise.all(Array.from({ length: 8 }, async () => await connect()))
    const replies = clients.map(
      async (client, n) => await client.request('store.subscribe', { query: 'slow', params: n })
    )
    await barrier.held()
    await (await connect()).settled()
    barrier.open()
    const kinds = (await Promise.all(replies)).map(reply => reply['code'] ?? reply['type'])
    t.equal(kinds.filter(kind => kind === 'result').length, 3)
    t.equal(kinds.filter(kind => kind === 'RATE_LIMITED').length, 5)
    t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 3)
  })

  t.test('[G-E9] hold for one connection that pipelines its subscriptions', async t => {
    const { connect, store } = await serve(t, { connectionLimits: { maxSubscriptionsPerConnection: 3 } })
    store.defineQuery('count', countItems)
    const client = await connect()
    const replies = await Promise.all(
      Array.from({ length: 8 }, async () => await client.request('store.subscribe', { query: 'count' }))
    )
    t.same(
      replies.map(reply => reply['code'] ?? reply['type']),
      ['result', 'result', 'result', ...Array.from({ length: 5 }, () => 'RATE_LIMITED')]
    )
  })

  t.test(
    'release slots when a connection ends, also one whose subscription is being evaluated',
    async t => {
      const { connect, store, app } = await serve(t, { connectionLimits: { maxTotalSubscriptions: 2 } })
      const barrier = new Barrier()
      store.defineQuery('count', countItems)
      store.defineQuery('slow', async ctx => {
        await barrier.pass()
        return await countItems(ctx)
      })
      const [gone, stays] = [await connect(), await connect()]
      await subscribe(gone, 'count')
      gone.send({ id: 99, type: 'store.subscribe', query: 'slow' })
      await barrier.held()
      t.equal(await stays.code('store.subscribe', { query: 'count' }), 'RATE_LIMITED')
      gone.ws.terminate()
      while (app.noex.connectionCount > 1) await stays.settled()
      t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 0)
      barrier.open()
      await stays.settled()
      await subscribe(stays, 'count')
      await subscribe(stays, 'count')
      t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 2)
      t.equal(await stays.code('store.subscribe', { query: 'count' }), 'RATE_LIMITED')
    }
  )

  t.test('may be 0', async t => {
    const { connect, store } = await serve(t, { connectionLimits: { maxSubscriptionsPerConnection: 0 } })
    store.defineQuery('count', countItems)
    t.equal(await (await connect()).code('store.subscribe', { query: 'count' }), 'RATE_LIMITED')
  })
  t.end()
})

t.test('two instances on one store', t => {
  /** One store at `/` and at `/b`, each with its own limits. */
  async function serveTwice (t: Test) {
    const store = await startStore(t)
    return await serve(t, {}, {
      store,
      async before (app) {
        await app.register(async scope => { await scope.register(noexPlugin, { store }) }, { prefix: '/b' })
      }
    })
  }

  t.test('push each other\'s changes, clears included', async t => {
    const { connect, store } = await serveTwice(t)
    await store.defineBucket('notes', {
      key: 'id',
      schema: { id: { type: 'string' }, item: { type: 'string', ref: 'items' } }
    })
    const runs = defineCounted(store, 'count', countItems)
    const [a, b] = [await connect('/'), await connect('/b')]
    await subscribe(a, 'count')
    await subscribe(b, 'count')
    await insertItem(b, {})
    t.equal((await a.push())['data'], 1)
    t.equal((await b.push())['data'], 1)
    await a.ask('store.clear', { bucket: items })
    t.equal((await b.push())['data'], 0)
    t.equal((await a.push())['data'], 0)
    t.equal(runs.count, 6, 'one evaluation for each instance')
  })

  t.test('notice each other\'s dropBucket and undefineQuery', async t => {
    const { connect, store } = await serveTwice(t)
    await store.defineBucket('notes', { key: 'id', schema: { id: { type: 'string' } } })
    store.defineQuery('count', countItems)
    store.defineQuery('notes', async ctx => await ctx.bucket('notes').count())
    const [a, b] = [await connect('/'), await connect('/b')]
    const [first, second] = [await subscribe(a, 'count'), await subscribe(b, 'notes')]
    await b.ask('store.dropBucket', { name: items })
    t.same(await a.next(), {
      type: 'system',
      event: 'subscription_closed',
      subscriptionId: first.subscriptionId,
      reason: 'bucket_dropped'
    })
    await a.ask('store.undefineQuery', { name: 'notes' })
    t.same(await b.next(), {
      type: 'system',
      event: 'subscription_closed',
      subscriptionId: second.subscriptionId,
      reason: 'query_undefined'
    })
  })

  t.test('leave the store as they found it', async t => {
    const store = await startStore(t)
    const own = Reflect.ownKeys(store)
    const served = await serve(t, {}, { store })
    await served.app.close()
    t.same(Reflect.ownKeys(store), own)
    t.ok(await store.bucket(items).insert({ n: 1 }), 'and running')
  })
  t.end()
})

t.test('the number of subscriptions', t => {
  t.test('is told by statistics, the list of queries and the list of connections', async t => {
    const { connect, store, app } = await serve(t)
    store.defineQuery('count', countItems)
    store.defineQuery<{ id: string }>('one', async (ctx, { id }) => await ctx.bucket(items).get(id))
    const [a, b] = [await connect(), await connect()]
    const { subscriptionId } = await subscribe(a, 'count')
    await subscribe(a, 'one', { id: 'x' })
    await subscribe(b, 'one', { id: 'y' })

    const numbers = async (): Promise<unknown> => {
      const stats = await a.ask('server.stats')
      const { queries } = (await a.ask('store.listQueries')) as {
        queries: Array<{ name: string, activeSubscriptions: number }>
      }
      const connections = await a.ask('server.connections') as Array<Record<string, unknown>>
      return {
        stats: stats.connections.totalStoreSubscriptions,
        ofStore: [
          stats.store.queries.activeSubscriptions,
          (await a.ask('store.stats')).queries.activeSubscriptions
        ],
        programmatic: (await app.noex.getStats()).connections.totalStoreSubscriptions,
        queries: Object.fromEntries(
          queries.map(({ name, activeSubscriptions }) => [name, activeSubscriptions])
        ),
        connections: connections.map(connection => connection['storeSubscriptionCount'])
      }
    }
    t.same(await numbers(), {
      stats: 3,
      ofStore: [3, 3],
      programmatic: 3,
      queries: { count: 1, one: 2 },
      connections: [2, 1]
    })
    await a.ask('store.unsubscribe', { subscriptionId })
    t.same(await numbers(), {
      stats: 2,
      ofStore: [2, 2],
      programmatic: 2,
      queries: { count: 0, one: 2 },
      connections: [1, 1]
    })
    b.ws.close()
    await b.closed
    t.same(await numbers(), {
      stats: 1,
      ofStore: [1, 1],
      programmatic: 1,
      queries: { count: 0, one: 1 },
      connections: [1]
    })
  })

  t.test('[G-E12] returns to nothing, and so does the work, when every client has left', async t => {
    const { connect, store } = await serve(t)
    const runs = defineCounted<{ id: string }>(store, 'mixed', async (ctx, { id }) => [
      await ctx.bucket(items).get(id),
      await countItems(ctx)
    ])
    const client = await connect()
    for (let round = 0; round < 20; round++) {
      const { subscriptionId } = await subscribe(client, 'mixed', { id: `${round % 3}` })
      await insertItem(client, {})
      await client.push()
      await client.ask('store.unsubscribe', { subscriptionId })
    }
    const before = runs.count
    await insertItem(client, {})
    await client.settled()
    t.equal(runs.count, before)
    t.equal((await client.ask('store.stats')).queries.activeSubscriptions, 0)
  })
  t.end()
})
