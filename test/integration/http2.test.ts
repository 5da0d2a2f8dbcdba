import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import {
  connect,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders
} from 'node:http2'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { noexPlugin, type NoexOptions } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { startStore } from '../support/service.js'
import { watchUncaughtErrors } from '../support/uncaught-errors.js'
import { projectFile } from '../support/project-file.js'

const pem = readFileSync(projectFile('test/fixtures/localhost.pem'))

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

interface Http2Service {
  readonly app: FastifyInstance
  readonly port: number
  readonly ask: (headers: OutgoingHttpHeaders) => Promise<Answer>
}

const kinds: ReadonlyArray<readonly [name: string, scheme: 'http' | 'https', options: object]> = [
  ['TLS, with HTTP/1.1 beside it', 'https', { https: { key: pem, cert: pem, allowHTTP1: true } }],
  ['TLS alone', 'https', { https: { key: pem, cert: pem } }],
  ['h2c', 'http', {}]
]

async function serveHttp2 (
  t: Test,
  [, scheme, fastify]: (typeof kinds)[number],
  options: Omit<NoexOptions, 'store'> = {},
  before: (app: FastifyInstance) => void = () => {}
): Promise<Http2Service> {
  const store = await startStore(t)
  const app = Fastify({
    http2: true,
    forceCloseConnections: true,
    ...fastify
  } as FastifyServerOptions) as unknown as FastifyInstance
  t.teardown(async () => {
    await app.close()
  })
  before(app)
  await app.register(noexPlugin, { store, routes: { metrics: '/metrics' }, ...options })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const session = connect(`${scheme}://127.0.0.1:${port}`, { rejectUnauthorized: false })
  t.teardown(() => {
    session.destroy()
  })
  session.on('error', () => {})
  await once(session, 'connect')
  return { app, port, ask: async headers => await ask(session, headers) }
}

async function ask (session: ClientHttp2Session, headers: OutgoingHttpHeaders): Promise<Answer> {
  const stream = session.request(headers)
  stream.end()
  const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }]
  let body = ''
  for await (const chunk of stream) body += String(chunk)
  return { status: answer[':status'], headers: answer, body }
}

/** Resolves with the answer to a request over HTTP/1.1. */
async function askHttp1 (
  port: number,
  method: string
): Promise<Pick<IncomingMessage, 'statusCode' | 'headers'>> {
  const sent = request({ port, host: '127.0.0.1', method, rejectUnauthorized: false })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.resume()
  return response
}

const ofOneConnection = [
  'upgrade',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'proxy-connection',
  'http2-settings'
]

const applications: ReadonlyArray<readonly [name: string, before: (app: FastifyInstance) => void]> = [
  ['a bare application', () => {}],
  [
    'an application with hooks and handlers of its own',
    app => {
      app.addHook('onRequest', async () => {})
      app.addHook('preSerialization', async (_request, _reply, payload) => payload)
      app.addHook('onSend', async (_request, _reply, payload) => payload)
      app.setErrorHandler((error, _request, reply) => {
        reply.send(error)
      })
      app.setNotFoundHandler((_request, reply) => {
        reply.code(404).send({ own: true })
      })
    }
  ]
]

for (const kind of kinds) {
  for (const [application, before] of applications) {
    t.test(
      `over HTTP/2 (${kind[0]}) no answer has headers of a connection or ends the process: ${application}`,
      async t => {
        const uncaught = watchUncaughtErrors(t)
        const { ask } = await serveHttp2(t, kind, {}, before)
        for (const method of ['GET', 'HEAD']) {
          const { status, headers, body } = await ask({ ':path': '/?a=b', ':method': method })
          t.equal(status, 426, method)
          t.same(
            ofOneConnection.filter(name => name in headers),
            []
          )
          if (method === 'GET') t.match(JSON.parse(body), { statusCode: 426, error: 'Upgrade Required' })
        }
        for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
          t.equal((await ask({ ':path': '/', ':method': method })).status, 404, method)
        }
        for (const path of ['/healthz', '/readyz', '/livez', '/stats', '/metrics', '/nowhere']) {
          const { status, headers } = await ask({ ':path': path })
          t.equal(status, path === '/nowhere' ? 404 : 200, path)
          t.same(
            ofOneConnection.filter(name => name in headers),
            [],
            path
          )
        }
        t.same(uncaught, [])
      }
    )
  }

  t.test(
    `over HTTP/2 (${kind[0]}) refusals of /stats, and answers while the service drains, have none either`,
    async t => {
      const uncaught = watchUncaughtErrors(t)
      const { ask, app } = await serveHttp2(t, kind, { auth: { validate: () => null } })
      t.match(await ask({ ':path': '/stats' }), { status: 401, headers: { 'www-authenticate': 'Bearer' } })
      t.match(await ask({ ':path': '/metrics', authorization: 'Bearer x' }), { status: 401 })
      await app.noex.drain()
      t.match(await ask({ ':path': '/healthz' }), { status: 503, body: /draining/ })
      t.match(await ask({ ':path': '/' }), { status: 426 })
      t.same(uncaught, [])
    }
  )

  t.test(`over HTTP/2 (${kind[0]}) a CONNECT to a WebSocket (RFC 8441) is refused`, async t => {
    const uncaught = watchUncaughtErrors(t)
    const extended = {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/',
      ':scheme': kind[1],
      ':authority': 'localhost'
    }
    const { ask } = await serveHttp2(t, kind)
    t.match(await ask({ ':method': 'CONNECT', ':authority': 'localhost' }), { status: 405 })
    await t.rejects(ask(extended), { code: 'ERR_HTTP2_STREAM_ERROR' })
    t.match(await ask({ ':path': '/healthz' }), { status: 200 })

    const settings = { enableConnectProtocol: true }
    const { https } = kind[2] as { https?: object }
    const enabled = await serveHttp2(t, [
      kind[0],
      kind[1],
      https === undefined ? { http: { settings } } : { https: { ...https, settings } }
    ])
    t.match(await enabled.ask(extended), { status: 405 })
    t.match(await enabled.ask({ ':path': '/healthz' }), { status: 200 })
    t.same(uncaught, [])
  })
}

t.test("the client's address and user are read from HTTP/2 as from HTTP/1.1", async t => {
  const { ask } = await serveHttp2(t, kinds[0] as (typeof kinds)[number], {
    allowedOrigins: [],
    realIpHeader: 'X-Real-IP',
    trustedProxies: ['127.0.0.1'],
    auth: {
      gateway: { userHeader: 'X-User', rolesHeader: 'X-Roles', trustedProxies: ['127.0.0.1'] },
      permissions: { default: 'allow' }
    }
  })
  const stats = async (headers: OutgoingHttpHeaders): Promise<number> =>
    (await ask({ ':path': '/stats', ...headers })).status
  t.equal(await stats({}), 401)
  t.equal(await stats({ 'x-user': 'ann', 'x-roles': 'admin' }), 200)
  t.equal(await stats({ 'x-user': 'ann', 'x-roles': 'admin', 'x-real-ip': '203.0.113.7:50001' }), 200)
  t.equal(await stats({ 'x-user': 'ann', 'x-roles': 'admin', 'x-real-ip': 'unknown' }), 400)
  t.equal(await stats({ 'x-user': ['ann', 'root'] as unknown as string, 'x-roles': 'admin' }), 400)
  t.equal(await stats({ 'x-user': 'ann', x_user: 'root' }), 400)
})

t.test('clients that leave in the middle of a request end nothing', async t => {
  const uncaught = watchUncaughtErrors(t)
  let isSlow = true
  const { port, ask } = await serveHttp2(
    t,
    kinds[0] as (typeof kinds)[number],
    { auth: { validate: async () => null } },
    app => {
      app.addHook('onRequest', async () => {
        if (isSlow) {
          await new Promise(resolve => {
            setImmediate(resolve)
          })
        }
      })
    }
  )
  for (let i = 0; i < 60; i++) {
    const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    session.on('error', () => {})
    await once(session, 'connect')
    const streams = ['/', '/healthz', '/stats', '/metrics'].map(path =>
      session.request({ ':path': path, authorization: 'Bearer x' })
    )
    for (const stream of streams) {
      stream.on('error', () => {})
      if (i % 3 === 0) stream.close(8)
      else stream.end()
    }
    for (let turns = i % 5; turns > 0; turns--) {
      await new Promise(resolve => {
        setImmediate(resolve)
      })
    }
    session.destroy()
  }
  isSlow = false
  t.match(await ask({ ':path': '/healthz' }), { status: 200 })
  t.same(uncaught, [])
})

t.test('HTTP/1.1 on a server that speaks HTTP/2 as well', async t => {
  const uncaught = watchUncaughtErrors(t)
  const { app, port } = await serveHttp2(t, kinds[0] as (typeof kinds)[number])
  for (const method of ['GET', 'HEAD']) {
    t.match(await askHttp1(port, method), {
      statusCode: 426,
      headers: { upgrade: 'websocket', connection: 'Upgrade' }
    })
  }

  const url = `wss://127.0.0.1:${port}/`
  const client = await TestClient.open(t, url, { rejectUnauthorized: false })
  t.ok(await client.ask('store.buckets'))
  const drained = app.noex.drain({ gracePeriodMs: 5_000 })
  await client.next(frame => frame['event'] === 'shutdown')
  const refused = TestClient.raw(t, url, { rejectUnauthorized: false })
  const [, response] = (await once(refused.ws, 'unexpected-response')) as [
    unknown,
    { statusCode: number; headers: IncomingHttpHeaders }
  ]
  t.match(response, { statusCode: 503, headers: { connection: 'close' } })
  client.ws.close()
  await drained
  await app.close()
  t.same(uncaught, [])
})
