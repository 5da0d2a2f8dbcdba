import t from 'tap'
import { EventClient, Events, ask, streamRoutes } from '../../support/events.js'
import { serve } from '../../support/service.js'
import { until } from '../../support/until.js'

t.test('a stream begins with its id and the welcome, in a response that no proxy may keep', async t => {
  const { port } = await serve(t, { routes: streamRoutes })
  const events = await Events.open(t, port)
  t.match(events.response.headers, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
    'x-content-type-options': 'nosniff',
    connection: 'close'
  })
  t.match(await events.next(), { event: 'stream', data: { stream: /^[\w-]{22}$/ } })
  t.match(await events.next(), { event: 'message', data: { type: 'welcome', requiresAuth: false } })
})

t.test('requests go up by POST, one or an array of them, and replies come down in their order', async t => {
  const { port } = await serve(t, { routes: streamRoutes })
  const client = await EventClient.open(t, port)
  t.match(await client.post({ id: 1, type: 'store.insert', bucket: 'items', data: { id: 'a', n: 1 } }), {
    status: 202, body: ''
  })
  t.match(await client.next(), { id: 1, type: 'result', data: { id: 'a', n: 1 } })
  const gets = Array.from({ length: 300 }, (_, i) => ({ id: 2 + i, type: 'store.count', bucket: 'items' }))
  t.equal((await client.post(gets)).status, 202)
  for (const { id } of gets) t.strictSame(await client.next(), { id, type: 'result', data: 1 })
  t.equal((await client.post('[]')).status, 202, 'an empty array is taken')
})

t.test('each message is read as over a WebSocket, and answered also when it is none', async t => {
  const { port } = await serve(t, { routes: streamRoutes })
  const client = await EventClient.open(t, port)
  const insert = '{"id":1,"type":"store.insert","bucket":"items","data":{"n":'
  const unsafe = [`${insert}1e400}}`, `${insert}9007199254740993}}`, `${insert}1,"__proto__":{}}}`]
  await client.post(`[hello, {"id":1}, 5, ${unsafe.join()}]`)
  for (const code of ['PARSE_ERROR', 'INVALID_REQUEST', 'PARSE_ERROR']) {
    t.match(await client.next(), { id: 0, code })
  }
  for (let i = 0; i < 3; i++) t.match(await client.next(), { id: 1, code: 'VALIDATION_ERROR' })
  await client.post('not even that')
  t.match(await client.next(), { id: 0, code: 'PARSE_ERROR' })
  t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
})

t.test('a stream is a connection: it is counted, listed, measured, and forgotten when it ends', async t => {
  const { app, port } = await serve(t, { routes: { ...streamRoutes, metrics: '/metrics' } })
  const client = await EventClient.open(t, port)
  await client.ask('store.subscribe', { find: { bucket: 'items' }, delta: true })
  t.equal(app.noex.connectionCount, 1)
  t.match(app.noex.getConnections(), [{ remoteAddress: '127.0.0.1', storeSubscriptionCount: 1 }])
  t.match(await client.ask('server.connections'), [{ remoteAddress: '127.0.0.1' }])
  const { connections } = JSON.parse((await ask(port, '/stats')).body)
  t.match(connections, { active: 1, totalStoreSubscriptions: 1 })
  t.match((await ask(port, '/metrics')).body, /^noex_connections(\{.*\})? 1$/m)
  client.events.leave()
  await until(() => app.noex.connectionCount === 0)
  t.match((await ask(port, '/metrics')).body, /^noex_closes_total\{reason="lost"\} 1$/m)
  t.match(await client.post('[]'), { status: 404, body: /open a new one/ })
})

t.test('the id of a stream is in no log, list or statistics', async t => {
  const lines: string[] = []
  const { app, port } = await serve(t, { routes: streamRoutes, audit: {} }, {
    fastify: { logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } }
  })
  const client = await EventClient.open(t, port)
  const shown = [
    await client.ask('server.connections'), await client.ask('audit.query'), app.noex.getConnections(),
    await app.noex.getStats(), lines
  ]
  await client.post('[')
  t.notOk(JSON.stringify([shown, lines]).includes(client.id))
  t.ok(lines.some(line => line.includes('connection opened')))
})

t.test('a stream needs the route for its POSTs, and HEAD opens none', async t => {
  const { app, port } = await serve(t, { routes: { events: '/events' } })
  t.match(await ask(port, '/events'), { status: 404, body: /routes\.rpc/ })
  t.equal((await ask(port, '/events', { method: 'HEAD' })).status, 404)
  t.equal((await ask(port, '/rpc', { method: 'POST' })).status, 404)
  t.equal(app.noex.connectionCount, 0)
  const off = await serve(t)
  t.equal((await ask(off.port, '/events')).status, 404)
})

t.test('the routes stand below the prefix, and refuse to boot on a path that is taken', async t => {
  const { port } = await serve(t, { routes: streamRoutes, prefix: '/api' })
  t.equal((await Events.open(t, port, '/api/events')).status, 200)
  for (const name of ['rpc', 'events']) {
    await t.rejects(serve(t, { routes: { [name]: '/mine' } }, {
      before: app => { app.route({ method: ['GET', 'POST'], url: '/mine', handler: async () => '' }) }
    }), new RegExp(`routes\\.${name} is "/mine"`))
  }
})
