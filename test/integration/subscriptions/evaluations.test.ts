import t from 'tap'
import type { QueryContext } from '@hamicek/noex-store'
import type { TestClient } from '../../support/client.js'
import { serve } from '../../support/service.js'
import { Barrier } from '../../support/barrier.js'
import {
  allItems,
  countItems,
  defineCounted,
  framesOf,
  insertItem,
  items,
  subscribe
} from '../../support/live-queries.js'

t.test('[G-E10] one evaluation per change', t => {
  t.test('serves 200 identical subscriptions', async t => {
    const { connect, store } = await serve(t)
    const runs = defineCounted(store, 'list', allItems)
    const clients = await Promise.all(Array.from({ length: 10 }, async () => await connect()))
    for (const client of clients) {
      await Promise.all(Array.from({ length: 20 }, async () => await subscribe(client, 'list')))
    }
    t.equal(runs.count, 1, 'all subscriptions share the first evaluation')
    await store.bucket(items).insert({ id: 'a' })
    for (const client of clients) {
      for (let i = 0; i < 20; i++) t.match((await client.push())['data'], [{ id: 'a' }])
    }
    t.equal(runs.count, 2)
  })

  t.test('serves subscribers that come while the first evaluation runs', async t => {
    const { connect, store } = await serve(t)
    const barrier = new Barrier()
    defineCounted(store, 'slow', async ctx => {
      const result = await countItems(ctx)
      await barrier.pass()
      return result
    })
    const clients = await Promise.all(Array.from({ length: 5 }, async () => await connect()))
    const replies = clients.map(async client => await subscribe(client, 'slow'))
    await barrier.held()
    const [client] = clients as [TestClient]
    // Round trips on a later connection: by then all have been read.
    await (await connect()).settled()
    await barrier.release()
    t.same((await Promise.all(replies)).map(reply => reply.data), [0, 0, 0, 0, 0])
    t.equal(barrier.passed, 1)
    barrier.open()
    await insertItem(client, {})
    for (const client of clients) t.equal((await client.push())['data'], 1)
    t.equal(barrier.passed, 2)
  })

  t.test('is enough for insertMany of 50 records, with one push', async t => {
    const { connect, store } = await serve(t)
    const runs = defineCounted(store, 'count', countItems)
    const client = await connect()
    await subscribe(client, 'count')
    await client.ask('store.insertMany', {
      bucket: items,
      data: Array.from({ length: 50 }, (_, n) => ({ n }))
    })
    t.equal((await client.push())['data'], 50)
    await client.settled()
    t.same(client.waiting, [])
    t.equal(runs.count, 2)
  })

  t.test('is enough for a transaction over several records, with one push of its final state', async t => {
    const { connect, store } = await serve(t)
    const runs = defineCounted(
      store,
      'list',
      async ctx => (await ctx.bucket(items).where({ n: { $gt: 0 } })).length
    )
    const client = await connect()
    await insertItem(client, { id: 'a', n: 1 })
    await subscribe(client, 'list')
    const frames = framesOf(client)
    await client.ask('store.transaction', {
      operations: [
        { op: 'insert', bucket: items, data: { id: 'b', n: 1 } },
        { op: 'insert', bucket: items, data: { id: 'c', n: 1 } },
        { op: 'update', bucket: items, key: 'a', data: { n: 0 } }
      ]
    })
    t.equal((await client.push())['data'], 2)
    await client.settled()
    t.same(client.waiting, [])
    t.equal(runs.count, 2)
    t.same(frames.slice(0, 2).map(frame => frame['type']), ['result', 'push'])
  })

  t.test('does not depend on the order of the parameters', async t => {
    const { connect, store } = await serve(t)
    const runs = defineCounted<Record<string, unknown>>(store, 'params', async (ctx, params) => [
      params['a'],
      params['b'],
      await countItems(ctx)
    ])
    const [one, two] = [await connect(), await connect()]
    const first = await subscribe(one, 'params', { a: { x: 1, y: [2, { p: 1, q: 2 }] }, b: 3 })
    const second = await subscribe(two, 'params', { b: 3, a: { y: [2, { q: 2, p: 1 }], x: 1 } })
    t.equal(runs.count, 1)
    t.equal(first.subscriptionId, second.subscriptionId, 'they share the frame, and so the id')
    const third = await subscribe(two, 'params', { a: { x: 1, y: [{ q: 2, p: 1 }, 2] }, b: 3 })
    t.equal(runs.count, 2, 'the order of an array counts')
    await insertItem(one, {})
    t.same((await one.push())['data'], [{ x: 1, y: [2, { p: 1, q: 2 }] }, 3, 1])
    await two.push(third.subscriptionId)
    t.equal(runs.count, 4)
  })

  t.test('keeps parameters apart that only look alike', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery<unknown>('echo', async (_ctx: QueryContext, params: unknown) => params)
    const client = await connect()
    for (const params of ['1', 1, [1], { 0: 1 }, '[1]', true, 'true', ['a', 'b'], ['a,b'], {}]) {
      t.same((await subscribe(client, 'echo', params)).data, params)
    }
  })
  t.end()
})

t.test('precision', t => {
  t.test('does not run a query of one record again when others change', async t => {
    const { connect, store } = await serve(t)
    const runs = defineCounted<{ id: string }>(
      store,
      'one',
      async (ctx, { id }) => await ctx.bucket(items).get(id)
    )
    const client = await connect()
    await insertItem(client, { id: 'a', n: 1 })
    await subscribe(client, 'one', { id: 'a' })
    for (let n = 0; n < 10; n++) await insertItem(client, { id: `other ${n}`, n })
    await client.ask('store.update', { bucket: items, key: 'other 3', data: { n: 30 } })
    await client.ask('store.delete', { bucket: items, key: 'other 4' })
    await client.settled()
    t.equal(runs.count, 1)
    await client.ask('store.update', { bucket: items, key: 'a', data: { n: 2 } })
    t.match((await client.push())['data'], { id: 'a', n: 2 })
    t.equal(runs.count, 2)
    await client.settled()
    t.same(client.waiting, [])
  })

  t.test('runs one of a thousand record queries for one change', async t => {
    const { connect, store } = await serve(t, { connectionLimits: { maxSubscriptionsPerConnection: 1_000 } })
    const runs = defineCounted<{ id: string }>(
      store,
      'one',
      async (ctx, { id }) => await ctx.bucket(items).get(id)
    )
    const client = await connect()
    await Promise.all(
      Array.from({ length: 1_000 }, async (_, i) => await subscribe(client, 'one', { id: `${i}` }))
    )
    t.equal(runs.count, 1_000)
    await insertItem(client, { id: '500' })
    t.match((await client.push())['data'], { id: '500' })
    await client.settled()
    t.equal(runs.count, 1_001)
  })

  t.test('notices a record that did not exist when it was read', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery<{ id: string }>('one', async (ctx, { id }) => await ctx.bucket(items).get(id))
    const client = await connect()
    t.equal((await subscribe(client, 'one', { id: 'a' })).data, null)
    await insertItem(client, { id: 'a' })
    t.match((await client.push())['data'], { id: 'a' })
  })

  t.test('follows dependencies that change from run to run', async t => {
    const { connect, store } = await serve(t)
    const runs = defineCounted(store, 'follow', async ctx => {
      const bucket = ctx.bucket(items)
      const pointer = await bucket.get('pointer')
      return pointer === undefined ? 'none' : (await bucket.get(pointer['name']))?.['n']
    })
    const client = await connect()
    await insertItem(client, { id: 'a', n: 1 })
    await insertItem(client, { id: 'b', n: 2 })
    t.equal((await subscribe(client, 'follow')).data, 'none')
    await client.ask('store.update', { bucket: items, key: 'a', data: { n: 10 } })
    await client.settled()
    t.equal(runs.count, 1)
    await insertItem(client, { id: 'pointer', name: 'a' })
    t.equal((await client.push())['data'], 10)
    await client.ask('store.update', { bucket: items, key: 'a', data: { n: 11 } })
    t.equal((await client.push())['data'], 11)
    await client.ask('store.update', { bucket: items, key: 'pointer', data: { name: 'b' } })
    t.equal((await client.push())['data'], 2)
    const before = runs.count
    await client.ask('store.update', { bucket: items, key: 'a', data: { n: 12 } })
    await client.settled()
    t.equal(runs.count, before, 'what is no longer read no longer counts')
    await client.ask('store.update', { bucket: items, key: 'b', data: { n: 20 } })
    t.equal((await client.push())['data'], 20)
  })

  t.test('takes one read of the whole bucket for a dependency on all of it', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('mixed', async ctx => {
      const bucket = ctx.bucket(items)
      return [(await bucket.get('a'))?.['n'] ?? null, await bucket.count()]
    })
    const client = await connect()
    await subscribe(client, 'mixed')
    await insertItem(client, { id: 'b' })
    t.same((await client.push())['data'], [null, 1])
    await insertItem(client, { id: 'a', n: 1 })
    t.same((await client.push())['data'], [1, 2])
  })

  t.test('sees every way to read a bucket', async t => {
    const { connect, store } = await serve(t)
    const reads: Record<string, (ctx: QueryContext) => Promise<unknown>> = {
      all: async ctx => (await ctx.bucket(items).all()).length,
      where: async ctx => (await ctx.bucket(items).where({})).length,
      findOne: async ctx => (await ctx.bucket(items).findOne({ n: 1 }))?.['n'],
      count: async ctx => await ctx.bucket(items).count(),
      first: async ctx => (await ctx.bucket(items).first(1)).length,
      last: async ctx => (await ctx.bucket(items).last(1)).length,
      paginate: async ctx => (await ctx.bucket(items).paginate({ limit: 5 })).records.length,
      sum: async ctx => await ctx.bucket(items).sum('n'),
      avg: async ctx => await ctx.bucket(items).avg('n'),
      min: async ctx => await ctx.bucket(items).min('n'),
      max: async ctx => await ctx.bucket(items).max('n'),
      groupBy: async ctx => (await ctx.bucket(items).groupBy('name', { function: 'count' } as never)).length
    }
    const client = await connect()
    const names = new Map<string, string>()
    for (const [name, read] of Object.entries(reads)) {
      store.defineQuery(name, read)
      names.set((await subscribe(client, name)).subscriptionId, name)
    }
    await insertItem(client, { name: 'x', n: 1 })
    const pushed = new Set<string>()
    while (pushed.size < names.size) {
      pushed.add(names.get((await client.push())['subscriptionId'] as string) as string)
    }
    t.same([...pushed].sort(), Object.keys(reads).sort())
  })

  t.test('covers a query over two buckets', async t => {
    const { connect, store } = await serve(t)
    await store.defineBucket('notes', { key: 'id', schema: { id: { type: 'string' } } })
    const runs = defineCounted(
      store,
      'both',
      async ctx => await Promise.all([ctx.bucket(items).count(), ctx.bucket('notes').count()])
    )
    const client = await connect()
    await subscribe(client, 'both')
    await insertItem(client, {})
    t.same((await client.push())['data'], [1, 0])
    await client.ask('store.insert', { bucket: 'notes', data: { id: 'x' } })
    t.same((await client.push())['data'], [1, 1])
    await client.ask('store.transaction', {
      operations: [
        { op: 'insert', bucket: items, data: {} },
        { op: 'insert', bucket: 'notes', data: { id: 'y' } }
      ]
    })
    t.same((await client.push())['data'], [2, 2])
    t.equal(runs.count, 4)
  })

  t.test('covers buckets whose names have dots', async t => {
    const { connect, store } = await serve(t)
    for (const bucket of ['a', 'a.b', 'a.b.c']) {
      await store.defineBucket(bucket, { key: 'id', schema: { id: { type: 'string' } } })
    }
    const runs = defineCounted<string>(store, 'size', async (ctx, bucket) => await ctx.bucket(bucket).count())
    const client = await connect()
    const ids = new Map<string, string>()
    for (const bucket of ['a', 'a.b', 'a.b.c']) {
      ids.set(bucket, (await subscribe(client, 'size', bucket)).subscriptionId)
    }
    for (const bucket of ['a.b.c', 'a', 'a.b']) {
      const before = runs.count
      await client.ask('store.insert', { bucket, data: { id: 'x' } })
      t.match(await client.push(), { subscriptionId: ids.get(bucket), data: 1 })
      await client.settled()
      t.equal(runs.count, before + 1)
    }
  })
  t.end()
})
