import { once } from 'node:events'
import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { ask, EventClient, streamRoutes } from '../../support/events.js'
import { Barrier } from '../../support/barrier.js'
import { RawSocket } from '../../support/raw-socket.js'
import { serve } from '../../support/service.js'
import { until } from '../../support/until.js'
import { watchUncaughtErrors } from '../../support/uncaught-errors.js'

const count = '{"id":1,"type":"store.count","bucket":"items"}'

/** A POST whose body the test sends bit by bit. */
function slowPost (port: number, id: string, headers: Record<string, string> = {}): ClientRequest {
  const sent = request({
    port,
    host: '127.0.0.1',
    path: '/rpc',
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'application/json', 'noex-stream': id, ...headers }
  })
  sent.on('error', () => {})
  sent.flushHeaders()
  return sent
}

t.test('a POST for a stream that there is not gets 404, also where its id looks odd', async t => {
  const { port } = await serve(t, { routes: streamRoutes })
  const client = await EventClient.open(t, port)
  const ids = [
    '', ' ', 'x', '__proto__', 'constructor', 'toString', client.id.slice(1), `${client.id}x`,
    `${client.id},`, client.id.toUpperCase(), `node1.${client.id}`, 'x'.repeat(8_000), '../../etc/passwd',
    '\u00ff\u00fe', '%00', `${client.id}, ${client.id}`
  ]
  for (const id of ids) {
    const answer = await client.post(count, { 'noex-stream': id })
    t.match(answer, { status: 404, body: /open a new one/ }, id.slice(0, 30))
  }
  const twice = await client.post(count, { 'noex-stream': [client.id, client.id] as unknown as string })
  t.equal(twice.status, 404, 'twice')
  t.equal((await client.post(count)).status, 202)
})

t.test('only application/json is taken: a page of another site must ask before sending that', async t => {
  const { port } = await serve(t, { routes: streamRoutes })
  const client = await EventClient.open(t, port)
  const insert = '{"id":1,"type":"store.insert","bucket":"items","data":{}}'
  const bodies: ReadonlyArray<string | Buffer> = [
    '', ' ', '[', `[${insert}`, `[${insert},]`, `[,${insert}]`, `[${insert}]]`, `[${insert}] x`,
    `[${insert}}`, `[${insert},"`, `[${insert}, ,${insert}]`, Buffer.from(`[${insert},"\xff"]`, 'latin1'),
    `[${Array(1_001).fill(insert).join()}]`, Buffer.from([0xff, 0xfe])
  ]
  for (const body of bodies) {
    t.equal((await client.post(body)).status, 400, JSON.stringify(String(body).slice(0, 40)))
  }
  t.equal((await client.post(gzipSync(insert), { 'content-encoding': 'gzip' })).status, 400)
  t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
  t.equal((await client.post(`[${Array(1_000).fill(count).join()}]`)).status, 202)
})

t.test('only application/json is taken: a page of another site must ask before it sends that', async t => {
  const { port } = await serve(t, { routes: streamRoutes })
  const client = await EventClient.open(t, port)
  const simple = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']
  for (const type of [...simple, 'application/xml']) {
    t.equal((await client.post(count, { 'content-type': type })).status, 415, type)
  }
  t.equal((await client.post(count, { 'content-type': 'application/json; charset=utf-8' })).status, 202)
})

t.test('a message that is too long ends its stream, as it does a WebSocket', async t => {
  const { port } = await serve(t, { routes: streamRoutes, maxPayloadBytes: 50_000 })
  const long = `{"id":1,"type":"store.count","bucket":"${'x'.repeat(60_000)}"}`
  const announced = await EventClient.open(t, port)
  t.equal((await announced.post(long)).status, 413)
  t.match(await announced.closed(), { code: 1009, reason: '' })

  const chunked = await EventClient.open(t, port)
  const sent = slowPost(port, chunked.id, { 'transfer-encoding': 'chunked' })
  sent.write(long)
  const [response] = await once(sent, 'response') as [IncomingMessage]
  t.equal(response.statusCode, 413)
  t.match(await chunked.closed(), { code: 1009 })

  const small = await serve(t, { routes: streamRoutes, maxPayloadBytes: 100 })
  const several = await EventClient.open(t, small.port)
  t.equal((await several.post(`[${Array(100).fill(count).join()}]`)).status, 202, 'each by itself is short')
  t.equal((await several.post(`[${count},${JSON.stringify('x'.repeat(100))}]`)).status, 404)
  t.match(await several.closed(), { code: 1009 })
})

t.test('one POST at a time sends messages: another one meanwhile gets 409', async t => {
  const { port } = await serve(t, { routes: streamRoutes })
  const client = await EventClient.open(t, port)
  const slow = slowPost(port, client.id)
  slow.write('[')
  await until(async () => (await client.post(count)).status === 409)
  slow.end(`${count}]`)
  const [response] = await once(slow, 'response') as [IncomingMessage]
  t.equal(response.statusCode, 202)
  t.equal((await client.post(count)).status, 202)
})

t.test('a POST that is broken off leaves the next one its turn, and nothing of it is done', async t => {
  const uncaught = watchUncaughtErrors(t)
  const { port } = await serve(t, { routes: streamRoutes })
  const client = await EventClient.open(t, port)
  const broken = slowPost(port, client.id, { 'content-length': '500' })
  broken.write(count)
  await until(async () => (await client.post('[]')).status === 409)
  broken.destroy()
  await until(async () => (await client.post('[]')).status === 202)
  t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
  t.same(uncaught, [])
})

t.test('a POST whose body does not come is answered 408, and the next one has its turn', async t => {
  const { port } = await serve(t, { routes: streamRoutes }, { fastify: { handlerTimeout: 200 } })
  const client = await EventClient.open(t, port)
  const slow = slowPost(port, client.id)
  slow.write('[')
  const [response] = await once(slow, 'response') as [IncomingMessage]
  t.ok([408, 503].includes(response.statusCode ?? 0), 'ours, or that of the application')
  slow.destroy()
  await until(async () => (await client.post('[]')).status === 202)
})

t.test('a POST is answered when its messages have been read: what a client may send is bounded', async t => {
  const served = await serve(t, { routes: streamRoutes })
  const barrier = new Barrier()
  served.store.defineQuery('slow', async () => { await barrier.pass() })
  const client = await EventClient.open(t, served.port)
  await client.post('{"id":0,"type":"store.query","query":"slow"}')
  await barrier.held()
  let isAnswered = false
  const posted = client.post(`[${Array(400).fill(count).join()}]`).finally(() => { isAnswered = true })
  await until(async () => (await client.post('[]')).status === 409)
  t.equal((await (await EventClient.open(t, served.port)).ask('store.count', { bucket: 'items' })), 0)
  t.equal(isAnswered, false, 'some of them wait')
  barrier.open()
  t.equal((await posted).status, 202)
  for (let i = 0; i < 400; i++) await client.next(({ id }) => id === 1)
})

t.test('a POST whose stream ends while it waits gets 404', async t => {
  const served = await serve(t, { routes: streamRoutes })
  const barrier = new Barrier()
  t.teardown(() => { barrier.open() })
  served.store.defineQuery('slow', async () => { await barrier.pass() })
  const client = await EventClient.open(t, served.port)
  await client.post('{"id":0,"type":"store.query","query":"slow"}')
  await barrier.held()
  const posted = client.post(`[${Array(400).fill(count).join()}]`)
  await until(async () => (await client.post('[]')).status === 409)
  client.events.leave()
  t.equal((await posted).status, 404)
})

t.test('requests behind a stream on its own socket, and other odd clients, do no harm', async t => {
  const uncaught = watchUncaughtErrors(t)
  const { port, app } = await serve(t, { routes: streamRoutes })
  const pipelined = await RawSocket.open(t, port)
  pipelined.request('GET /events HTTP/1.1', 'Host: x')
  await pipelined.until(/welcome/)
  for (let i = 0; i < 20; i++) pipelined.request('GET /healthz HTTP/1.1', 'Host: x')
  const old = await RawSocket.open(t, port)
  old.request('GET /events HTTP/1.0')
  t.match(await old.until(/welcome.*\n\n/), /^HTTP\/1\.1 200[^]*\r\n\r\nevent: stream\ndata: [^]*\n\ndata: \{/)
  const halfOpen = await RawSocket.open(t, port)
  halfOpen.request('GET /events HTTP/1.1', 'Host: x')
  await halfOpen.until(/welcome/)
  await until(() => app.noex.connectionCount === 3)
  halfOpen.socket.end()
  await halfOpen.closed
  await until(() => app.noex.connectionCount === 2)
  const withBody = await RawSocket.open(t, port)
  withBody.request('GET /events HTTP/1.1', 'Host: x', 'Content-Length: 100000000')
  await withBody.until(/welcome/)
  for (const { socket } of [pipelined, old, withBody]) socket.destroy()
  await until(() => app.noex.connectionCount === 0)
  t.equal((await ask(port, '/healthz')).status, 200)
  t.same(uncaught, [])
})
