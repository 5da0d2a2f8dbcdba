import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { NoexServer } from '../../../lib/index.js'
import { Barrier } from '../../support/barrier.js'
import { ask, EventClient, Events, statusOf, streamRoutes } from '../../support/events.js'
import { projectFile } from '../../support/project-file.js'
import { RawSocket } from '../../support/raw-socket.js'
import { serve, startStore } from '../../support/service.js'
import { watchUncaughtErrors } from '../../support/uncaught-errors.js'
import { until } from '../../support/until.js'

const shutDown = { code: 1000, reason: 'server_shutdown' }
const find = `/events?find=${encodeURIComponent('{"bucket":"items"}')}`

for (const forceCloseConnections of [true, false, 'idle'] as const) {
  for (const gracePeriodMs of [0, 200]) {
    const how = `forceCloseConnections: ${forceCloseConnections}, grace period ${gracePeriodMs} ms`
    t.test(`app.close() closes streams with their code, and waits for no more (${how})`, async t => {
      const { app, port } = await serve(t, { routes: streamRoutes, shutdown: { gracePeriodMs } }, {
        fastify: { forceCloseConnections }
      })
      const client = await EventClient.open(t, port)
      const watcher = await Events.open(t, port, find)
      await watcher.next()
      const stuck = await RawSocket.open(t, port)
      stuck.request('GET /events HTTP/1.1', 'Host: x')
      await stuck.until(/welcome/)
      stuck.socket.pause()
      const closed = app.close()
      if (gracePeriodMs > 0) {
        t.match(await client.next(), { event: 'shutdown', gracePeriodMs, reconnectAfterMs: Number })
        t.match(await watcher.next(({ retry }) => retry !== undefined), { data: undefined })
      }
      t.match(await client.closed(), shutDown)
      t.same(await Promise.all([client.events.ended, watcher.ended]), [true, true], 'as HTTP says')
      t.notMatch(watcher.text, /event: end/, 'an EventSource comes back')
      await closed
    })
  }
}

t.test('a drain that is not the end of the server lets POSTs through until a stream is closed', async t => {
  const { app, port } = await serve(t, { routes: streamRoutes })
  const client = await EventClient.open(t, port)
  const drained = app.noex.drain({ gracePeriodMs: 400 })
  t.match(await client.next(), { event: 'shutdown' })
  t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
  t.equal(await statusOf(t, port, {}), 503)
  t.match(await client.closed(), shutDown)
  await drained
  t.equal((await client.post('[]')).status, 404)
  t.equal((await ask(port, '/livez')).status, 200)
})

t.test('requests in flight are answered before a stream is closed', async t => {
  const { app, port, store } = await serve(t, { routes: streamRoutes })
  const barrier = new Barrier()
  store.defineQuery('slow', async () => { await barrier.pass() })
  const client = await EventClient.open(t, port)
  await client.post('{"id":1,"type":"store.query","query":"slow"}')
  await barrier.held()
  const closed = app.close()
  barrier.open()
  t.match(await client.next(), { id: 1, type: 'result' })
  t.match(await client.closed(), shutDown)
  await closed
})

t.test('NoexServer.stop closes streams as well, and its limits of time do not hold for them', async t => {
  const store = await startStore(t)
  const server = await NoexServer.start({
    store,
    port: 0,
    host: '127.0.0.1',
    routes: streamRoutes,
    heartbeat: { intervalMs: 150 },
    fastify: {
      requestTimeout: 100,
      connectionTimeout: 100,
      handlerTimeout: 100,
      http: { connectionsCheckingInterval: 50 }
    }
  })
  t.teardown(async () => { await server.stop() })
  const client = await EventClient.open(t, server.port)
  for (let i = 0; i < 3; i++) {
    const { timestamp } = await client.next(({ type }) => type === 'ping')
    await client.post({ type: 'pong', timestamp })
  }
  t.equal(server.connectionCount, 1)
  await server.stop()
  t.match(await client.closed(), shutDown)
})

t.test('the audit trail has what a stream does, and its close', async t => {
  const entries: any[] = []
  const { port, app } = await serve(t, {
    routes: streamRoutes,
    audit: { tiers: ['read', 'write', 'admin'], onEntry: entry => { entries.push(entry) } },
    heartbeat: { intervalMs: 100 }
  })
  const client = await EventClient.open(t, port)
  await client.ask('store.insert', { bucket: 'items', data: {} })
  t.match(await client.closed(), { code: 4001 })
  await until(() => app.noex.connectionCount === 0)
  t.match(entries.map(({ operation }) => operation), ['store.insert', 'connection.close'])
  t.match(entries[1], { error: /heartbeat_timeout/, remoteAddress: '127.0.0.1' })
})

/** A server with hooks that other plugins have, which hijacked responses must live with. */
const hooks = (app: FastifyInstance): void => {
  app.addHook('onRequest', async (_request, reply) => { reply.header('x-own', 'yes') })
  app.addHook('onSend', async (_request, _reply, payload) => payload)
  app.addHook('onResponse', async () => {})
  app.addHook('onTimeout', async () => {})
  app.addHook('preHandler', async () => {})
}

t.test('headers of the application are kept, and its hooks run', async t => {
  const { port } = await serve(t, { routes: streamRoutes }, { before: hooks })
  const client = await EventClient.open(t, port)
  t.equal(client.events.response.headers['x-own'], 'yes')
  const answer = await client.post('[]')
  t.match(answer, { status: 202, headers: { 'x-own': 'yes', 'content-length': '0' } })
})

t.test('a hook of the application can refuse a stream, and one that hangs has its time', async t => {
  const { port, app } = await serve(t, { routes: streamRoutes, queryTimeoutMs: 50 }, {
    fastify: { handlerTimeout: 100 },
    before: own => {
      own.addHook('onRequest', async (request, reply) => {
        if (request.headers['x-hang'] !== undefined) await new Promise(() => {})
        if (request.headers['x-refuse'] !== undefined) await reply.code(418).send({ own: true })
      })
    }
  })
  t.equal(await statusOf(t, port, { 'x-refuse': '1' }), 418)
  t.equal(await statusOf(t, port, { 'x-hang': '1' }), 503)
  t.equal(app.noex.connectionCount, 0)
})

t.test('a client that leaves while a hook runs is not counted', async t => {
  const barrier = new Barrier()
  const { port, app } = await serve(t, { routes: streamRoutes, connectionLimits: { maxConnections: 1 } }, {
    before: own => { own.addHook('onRequest', async () => { await barrier.pass() }) }
  })
  const raw = await RawSocket.open(t, port)
  raw.request('GET /events HTTP/1.1', 'Host: x')
  await barrier.held()
  raw.socket.destroy()
  const second = statusOf(t, port, {})
  await barrier.held(2)
  barrier.open()
  t.equal(await second, 200)
  await until(() => app.noex.connectionCount === 0)
})

async function readUntil (stream: ClientHttp2Stream, pattern: RegExp): Promise<string> {
  let text = ''
  stream.setEncoding('utf8')
  while (!pattern.test(text)) {
    const [chunk] = await once(stream, 'data') as [string]
    text += chunk
  }
  return text
}

async function overHttp2 (t: Test, isForced: boolean): Promise<void> {
  const uncaught = watchUncaughtErrors(t)
  const pem = readFileSync(projectFile('test/fixtures/localhost.pem'))
  const { app, port } = await serve(t, { routes: streamRoutes }, {
    before: hooks,
    fastify: {
      http2: true, https: { key: pem, cert: pem, allowHTTP1: true }, forceCloseConnections: isForced
    } as object
  })
  const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  session.on('error', () => {})
  t.teardown(() => { session.destroy() })
  const stream = session.request({ ':path': '/events' })
  const [headers] = await once(stream, 'response') as [IncomingHttpHeaders]
  t.match(headers, { ':status': 200, 'content-type': 'text/event-stream', 'x-own': 'yes' })
  const id = /"stream":"([\w-]+)"/.exec(await readUntil(stream, /welcome/))?.[1] as string
  const post = session.request({
    ':path': '/rpc', ':method': 'POST', 'content-type': 'application/json', 'noex-stream': id
  })
  post.end('[{"id":1,"type":"store.insert","bucket":"items","data":{"n":1}}]')
  t.match((await once(post, 'response'))[0], { ':status': 202 })
  await readUntil(stream, /"id":1,"type":"result"/)
  const left = session.request({ ':path': find })
  await readUntil(left, /"n":1/)
  left.close(8)
  await until(() => app.noex.connectionCount === 1)
  const closing = app.close()
  await readUntil(stream, /event: close\ndata: \{"code":1000,"reason":"server_shutdown"\}/)
  session.close()
  await closing
  t.same(uncaught, [])
}

for (const isForced of [true, false]) {
  t.test(`streams over HTTP/2 (forceCloseConnections: ${isForced})`, async t => {
    await overHttp2(t, isForced)
  })
}
