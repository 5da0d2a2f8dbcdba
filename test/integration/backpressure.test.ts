import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { TestClient } from '../support/client.js'
import { isThorough } from '../support/sampled.js'
import { serve, type Served } from '../support/service.js'
import { defineSlowQuery } from '../support/slow-query.js'

const MIB = 2 ** 20

setFlagsFromString('--expose_gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Bytes of the JavaScript heap and of buffers that are in use. */
function used (): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** The client stops reading: what the server sends piles up in the kernel first and then in the server. */
function stopReading (client: TestClient): () => void {
  const socket = (client.ws as unknown as { _socket: Socket })._socket
  socket.pause()
  return () => { socket.resume() }
}

/** A query whose result is as long as the application says. */
function defineText (served: Served) {
  const state = { version: 0, length: 100_000, runs: 0 }
  served.store.defineQuery('text', async ctx => {
    state.runs++
    await ctx.bucket('items').count()
    return { version: state.version, filler: 'x'.repeat(state.length) }
  })
  const change = async (): Promise<void> => {
    state.version++
    await served.store.bucket('items').insert({ n: state.version })
  }
  return { state, change }
}

/**
 * Changes the result until the server holds bytes back for a client that does not read, or has cut it off:
 * then no client watches any more.
 */
async function fill (
  change: () => Promise<void>,
  runs: () => number,
  times = 120,
  served?: Served
): Promise<void> {
  const isWatched = (): boolean =>
    served === undefined ||
    served.app.noex.getConnections().some(({ storeSubscriptionCount }) => storeSubscriptionCount > 0)
  for (let i = 0; i < times && isWatched(); i++) {
    const before = runs()
    await change()
    while (runs() === before && isWatched()) await setImmediate()
  }
}

/** Of 900 kB each, that a client sends without waiting: far more than may be underway. */
const FRAMES = isThorough ? 300 : 100

t.test('[G-A5] a client that sends faster than it is served', t => {
  t.test('is read no further: memory stays bounded, and everything is answered in order later', async t => {
    const served = await serve(t)
    const barrier = defineSlowQuery(t, served.store)
    const client = await served.connect()
    const other = await served.connect()
    const filler = 'x'.repeat(900_000)
    client.send({ id: 1, type: 'store.query', query: 'slow' })
    await barrier.held()
    const before = used()
    let sent = 0
    // One frame after the other, so that nothing piles up on this side.
    const sending = (async () => {
      for (; sent < FRAMES; sent++) {
        const frame = JSON.stringify({
          id: 1_000 + sent,
          type: 'store.get',
          bucket: 'items',
          key: 'none',
          filler
        })
        await new Promise<void>(resolve => { client.ws.send(frame, () => { resolve() }) })
      }
    })()
    for (let stable = 0, last = -1; stable < 5; last = sent) {
      await other.settled()
      stable = sent === last ? stable + 1 : 0
    }
    t.ok(sent < 30, `${sent} of ${FRAMES} frames have left the client`)
    const grown = used() - before
    t.ok(grown < 64 * MIB, `the process grew by ${Math.round(grown / MIB)} MiB`)
    t.same(client.waiting, [])

    barrier.open()
    t.match(await client.next(frame => 'id' in frame), { id: 1, data: 'done' })
    for (let i = 0; i < FRAMES; i++) {
      t.match(await client.next(frame => 'id' in frame), { id: 1_000 + i, type: 'result', data: null })
    }
    await sending
  })

  t.test('may send any number of small frames', async t => {
    const served = await serve(t)
    const barrier = defineSlowQuery(t, served.store)
    const client = await served.connect()
    client.send({ id: 1, type: 'store.query', query: 'slow' })
    await barrier.held()
    for (let id = 2; id <= 5_000; id++) client.send({ id, type: 'store.buckets' })
    await (await served.connect()).settled()
    barrier.open()
    for (let id = 1; id <= 5_000; id++) {
      const frame = await client.next()
      if (frame['id'] !== id) t.equal(frame['id'], id)
    }
    await client.settled()
    t.same(client.waiting, [])
  })

  t.test('does not hold up the others', async t => {
    const served = await serve(t)
    const barrier = defineSlowQuery(t, served.store)
    const client = await served.connect()
    const other = await served.connect()
    client.send({ id: 1, type: 'store.query', query: 'slow' })
    await barrier.held()
    for (let id = 2; id <= 1_000; id++) client.send({ id, type: 'store.buckets' })
    t.match(await other.ask('store.insert', { bucket: 'items', data: { n: 1 } }), { n: 1 })
    barrier.open()
    await client.next(frame => frame['id'] === 1_000)
  })
  t.end()
})

t.test('[G-E1] a client that does not read', t => {
  t.test('gets no pushes above the mark, and the newest state when it reads again [G-E2]', async t => {
    const served = await serve(t, { backpressure: { maxBufferedBytes: 1_000_000, drainTimeoutMs: 60_000 } })
    const { state, change } = defineText(served)
    const [client, other] = [await served.connect(), await served.connect()]
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'text' })
    await other.ask('store.subscribe', { query: 'text' })
    const read = stopReading(client)
    await fill(change, () => state.runs, 200)
    await other.next(frame => frame['data']?.version === 200)

    read()
    const pushes = [await client.push(subscriptionId)]
    while (pushes.at(-1)?.['data'].version !== 200) pushes.push(await client.push(subscriptionId))
    t.ok(pushes.length < 150, `${pushes.length} of 200 states were sent`)
    const versions = pushes.map(push => push['data'].version as number)
    t.same(versions, [...versions].sort((a, b) => a - b), 'in order')
    await client.settled()
    t.same(client.waiting, [], 'the newest state came last')
    await change()
    t.equal((await client.push())['data'].version, 201, 'and pushes go on')
  })

  t.test('costs the server no more than its bound', async t => {
    const served = await serve(t, { backpressure: { maxBufferedBytes: 1_000, drainTimeoutMs: 60_000 } })
    const { state, change } = defineText(served)
    state.length = 1_000_000
    const client = await served.connect()
    await client.ask('store.subscribe', { query: 'text' })
    const read = stopReading(client)
    const before = used()
    await fill(change, () => state.runs, 100)
    const grown = used() - before
    t.ok(grown < 32 * MIB, `the process grew by ${Math.round(grown / MIB)} MiB`)
    read()
    await client.next(frame => frame['data']?.version === 100)
  })

  t.test('gets every reply, and is read no further until it has read them', async t => {
    const served = await serve(t, { backpressure: { maxBufferedBytes: 200_000, drainTimeoutMs: 60_000 } })
    const { store } = served
    await store.bucket('items').insert({ id: 'long', name: 'x'.repeat(100_000) })
    const client = await served.connect()
    const read = stopReading(client)
    const other = await served.connect()
    const before = used()
    for (let id = 1; id <= 500; id++) client.send({ id, type: 'store.get', bucket: 'items', key: 'long' })
    client.send({ id: 501, type: 'store.insert', bucket: 'items', data: { id: 'last' } })
    for (let i = 0; i < 50; i++) await other.settled()
    t.equal(await store.bucket('items').get('last'), undefined, 'the last request waits')
    t.ok(used() - before < 32 * MIB)
    read()
    for (let id = 1; id <= 501; id++) {
      const reply = await client.next()
      if (reply['id'] !== id || reply['type'] !== 'result') t.match(reply, { id, type: 'result' })
    }
    t.match(await store.bucket('items').get('last'), { id: 'last' })
  })

  t.test(
    'is closed with 1013 when it stays above the mark for too long, and harms no other client',
    async t => {
      const served = await serve(t, { backpressure: { maxBufferedBytes: 100_000, drainTimeoutMs: 150 } })
      const { state, change } = defineText(served)
      const [client, other] = [await served.connect(), await served.connect()]
      await client.ask('store.subscribe', { query: 'text' })
      await other.ask('store.subscribe', { query: 'text' })
      const read = stopReading(client)
      await fill(change, () => state.runs, 100)
      await other.next(frame => frame['data']?.version === 100)
      // Its subscription ends with the close; the socket follows when the close frame has its answer or its
      // deadline.
      while (
        served.app.noex.getConnections().some(connection => connection.storeSubscriptionCount === 0) === false
      ) {
        await other.settled()
      }
      read()
      t.same(await client.closed, { code: 1013, reason: 'slow_consumer' })
      await change()
      await other.next(frame => frame['data']?.version === 101)
      while (served.app.noex.connectionCount > 1) await other.settled()
      t.ok(other.ws.readyState === other.ws.OPEN)
    }
  )

  t.test('is cut off when it reads nothing even then', async t => {
    const served = await serve(t, { backpressure: { maxBufferedBytes: 100_000, drainTimeoutMs: 100 } })
    const { state, change } = defineText(served)
    const [client, other] = [await served.connect(), await served.connect()]
    await client.ask('store.subscribe', { query: 'text' })
    stopReading(client)
    await fill(change, () => state.runs, 100, served)
    while (served.app.noex.connectionCount > 1) await other.settled()
    t.equal((await served.app.noex.getStats()).connections.totalStoreSubscriptions, 0)
  })

  t.test('is not closed while it reads, however slowly it comes below the mark the first time', async t => {
    const served = await serve(t, { backpressure: { maxBufferedBytes: 100_000, drainTimeoutMs: 60_000 } })
    const { state, change } = defineText(served)
    const client = await served.connect()
    await client.ask('store.subscribe', { query: 'text' })
    for (let round = 1; round <= 3; round++) {
      const read = stopReading(client)
      await fill(change, () => state.runs, 60)
      read()
      await client.next(frame => frame['data']?.version === 60 * round)
    }
    t.equal(client.ws.readyState, client.ws.OPEN)
  })

  t.test('gets what was pushed in the tick of a long reply too', async t => {
    const served = await serve(t, { backpressure: { maxBufferedBytes: 1_000 } })
    const { store } = served
    store.defineQuery('count', async ctx => await ctx.bucket('items').count())
    await store.bucket('items').insert({ id: 'long', name: 'x'.repeat(50_000) })
    const client = await served.connect()
    await client.ask('store.subscribe', { query: 'count' })
    for (let n = 2; n <= 60; n++) {
      client.send({ id: 1_000 + n, type: 'store.insert', bucket: 'items', data: { n } })
      client.send({ id: 2_000 + n, type: 'store.get', bucket: 'items', key: 'long' })
    }
    await client.next(frame => frame['id'] === 2_060)
    await client.next(frame => frame['type'] === 'push' && frame['data'] === 60)
  })
  t.end()
})

t.test('the heartbeat', t => {
  t.test('pings with the time of the server and goes on while pongs come', async t => {
    const { connect } = await serve(t, { heartbeat: { intervalMs: 40, timeoutMs: 1_000 } })
    const client = await connect()
    const ping = await client.next(frame => frame['type'] === 'ping')
    t.same(Object.keys(ping), ['type', 'timestamp'])
    t.ok(Math.abs(Date.now() - ping['timestamp']) < 5_000)
    for (let i = 0; i < 4; i++) await client.next(frame => frame['type'] === 'ping')
    t.equal(client.ws.readyState, client.ws.OPEN)
  })

  t.test('[G-I4] closes a client that stays silent for timeoutMs, long before the next ping', async t => {
    const { connect } = await serve(t, { heartbeat: { intervalMs: 1_000, timeoutMs: 50 } })
    const client = await connect()
    client.answersPings = false
    await client.next(frame => frame['type'] === 'ping')
    const pinged = performance.now()
    t.same(await client.closed, { code: 4001, reason: 'heartbeat_timeout' })
    const waited = performance.now() - pinged
    t.ok(waited > 40 && waited < 900, `closed after ${Math.round(waited)} ms`)
  })

  t.test('[G-I4] looks at the next ping when timeoutMs is no shorter than the interval', async t => {
    const { connect } = await serve(t, { heartbeat: { intervalMs: 150, timeoutMs: 30_000 } })
    const client = await connect()
    client.answersPings = false
    await client.next(frame => frame['type'] === 'ping')
    const pinged = performance.now()
    t.same(await client.closed, { code: 4001, reason: 'heartbeat_timeout' })
    t.ok(performance.now() - pinged > 130)
    t.same(client.waiting, [], 'there was no second ping')
  })

  t.test('[G-I5] takes a pong with a clock that is behind, and any other frame', async t => {
    const { connect } = await serve(t, { heartbeat: { intervalMs: 60, timeoutMs: 2_000 } })
    const [skewed, busy] = [await connect(), await connect()]
    skewed.answersPings = busy.answersPings = false
    for (let i = 0; i < 40; i++) {
      const { timestamp } = await skewed.next(frame => frame['type'] === 'ping')
      skewed.send({ type: 'pong', timestamp: timestamp - 3_600_000 })
      await busy.next(frame => frame['type'] === 'ping')
      await busy.ask('store.buckets')
    }
    t.equal(skewed.ws.readyState, skewed.ws.OPEN)
    t.equal(busy.ws.readyState, busy.ws.OPEN)
  })

  t.test('[G-I5] is not switched off by a pong with a huge timestamp', async t => {
    const { connect } = await serve(t, { heartbeat: { intervalMs: 60, timeoutMs: 60 } })
    const client = await connect()
    client.answersPings = false
    client.send({ type: 'pong', timestamp: 1e15 })
    await client.next(frame => frame['type'] === 'ping')
    client.send({ type: 'pong', timestamp: 1e15 })
    t.same(await client.closed, { code: 4001, reason: 'heartbeat_timeout' })
  })

  t.test('[G-I6] does not take a slow request for silence', async t => {
    const served = await serve(t, { heartbeat: { intervalMs: 40, timeoutMs: 200 } })
    const barrier = defineSlowQuery(t, served.store)
    const client = await served.connect()
    const reply = client.ask('store.query', { query: 'slow' })
    await barrier.held()
    for (let i = 0; i < 10; i++) await client.next(frame => frame['type'] === 'ping')
    barrier.open()
    t.equal(await reply, 'done')
    t.equal(client.ws.readyState, client.ws.OPEN)
  })

  t.test('[G-I6] does not take it for silence that the server has stopped reading', async t => {
    const served = await serve(t, { heartbeat: { intervalMs: 40, timeoutMs: 30 } })
    const barrier = defineSlowQuery(t, served.store)
    const client = await served.connect()
    client.send({ id: 1_000, type: 'store.query', query: 'slow' })
    await barrier.held()
    for (let id = 1_001; id <= 3_000; id++) client.send({ id, type: 'store.buckets' })
    for (let i = 0; i < 8; i++) await client.next(frame => frame['type'] === 'ping')
    barrier.open()
    await client.next(frame => frame['id'] === 3_000)
    for (let i = 0; i < 3; i++) await client.next(frame => frame['type'] === 'ping')
    t.equal(client.ws.readyState, client.ws.OPEN)
  })

  t.test('[G-I6] does not take a stall of its own process for silence', async t => {
    const { connect } = await serve(t, { heartbeat: { intervalMs: 60, timeoutMs: 50 } })
    const client = await connect()
    client.answersPings = false
    const { timestamp } = await client.next(frame => frame['type'] === 'ping')
    client.send({ type: 'pong', timestamp })
    for (const end = performance.now() + 90; performance.now() < end;);
    client.answersPings = true
    for (let i = 0; i < 3; i++) await client.next(frame => frame['type'] === 'ping')
    t.equal(client.ws.readyState, client.ws.OPEN)
  })

  t.test('keeps no timer of a client that has gone', async t => {
    const { connect, app } = await serve(t, { heartbeat: { intervalMs: 20, timeoutMs: 10 } })
    const [client, other] = [await connect(), await connect()]
    client.ws.close()
    await once(client.ws, 'close')
    for (let i = 0; i < 3; i++) await other.next(frame => frame['type'] === 'ping')
    t.equal(app.noex.connectionCount, 1)
  })
  t.end()
})
