import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { createClient, preload } from '../../../lib/client/index.js'

/** Serves one answer to each request; returns the URL of its WebSocket, and the requests that have come. */
async function answer (t: Test, status: number, body: (messages: any) => unknown) {
  const requests: Array<{ request: IncomingMessage, messages: any }> = []
  const server = createServer((request, response) => {
    json(request).then(messages => {
      requests.push({ request, messages })
      const text = body(messages)
      response.writeHead(status).end(typeof text === 'string' ? text : JSON.stringify(text))
    }, () => { response.destroy() })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close() })
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/app/live`, requests }
}

const client = createClient('ws://127.0.0.1:9/live', { connect: false })
t.teardown(() => { client.close() })

t.test('it asks for all queries by one request, and a client shows their results', async t => {
  const orders = client.query({ bucket: 'orders', limit: 2 })
  const gone = client.query('gone', { a: 1 })
  const lost = client.query('lost')
  const data = { epoch: 'e', revision: 1, key: 'id', data: [{ id: 1 }] }
  const { url, requests } = await answer(t, 200, ([first, second]) => [
    { id: second.id, type: 'error', code: 'QUERY_NOT_DEFINED', message: 'Query "gone" is not defined' },
    { id: first.id, type: 'result', data }
  ])
  const preloaded = await preload(url, [orders, gone, lost], { token: 'secret' })
  t.equal(requests.length, 1)
  t.match(requests[0]?.request, {
    method: 'POST',
    url: '/app/rpc',
    headers: { authorization: 'Bearer secret', 'content-type': 'application/json' }
  })
  t.match(requests[0]?.messages, [
    { type: 'store.subscribe', find: { bucket: 'orders', limit: 2 }, delta: true },
    { type: 'store.subscribe', query: 'gone', params: { a: 1 }, delta: true },
    { type: 'store.subscribe', query: 'lost', delta: true }
  ])
  client.hydrate(JSON.parse(JSON.stringify(preloaded)))
  t.match(orders.state, { status: 'stale', data: [{ id: 1 }] })
  t.match(gone.state, { status: 'error', error: { code: 'QUERY_NOT_DEFINED' } })
  t.match(lost.state, { status: 'error', error: { code: 'HTTP' } })
})

t.test('without a query it asks nothing', async t => {
  t.same(await preload('ws://127.0.0.1:9/live', []), { queries: [] })
})

t.test('what is no answer of the server is an error that names the URL', async t => {
  const query = client.query('orders')
  const html = await answer(t, 200, () => '<html>')
  await t.rejects(preload(html.url, [query]), { code: 'HTTP', message: /\/app\/rpc: 200, no replies/ })
  const refused = await answer(t, 401, () => ({ type: 'error', code: 'UNAUTHORIZED', message: 'log in' }))
  await t.rejects(preload(refused.url, [query]), { code: 'UNAUTHORIZED', message: /401, log in/ })
  const empty = await answer(t, 502, () => 'null')
  await t.rejects(preload(empty.url, [query]), { code: 'HTTP' })
})

t.test('another URL, another fetch and a signal may be given', async t => {
  const query = client.query('orders')
  const urls: unknown[] = []
  await preload('ws://127.0.0.1:9/live', [query], {
    rpc: 'http://inside/rpc',
    fetch: async url => {
      urls.push(url)
      return { status: 200, json: async () => [] }
    }
  })
  t.same(urls, ['http://inside/rpc'])
  const signal = AbortSignal.abort(new Error('too late'))
  await t.rejects(preload('ws://127.0.0.1:9/live', [query], { signal }), { message: 'too late' })
})
