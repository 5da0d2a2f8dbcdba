import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { environment } from '../../../lib/client/environment.js'
import { httpTransport, type Fetch, urlsBeside } from '../../../lib/client/http-transport.js'
import { freePort } from '../../support/free-port.js'
import { TransportClient } from '../../support/transport-client.js'
import { until } from '../../support/until.js'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const { after } = environment

const eventType = { 'content-type': 'text/event-stream' }

/** Starts a server that is not ours; resolves with the addresses that a client is given. */
async function serveHandler (t: Test, handler: Handler): Promise<{ rpc: string, events: string }> {
  const server = createServer(handler)
  server.listen(0, '127.0.0.1')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { rpc: `${url}/rpc`, events: `${url}/events` }
}

/** Resolves with the body of a request. */
async function bodyOf (request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

interface Post {
  readonly body: any
  readonly headers: IncomingMessage['headers']
  readonly answer: (status: number) => void
}

/** A server with a stream, which records the POSTs, and answers each when the test says so. */
async function serveStream (t: Test, connectTimeoutMs = 10_000) {
  const posts: Post[] = []
  let stream: ServerResponse | undefined
  const urls = await serveHandler(t, (request, response) => {
    if (request.method === 'GET') {
      stream = response.writeHead(200, eventType)
      response.write('event: stream\ndata: {"stream":"the-id"}\n\n')
      return
    }
    bodyOf(request).then(text => {
      const answer = (status: number): void => { response.writeHead(status).end() }
      posts.push({ body: JSON.parse(text), headers: request.headers, answer })
    }, () => {})
  })
  const client = new TransportClient(t, httpTransport(urls, connectTimeoutMs))
  await until(() => stream !== undefined)
  return { client, posts, stream: stream as unknown as ServerResponse }
}

/** A fetch whose answer is the given pieces, one read each. */
function fetchOf (pieces: readonly Uint8Array[]): Fetch {
  return async () => new Response(new ReadableStream({
    start (controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    }
  }), { headers: eventType })
}

const urls = { rpc: 'http://x/rpc', events: 'http://x/events' }

/** Returns all that a transport tells of a stream that comes in these pieces. */
async function received (t: Test, pieces: readonly Uint8Array[]) {
  const messages: string[] = []
  const end = await new Promise<unknown[]>(resolve => {
    const transport = httpTransport(urls, 10_000, { after, fetch: fetchOf(pieces) })({
      onMessage: text => { messages.push(text) }, onClose: (...closed) => { resolve(closed) }
    })
    t.teardown(() => { transport.close() })
  })
  return { messages, end }
}

for (const [name, lineEnd] of [['LF', '\n'], ['CRLF', '\r\n'], ['CR', '\r']] as const) {
  t.test(`events are read wherever the network cuts them (${name})`, async t => {
    const lines = [
      'event: stream', 'data: {"stream":"x"}', '', ':', '', ': a comment', 'id: 5', 'retry: 10',
      'data: "š😀 ≠"', '', 'data:"without a blank"', '', 'data:  two blanks', '', 'data: {',
      'data: "two":"lines"}', '', 'unknown: 1', 'event: unknown', 'data: 1', '', 'event', 'data', '',
      'event: close', 'data: {"code":4001,"reason":"späť"}', ''
    ]
    const bytes = Buffer.from(lines.map(line => line + lineEnd).join(''))
    const expected = {
      messages: ['"š😀 ≠"', '"without a blank"', ' two blanks', '{\n"two":"lines"}', ''],
      end: [4001, 'späť', undefined]
    }
    t.same(await received(t, [bytes]), expected)
    t.same(await received(t, [...bytes].map(byte => Buffer.of(byte))), expected, 'byte by byte')
    for (let at = 1; at < bytes.length; at++) {
      t.same(await received(t, [bytes.subarray(0, at), bytes.subarray(at)]), expected, `cut at ${at}`)
    }
  })
}

t.test('a long message in many pieces is read in a time that grows with its length alone', async t => {
  const text = 'x'.repeat(20_000_000)
  const bytes = Buffer.from(`data: ${text}\n\n`)
  const pieces = Array.from({ length: 400 }, (_, i) => bytes.subarray(i * 51_200, (i + 1) * 51_200))
  const { messages } = await received(t, pieces)
  t.ok(messages[0] === text)
})

t.test('what a hostile stream has in its events ends the transport at worst', async t => {
  for (const data of ['', '{', 'null', '5', '"x"', '{"code":"x"}', '{"stream":5}', '[]', '{"code":{}}']) {
    for (const event of ['stream', 'close', 'toString', '__proto__']) {
      const { messages, end } = await received(t, [Buffer.from(`event: ${event}\ndata: ${data}\n\n`)])
      t.equal(messages.length, 0)
      t.equal(end.length, 3, `${event} ${data}`)
    }
  }
  const after = 'event: close\ndata: {"code":1000,"reason":""}\n\ndata: late\n\nevent: close\ndata: {}\n\n'
  t.same(await received(t, [Buffer.from(after)]), { messages: [], end: [1000, '', undefined] })
})

const html = { 'content-type': 'text/html' }
const answers: ReadonlyArray<readonly [name: string, handler: Handler, problem: RegExp]> = [
  ['404', (_, r) => { r.writeHead(404).end() }, /\/events is not there: the server needs routes: \{ rpc: '\/rpc'/],
  ['405', (_, r) => { r.writeHead(405).end() }, /is not there/],
  ['a page', (_, r) => { r.writeHead(200, html).end('<p>Welcome') }, /answers 200 text\/html: a proxy/],
  ['JSON', (_, r) => { r.writeHead(200, { 'content-type': 'application/json' }).end('{}') }, /answers 200/],
  ['no type', (_, r) => { r.writeHead(200).end() }, /answers 200 without a text: a proxy/],
  ['401', (_, r) => { r.writeHead(401).end('{"message":"is wrong"}') }, /answers 401 is wrong$/],
  ['403', (_, r) => { r.writeHead(403, html).end('no') }, /answers 403 text\/html$/],
  ['429', (_, r) => { r.writeHead(429).end('{"message":"There are too many"}') }, /answers 429 There are too many/],
  ['503', (_, r) => { r.writeHead(503).end() }, /answers 503/],
  ['a proxy that buffers', (_, r) => { r.writeHead(200, eventType).flushHeaders() }, /200 ms: a proxy that buffers/],
  ['nothing', () => {}, /nothing within 200 ms/],
  ['half a page', (_, r) => { r.writeHead(403, html).write('<') }, /nothing within/],
  ['an end at once', (_, r) => { r.socket?.destroy() }, /fetch failed|ECONNRESET|closed/i]
]

for (const [name, handler, problem] of answers) {
  t.test(`a server that answers with ${name} is said to`, async t => {
    const client = new TransportClient(t, httpTransport(await serveHandler(t, handler), 200))
    const end = await client.closed
    t.match(end, { code: 1006, reason: '' })
    t.match(end.problem, problem)
  })
}

t.test('no server, no name, no fetch that streams', async t => {
  const url = `http://127.0.0.1:${await freePort()}`
  const none = new TransportClient(t, httpTransport({ rpc: url, events: url }, 10_000))
  t.match(await none.closed, { code: 1006, problem: /fetch failed/ })
  const bad = new TransportClient(t, httpTransport({ rpc: 'x', events: ':' }, 10_000))
  t.match(await bad.closed, { code: 1006, problem: /URL/ })
  const whole: Fetch = async () => ({
    status: 200, headers: new Headers(eventType), json: async () => ({})
  })
  const native = new TransportClient(t, httpTransport(urls, 10_000, { after, fetch: whole }))
  t.match(await native.closed, { code: 0, problem: /does not stream/ }, 'there is no use in trying again')
  const never: Fetch = async () => await new Promise(() => {})
  const hung = new TransportClient(t, httpTransport(urls, 50, { after, fetch: never }))
  t.match(await hung.closed, { code: 1006, problem: /expo\/fetch/ })
  const own: Fetch = () => { throw new Error('own') }
  const throwing = new TransportClient(t, httpTransport(urls, 50, { after, fetch: own }))
  t.match(await throwing.closed, { code: 1006, problem: /own/ })
  const patient = new TransportClient(t, httpTransport(urls, Infinity, { after, fetch: fetchOf([]) }))
  t.match(await patient.closed, { code: 1006, problem: undefined }, 'a long time is none that has passed')
})

t.test('messages go up one POST at a time, and those that wait go together', async t => {
  const { client, posts } = await serveStream(t)
  for (let i = 0; i < 3; i++) client.send({ i })
  await until(() => posts.length === 1)
  t.match(posts[0], {
    body: [{ i: 0 }, { i: 1 }, { i: 2 }],
    headers: { 'noex-stream': 'the-id', 'content-type': 'application/json' }
  })
  for (let i = 3; i < 8; i++) client.send({ i })
  client.send({ long: 'x'.repeat(100_000) })
  client.send({ i: 9 })
  posts[0]?.answer(202)
  await until(() => posts.length === 2)
  t.same(posts[1]?.body, [{ i: 3 }, { i: 4 }, { i: 5 }, { i: 6 }, { i: 7 }])
  posts[1]?.answer(202)
  await until(() => posts.length === 3)
  t.match(posts[2]?.body, { long: /^x+$/ }, 'a long one goes by itself')
  posts[2]?.answer(202)
  await until(() => posts.length === 4)
  t.same(posts[3]?.body, { i: 9 }, 'as does one that nothing waits behind')
  posts[3]?.answer(202)
})

t.test('what is sent before the stream is there waits for it', async t => {
  const bodies: unknown[] = []
  const urls = await serveHandler(t, (request, response) => {
    if (request.method === 'POST') {
      bodyOf(request).then(text => {
        bodies.push(JSON.parse(text))
        response.writeHead(202).end()
      }, () => {})
    } else {
      setImmediate(() => {
        response.writeHead(200, eventType).write('event: stream\ndata: {"stream":"x"}\n\n')
      })
    }
  })
  const client = new TransportClient(t, httpTransport(urls, 10_000))
  client.send({ i: 1 })
  client.send({ i: 2 })
  await until(() => bodies.length > 0)
  t.same(bodies, [[{ i: 1 }, { i: 2 }]])
})

for (const status of [400, 404, 409, 413, 500, 503, 200]) {
  t.test(`a POST that is answered ${status} loses the transport`, async t => {
    const { client, posts } = await serveStream(t)
    client.send({ i: 1 })
    await until(() => posts.length === 1)
    client.send({ i: 2 })
    posts[0]?.answer(status)
    t.match(await client.closed, { code: 1006, problem: new RegExp(`a POST has got ${status}`) })
    t.equal(posts.length, 1, 'nothing more is sent')
  })
}

t.test('a POST that is never answered loses the transport, though events still come', async t => {
  const { client, posts, stream } = await serveStream(t, 300)
  client.send({ i: 1 })
  await until(() => posts.length === 1)
  stream.write('data: {"i":1}\n\n')
  t.same(await client.next(), { i: 1 })
  t.match(await client.closed, { code: 1006, problem: /a POST has got no answer/ })
})

t.test('why a stream has ended counts for more than the answer to a POST', async t => {
  const { client, posts, stream } = await serveStream(t)
  client.send({ i: 1 })
  await until(() => posts.length === 1)
  posts[0]?.answer(413)
  setTimeout(() => { stream.end('event: close\ndata: {"code":1009,"reason":""}\n\n') }, 50)
  t.match(await client.closed, { code: 1009, problem: undefined })
})

t.test('a stream that is cut is lost', async t => {
  const { client, stream } = await serveStream(t)
  stream.write('data: {"i":1}\n\ndata: {"i"')
  t.same(await client.next(), { i: 1 })
  stream.socket?.destroy()
  t.match(await client.closed, { code: 1006, reason: '', problem: /terminated/ })
  const ended = await serveStream(t)
  ended.stream.end()
  t.match(await ended.client.closed, { code: 1006, reason: '', problem: undefined })
})

t.test('close ends the transport at once, and tells of nothing more', async t => {
  const { client, stream, posts } = await serveStream(t)
  let isClosed = false
  client.closed.then(() => { isClosed = true }, () => {})
  client.send({ i: 1 })
  await until(() => posts.length === 1)
  const left = once(stream, 'close')
  client.transport.close(1000, 'bye')
  client.transport.close()
  client.send({ i: 2 })
  await left
  t.equal(isClosed, false)
  t.equal(posts.length, 1)
  const early = httpTransport(urls, 10, { after, fetch: async () => await new Promise(() => {}) })({
    onMessage: () => { t.fail() }, onClose: () => { t.fail() }
  })
  early.close()
  await new Promise(resolve => { setTimeout(resolve, 30) })
})

t.test('the routes stand beside the WebSocket', async t => {
  t.same(urlsBeside('wss://h/a/live?room=1'), {
    rpc: 'https://h/a/rpc', events: 'https://h/a/events', socket: 'https://h/a/live?room=1'
  })
  t.match(urlsBeside('ws://h:80/'), { events: 'http://h:80/events' })
})
