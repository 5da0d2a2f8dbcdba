import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import type { NoexOptions } from '../../lib/index.js'
import { serve, type Served } from '../support/service.js'
import { RawSocket } from '../support/raw-socket.js'

const RECORDS = 5_000

/** Serves a bucket whose records make some 2 MB of JSON, not all of it ASCII. */
async function serveMany (
  t: Test, options?: Omit<NoexOptions, 'store'>, settings?: Parameters<typeof serve>[2]
): Promise<Served> {
  const served = await serve(t, options, settings)
  const records = Array.from(
    { length: RECORDS }, (_, n) => ({ id: `item-${n}`, n, name: `${'x'.repeat(250)} š😀 ${n}` })
  )
  await served.store.bucket('items').insertMany(records)
  return served
}

interface ServerFrame {
  readonly opcode: number
  readonly isFinal: boolean
  readonly payload: Buffer
}

/**
 * The frames of a server in what a raw socket has received after its upgrade, as far as they are complete.
 */
function framesIn (received: string): ServerFrame[] {
  const bytes = Buffer.from(received, 'latin1')
  const frames: ServerFrame[] = []
  for (let offset = bytes.indexOf('\r\n\r\n') + 4; offset + 10 <= bytes.length;) {
    const first = bytes[offset] as number
    const short = bytes[offset + 1] as number
    const start = offset + (short < 126 ? 2 : short === 126 ? 4 : 10)
    const long = short === 126 ? bytes.readUInt16BE(offset + 2) : bytes.readUInt32BE(offset + 6)
    const length = short < 126 ? short : long
    if (start + length > bytes.length) break
    frames.push(
      { opcode: first & 0x0f, isFinal: (first & 0x80) !== 0, payload: bytes.subarray(start, start + length) }
    )
    offset = start + length
  }
  return frames
}

t.test('a big reply', t => {
  t.test('is one message, and replies keep their order', async t => {
    const { connect, store } = await serveMany(t)
    const client = await connect()
    const [before, all, behind, page] = await Promise.all([
      client.request('store.count', { bucket: 'items' }), client.request('store.all', { bucket: 'items' }),
      client.request('store.get', { bucket: 'items', key: 'item-1' }), client.request(
        'store.first', { bucket: 'items', n: 4_000 }
      )
    ])
    t.match(before, { data: RECORDS })
    t.strictSame(all['data'], await store.bucket('items').all())
    t.match(behind, { data: { id: 'item-1' } })
    t.equal(page['data'].length, 4_000)
    const messages: string[] = []
    client.ws.on('message', data => messages.push(String(data).slice(0, 8)))
    for (let id = 100; id < 110; id++) {
      client.ws.send(
        JSON.stringify({ id, type: id % 2 === 0 ? 'store.all' : 'store.count', bucket: 'items' })
      )
    }
    while (messages.length < 10) await once(client.ws, 'message')
    t.same(messages, Array.from({ length: 10 }, (_, i) => `{"id":${100 + i}`.slice(0, 8)))
  })

  t.test('comes in fragments, between which nothing but control frames may be', async t => {
    const { port } = await serveMany(t)
    const raw = await RawSocket.upgrade(t, port)
    await raw.until(/"type":"welcome"/)
    raw.sendFrame('{"id":1,"type":"store.all","bucket":"items"}')
    raw.sendFrame('{"id":2,"type":"store.count","bucket":"items"}')
    raw.sendFrame('probe', 0x89)
    await raw.until(/"id":2,"type":"result"/)
    const [welcome, ...frames] = framesIn(raw.received)
    t.match(welcome, { opcode: 1, isFinal: true })
    const data = frames.filter(({ opcode }) => opcode < 8)
    const big = data.slice(0, -1)
    t.ok(big.length > 10, `${big.length} fragments`)
    t.same(
      big.map(({ opcode, isFinal }) => [opcode, isFinal]),
      big.map((_, i) => [i === 0 ? 1 : 0, i === big.length - 1])
    )
    t.equal(JSON.parse(Buffer.concat(big.map(({ payload }) => payload)).toString()).data.length, RECORDS)
    t.match(data.at(-1), { opcode: 1, isFinal: true })
    t.same(
      frames.filter(({ opcode }) => opcode === 10).map(({ payload }) => String(payload)),
      ['probe'],
      'the ping is answered'
    )
  })

  t.test('that is smaller comes in one frame', async t => {
    const { port } = await serveMany(t)
    const raw = await RawSocket.upgrade(t, port)
    await raw.until(/"type":"welcome"/)
    raw.sendFrame('{"id":1,"type":"store.first","bucket":"items","n":500}')
    raw.sendFrame('{"id":2,"type":"store.count","bucket":"items"}')
    await raw.until(/"id":2,"type":"result"/)
    t.same(
      framesIn(raw.received).map(({ opcode, isFinal }) => [opcode, isFinal]),
      [[1, true], [1, true], [1, true]]
    )
  })

  t.test('is followed by the close frame when the server stops in the middle', async t => {
    const { app, connect, store } = await serveMany(t)
    for (let i = 0; i < 5; i++) {
      await store.bucket('items').insertMany(
        Array.from({ length: RECORDS }, (_, n) => ({ n, name: 'y'.repeat(300) }))
      )
    }
    const client = await connect()
    const socket = (client.ws as unknown as { _socket: Socket })._socket
    const reply = client.request('store.all', { bucket: 'items' })
    await once(socket, 'data')
    socket.pause()
    const closing = app.close()
    socket.resume()
    t.equal((await reply)['data'].length, RECORDS * 6)
    t.match(await client.closed, { code: 1000 })
    await closing
  })

  t.test('ends with the connection of a client that does not read', async t => {
    const { app, connect, store } = await serveMany(
      t, { backpressure: { maxBufferedBytes: 500_000, drainTimeoutMs: 300 } }
    )
    for (let i = 0; i < 5; i++) {
      await store.bucket('items').insertMany(
        Array.from({ length: RECORDS }, (_, n) => ({ n, name: 'y'.repeat(2_000) }))
      )
    }
    const client = await connect()
    ;(client.ws as unknown as { _socket: Socket })._socket.pause()
    client.ws.send('{"id":1,"type":"store.all","bucket":"items"}')
    while (app.noex.connectionCount > 0) await setImmediate()
    t.equal(app.noex.connectionCount, 0)
  })

  t.test('reaches a client that reads slowly, as long as it reads', async t => {
    const backpressure = { maxBufferedBytes: 100_000, drainTimeoutMs: 1_000 }
    const { connect } = await serveMany(t, { backpressure }, {
      before (app) { app.server.on('connection', (socket: Socket) => { socket.setNoDelay(true) }) }
    })
    const client = await connect()
    const socket = (client.ws as unknown as { _socket: Socket })._socket
    const reply = client.request('store.all', { bucket: 'items' })
    const arrived = reply.then(() => true)
    do {
      socket.pause()
      await new Promise(resolve => setTimeout(resolve, 20))
      socket.resume()
    } while (!await Promise.race([arrived, once(socket, 'data').then(() => false)]))
    t.equal((await reply)['data'].length, RECORDS)
    t.equal(client.ws.readyState, WebSocket.OPEN)
    t.match(await client.request('store.count', { bucket: 'items' }), { data: RECORDS }, 'and then goes on')
  })
  t.end()
})

t.test('a big reply to a change comes before the pushes that the change causes', async t => {
  const { connect, store } = await serve(t)
  store.defineQuery('size', async context => await context.bucket('items').count())
  const client = await connect()
  await client.request('store.subscribe', { query: 'size' })
  const order: string[] = []
  client.ws.on('message', data => { order.push(String(JSON.parse(String(data)).type)) })
  const data = Array.from({ length: 10_000 }, (_, n) => ({ n, name: 'x'.repeat(80) }))
  t.equal((await client.request('store.insertMany', { bucket: 'items', data }))['data'].length, 10_000)
  const operations = Array.from(
    { length: 5 }, (_, i) => ({ op: 'insertMany', bucket: 'items', data: data.slice(0, 1_000 + i) })
  )
  t.equal((await client.request('store.transaction', { operations }))['data'].results.length, 5)
  t.match(await client.next(({ data }) => data === 15_010), { type: 'push' })
  t.same(order, ['result', 'push', 'result', 'push'])
})

t.test('workBudget', t => {
  t.test('refuses what takes more, by its name, and takes what does not', async t => {
    const { connect, store } = await serveMany(t, { workBudget: 10_000 })
    store.defineDeclarativeQuery('named', { bucket: 'items', filter: { name: 'a', n: { $gt: 1, $lt: 5 } } })
    const client = await connect()
    const bucket = 'items'
    const conditions = { n: { $gte: 0, $lte: 9, $neq: 4 } }
    const count = { op: 'count', bucket, filter: { n: { $gte: 0 } } }
    const heavy: ReadonlyArray<readonly [string, object]> = [
      ['store.where', { bucket, filter: conditions }],
      // One that is found at the beginning costs no more than the way there.
      ['store.findOne', { bucket, filter: { n: { $gte: 1e9, $lte: 2e9, $neq: 4 } } }],
      ['store.count', { bucket, filter: conditions }],
      ['store.sum', { bucket, field: 'n', filter: conditions }],
      ['store.groupBy', { bucket, field: ['n', 'name'], aggregate: { function: 'count' } }],
      ['store.updateMany', { bucket, filter: conditions, data: { n: -1 } }],
      ['store.deleteMany', { bucket, filter: conditions }],
      ['store.query', { query: 'named' }],
      ['store.transaction', { operations: Array.from({ length: 3 }, () => count) }]
    ]
    for (const [type, fields] of heavy) {
      t.match(
        await client.request(type, fields),
        {
          type: 'error',
          code: 'VALIDATION_ERROR',
          message: /workBudget of 10000 /,
          details: { workBudget: 10_000 }
        },
        type
      )
    }
    t.match(
      await client.request('store.where', { bucket, filter: { n: { $gte: 0, $lte: 1 } } }),
      { data: [{ n: 0 }, { n: 1 }] }
    )
    t.match(
      await client.request(
        'store.transaction', { operations: Array.from({ length: 2 }, () => count) }
      ),
      { type: 'result' }
    )
    t.equal(await store.bucket(bucket).count({ n: -1 }), 0)
  })

  t.test('is one for all steps of a procedure', async t => {
    const { connect } = await serveMany(t, {
      workBudget: 12_000,
      procedures: {
        definitions: [2, 3].flatMap(times => [true, false].map(transaction => ({
          name: `count-${times}-${transaction}`,
          transaction,
          steps: Array.from(
            { length: times },
            (_, i) => (
              { action: 'store.count' as const, bucket: 'items', filter: { n: { $gte: 0 } }, as: `c${i}` }
            )
          )
        })))
      }
    })
    const client = await connect()
    for (const transaction of [true, false]) {
      t.match(
        await client.request('procedures.call', { name: `count-2-${transaction}` }),
        { data: { results: { c0: RECORDS, c1: RECORDS } } }
      )
      t.match(
        await client.request('procedures.call', { name: `count-3-${transaction}` }),
        { code: 'VALIDATION_ERROR', message: /workBudget/ }
      )
    }
  })

  t.test('costs the rate limit by the work that is done', async t => {
    const { connect } = await serveMany(
      t, { rateLimit: { maxRequests: 10, windowMs: 60_000, costs: { work: 1_000 } } }
    )
    const client = await connect()
    t.match(await client.request('store.count', { bucket: 'items', filter: { n: 1 } }), { data: 1 })
    for (let i = 0; i < 4; i++) {
      t.match(
        await client.request('store.count', { bucket: 'items' }),
        { data: RECORDS },
        'one request, and five for its work, leave four'
      )
    }
    t.match(await client.request('store.count', { bucket: 'items' }), { code: 'RATE_LIMITED' })
  })

  t.test('may be used up by one request; then the user waits for the next window', async t => {
    const { connect } = await serveMany(
      t, { rateLimit: { maxRequests: 3, windowMs: 60_000, costs: { work: 1_000 } } }
    )
    const client = await connect()
    t.match(await client.request('store.all', { bucket: 'items' }), { type: 'result' })
    const refused = await client.request('store.count', { bucket: 'items' })
    t.match(refused, { code: 'RATE_LIMITED', details: { retryAfterMs: Number } })
    t.ok(refused['details'].retryAfterMs > 50_000)
  })
  t.end()
})

t.test('insertMany costs the rate limit by its records', async t => {
  const records = (count: number): object[] => Array.from({ length: count }, (_, n) => ({ n }))
  const { connect } = await serve(t, { rateLimit: { maxRequests: 10, windowMs: 60_000 } })
  const client = await connect()
  t.match(await client.request('store.insertMany', { bucket: 'items', data: records(5) }), { type: 'result' })
  const operations = [
    { op: 'insertMany', bucket: 'items', data: records(4) }, { op: 'count', bucket: 'items' }
  ]
  t.match(
    await client.request('store.insertMany', { bucket: 'items', data: records(6) }), { code: 'RATE_LIMITED' }
  )
  t.match(await client.request('store.transaction', { operations }), { type: 'result' })
  t.match(
    await client.request('store.count', { bucket: 'items' }), { code: 'RATE_LIMITED' }, 'five, one, and four'
  )

  t.test('up to a whole window, so that a batch of any size passes', async t => {
    const { connect } = await serve(t, { rateLimit: { maxRequests: 10, windowMs: 60_000 } })
    const client = await connect()
    t.match(
      await client.request('store.insertMany', { bucket: 'items', data: records(100) }), { type: 'result' }
    )
    t.match(await client.request('store.count', { bucket: 'items' }), { code: 'RATE_LIMITED' })
  })

  t.test('times what is set for it', async t => {
    const { connect } = await serve(
      t,
      {
        rateLimit: { maxRequests: 10, windowMs: 60_000, costs: { 'store.insertMany': 0, 'store.count': 10 } }
      }
    )
    const client = await connect()
    for (const data of [records(100), 'nonsense']) {
      await client.request(
        'store.insertMany', { bucket: 'items', data }
      )
    }
    t.match(await client.request('store.count', { bucket: 'items' }), { data: 100 })
  })
})

t.test('a burst of large reads lets others have their turn', async t => {
  const { connect, url } = await serveMany(t)
  const busy = new WebSocket(url)
  await once(busy, 'open')
  const client = await connect()
  const done: unknown[] = []
  busy.on('message', data => { done.push(data) })
  for (let id = 1; id <= 40; id++) {
    busy.send(
      JSON.stringify({ id, type: 'store.where', bucket: 'items', filter: { n: { $gte: id } } })
    )
  }
  let answered = 0
  while (done.length < 20) {
    t.match(await client.request('store.get', { bucket: 'items', key: 'item-1' }), { type: 'result' })
    answered++
  }
  t.ok(answered > 15, `${answered} answers to one while another got ${done.length}`)
  busy.terminate()
})
