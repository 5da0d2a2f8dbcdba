import type { Socket } from 'node:net'
import t from 'tap'
import type { AuditSink, SinkWriter } from '../../../lib/audit/sink.js'
import { everything, policy } from '../../support/audit-sinks.js'
import { Barrier } from '../../support/barrier.js'
import { framesOf } from '../../support/live-queries.js'
import { keysShown, LiveSocket } from '../../support/live-socket.js'
import { serve } from '../../support/service.js'
import { until } from '../../support/until.js'

t.test('a client that does not read is notified behind the pushes, once for several changes', async t => {
  for (const isDelta of [true, false]) {
    const backpressure = { maxBufferedBytes: 262_144, highWaterMark: 0.25 }
    const { url, store } = await serve(t, { backpressure })
    const client = await LiveSocket.open(t, url)
    const view = await client.watch({ find: { bucket: 'items', sort: { n: 'asc' }, limit: 3 } }, isDelta)
    const socket = (client.ws as unknown as { readonly _socket: Socket })._socket
    socket.pause()
    const text = 'x'.repeat(50_000)
    // More than the kernel takes.
    for (let i = 0; i < 200; i++) {
      await store.bucket('items').upsert({ id: 'filler', n: -1, name: `${i} ${text}` })
      await new Promise(resolve => { setImmediate(resolve) })
    }
    const replies = [1, 2, 3].map(async n => {
      const fields = { bucket: 'items', data: { id: `own${n}`, n: -1 - n }, revision: true }
      return (await client.connection.request('store.insert', fields))['revision'] as number
    })
    await until(async () => await store.bucket('items').get('own3') !== undefined)
    await new Promise(resolve => { setImmediate(resolve) })
    socket.resume()
    const revisions = await Promise.all(replies)
    await client.until(() => client.notices.includes(revisions[2] as number))
    t.same(client.notices, [revisions[2]])
    t.same(keysShown(view), ['own3', 'own2', 'own1'])
  }
})

/** A sink that makes nothing durable until a test lets it. */
class HeldSink implements AuditSink {
  readonly name = 'held'
  readonly policy = policy
  readonly barrier = new Barrier()

  async open (): Promise<SinkWriter> {
    return { write: async () => { await this.barrier.pass() }, close: async () => {} }
  }
}

t.test('where the reply waits for its audit entry, the notice waits for the reply', async t => {
  const sink = new HeldSink()
  const { connect, store } = await serve(t, { audit: { ...everything, tiers: ['write'], sinks: [sink] } })
  t.teardown(() => { sink.barrier.open() })
  const client = await connect()
  await client.ask('store.subscribe', { find: { bucket: 'items' }, delta: true })
  const frames = framesOf(client)
  const insert = { id: 90, type: 'store.insert', bucket: 'items', data: {}, revision: true }
  client.send(insert)
  await sink.barrier.held()
  const { revision } = store
  await client.push()
  await store.bucket('items').insert({})
  await client.push()
  sink.barrier.open()
  t.match(await client.next(({ id }) => id === 90), { type: 'result', revision })
  await client.next(({ event }) => event === 'revision')
  t.same(frames.map(({ type }) => type as string), ['push', 'push', 'result', 'system'])
})

t.test('a reply that is not sent as it is announces nothing', async t => {
  const barrier = new Barrier()
  t.teardown(() => { barrier.open() })
  const sink: AuditSink = {
    name: 'failing',
    policy,
    open: async ({ failing }) => ({
      write: async () => {
        failing(new Error('no space left'), 'ENOSPC')
        await barrier.pass()
      },
      close: async () => {}
    })
  }
  const { connect } = await serve(t, { audit: { ...everything, tiers: ['write'], sinks: [sink] } })
  const client = await connect()
  const reply = await client.request('store.insert', { bucket: 'items', data: {}, revision: true })
  t.match(reply, { type: 'error', details: { applied: true } })
  t.notOk('revision' in reply)
  await client.settled()
  t.same(client.waiting, [])
  barrier.open()
  await client.settled()
  t.same(client.waiting, [])
})

t.test('a connection that ends while it waits leaves nothing behind', async t => {
  const { url, store } = await serve(t)
  const barrier = new Barrier()
  let evaluations = 0
  store.defineQuery('held', async ctx => {
    evaluations++
    await ctx.bucket('items').count()
    await barrier.pass()
    return 'same'
  })
  t.teardown(() => { barrier.open() })
  const [client, other] = [await LiveSocket.open(t, url), await LiveSocket.open(t, url)]
  const watching = [client.watch({ query: 'held' }), other.watch({ query: 'held' })]
  await barrier.release()
  await Promise.all(watching)
  await client.connection.request('store.insert', { bucket: 'items', data: {}, revision: true })
  await barrier.held()
  client.drop()
  await until(async () => (await other.ask('server.connections')).length === 1)
  barrier.open()
  await other.settled()
  t.same([client.notices, other.notices, other.pushes, evaluations], [[], [], [], 2])
})
