import fc from 'fast-check'
import t from 'tap'
import type { QueryContext } from '@hamicek/noex-store'
import type { Frame, TestClient } from '../../support/client.js'
import { serve } from '../../support/service.js'
import { Barrier } from '../../support/barrier.js'
import { countItems, framesOf, insertItem, items, sortedById, subscribe } from '../../support/live-queries.js'

t.test('the order of result and pushes', t => {
  t.test('[G-E3] puts the result before the first push when another client writes meanwhile', async t => {
    const { connect, store } = await serve(t)
    const barrier = new Barrier()
    store.defineQuery('slow', async ctx => {
      const result = await countItems(ctx)
      await barrier.pass()
      return result
    })
    const [client, writer] = [await connect(), await connect()]
    const frames = framesOf(client)
    const reply = subscribe(client, 'slow')
    await barrier.held()
    await insertItem(writer, {})
    await insertItem(writer, {})
    await barrier.release()
    t.equal((await reply).data, 0)
    await barrier.release()
    t.equal((await client.push())['data'], 2)
    t.same(frames.map(frame => frame['type']), ['result', 'push'])
    barrier.open()
  })

  t.test('[G-E3] never sends a result older than an earlier push, under constant writing', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', countItems)
    const [client, writer] = [await connect(), await connect()]
    const frames = framesOf(client)
    const stop = new AbortController()
    const written = (async () => {
      for (let n = 0; !stop.signal.aborted; n++) await insertItem(writer, { n })
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

  t.test('[G-E3] gives a client that subscribes after a write a result that has it', async t => {
    const { connect, store } = await serve(t)
    const barrier = new Barrier()
    store.defineQuery('slow', async ctx => {
      const result = await countItems(ctx)
      await barrier.pass()
      return result
    })
    const [early, late] = [await connect(), await connect()]
    const first = subscribe(early, 'slow')
    await barrier.held()
    await insertItem(late, {})
    const second = subscribe(late, 'slow')
    barrier.open()
    t.equal((await first).data, 0)
    t.equal((await second).data, 1, 'not that of the evaluation that was under way')
    t.equal((await early.push())['data'], 1)
    await late.settled()
    t.same(late.waiting, [])
  })

  t.test('[G-E4] ends a slow query on the final state, one run at a time', async t => {
    const { connect, store } = await serve(t)
    const barrier = new Barrier()
    let running = 0
    store.defineQuery('slow', async ctx => {
      t.equal(++running, 1)
      const result = await countItems(ctx)
      await barrier.pass()
      running--
      return result
    })
    const client = await connect()
    const reply = subscribe(client, 'slow')
    await barrier.release()
    await reply
    await insertItem(client, {})
    await barrier.held()
    for (let n = 2; n <= 10; n++) await insertItem(client, {})
    await client.settled()
    t.equal(barrier.passed, 2, 'changes during a run wait')
    await barrier.release()
    t.equal((await client.push())['data'], 1)
    await barrier.release()
    t.equal((await client.push())['data'], 10)
    await client.settled()
    t.equal(barrier.passed, 3)
    t.same(client.waiting, [])
    barrier.open()
  })
  t.end()
})

t.test('[G-E5] clearing a bucket', t => {
  t.test('pushes the empty result', async t => {
    const { connect, store } = await serve(t)
    store.defineQuery('count', countItems)
    store.defineQuery<string>(
      'one',
      (async (ctx: QueryContext, id: string) => await ctx.bucket(items).get(id)) as never
    )
    const [client, writer] = [await connect(), await connect()]
    await insertItem(writer, { id: 'a' })
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
    store.defineQuery('count', countItems)
    store.defineQuery<string>(
      'one',
      (async (ctx: QueryContext, id: string) => await ctx.bucket(items).get(id)) as never
    )
    const client = await connect()
    await insertItem(client, { id: 'a' })
    await client.ask('store.insert', { bucket: 'notes', data: { id: 'n', item: 'a' } })
    const list = await subscribe(client, 'count')
    const one = await subscribe(client, 'one', 'a')
    await client.ask('store.clear', { bucket: items })
    t.equal((await client.push(list.subscriptionId))['data'], 0)
    t.equal((await client.push(one.subscriptionId))['data'], null)
  })
  t.end()
})

t.test('three clients in any interleaving each end up with the last state', async t => {
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

  const steps = fc.array(step, { minLength: 5, maxLength: 40 })
  await t.resolves(fc.assert(fc.asyncProperty(steps, async steps => {
    await store.bucket(items).deleteMany({})
    const clients = await Promise.all([connect(), connect(), connect()])
    /** The last data of each subscription of each client. */
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
