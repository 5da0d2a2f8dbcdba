import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { promisify } from 'node:util'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocketServer, type WebSocket } from 'ws'
import { clientFor } from '../../support/client-parts.js'
import { serveTokens } from '../../support/external-auth.js'
import { freePort } from '../../support/free-port.js'
import { certificate } from '../../support/proxy.js'
import { serve } from '../../support/service.js'
import { until } from '../../support/until.js'

/** Has a server listen until the test is over, and returns its port. */
async function listening (t: Test, server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  server.listen(0, '127.0.0.1')
  t.teardown(() => {
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A server of plain TCP. */
function tcpServer (talk: (socket: Socket) => void): ReturnType<typeof createTcpServer> {
  return createTcpServer(socket => { talk(socket.on('error', () => {})) })
}

/** Returns the number of sockets of a service. */
async function connectionsOf (app: FastifyInstance): Promise<number> {
  return await promisify(app.server.getConnections.bind(app.server))()
}

/** A server that speaks WebSocket as `talk` does, and is none of ours. */
async function speaking (t: Test, talk: (ws: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', talk)
  t.teardown(() => {
    server.close()
    for (const ws of server.clients) ws.terminate()
  })
  await once(server, 'listening')
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('connects, by the URL of the service too, and answers', async t => {
  const { port } = await serve(t)
  const client = clientFor(t, `http://127.0.0.1:${port}`)
  t.match(await client.request('store.insert', { bucket: 'items', data: { n: 5 } }), { n: 5 })
  await client.reached('open')
  t.same(client.states, ['connecting', 'open'])
  t.equal(client.state.transport, 'websocket')
  await t.rejects(client.request('store.get', { bucket: 'none', key: 1 }), {
    code: 'BUCKET_NOT_DEFINED', message: /Bucket "none" is not defined/
  })
})

t.test('with connect: false it connects at the first use', async t => {
  const { app, url, store } = await serve(t)
  store.defineDeclarativeQuery('all', { bucket: 'items' })
  for (const use of ['request', 'query', 'events', 'reconnect']) {
    const client = clientFor(t, url, { connect: false })
    const all = client.query('all')
    t.equal(client.state.value, 'waiting')
    t.equal(await connectionsOf(app), 0)
    if (use === 'request') await client.request('store.buckets')
    if (use === 'query') t.teardown(all.subscribe(() => {}))
    if (use === 'events') client.events('a.*', () => {})
    if (use === 'reconnect') client.reconnect()
    await client.reached('open')
    client.close()
    await until(async () => await connectionsOf(app) === 0)
    t.pass(use)
  }
})

/** Servers that are none of ours, and what the client says of each. */
const strangers: Array<[name: string, start: (t: Test) => Promise<string>, problem: RegExp]> = [
  ['no server', async () => `ws://127.0.0.1:${await freePort()}`, /ECONNREFUSED/],
  ['another path', async t => `${(await serve(t)).url}/elsewhere`, /404/],
  ['a proxy that answers 200 with HTML', async t => {
    const server = createServer((_request, response) => { response.end('<!doctype html>') })
    server.on('upgrade', (_request, socket) => {
      socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<!doctype html>')
    })
    return `ws://127.0.0.1:${await listening(t, server)}`
  }, /200/],
  ['a certificate that is not trusted', async t => {
    const pem = readFileSync(certificate)
    return `wss://127.0.0.1:${await listening(t, createSecureServer({ key: pem, cert: pem }))}`
  }, /certificate/],
  ['a host that does not exist', async () => 'ws://nowhere.invalid', /ENOTFOUND|EAI_AGAIN/],
  ['a server that speaks another protocol', async t =>
    await speaking(t, ws => { ws.send('{"jsonrpc":"2.0"}') }), /no server of this protocol/],
  ['a server of bytes', async t =>
    await speaking(t, ws => { ws.send(Buffer.from([1, 2, 3])) }), /no server of this protocol/],
  ['a server that says nothing', async t => await speaking(t, () => {}), /no welcome within 300 ms/],
  ['a server that does not answer', async t =>
    `ws://127.0.0.1:${await listening(t, tcpServer(() => {}))}`, /no welcome within 300 ms/],
  ['plain text', async t =>
    `ws://127.0.0.1:${await listening(t, tcpServer(socket => { socket.end('220 smtp\r\n') }))}`, /HTTP|Parse/]
]

for (const [name, start, problem] of strangers) {
  t.test(`${name}: the client waits, says why, and tries again`, async t => {
    const url = await start(t)
    // Only silence is to be waited for.
    const client = clientFor(t, url, { connectTimeoutMs: String(problem).includes('300') ? 300 : 5_000 })
    await client.reached('waiting')
    t.match(client.state.error, { code: 'DISCONNECTED', message: problem })
    t.ok(client.problems[0]?.includes(url.replace(/(?<=:\d+|invalid)$/, '/')), 'it names the URL')
    t.match(client.problems[0], /check URL, server, certificate, proxies/)
    await until(() => client.states.filter(state => state === 'connecting').length > 1)
    await t.rejects(client.request('store.buckets', {}, { timeoutMs: 20 }), {
      code: 'TIMEOUT', outcome: 'not-done', message: problem
    })
  })
}

t.test('comes in as soon as the server is there', async t => {
  const port = await freePort()
  const client = clientFor(t, `ws://127.0.0.1:${port}`)
  const replied = client.request('store.buckets')
  await client.reached('waiting')
  const { app } = await serve(t)
  // The same application, at the port that the client knows.
  const front = createServer()
  front.on('upgrade', (...upgrade) => { app.server.emit('upgrade', ...upgrade) })
  front.listen(port, '127.0.0.1')
  t.teardown(() => { front.close() })
  t.ok(await replied)
  await client.reached('open')
  t.equal(client.state.error, undefined)
})

t.test('without a WebSocket it says what to pass, and does not try again', async t => {
  const globals = globalThis as { WebSocket?: unknown }
  const { WebSocket } = globals
  delete globals.WebSocket
  t.teardown(() => { if (WebSocket !== undefined) globals.WebSocket = WebSocket })
  const client = clientFor(t, 'ws://127.0.0.1:1', { WebSocket: undefined } as never)
  await client.reached('refused')
  t.match(client.state.error, { code: 'REFUSED', message: /pass a class as option `WebSocket`/ })
})

t.test('a server of the first protocol has neither extensions nor a time of silence', async t => {
  const types: string[] = []
  const url = await speaking(t, ws => {
    const welcome = { type: 'welcome', version: '1.0.0', serverTime: Date.now(), requiresAuth: false }
    ws.send(JSON.stringify(welcome))
    ws.on('message', data => {
      const { id, type, idempotencyKey } = JSON.parse(String(data))
      types.push(idempotencyKey === undefined ? type : `${type} with a key`)
      ws.send(JSON.stringify(type === 'ping'
        ? { id, type: 'error', code: 'UNKNOWN_OPERATION', message: 'Unknown operation: ping' }
        : { id, type: 'result', data: [] }))
    })
  })
  const client = clientFor(t, url, { heartbeatMs: 200 })
  t.same(await client.request('store.all', { bucket: 'items' }), [])
  // An error is life.
  await until(() => types.filter(type => type === 'ping').length > 2)
  t.same(client.states, ['connecting', 'open'])
})

t.test('a server that wants a login refuses a client that has none, with what to do', async t => {
  const { url } = await serveTokens(t)
  const client = clientFor(t, url)
  await client.reached('refused')
  t.match(client.state.error, { code: 'UNAUTHORIZED', message: /getToken/ })
  await t.rejects(client.request('store.buckets'), { code: 'DISCONNECTED', outcome: 'not-done', message: /getToken/ })
})

t.test('a client that is closed has no connection and no timer left', async t => {
  const { app, url } = await serve(t)
  const client = clientFor(t, url)
  await client.reached('open')
  client.close()
  client.reconnect()
  t.equal(client.state.value, 'refused')
  await t.rejects(client.request('store.buckets'), { code: 'DISCONNECTED', message: /closed/ })
  await t.resolves(app.close())
})

t.test('a request that is too long is refused alone, and the connection lives', async t => {
  const { url, app } = await serve(t, { maxPayloadBytes: 2_000 })
  const client = clientFor(t, url)
  const insert = async (text: string): Promise<any> =>
    await client.request('store.insert', { bucket: 'items', data: { name: text } }, { retry: true })
  await insert('short')
  for (const text of ['x'.repeat(2_000), 'é'.repeat(1_000)]) {
    await t.rejects(insert(text), { code: 'PAYLOAD_TOO_LARGE', message: /longer than maxPayloadBytes of the server: 2000/ })
  }
  await insert('x'.repeat(1_700))
  t.match(await client.request('store.count', { bucket: 'items' }), 2)
  t.same(client.states, ['connecting', 'open'])
  t.equal(app.noex.connectionCount, 1)
})

t.test('a final close of a server that does not say its bound has the remedy in its error', async t => {
  let received = 0
  const client = clientFor(t, await speaking(t, ws => {
    ws.send(JSON.stringify({ type: 'welcome', version: '1.0.0', serverTime: 1, requiresAuth: false }))
    ws.on('message', () => {
      received++
      ws.close(1009)
    })
  }))
  await client.reached('open')
  const message = /closed with 1009: a message was longer than the option maxPayloadBytes.*reconnect\(\)/
  await Promise.all([false, true].map(async retry => {
    await t.rejects(client.request('store.insert', {}, { retry }), {
      code: 'DISCONNECTED', outcome: 'unknown', message
    })
  }))
  await client.reached('refused')
  t.match(client.state.error, { code: 'REFUSED', message })
  await t.rejects(client.request('store.insert', {}), { message })
  t.ok(received <= 2, 'nothing is sent again')
})

t.test('a client can be closed by its own listener, which is told of it once', async t => {
  const { url } = await serve(t)
  const client = clientFor(t, url)
  let calls = 0
  client.state.subscribe(() => {
    calls++
    client.close()
  })
  await client.reached('refused')
  t.ok(calls <= 2, `${calls} calls`)
  t.match(client.state.error, { code: 'DISCONNECTED', message: 'The client is closed' })
})
