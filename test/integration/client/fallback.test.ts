import t from 'tap'
import type { FastifyInstance } from 'fastify'
import { clientFor, withoutSocket } from '../../support/client-parts.js'
import { streamRoutes } from '../../support/events.js'
import { serveTokens } from '../../support/external-auth.js'
import { writeOverFailingLinks } from '../../support/failing-links.js'
import { serve } from '../../support/service.js'
import { until } from '../../support/until.js'

/** Answers all upgrades with 403, as a proxy of a company does. */
function refuseUpgrades (app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers.upgrade !== undefined) await reply.code(403).send('no WebSockets here')
  })
}

t.test('where upgrades are refused, a client goes on over plain HTTP by itself', async t => {
  const { url, store } = await serve(t, { path: '/live', routes: streamRoutes }, { before: refuseUpgrades })
  store.defineDeclarativeQuery('all', { bucket: 'items', sort: { n: 'asc' } })
  const client = clientFor(t, `${url}/live`, { fallback: undefined as never })
  const all = client.query('all')
  t.teardown(all.subscribe(() => {}))
  await client.reached('open')
  t.equal(client.state.transport, 'http')
  t.match(await client.request('store.insert', { bucket: 'items', data: { n: 1 } }), { n: 1 })
  await until(() => (all.getSnapshot() as unknown[] | undefined)?.length === 1)
  await client.optimistic(tx => { tx.bucket('items').insert({ id: 'o', n: 0 }) })
  await until(() => (all.getSnapshot() as any[]).map(({ n }) => n).join() === '0,1')
  await t.rejects(client.request('store.get', { bucket: 'none', key: 1 }), { code: 'BUCKET_NOT_DEFINED' })
})

t.test('a URL at which there is nothing is no case for HTTP, and the error says what was found', async t => {
  const { url, app } = await serve(t, { path: '/live', routes: streamRoutes })
  const client = clientFor(t, `${url}/wrong`, { fallback: undefined as never })
  await until(() => client.state.error !== undefined)
  t.match(client.state.error, { code: 'DISCONNECTED', message: /\/wrong answers 404: no WebSocket is at this/ })
  t.match(client.state.error?.message, /Unexpected server response: 404/, 'and what the WebSocket was told')
  await t.rejects(client.request('store.buckets', {}, { timeoutMs: 100 }), {
    code: 'TIMEOUT', outcome: 'not-done', message: /answers 404/
  })
  t.equal(app.noex.connectionCount, 0)
})

t.test('URLs that the application names are taken, also where there is no WebSocket at its URL', async t => {
  const { url, port } = await serve(t, { path: '/live', routes: streamRoutes })
  const http = `http://127.0.0.1:${port}`
  const client = clientFor(t, `${url}/wrong`, { fallback: { rpc: `${http}/rpc`, events: `${http}/events` } })
  await client.reached('open')
  t.equal(client.state.transport, 'http')
})

t.test('a server without the routes is said to need them', async t => {
  const { url } = await serve(t, {}, { before: refuseUpgrades })
  const client = clientFor(t, url, { fallback: undefined as never })
  await until(() => client.state.error !== undefined)
  t.match(client.state.error?.message, /events is not there: the server needs routes: \{ rpc: '\/rpc'/)
  t.match(client.state.error?.message, /403/, 'and why there is no WebSocket')
})

t.test('it logs in, and is told of a revocation and of a shutdown', async t => {
  const { port, url, app } = await serveTokens(t, {}, { routes: streamRoutes })
  const options = { getToken: () => 'admin', ...withoutSocket(port) }
  const client = clientFor(t, url, options)
  await client.reached('open')
  t.match(await client.request('auth.whoami'), { authenticated: true })
  const [{ userId } = { userId: '' }] = app.noex.getConnections()
  app.noex.revokeSession(userId as string)
  await client.reached('refused')
  t.match(client.state.error, { code: 'SESSION_REVOKED' })

  const other = await serve(t, { routes: streamRoutes })
  const leaving = clientFor(t, other.url, withoutSocket(other.port))
  await leaving.reached('open')
  await other.app.noex.drain({ gracePeriodMs: 1_000 })
  t.ok(leaving.states.includes('leaving'))
})

t.test('it is told that its session has ended, and a logout leaves nothing', async t => {
  const { port, url, tokens } = await serveTokens(t, { revalidateMs: 0 }, { routes: streamRoutes })
  const client = clientFor(t, url, { getToken: () => 'walt', ...withoutSocket(port) })
  tokens['walt'] = { userId: 'walt', roles: ['writer'] }
  const query = client.query('all-items')
  t.teardown(query.subscribe(() => {}))
  await until(() => query.status === 'live')
  tokens['walt'] = null
  await t.rejects(client.request('store.all', { bucket: 'items' }), { code: 'UNAUTHORIZED' })
  await client.reached('refused')
  t.match(query.state, { data: undefined, status: 'error', error: { code: 'UNAUTHORIZED' } })
  tokens['walt'] = { userId: 'walt', roles: ['writer'] }
  client.reconnect()
  await until(() => query.status === 'live')
  await client.request('auth.logout')
  t.match(query.state, { data: undefined, status: 'error', error: { code: 'LOGGED_OUT' } })
})

t.test('writes that are retried over failing links of HTTP are done once', async t => {
  const seed = Date.now() % 2 ** 31
  t.comment(`SEED=${seed}`)
  const { connections } = await writeOverFailingLinks(t, {
    seed, clients: 2, writes: 300, faults: 30, isOverHttp: true
  })
  t.ok(connections > 30)
})
