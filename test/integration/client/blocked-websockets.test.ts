import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { clientFor } from '../../support/client-parts.js'
import { serve } from '../../support/service.js'
import { until } from '../../support/until.js'

/** Ends an upgrade, or leaves it as it is. */
type OnUpgrade = (socket: Duplex) => void

interface Front {
  readonly url: string
  /** Absent where upgrades pass. */
  onUpgrade: OnUpgrade | undefined
  upgrades: number
}

/** Starts a proxy that passes requests on, and does with upgrades what the test says. */
async function frontOf (t: Test, target: number, onUpgrade: OnUpgrade): Promise<Front> {
  const server: Server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming
    const passed = request({ host: '127.0.0.1', port: target, method, path: url, headers }, answer => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    passed.on('error', () => { outgoing.destroy() })
    outgoing.on('close', () => { passed.destroy() })
    incoming.pipe(passed)
  })
  server.on('upgrade', ({ url, rawHeaders }, socket: Duplex) => {
    front.upgrades++
    socket.on('error', () => {})
    if (front.onUpgrade !== undefined) return front.onUpgrade(socket)
    const upstream = connect(target, '127.0.0.1')
    upstream.on('error', () => { socket.destroy() })
    const pairs = Array.from({ length: rawHeaders.length / 2 }, (_, i) =>
      `${rawHeaders[2 * i]}: ${rawHeaders[2 * i + 1]}`)
    upstream.write(`GET ${url} HTTP/1.1\r\n${pairs.join('\r\n')}\r\n\r\n`)
    upstream.pipe(socket).pipe(upstream)
  })
  server.listen(0, '127.0.0.1')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  const front: Front = {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, onUpgrade, upgrades: 0
  }
  return front
}

/** The ways in which networks keep WebSockets out. */
const obstacles: Array<[name: string, onUpgrade: OnUpgrade]> = [
  ['refuses upgrades', socket => { socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n') }],
  ['answers upgrades with a page', socket => {
    socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<!doctype html>')
  }],
  ['resets upgrades', socket => { socket.destroy() }],
  ['never answers upgrades', () => {}]
]

for (const [name, onUpgrade] of obstacles) {
  t.test(`behind a network that ${name}, everything goes over HTTP`, async t => {
    const { port, store } = await serve(t, { routes: { rpc: '/rpc', events: '/events' } })
    store.defineDeclarativeQuery('all', { bucket: 'items' })
    const front = await frontOf(t, port, onUpgrade)
    const client = clientFor(t, front.url, { fallback: undefined, connectTimeoutMs: 1_000 } as object)
    const all = client.query('all')
    t.teardown(all.subscribe(() => {}))
    await client.reached('open')
    t.equal(client.state.transport, 'http')
    await client.request('store.insert', { bucket: 'items', data: { n: 1 } })
    await until(() => all.getSnapshot()?.length === 1)
    t.same(client.states, ['connecting', 'open'])

    t.equal(front.upgrades, 1)
    front.onUpgrade = undefined
    client.reconnect()
    await until(() => client.state.value === 'open' && client.state.transport === 'websocket')
    t.match(all.getSnapshot(), [{ n: 1 }])
  })
}

t.test('where neither way leads to the server, the client says why of both', async t => {
  const { port } = await serve(t)
  const front = await frontOf(t, port, socket => { socket.destroy() })
  const events = `${front.url.replace('ws', 'http')}/sse`
  const client = clientFor(t, front.url, { fallback: { rpc: '/rpc', events } })
  await client.reached('waiting')
  t.match(client.state.error?.message, /socket hang up; http:.*\/sse is not there: the server needs routes/)
})
