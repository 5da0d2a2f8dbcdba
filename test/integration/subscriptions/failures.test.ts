import t, { type Test } from 'tap'
import { MemoryAdapter } from '@hamicek/noex-store'
import type { QueryContext, Store } from '@hamicek/noex-store'
import type { TestClient } from '../../support/client.js'
import { serve, startStore } from '../../support/service.js'
import { logInto } from '../../support/log-into.js'
import { Barrier } from '../../support/barrier.js'
import { countItems, defineCounted, insertItem, items, subscribe } from '../../support/live-queries.js'

/** A server whose log lines of level `warn` and above can be read. */
async function serveLogged (t: Test) {
  const lines: Array<Record<string, any>> = []
  const served = await serve(t, {}, {
    fastify: { logger: logInto(lines) }
  })
  return { ...served, lines }
}

t.test('a failing query', t => {
  t.test('[G-E6] leaves nothing when it fails at once', async t => {
    const { connect, store, app } = await serve(t, {
      connectionLimits: { maxSubscriptionsPerConnection: 1, maxTotalSubscriptions: 1 }
    })
    let broken = true
    store.defineQuery('fails', async ctx => {
      const result = await countItems(ctx)
      if (broken) throw new Error('not now')
      return result
    })
    const client = await connect()
    for (let i = 0; i < 5; i++) {
      t.equal(await client.code('store.subscribe', { query: 'fails' }), 'INTERNAL_ERROR')
    }
    t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 0)
    t.equal(app.noex.getConnections()[0]?.storeSubscriptionCount, 0)
    broken = false
    await insertItem(client, {})
    await client.settled()
    t.same(client.waiting, [], 'no push under an id that the client never got')
    t.equal((await subscribe(client, 'fails')).data, 1, 'the slot is free')
  })

  t.test('[G-E6] leaves nothing when it fails while others watch it', async t => {
    const { connect, store, app } = await serve(t)
    let broken = false
    store.defineQuery('fails', async ctx => {
      const result = await countItems(ctx)
      if (broken) throw new Error('not now')
      return result
    })
    const [watcher, client] = [await connect(), await connect()]
    await subscribe(watcher, 'fails')
    broken = true
    await insertItem(client, {})
    await client.settled()
    t.equal(await client.code('store.subscribe', { query: 'fails' }), 'INTERNAL_ERROR')
    t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 1)
    broken = false
    await insertItem(client, {})
    t.equal((await watcher.push())['data'], 2)
    await client.settled()
    t.same(client.waiting, [])
  })

  t.test(
    '[G-E8] keeps its subscriptions when a later run fails, and is logged once until it works again',
    async t => {
      const { connect, store, lines } = await serveLogged(t)
      let broken = false
      const runs = defineCounted(store, 'fails', async ctx => {
        const result = await countItems(ctx)
        if (broken) throw new Error('not now')
        return result
      })
      const warnings = (): number => lines.filter(line => line['level'] === 40).length
      const client = await connect()
      const { subscriptionId } = await subscribe(client, 'fails')
      broken = true
      for (let n = 2; n <= 4; n++) {
        await insertItem(client, {})
        await client.settled()
        t.equal(runs.count, n)
      }
      t.same(client.waiting, [])
      t.equal(warnings(), 1)
      t.match(lines[0], { level: 40, query: 'fails', err: { message: 'not now' } })
      broken = false
      await insertItem(client, {})
      t.match(await client.push(), { subscriptionId, data: 4 })
      broken = true
      await insertItem(client, {})
      await client.settled()
      t.equal(warnings(), 2)
    }
  )

  t.test('is told of changes to what it read before the failure and before that', async t => {
    const { connect, store } = await serve(t)
    await store.defineBucket('switch', {
      key: 'id',
      schema: { id: { type: 'string' }, on: { type: 'boolean' } }
    })
    store.defineQuery('guarded', async ctx => {
      if ((await ctx.bucket('switch').get('main'))?.['on'] !== true) throw new Error('switched off')
      return await countItems(ctx)
    })
    const client = await connect()
    await client.ask('store.insert', { bucket: 'switch', data: { id: 'main', on: true } })
    await subscribe(client, 'guarded')
    await client.ask('store.update', { bucket: 'switch', key: 'main', data: { on: false } })
    await insertItem(client, {})
    await client.settled()
    t.same(client.waiting, [])
    await client.ask('store.update', { bucket: 'switch', key: 'main', data: { on: true } })
    t.equal((await client.push())['data'], 1)
  })

  t.test('may return what JSON cannot hold without harm to any client', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('big', async ctx => BigInt(await ctx.bucket(items).count()))
    store.defineQuery('count', countItems)
    const client = await connect()
    t.equal(await client.code('store.subscribe', { query: 'big' }), 'INTERNAL_ERROR')
    t.equal((await subscribe(client, 'count')).data, 0)
  })
  t.end()
})

t.test('[G-E7] a subscription that loses its query or bucket', t => {
  const losses: Array<{
    name: string
    reason: string
    lose: (client: TestClient, store: Store) => Promise<unknown>
  }> = [
    {
      name: 'store.undefineQuery',
      reason: 'query_undefined',
      lose: async client => await client.ask('store.undefineQuery', { name: 'count' })
    },
    {
      name: 'store.dropBucket',
      reason: 'bucket_dropped',
      lose: async client => await client.ask('store.dropBucket', { name: items })
    }
  ]
  for (const { name, reason, lose } of losses) {
    t.test(`is told so by ${name}, frees its slot and can be unsubscribed once`, async t => {
      const { connect, store, app } = await serve(t, {
        connectionLimits: { maxSubscriptionsPerConnection: 1 }
      })
      store.defineQuery('count', countItems)
      store.defineQuery('other', async () => 1)
      const [client, admin] = [await connect(), await connect()]
      const { subscriptionId } = await subscribe(client, 'count')
      await lose(admin, store)
      t.same(await client.next(), { type: 'system', event: 'subscription_closed', subscriptionId, reason })
      t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 0)
      t.equal((await subscribe(client, 'other')).data, 1, 'the slot is free')
      t.same(await client.ask('store.unsubscribe', { subscriptionId }), { unsubscribed: true })
      t.equal(await client.code('store.unsubscribe', { subscriptionId }), 'NOT_FOUND')
    })
  }

  t.test('is told so when the application undefines the query itself', async t => {
    const { connect, store, lines } = await serveLogged(t)
    store.defineQuery('count', countItems)
    const client = await connect()
    const { subscriptionId } = await subscribe(client, 'count')
    store.undefineQuery('count')
    t.same(await client.next(), {
      type: 'system',
      event: 'subscription_closed',
      subscriptionId,
      reason: 'query_undefined'
    })
    t.same(await client.ask('store.unsubscribe', { subscriptionId }), { unsubscribed: true })
    t.equal(await client.code('store.unsubscribe', { subscriptionId }), 'NOT_FOUND')
    t.same(lines, [], 'nothing to warn of')
  })

  t.test('is told so when the application drops the bucket itself', async t => {
    const { connect, store, lines } = await serveLogged(t)
    store.defineQuery('count', countItems)
    const client = await connect()
    const { subscriptionId } = await subscribe(client, 'count')
    await store.dropBucket('items')
    t.same(await client.next(), {
      type: 'system',
      event: 'subscription_closed',
      subscriptionId,
      reason: 'bucket_dropped'
    })
    t.same(lines, [], 'nothing to warn of')
  })

  t.test('is given the records that the application restores from a backup', async t => {
    const store = await startStore(t, { persistence: { adapter: new MemoryAdapter() } })
    const { connect } = await serve(t, {}, { store })
    store.defineQuery('count', countItems)
    const client = await connect()
    await insertItem(client, {})
    const { id } = await store.createBackup()
    await insertItem(client, {})
    const { data, subscriptionId } = await subscribe(client, 'count')
    t.equal(data, 2)
    await store.restoreBackup(id)
    t.equal((await client.push(subscriptionId))['data'], 1)
  })

  t.test('goes on when the application changes the schema itself', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', countItems)
    const client = await connect()
    const { subscriptionId } = await subscribe(client, 'count')
    await store.updateBucket('items', { addFields: { note: { type: 'string' } } })
    await insertItem(client, {})
    t.equal((await client.push(subscriptionId))['data'], 1)
  })

  t.test('may not keep parameters of any size', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('echo', async (_ctx: QueryContext, params: string) => String(params).length)
    const client = await connect()
    t.equal((await subscribe(client, 'echo', 'x'.repeat(16_382))).data, 16_382)
    t.match(await client.request('store.subscribe', { query: 'echo', params: 'x'.repeat(16_383) }), {
      code: 'VALIDATION_ERROR',
      message: /params/
    })
  })

  t.test('hears of it also when it is the client itself that drops the bucket', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', countItems)
    const client = await connect()
    const { subscriptionId } = await subscribe(client, 'count')
    await client.ask('store.dropBucket', { name: items })
    t.match(await client.next(), { event: 'subscription_closed', subscriptionId })
    t.equal(await client.code('store.subscribe', { query: 'count' }), 'BUCKET_NOT_DEFINED')
  })

  t.test('is refused when that happens during its first evaluation', async t => {
    const { connect, store, app } = await serve(t)
    const barrier = new Barrier()
    store.defineQuery('slow', async ctx => {
      const result = await countItems(ctx)
      await barrier.pass()
      return result
    })
    const [client, admin] = [await connect(), await connect()]
    const code = client.code('store.subscribe', { query: 'slow' })
    await barrier.held()
    await admin.ask('store.undefineQuery', { name: 'slow' })
    t.equal(await code, 'QUERY_NOT_DEFINED')
    barrier.open()
    await client.settled()
    t.same(client.waiting, [])
    t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 0)
  })

  t.test('does not come back with the name: who wants the new query subscribes', async t => {
    const { connect } = await serve(t)
    const client = await connect()
    const config = { bucket: items, aggregate: { function: 'count' } }
    await client.ask('store.defineQuery', { name: 'count', config })
    const old = await subscribe(client, 'count')
    await client.ask('store.undefineQuery', { name: 'count' })
    await client.next(frame => frame['event'] === 'subscription_closed')
    await client.ask('store.defineQuery', { name: 'count', config })
    const fresh = await subscribe(client, 'count')
    t.not(fresh.subscriptionId, old.subscriptionId)
    await insertItem(client, {})
    t.match(await client.push(), { subscriptionId: fresh.subscriptionId, data: 1 })
    await client.settled()
    t.same(client.waiting, [])
  })

  t.test('does not concern queries of other buckets', async t => {
    const { connect, store } = await serve(t)
    await store.defineBucket('notes', { key: 'id', schema: { id: { type: 'string' } } })
    store.defineQuery('count', countItems)
    const client = await connect()
    await subscribe(client, 'count')
    await client.ask('store.dropBucket', { name: 'notes' })
    await insertItem(client, {})
    t.equal((await client.next())['type'], 'push')
  })
  t.end()
})
