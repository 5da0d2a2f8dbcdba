import t from 'tap'
import { streamRoutes } from '../../support/events.js'
import { RawSocket } from '../../support/raw-socket.js'
import { serveRpc, type ServedRpc } from '../../support/rpc.js'
import { until } from '../../support/until.js'

const body = '{"type":"ping"}'
const stream = 'GET /events HTTP/1.1\r\nHost: a\r\n\r\n'
const query = 'GET /events?find=%7B%22bucket%22:%22items%22%7D HTTP/1.1\r\nHost: a\r\n\r\n'

/** Returns requests for operations, one behind the other. */
function posts (type: string, count: number): string {
  const text = JSON.stringify({ type })
  const head = ['POST /rpc HTTP/1.1', 'Host: a', 'Content-Type: application/json']
  return [...head, `Content-Length: ${text.length}`, '', text].join('\r\n').repeat(count)
}

/** Returns the connections and subscriptions that the service counts. */
async function countsOf ({ port }: ServedRpc): Promise<{ active: number, totalStoreSubscriptions: number }> {
  const response = await fetch(`http://127.0.0.1:${port}/stats`)
  return (await response.json() as { connections: any }).connections
}

t.test('streams behind another response on one connection end with it', async t => {
  const served = await serveRpc(t, { routes: { ...streamRoutes, stats: '/stats' } })
  const raw = await RawSocket.open(t, served.port)
  raw.socket.write(stream + stream.repeat(5) + query.repeat(5))
  await until(async () => (await countsOf(served)).active === 11)
  raw.socket.destroy()
  await until(async () => (await countsOf(served)).active === 0)
  t.match(await countsOf(served), { active: 0, totalStoreSubscriptions: 0 })
})

t.test('requests behind a response that never ends give their places back with their connection', async t => {
  const { port, post } = await serveRpc(t, { routes: streamRoutes })
  // Few for each connection: Node stops to read one whose answers wait in great numbers.
  const sockets = await Promise.all(Array.from({ length: 16 }, async () => await RawSocket.open(t, port)))
  for (const { socket } of sockets) socket.write(stream + posts('ping', 16))
  await until(async () => (await post(body)).status === 429)
  for (const { socket } of sockets) socket.destroy()
  await until(async () => (await post(body)).status === 200)
  t.equal((await post(body)).status, 200)
})

t.test('requests of one connection are answered in their order, streams behind them too', async t => {
  const { port } = await serveRpc(t, { routes: streamRoutes })
  const raw = await RawSocket.open(t, port)
  raw.socket.write(posts('ping', 30) + stream)
  await until(() => raw.received.includes('"welcome"'))
  t.equal(raw.received.match(/HTTP\/1.1 200 OK/g)?.length, 31)
})
