import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { FaultProxy, type Toxic } from './fault-proxy.js'

const MIB = 2 ** 20

interface Line {
  readonly proxy: FaultProxy
  readonly client: Socket
  /** The server's side of the connection. */
  readonly server: Socket
  /** The chunks that have arrived at the server. */
  readonly arrived: Buffer[]
}

/** A connection through a proxy, to a server that only listens. */
async function makeLine (t: Test, upstream?: Toxic): Promise<Line> {
  const listener = createServer({ allowHalfOpen: true })
  t.teardown(() => { listener.close() })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const proxy = await FaultProxy.start(t, (listener.address() as AddressInfo).port)
  if (upstream !== undefined) proxy.add('upstream', upstream)
  const accepted = once(listener, 'connection') as Promise<[Socket]>
  const client = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  client.on('error', () => {})
  t.teardown(() => { client.destroy() })
  await once(client, 'connect')
  const [server] = await accepted
  t.teardown(() => { server.destroy() })
  const arrived: Buffer[] = []
  server.on('error', () => {})
  server.on('data', (chunk: Buffer) => { arrived.push(chunk) })
  return { proxy, client, server, arrived }
}

/** Resolves when so many bytes have arrived, with the time that it took. */
async function bytesAt ({ server, arrived }: Line, count: number): Promise<number> {
  const began = performance.now()
  while (Buffer.concat(arrived).length < count) await once(server, 'data')
  return performance.now() - began
}

const numbered = Buffer.from(Array.from({ length: 10_000 }, (_, i) => i % 251))

t.test('without a toxic everything passes, in both directions, and so does the end', async t => {
  const line = await makeLine(t)
  line.client.write(numbered)
  await bytesAt(line, numbered.length)
  t.same(Buffer.concat(line.arrived), numbered)
  line.server.write('hello')
  t.equal(String((await once(line.client, 'data') as [Buffer])[0]), 'hello')
  line.client.end()
  await once(line.server, 'end')
  line.server.end('last words')
  t.equal(
    String(((await once(line.client, 'data')) as [Buffer])[0]),
    'last words',
    'the other direction is still open'
  )
  await once(line.client, 'close')
  while (line.proxy.size > 0) await new Promise(resolve => { setImmediate(resolve) })
})

t.test('latency delays, and nothing is lost', async t => {
  const line = await makeLine(t, { type: 'latency', delayMs: 80 })
  line.client.write(numbered)
  t.ok(await bytesAt(line, 1) >= 75)
  await bytesAt(line, numbered.length)
  t.same(Buffer.concat(line.arrived), numbered)
})

t.test('bandwidth slows down', async t => {
  const line = await makeLine(t, { type: 'bandwidth', bytesPerSecond: 40_000 })
  line.client.write(numbered)
  const took = await bytesAt(line, numbered.length)
  // The last piece has nothing to wait for.
  t.ok(took >= 140, `10,000 bytes took ${Math.round(took)} ms`)
  t.same(Buffer.concat(line.arrived), numbered)
})

t.test('slicer cuts the stream into pieces', async t => {
  const line = await makeLine(t, { type: 'slicer', bytes: 100, delayMs: 0 })
  line.client.write(numbered)
  await bytesAt(line, numbered.length)
  t.ok(line.arrived.length > 50, `${line.arrived.length} pieces`)
  t.same(Buffer.concat(line.arrived), numbered)
})

t.test('limit-data ends the connection after so many bytes', async t => {
  const line = await makeLine(t, { type: 'limit-data', bytes: 1_234 })
  line.client.write(numbered)
  await once(line.server, 'end')
  t.same(Buffer.concat(line.arrived), numbered.subarray(0, 1_234))
})

t.test('half-open lets nothing pass and ends no socket, until it is taken away', async t => {
  const line = await makeLine(t)
  const heal = line.proxy.add('upstream', { type: 'half-open' })
  line.client.end(numbered)
  // The other direction passes, so that there is something to wait for.
  line.server.write('hello')
  await once(line.client, 'data')
  t.same(line.arrived, [])
  t.notOk(line.server.readableEnded)
  heal()
  await once(line.server, 'end')
  t.same(Buffer.concat(line.arrived), numbered)
})

t.test('timeout lets nothing pass and then ends the connection', async t => {
  const line = await makeLine(t, { type: 'timeout', afterMs: 50 })
  line.client.write(numbered)
  await Promise.all([once(line.server, 'end'), once(line.client, 'end')])
  t.same(line.arrived, [])
})

t.test('reset resets both sides', async t => {
  const line = await makeLine(t)
  const ends = Promise.all([line.server, line.client].map(async socket => await once(socket, 'error')))
  line.proxy.add('downstream', { type: 'reset', afterMs: 10 })
  t.match(await ends, [[{ code: 'ECONNRESET' }], [{ code: 'ECONNRESET' }]])
})

t.test('a reset of one side is one of the other', async t => {
  const line = await makeLine(t)
  const end = once(line.server, 'error')
  line.client.resetAndDestroy()
  t.match(await end, [{ code: 'ECONNRESET' }])
})

t.test('the sender feels that nothing is read', async t => {
  const line = await makeLine(t, { type: 'half-open' })
  line.client.write(Buffer.alloc(64 * MIB))
  // The kernel takes a few megabytes, and no more.
  for (let stable = 0, last = -1; stable < 50; last = line.client.writableLength) {
    await new Promise(resolve => { setImmediate(resolve) })
    stable = line.client.writableLength === last ? stable + 1 : 0
  }
  t.ok(line.client.writableLength > 32 * MIB, `${line.client.writableLength} bytes are left`)
})
