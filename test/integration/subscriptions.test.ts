import fc from 'fast-check'
import t, { type Test } from 'tap'
import { MemoryAdapter } from '@hamicek/noex-store'
import type { QueryContext, Store } from '@hamicek/noex-store'
import { noexPlugin } from '../../lib/index.js'
import type { Frame, TestClient } from '../support/client.js'
import { serve, startStore } from '../support/service.js'
import { logInto } from '../support/log-into.js'
import { Barrier } from '../support/barrier.js'

interface Item { readonly id: string, readonly name?: string, readonly n?: number }

const items = 'items'
const sortedById = { bucket: items, sort: { id: 'asc' } }

/** Defines a programmatic query and counts its runs. */
function defineCounted<P = unknown> (
  store: Store,
  name: string,
  read: (ctx: QueryContext, params: P) => Promise<unknown>
): { count: number } {
  const runs = { count: 0 }
  store.defineQuery<P>(name, (async (ctx: QueryContext, params: P) => {
    runs.count++
    return await read(ctx, params)
  }) as never)
  return runs
}

async function all (ctx: QueryContext): Promise<unknown> {
  return await ctx.bucket(items).all()
}

async function count (ctx: QueryContext): Promise<unknown> {
  return await ctx.bucket(items).count()
}

/** Every frame of a client in the order of arrival, whether taken or not. */
function framesOf (client: TestClient): Frame[] {
  const frames: Frame[] = []
  client.ws.on('message', data => { frames.push(JSON.parse(String(data)) as Frame) })
  return frames
}

function insert (client: TestClient, data: object): Promise<Item> {
  return client.ask('store.insert', { bucket: items, data })
}

async function subscribe (
  client: TestClient,
  query: string,
  params?: unknown
): Promise<{ subscriptionId: string, data: any }> {
  return await client.ask('store.subscribe', { query, params })
}

/** A server whose log lines of level `warn` and above can be read. */
async function serveLogged (t: Test) {
  const lines: Array<Record<string, any>> = []
  const served = await serve(t, {}, {
    fastify: { logger: logInto(lines) }
  })
  return { ...served, lines }
}

t.test('a subscription', t => {
  t.test(
    'is answered with an id and the current result, and pushes the complete new result at each change',
    async t => {
      const { connect } = await serve(t)
      const client = await connect()
      await client.ask('store.defineQuery', { name: 'list', config: sortedById })
      await insert(client, { id: 'a', n: 1 })
      const { subscriptionId, data } = await subscribe(client, 'list')
      t.match(subscriptionId, /^sub-./)
      t.match(data, [{ id: 'a', n: 1 }])
      await insert(client, { id: 'b', n: 2 })
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
    await insert(client, { n: 7 })
    t.equal((await client.push())['data'], 7)
  })

  t.test('sends the result of a change before the push that it causes', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', count)
    const client = await connect()
    const frames = framesOf(client)
    await subscribe(client, 'count')
    for (let n = 1; n <= 20; n++) {
      await insert(client, { n })
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
    const record = await insert(client, { name: 'a', n: 1 })
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
    await insert(client, { id: 'a' })
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
    store.defineQuery('count', count)
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
    store.defineQuery('count', count)
    const client = await connect()
    const other = await connect()
    const { subscriptionId } = await subscribe(client, 'count')
    await subscribe(other, 'count')
    await insert(client, {})
    await client.push()
    await other.push()
    t.same(await client.ask('store.unsubscribe', { subscriptionId }), { unsubscribed: true })
    await insert(client, {})
    await other.push()
    await client.settled()
    t.same(client.waiting, [])
  })

  t.test('is NOT_FOUND for an id that this connection does not have', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', count)
    store.defineQuery('all', all)
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
    const runs = defineCounted(store, 'count', count)
    const client = await connect()
    const first = await subscribe(client, 'count')
    const second = await subscribe(client, 'count')
    await client.ask('store.unsubscribe', { subscriptionId: first.subscriptionId })
    await insert(client, {})
    t.equal((await client.push())['subscriptionId'], second.subscriptionId)
    await client.ask('store.unsubscribe', { subscriptionId: second.subscriptionId })
    const before = runs.count
    await insert(client, {})
    await client.settled()
    t.equal(runs.count, before, 'a query that nobody watches is not evaluated')
    t.same(client.waiting, [])
  })

  t.test('lets the same query be subscribed again, with the present result', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', count)
    const client = await connect()
    for (let n = 0; n < 5; n++) {
      const { subscriptionId, data } = await subscribe(client, 'count')
      t.equal(data, n)
      await client.ask('store.unsubscribe', { subscriptionId })
      await insert(client, {})
    }
    await client.settled()
    t.same(client.waiting, [])
  })
  t.end()
})

t.test('subscription ids', t => {
  t.test('[G-E11] differ on one connection and tell nothing about how many there are', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', count)
    const client = await connect()
    const ids = new Set<string>()
    for (let i = 0; i < 20; i++) ids.add((await subscribe(client, 'count')).subscriptionId)
    t.equal(ids.size, 20)
    for (const id of ids) t.match(id, /^sub-[\w-]{8,}$/)
  })

  t.test('give each of two subscriptions to one query its own push', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', count)
    const client = await connect()
    const first = await subscribe(client, 'count')
    const second = await subscribe(client, 'count')
    await insert(client, {})
    t.equal((await client.push(first.subscriptionId))['data'], 1)
    t.equal((await client.push(second.subscriptionId))['data'], 1)
  })
  t.end()
})

t.test('[G-E10] one evaluation per change', t => {
  t.test('serves 200 identical subscriptions', async t => {
    const { connect, store } = await serve(t)
    const runs = defineCounted(store, 'list', all)
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
    const turnstile = new Barrier()
    defineCounted(store, 'slow', async ctx => {
      const result = await count(ctx)
      await turnstile.pass()
      return result
    })
    const clients = await Promise.all(Array.from({ length: 5 }, async () => await connect()))
    const replies = clients.map(async client => await subscribe(client, 'slow'))
    await turnstile.held()
    const [client] = clients as [TestClient]
    // Round trips on a later connection: by then all have been read.
    await (await connect()).settled()
    await turnstile.release()
    t.same((await Promise.all(replies)).map(reply => reply.data), [0, 0, 0, 0, 0])
    t.equal(turnstile.passed, 1)
    turnstile.open()
    await insert(client, {})
    for (const client of clients) t.equal((await client.push())['data'], 1)
    t.equal(turnstile.passed, 2)
  })

  t.test('is enough for insertMany of 50 records, with one push', async t => {
    const { connect, store } = await serve(t)
    const runs = defineCounted(store, 'count', count)
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
    await insert(client, { id: 'a', n: 1 })
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
      params['b'],
      await count(ctx)
    ])
    const [one, two] = [await connect(), await connect()]
    const first = await subscribe(one, 'params', { a: { x: 1, y: [2, { p: 1, q: 2 }] }, b: 3 })
    const second = await subscribe(two, 'params', { b: 3, a: { y: [2, { q: 2, p: 1 }], x: 1 } })
    t.equal(runs.count, 1)
    t.equal(first.subscriptionId, second.subscriptionId, 'they share the frame, and so the id')
    await subscribe(two, 'params', { a: { x: 1, y: [{ q: 2, p: 1 }, 2] }, b: 3 })
    t.equal(runs.count, 2, 'the order of an array counts')
    await insert(one, {})
    t.same((await one.push())['data'], [3, 1])
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

t.test('the order of result and pushes', t => {
  t.test('[G-E3] puts the result before the first push when somebody writes meanwhile', async t => {
    const { connect, store } = await serve(t)
    const turnstile = new Barrier()
    store.defineQuery('slow', async ctx => {
      const result = await count(ctx)
      await turnstile.pass()
      return result
    })
    const [client, writer] = [await connect(), await connect()]
    const frames = framesOf(client)
    const reply = subscribe(client, 'slow')
    await turnstile.held()
    await insert(writer, {})
    await insert(writer, {})
    await turnstile.release()
    t.equal((await reply).data, 0)
    await turnstile.release()
    t.equal((await client.push())['data'], 2)
    t.same(frames.map(frame => frame['type']), ['result', 'push'])
    turnstile.open()
  })

  t.test('[G-E3] never sends a result that is older than an earlier push, under constant writing', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', count)
    const [client, writer] = [await connect(), await connect()]
    const frames = framesOf(client)
    const stop = new AbortController()
    const written = (async () => {
      for (let n = 0; !stop.signal.aborted; n++) await insert(writer, { n })
    })()
    for (let i = 0; i < 50; i++) {
      const { subscriptionId } = await subscribe(client, 'count')
      if (i % 2 === 0) await client.push(subscriptionId)
      await client.ask('store.unsubscribe', { subscriptionId })
    }
    stop.abort()
    await written
    await client.settled()
    let last = 0
    let subscribed = ''
    for (const frame of frames) {
      const value =
        frame['type'] === 'push' ? (frame['data'] as number) : (frame['data']?.data as number | undefined)
      if (frame['data']?.subscriptionId !== undefined) subscribed = frame['data'].subscriptionId as string
      if (frame['data']?.unsubscribed === true) subscribed = ''
      if (frame['type'] === 'push') {
        t.equal(
          frame['subscriptionId'],
          subscribed,
          'pushes come between the results of subscribe and unsubscribe'
        )
      }
      if (value === undefined) continue
      t.ok(value >= last, `${value} after ${last}`)
      last = value
    }
  })

  t.test('[G-E3] gives whoever subscribes after a write a result that has it', async t => {
    const { connect, store } = await serve(t)
    const turnstile = new Barrier()
    store.defineQuery('slow', async ctx => {
      const result = await count(ctx)
      await turnstile.pass()
      return result
    })
    const [early, late] = [await connect(), await connect()]
    const first = subscribe(early, 'slow')
    await turnstile.held()
    await insert(late, {})
    const second = subscribe(late, 'slow')
    turnstile.open()
    t.equal((await first).data, 0)
    t.equal((await second).data, 1, 'not that of the evaluation that was under way')
    t.equal((await early.push())['data'], 1)
    await late.settled()
    t.same(late.waiting, [])
  })

  t.test('[G-E4] ends a slow query on the final state, one run at a time', async t => {
    const { connect, store } = await serve(t)
    const turnstile = new Barrier()
    let running = 0
    store.defineQuery('slow', async ctx => {
      t.equal(++running, 1)
      const result = await count(ctx)
      await turnstile.pass()
      running--
      return result
    })
    const client = await connect()
    const reply = subscribe(client, 'slow')
    await turnstile.release()
    await reply
    await insert(client, {})
    await turnstile.held()
    for (let n = 2; n <= 10; n++) await insert(client, {})
    await client.settled()
    t.equal(turnstile.passed, 2, 'changes during a run wait')
    await turnstile.release()
    t.equal((await client.push())['data'], 1)
    await turnstile.release()
    t.equal((await client.push())['data'], 10)
    await client.settled()
    t.equal(turnstile.passed, 3)
    t.same(client.waiting, [])
    turnstile.open()
  })
  t.end()
})

t.test('[G-E5] clearing a bucket', t => {
  t.test('pushes the empty result', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', count)
    store.defineQuery<string>(
      'one',
      (async (ctx: QueryContext, id: string) => await ctx.bucket(items).get(id)) as never
    )
    const [client, writer] = [await connect(), await connect()]
    await insert(writer, { id: 'a' })
    const list = await subscribe(client, 'count')
    const one = await subscribe(client, 'one', 'a')
    await writer.ask('store.clear', { bucket: items })
    t.equal((await client.push(list.subscriptionId))['data'], 0)
    t.equal((await client.push(one.subscriptionId))['data'], null)
  })

  t.test('pushes also when other records refer to the bucket', async t => {
    const { connect, store } = await serve(t)
    await store.defineBucket('notes', {
      key: 'id',
      schema: { id: { type: 'string' }, item: { type: 'string', ref: 'items' } }
    })
    store.defineQuery('count', count)
    store.defineQuery<string>(
      'one',
      (async (ctx: QueryContext, id: string) => await ctx.bucket(items).get(id)) as never
    )
    const client = await connect()
    await insert(client, { id: 'a' })
    await client.ask('store.insert', { bucket: 'notes', data: { id: 'n', item: 'a' } })
    const list = await subscribe(client, 'count')
    const one = await subscribe(client, 'one', 'a')
    await client.ask('store.clear', { bucket: items })
    t.equal((await client.push(list.subscriptionId))['data'], 0)
    t.equal((await client.push(one.subscriptionId))['data'], null)
  })
  t.end()
})

t.test('a failing query', t => {
  t.test('[G-E6] leaves nothing when it fails at once', async t => {
    const { connect, store, app } = await serve(t, {
      connectionLimits: { maxSubscriptionsPerConnection: 1, maxTotalSubscriptions: 1 }
    })
    let broken = true
    store.defineQuery('fails', async ctx => {
      const result = await count(ctx)
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
    await insert(client, {})
    await client.settled()
    t.same(client.waiting, [], 'no push under an id that the client never got')
    t.equal((await subscribe(client, 'fails')).data, 1, 'the place is free')
  })

  t.test('[G-E6] leaves nothing when it fails while others watch it', async t => {
    const { connect, store, app } = await serve(t)
    let broken = false
    store.defineQuery('fails', async ctx => {
      const result = await count(ctx)
      if (broken) throw new Error('not now')
      return result
    })
    const [watcher, client] = [await connect(), await connect()]
    await subscribe(watcher, 'fails')
    broken = true
    await insert(client, {})
    await client.settled()
    t.equal(await client.code('store.subscribe', { query: 'fails' }), 'INTERNAL_ERROR')
    t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 1)
    broken = false
    await insert(client, {})
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
        const result = await count(ctx)
        if (broken) throw new Error('not now')
        return result
      })
      const warnings = (): number => lines.filter(line => line['level'] === 40).length
      const client = await connect()
      const { subscriptionId } = await subscribe(client, 'fails')
      broken = true
      for (let n = 2; n <= 4; n++) {
        await insert(client, {})
        await client.settled()
        t.equal(runs.count, n)
      }
      t.same(client.waiting, [])
      t.equal(warnings(), 1)
      t.match(lines[0], { level: 40, query: 'fails', err: { message: 'not now' } })
      broken = false
      await insert(client, {})
      t.match(await client.push(), { subscriptionId, data: 4 })
      broken = true
      await insert(client, {})
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
      return await count(ctx)
    })
    const client = await connect()
    await client.ask('store.insert', { bucket: 'switch', data: { id: 'main', on: true } })
    await subscribe(client, 'guarded')
    await client.ask('store.update', { bucket: 'switch', key: 'main', data: { on: false } })
    await insert(client, {})
    await client.settled()
    t.same(client.waiting, [])
    await client.ask('store.update', { bucket: 'switch', key: 'main', data: { on: true } })
    t.equal((await client.push())['data'], 1)
  })

  t.test('may return what JSON cannot hold without harm to anybody', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('big', async ctx => BigInt(await ctx.bucket(items).count()))
    store.defineQuery('count', count)
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
    t.test(`is told so by ${name}, frees its place and can be unsubscribed once`, async t => {
      const { connect, store, app } = await serve(t, {
        connectionLimits: { maxSubscriptionsPerConnection: 1 }
      })
      store.defineQuery('count', count)
      store.defineQuery('other', async () => 1)
      const [client, admin] = [await connect(), await connect()]
      const { subscriptionId } = await subscribe(client, 'count')
      await lose(admin, store)
      t.same(await client.next(), { type: 'system', event: 'subscription_closed', subscriptionId, reason })
      t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 0)
      t.equal((await subscribe(client, 'other')).data, 1, 'the place is free')
      t.same(await client.ask('store.unsubscribe', { subscriptionId }), { unsubscribed: true })
      t.equal(await client.code('store.unsubscribe', { subscriptionId }), 'NOT_FOUND')
    })
  }

  t.test('is told so when the application undefines the query itself', async t => {
    const { connect, store, lines } = await serveLogged(t)
    store.defineQuery('count', count)
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
    store.defineQuery('count', count)
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
    store.defineQuery('count', count)
    const client = await connect()
    await insert(client, {})
    const { id } = await store.createBackup()
    await insert(client, {})
    const { data, subscriptionId } = await subscribe(client, 'count')
    t.equal(data, 2)
    await store.restoreBackup(id)
    t.equal((await client.push(subscriptionId))['data'], 1)
  })

  t.test('goes on when the application changes the schema itself', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', count)
    const client = await connect()
    const { subscriptionId } = await subscribe(client, 'count')
    await store.updateBucket('items', { addFields: { note: { type: 'string' } } })
    await insert(client, {})
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
    store.defineQuery('count', count)
    const client = await connect()
    const { subscriptionId } = await subscribe(client, 'count')
    await client.ask('store.dropBucket', { name: items })
    t.match(await client.next(), { event: 'subscription_closed', subscriptionId })
    t.equal(await client.code('store.subscribe', { query: 'count' }), 'BUCKET_NOT_DEFINED')
  })

  t.test('is refused when that happens during its first evaluation', async t => {
    const { connect, store, app } = await serve(t)
    const turnstile = new Barrier()
    store.defineQuery('slow', async ctx => {
      const result = await count(ctx)
      await turnstile.pass()
      return result
    })
    const [client, admin] = [await connect(), await connect()]
    const code = client.code('store.subscribe', { query: 'slow' })
    await turnstile.held()
    await admin.ask('store.undefineQuery', { name: 'slow' })
    t.equal(await code, 'QUERY_NOT_DEFINED')
    turnstile.open()
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
    await insert(client, {})
    t.match(await client.push(), { subscriptionId: fresh.subscriptionId, data: 1 })
    await client.settled()
    t.same(client.waiting, [])
  })

  t.test('does not concern queries of other buckets', async t => {
    const { connect, store } = await serve(t)
    await store.defineBucket('notes', { key: 'id', schema: { id: { type: 'string' } } })
    store.defineQuery('count', count)
    const client = await connect()
    await subscribe(client, 'count')
    await client.ask('store.dropBucket', { name: 'notes' })
    await insert(client, {})
    t.equal((await client.next())['type'], 'push')
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
    await insert(client, { id: 'a', n: 1 })
    await subscribe(client, 'one', { id: 'a' })
    for (let n = 0; n < 10; n++) await insert(client, { id: `other ${n}`, n })
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
    await insert(client, { id: '500' })
    t.match((await client.push())['data'], { id: '500' })
    await client.settled()
    t.equal(runs.count, 1_001)
  })

  t.test('notices a record that did not exist when it was read', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery<{ id: string }>('one', async (ctx, { id }) => await ctx.bucket(items).get(id))
    const client = await connect()
    t.equal((await subscribe(client, 'one', { id: 'a' })).data, null)
    await insert(client, { id: 'a' })
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
    await insert(client, { id: 'a', n: 1 })
    await insert(client, { id: 'b', n: 2 })
    t.equal((await subscribe(client, 'follow')).data, 'none')
    await client.ask('store.update', { bucket: items, key: 'a', data: { n: 10 } })
    await client.settled()
    t.equal(runs.count, 1)
    await insert(client, { id: 'pointer', name: 'a' })
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
    await insert(client, { id: 'b' })
    t.same((await client.push())['data'], [null, 1])
    await insert(client, { id: 'a', n: 1 })
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
    await insert(client, { name: 'x', n: 1 })
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
    await insert(client, {})
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

t.test('limits', t => {
  t.test('refuse a subscription too many of one connection, before the fields are looked at', async t => {
    const { connect, store } = await serve(t, { connectionLimits: { maxSubscriptionsPerConnection: 2 } })
    store.defineQuery('count', count)
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
    const turnstile = new Barrier()
    defineCounted<number>(store, 'slow', async (ctx, n) => {
      await turnstile.pass()
      return [n, await count(ctx)]
    })
    const clients = await Promise.all(Array.from({ length: 8 }, async () => await connect()))
    const replies = clients.map(
      async (client, n) => await client.request('store.subscribe', { query: 'slow', params: n })
    )
    await turnstile.held()
    await (await connect()).settled()
    turnstile.open()
    const kinds = (await Promise.all(replies)).map(reply => reply['code'] ?? reply['type'])
    t.equal(kinds.filter(kind => kind === 'result').length, 3)
    t.equal(kinds.filter(kind => kind === 'RATE_LIMITED').length, 5)
    t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 3)
  })

  t.test('[G-E9] hold for one connection that pipelines its subscriptions', async t => {
    const { connect, store } = await serve(t, { connectionLimits: { maxSubscriptionsPerConnection: 3 } })
    store.defineQuery('count', count)
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
    'give places back when a connection ends, also one whose subscription is being evaluated',
    async t => {
      const { connect, store, app } = await serve(t, { connectionLimits: { maxTotalSubscriptions: 2 } })
      const turnstile = new Barrier()
      store.defineQuery('count', count)
      store.defineQuery('slow', async ctx => {
        await turnstile.pass()
        return await count(ctx)
      })
      const [gone, stays] = [await connect(), await connect()]
      await subscribe(gone, 'count')
      gone.send({ id: 99, type: 'store.subscribe', query: 'slow' })
      await turnstile.held()
      t.equal(await stays.code('store.subscribe', { query: 'count' }), 'RATE_LIMITED')
      gone.ws.terminate()
      while (app.noex.connectionCount > 1) await stays.settled()
      t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 0)
      turnstile.open()
      await stays.settled()
      await subscribe(stays, 'count')
      await subscribe(stays, 'count')
      t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 2)
      t.equal(await stays.code('store.subscribe', { query: 'count' }), 'RATE_LIMITED')
    }
  )

  t.test('may be 0', async t => {
    const { connect, store } = await serve(t, { connectionLimits: { maxSubscriptionsPerConnection: 0 } })
    store.defineQuery('count', count)
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
    const runs = defineCounted(store, 'count', count)
    const [a, b] = [await connect('/'), await connect('/b')]
    await subscribe(a, 'count')
    await subscribe(b, 'count')
    await insert(b, {})
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
    store.defineQuery('count', count)
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
    store.defineQuery('count', count)
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

  t.test('[G-E12] returns to nothing, and so does the work, when everybody has left', async t => {
    const { connect, store } = await serve(t)
    const runs = defineCounted<{ id: string }>(store, 'mixed', async (ctx, { id }) => [
      await ctx.bucket(items).get(id),
      await count(ctx)
    ])
    const client = await connect()
    for (let round = 0; round < 20; round++) {
      const { subscriptionId } = await subscribe(client, 'mixed', { id: `${round % 3}` })
      await insert(client, {})
      await client.push()
      await client.ask('store.unsubscribe', { subscriptionId })
    }
    const before = runs.count
    await insert(client, {})
    await client.settled()
    t.equal(runs.count, before)
    t.equal((await client.ask('store.stats')).queries.activeSubscriptions, 0)
  })
  t.end()
})

t.test('whatever three clients do, each ends up knowing the last state', async t => {
  const { connect, store } = await serve(t)
  const queries: Array<{ query: string, params?: unknown }> = [
    { query: 'list' }, { query: 'total' }, { query: 'lazy' },
    { query: 'one', params: { id: 'a' } }, { query: 'one', params: { id: 'b' } }
  ]
  store.defineDeclarativeQuery('list', sortedById as never)
  store.defineQuery('total', async ctx => [await ctx.bucket(items).count(), await ctx.bucket(items).sum('n')])
  store.defineQuery('lazy', async ctx => {
    const first = await ctx.bucket(items).count()
    for (let turn = first % 4; turn > 0; turn--) await new Promise<void>(resolve => { setImmediate(resolve) })
    return [first, await ctx.bucket(items).sum('n')]
  })
  store.defineQuery<{ id: string }>('one', async (ctx, { id }) => await ctx.bucket(items).get(id))

  const who = fc.nat(2)
  const id = fc.constantFrom('a', 'b', 'c', 'd')
  const n = fc.nat(9)
  const step = fc.oneof(
    fc.record({ kind: fc.constant('upsert' as const), who, id, n }),
    fc.record({ kind: fc.constant('delete' as const), who, id, n }),
    fc.record({ kind: fc.constant('many' as const), who, id, n }),
    fc.record({ kind: fc.constant('transaction' as const), who, id, n }),
    fc.record({ kind: fc.constant('clear' as const), who, id, n }),
    fc.record({ kind: fc.constant('subscribe' as const), who, id, n }),
    fc.record({ kind: fc.constant('subscribe' as const), who, id, n }),
    fc.record({ kind: fc.constant('unsubscribe' as const), who, id, n }),
    fc.record({ kind: fc.constant('breathe' as const), who, id, n })
  )

  await t.resolves(fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async steps => {
    await store.bucket(items).deleteMany({})
    const clients = await Promise.all([connect(), connect(), connect()])
    /** What each client knows of each of its subscriptions. */
    const known = clients.map(() => new Map<string, { query: number, value: unknown }>())
    clients.forEach((client, who) => client.ws.on('message', data => {
      const frame = JSON.parse(String(data)) as Frame
      if (frame['type'] !== 'push') return
      const subscription = known[who]?.get(frame['subscriptionId'] as string)
      if (subscription === undefined) throw new Error('a push before its result or after the end')
      subscription.value = frame['data']
    }))
    const replies: Array<Promise<unknown>> = []
    for (const { kind, who, id, n } of steps) {
      const client = clients[who] as TestClient
      const mine = known[who] as Map<string, { query: number, value: unknown }>
      const write = async (type: string, fields: object): Promise<void> => {
        await client.request(type, { bucket: items, ...fields })
      }
      switch (kind) {
        case 'upsert':
          replies.push(write('store.upsert', { data: { id, n } }))
          break
        case 'delete':
          replies.push(write('store.delete', { key: id }))
          break
        case 'many':
          replies.push(write('store.insertMany', { data: Array.from({ length: n }, () => ({ n })) }))
          break
        case 'clear':
          replies.push(write('store.clear', {}))
          break
        case 'transaction':
          replies.push(
            client.request('store.transaction', {
              operations: [
                { op: 'insert', bucket: items, data: { n } },
                { op: 'upsert', bucket: items, data: { id, n: n + 1 } }
              ]
            })
          )
          break
        case 'subscribe': {
          const query = n % queries.length
          // Noted in the listener's turn: pushes may follow the reply in the same chunk.
          const replied = new Promise<void>(resolve => {
            const requestId = replies.length + 1_000_000
            const take = (data: Buffer): void => {
              const frame = JSON.parse(String(data)) as Frame
              if (frame['id'] !== requestId) return
              client.ws.off('message', take)
              mine.set(frame['data'].subscriptionId as string, { query, value: frame['data'].data })
              resolve()
            }
            client.ws.prependListener('message', take)
            client.send({ ...queries[query], id: requestId, type: 'store.subscribe' })
          })
          replies.push(replied)
          break
        }
        case 'unsubscribe': {
          const [subscriptionId] = [...mine.keys()]
          if (subscriptionId === undefined) break
          await client.request('store.unsubscribe', { subscriptionId })
          mine.delete(subscriptionId)
          break
        }
        case 'breathe':
          await client.request('store.buckets')
      }
    }
    await Promise.all(replies)
    const truth = await Promise.all(
      queries.map(async query => await (clients[0] as TestClient).ask('store.query', query))
    )
    const stale = (): unknown[] =>
      known.flatMap(mine =>
        [...mine.values()].filter(
          ({ query, value }) => JSON.stringify(value) !== JSON.stringify(truth[query])
        )
      )
    for (let round = 0; round < 20 && stale().length > 0; round++) {
      await Promise.all(clients.map(async client => { await client.settled() }))
    }
    if (stale().length > 0) throw new Error(`stale: ${JSON.stringify({ stale: stale(), truth })}`)
    clients.forEach(client => { client.ws.terminate() })
  }), { numRuns: 40, endOnFailure: true }))
})
