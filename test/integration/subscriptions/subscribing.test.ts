import t from 'tap'
import { serve, startStore } from '../../support/service.js'
import {
  allItems,
  countItems,
  defineCounted,
  framesOf,
  insertItem,
  items,
  sortedById,
  subscribe
} from '../../support/live-queries.js'

t.test('a subscription', t => {
  t.test(
    'is answered with an id and the current result, and pushes the complete new result at each change',
    async t => {
      const { connect } = await serve(t)
      const client = await connect()
      await client.ask('store.defineQuery', { name: 'list', config: sortedById })
      await insertItem(client, { id: 'a', n: 1 })
      const { subscriptionId, data } = await subscribe(client, 'list')
      t.match(subscriptionId, /^sub-./)
      t.match(data, [{ id: 'a', n: 1 }])
      await insertItem(client, { id: 'b', n: 2 })
      const push = await client.push()
      t.same(Object.keys(push), ['type', 'channel', 'subscriptionId', 'data'])
      t.match(push, {
        type: 'push',
        channel: 'subscription',
        subscriptionId,
        data: [
          { id: 'a', n: 1 },
          { id: 'b', n: 2 }
        ]
      })
      await client.ask('store.update', { bucket: items, key: 'a', data: { n: 5 } })
      t.match((await client.push())['data'], [{ id: 'a', n: 5 }, { id: 'b', n: 2 }])
      await client.ask('store.delete', { bucket: items, key: 'a' })
      t.match((await client.push())['data'], [{ id: 'b' }])
    }
  )

  t.test('pushes the bare value of a scalar query', async t => {
    const { connect } = await serve(t)
    const client = await connect()
    await client.ask('store.defineQuery', {
      name: 'total',
      config: { bucket: items, aggregate: { function: 'sum', field: 'n' } }
    })
    t.equal((await subscribe(client, 'total')).data, 0)
    await insertItem(client, { n: 7 })
    t.equal((await client.push())['data'], 7)
  })

  t.test('sends the result of a change before the push that it causes', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', countItems)
    const client = await connect()
    const frames = framesOf(client)
    await subscribe(client, 'count')
    for (let n = 1; n <= 20; n++) {
      await insertItem(client, { n })
      await client.push()
    }
    t.same(
      frames.slice(1).map(frame => frame['type']),
      Array.from({ length: 20 }, () => ['result', 'push']).flat()
    )
  })

  t.test('does not push when the result is the same as before', async t => {
    const { connect, store } = await serve(t)
    const runs = defineCounted(store, 'names', async ctx =>
      (await ctx.bucket(items).all()).map(item => item['name'])
    )
    const client = await connect()
    const record = await insertItem(client, { name: 'a', n: 1 })
    await subscribe(client, 'names')
    await client.ask('store.update', { bucket: items, key: record.id, data: { n: 2 } })
    await client.settled()
    t.equal(runs.count, 2, 'it was evaluated')
    t.same(client.waiting, [])
    await client.ask('store.update', { bucket: items, key: record.id, data: { name: 'b' } })
    t.same((await client.push())['data'], ['b'])
  })

  t.test('gives null for a query that returns nothing, in the result and in the push', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery<{ id: string }>('one', async (ctx, { id }) => await ctx.bucket(items).get(id))
    store.defineQuery('nothing', async () => undefined)
    const client = await connect()
    const reply = await client.request('store.subscribe', { query: 'one', params: { id: 'a' } })
    t.equal(reply['data'].data, null)
    t.ok('data' in reply['data'])
    await insertItem(client, { id: 'a' })
    t.match((await client.push())['data'], { id: 'a' })
    await client.ask('store.delete', { bucket: items, key: 'a' })
    const push = await client.push()
    t.ok('data' in push)
    t.equal(push['data'], null)
    t.equal((await subscribe(client, 'nothing')).data, null)
  })

  t.test('takes absent and null parameters for none', async t => {
    const { connect, store } = await serve(t)
    defineCounted(store, 'params', async (_ctx, params) => ({ given: params !== undefined }))
    const client = await connect()
    t.same((await subscribe(client, 'params')).data, { given: false })
    t.same((await subscribe(client, 'params', null)).data, { given: false })
    t.same((await subscribe(client, 'params', {})).data, { given: true })
  })

  t.test('is refused with the code of its fault', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('throws', async () => { throw new Error('secret of the application') })
    const client = await connect()
    t.equal(await client.code('store.subscribe', {}), 'VALIDATION_ERROR')
    t.equal(await client.code('store.subscribe', { query: '' }), 'VALIDATION_ERROR')
    t.equal(await client.code('store.subscribe', { query: 'unknown' }), 'QUERY_NOT_DEFINED')
    const reply = await client.request('store.subscribe', { query: 'throws' })
    t.equal(reply['code'], 'INTERNAL_ERROR')
    t.notMatch(JSON.stringify(reply), /secret/)
  })

  t.test('pushes when records expire', async t => {
    const store = await startStore(t, { ttlCheckIntervalMs: 20 })
    await store.defineBucket('brief', { key: 'id', ttl: 60, schema: { id: { type: 'string' } } })
    const { connect } = await serve(t, {}, { store })
    const client = await connect()
    await client.ask('store.defineQuery', { name: 'brief', config: { bucket: 'brief' } })
    await subscribe(client, 'brief')
    await client.ask('store.insert', { bucket: 'brief', data: { id: 'a' } })
    t.match((await client.push())['data'], [{ id: 'a' }])
    t.same((await client.push())['data'], [])
  })

  t.test('pushes when the application writes to the store itself', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', countItems)
    const client = await connect()
    await subscribe(client, 'count')
    await store.bucket(items).insert({ n: 1 })
    t.equal((await client.push())['data'], 1)
  })
  t.end()
})

t.test('unsubscribing', t => {
  t.test('ends the pushes of this id: none follows the result', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', countItems)
    const client = await connect()
    const other = await connect()
    const { subscriptionId } = await subscribe(client, 'count')
    await subscribe(other, 'count')
    await insertItem(client, {})
    await client.push()
    await other.push()
    t.same(await client.ask('store.unsubscribe', { subscriptionId }), { unsubscribed: true })
    await insertItem(client, {})
    await other.push()
    await client.settled()
    t.same(client.waiting, [])
  })

  t.test('is NOT_FOUND for an id that this connection does not have', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', countItems)
    store.defineQuery('all', allItems)
    const [client, other] = [await connect(), await connect()]
    const { subscriptionId } = await subscribe(other, 'count')
    await subscribe(client, 'all')
    t.equal(await client.code('store.unsubscribe', { subscriptionId }), 'NOT_FOUND')
    t.equal(await client.code('store.unsubscribe', { subscriptionId: 'sub-unknown' }), 'NOT_FOUND')
    t.equal(await client.code('store.unsubscribe', { subscriptionId: '' }), 'VALIDATION_ERROR')
    t.equal(await client.code('store.unsubscribe', {}), 'VALIDATION_ERROR')
    await other.ask('store.unsubscribe', { subscriptionId })
    t.equal(await other.code('store.unsubscribe', { subscriptionId }), 'NOT_FOUND', 'and the second time')
  })

  t.test('leaves the other subscribers of the query alone, on the same connection too', async t => {
    const { connect, store } = await serve(t)
    const runs = defineCounted(store, 'count', countItems)
    const client = await connect()
    const first = await subscribe(client, 'count')
    const second = await subscribe(client, 'count')
    await client.ask('store.unsubscribe', { subscriptionId: first.subscriptionId })
    await insertItem(client, {})
    t.equal((await client.push())['subscriptionId'], second.subscriptionId)
    await client.ask('store.unsubscribe', { subscriptionId: second.subscriptionId })
    const before = runs.count
    await insertItem(client, {})
    await client.settled()
    t.equal(runs.count, before, 'a query without subscribers is not evaluated')
    t.same(client.waiting, [])
  })

  t.test('lets the same query be subscribed again, with the present result', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', countItems)
    const client = await connect()
    for (let n = 0; n < 5; n++) {
      const { subscriptionId, data } = await subscribe(client, 'count')
      t.equal(data, n)
      await client.ask('store.unsubscribe', { subscriptionId })
      await insertItem(client, {})
    }
    await client.settled()
    t.same(client.waiting, [])
  })
  t.end()
})

t.test('subscription ids', t => {
  t.test('[G-E11] differ on one connection and tell nothing about how many there are', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', countItems)
    const client = await connect()
    const ids = new Set<string>()
    for (let i = 0; i < 20; i++) ids.add((await subscribe(client, 'count')).subscriptionId)
    t.equal(ids.size, 20)
    for (const id of ids) t.match(id, /^sub-[\w-]{8,}$/)
  })

  t.test('give each of two subscriptions to one query its own push', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', countItems)
    const client = await connect()
    const first = await subscribe(client, 'count')
    const second = await subscribe(client, 'count')
    await insertItem(client, {})
    t.equal((await client.push(first.subscriptionId))['data'], 1)
    t.equal((await client.push(second.subscriptionId))['data'], 1)
  })
  t.end()
})

t.test('a client of before is refused in the words of before', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  t.match(await client.request('store.subscribe'), {
    type: 'error', code: 'VALIDATION_ERROR', message: 'query: is required'
  })
})
