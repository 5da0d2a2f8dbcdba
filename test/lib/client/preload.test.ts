import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { preload } from '../../../lib/client/preload.js'
import { serveTokens } from '../../support/external-auth.js'
import { serve } from '../../support/service.js'
import { startQueries } from '../../support/watched.js'

/** Starts an HTTP server; returns its URL. */
async function listen (
  t: Test, answer: (request: IncomingMessage, response: ServerResponse) => unknown
): Promise<string> {
  const server = createServer((request, response) => { answer(request, response) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/rpc`
}

t.test('results are asked for by one request, with the keys of the queries', async t => {
  const seen: unknown[] = []
  const url = await listen(t, async (request, response) => {
    seen.push(request.method, request.url, request.headers['authorization'], request.headers['content-type'])
    seen.push(JSON.parse(await text(request)))
    response.end(JSON.stringify([
      { id: 0, type: 'result', data: { epoch: 'e', revision: 3, key: 'id', data: [{ id: 1 }] } },
      { id: 1, type: 'error', code: 'FORBIDDEN', message: 'not allowed' },
      { id: 2, type: 'result', data: { authenticated: true, userId: 'alice' } }
    ]))
  })
  const { queries } = startQueries(t)
  const find = { bucket: 'orders', filter: { open: true } }
  const page = { limit: 5 }
  const preloaded = await preload(new URL(url), [['q', { a: 1 }], [find, undefined, { page }]], {
    token: 'the token'
  })
  t.same(seen, ['POST', '/rpc', 'Bearer the token', 'application/json', [
    { id: 0, type: 'store.subscribe', query: 'q', params: { a: 1 }, delta: true },
    { id: 1, type: 'store.subscribe', find, page: { limit: 5 }, delta: true },
    { id: 2, type: 'auth.whoami' }
  ]])
  t.equal(preloaded.userId, 'alice')
  queries.hydrate(JSON.parse(JSON.stringify(preloaded)))
  t.match(queries.query('q', { a: 1 }).state, { data: [{ id: 1 }], status: 'stale' })
  const other = queries.query(find, undefined, { page: { limit: 5 } })
  t.match(other, { status: 'error', error: { code: 'FORBIDDEN', message: 'not allowed' } })
  t.same(await preload('http://127.0.0.1:1/', []), { queries: [] }, 'nothing is asked for nothing')
})

t.test('an answer that is none of the server is an error that says what to do', async t => {
  const cases: ReadonlyArray<readonly [number, string, { code: string, message: RegExp }]> = [
    [200, '<html>', { code: 'REFUSED', message: /has answered 200 without JSON: .*`routes.rpc`/ }],
    [404, '{"statusCode":404,"error":"Not Found","message":"Route POST:/rpc not found"}',
      { code: 'REFUSED', message: /has answered 404: Route POST:\/rpc not found/ }],
    [401, '{"id":0,"type":"error","code":"UNAUTHORIZED","message":"Invalid token"}',
      { code: 'UNAUTHORIZED', message: /has answered 401: Invalid token/ }],
    [500, '', { code: 'REFUSED', message: /without JSON/ }],
    [200, 'null', { code: 'REFUSED', message: /has answered 200/ }]
  ]
  for (const [status, body, expected] of cases) {
    const url = await listen(t, (_, response) => { response.writeHead(status).end(body) })
    await t.rejects(preload(url, [['q']]), expected)
  }
  const short = await listen(t, (_, response) => { response.end('[null, 5, {}]') })
  const { queries } = await preload(short, [['a'], ['b'], ['c'], ['d']])
  t.match(queries.map(([, result]) => result), Array(4).fill({ error: { code: 'REFUSED' } }))
})

t.test('a server that does not answer is an error', async t => {
  const silent = await listen(t, () => {})
  await t.rejects(preload(silent, [['q']], { timeoutMs: 20 }), { code: 'TIMEOUT', outcome: 'not-done' })
  const half = await listen(t, (_, response) => { response.write('[') })
  await t.rejects(preload(half, [['q']], { timeoutMs: 50 }), { code: 'TIMEOUT' })
  const cut = await listen(t, request => { request.socket.destroy() })
  await t.rejects(preload(cut, [['q']]), { code: 'DISCONNECTED', message: /cannot be reached: / })
  await t.rejects(preload('http://127.0.0.1:1/rpc', [['q']]), { code: 'DISCONNECTED', outcome: 'not-done' })
  await t.rejects(preload('no URL', [['q']]), { code: 'DISCONNECTED' })
})

t.test('the results are for the user for which they were asked, where there is one', async t => {
  const { app, port } = await serveTokens(t, {}, { routes: { rpc: '/rpc' } })
  const url = `http://127.0.0.1:${port}/rpc`
  const session = { userId: 'walt', roles: ['writer'] }
  t.equal((await preload(app.noex, [['all-items']], { session })).userId, 'walt')
  t.equal((await preload(url, [['all-items']], { token: 'writer' })).userId, 'walt')
  t.notOk('userId' in await preload(app.noex, [['all-items']]))
  const { app: open } = await serve(t)
  t.notOk('userId' in await preload(open.noex, [['none']], { session }))
})

t.test('a service of this process is asked without a request', async t => {
  const { app, store } = await serve(t)
  await store.bucket('items').insert({ id: 'a', name: 'lamp' })
  const preloaded = await preload(app.noex, [[{ bucket: 'items', fields: ['id'] }], ['none']])
  t.match(preloaded.queries, [
    ['{"find":{"bucket":"items","fields":["id"]}}', { key: 'id', data: [{ id: 'a' }] }],
    ['{"query":"none"}', { error: { code: 'QUERY_NOT_DEFINED', message: /none/ } }]
  ])
  await t.rejects(preload(app.noex, [['none']], { session: 5 }), TypeError)
})

t.test('a credential of the other kind is refused', async t => {
  const service = { call: async () => ({}) }
  await t.rejects(preload(service, [['all']], { token: 'secret' }), { name: 'TypeError', message: /option session/ })
  await t.rejects(preload('http://h/rpc', [['all']], { session: {} }), { name: 'TypeError', message: /option token/ })
})
