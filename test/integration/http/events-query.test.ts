import t, { type Test } from 'tap'
import type { NoexOptions } from '../../../lib/index.js'
import { Barrier } from '../../support/barrier.js'
import { ask, Events, statusOf, streamRoutes } from '../../support/events.js'
import { serve, type Served } from '../../support/service.js'
import { until } from '../../support/until.js'

/** Returns the path of a live query. */
function pathOf (parameters: Readonly<Record<string, unknown>>): string {
  const texts = Object.entries(parameters).map(([name, value]): [string, string] =>
    [name, typeof value === 'string' ? value : JSON.stringify(value)])
  return `/events?${String(new URLSearchParams(texts))}`
}

const all = pathOf({ find: { bucket: 'items', sort: { n: 'asc' }, fields: ['id', 'n'] } })
const deltas = `${all}&delta=1`

async function serveItems (t: Test, options: Omit<NoexOptions, 'store'> = {}): Promise<Served> {
  const served = await serve(t, { routes: streamRoutes, ...options })
  await served.store.bucket('items').insertMany([{ id: 'a', n: 1 }, { id: 'b', n: 2 }])
  return served
}

t.test('a live query for EventSource: the result now, and again when it changes', async t => {
  const { port, store } = await serveItems(t)
  const events = await Events.open(t, port, all)
  t.match(events.response.headers, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
  const first = await events.next()
  t.match(first, { event: 'message', id: /^[\w.-]+:\d+$/, data: [{ id: 'a', n: 1 }, { id: 'b', n: 2 }] })
  await store.bucket('items').update('a', { n: 3 })
  const second = await events.next()
  t.same(second.data, [{ id: 'b', n: 2 }, { id: 'a', n: 3 }])
  t.not(second.id, first.id)
  await store.bucket('items').clear()
  t.same((await events.next()).data, [])
})

t.test('with delta=1 it has the key field, and then what has changed', async t => {
  const { port, store } = await serveItems(t)
  const events = await Events.open(t, port, deltas)
  t.match(await events.next(), { event: 'message', data: { key: 'id', data: [{ id: 'a' }, { id: 'b' }] } })
  await store.bucket('items').update('a', { n: 3 })
  const change = await events.next()
  t.match(change, { event: 'delta', data: { upsert: [{ id: 'a', n: 3 }], remove: [], at: [['a', 1]] } })
  await store.bucket('items').clear()
  t.match(await events.next(), { event: 'message', data: { key: 'id', data: [] } })
})

t.test('named queries with parameters, aggregates and queries in code are shown as well', async t => {
  const { port, store } = await serveItems(t)
  store.defineQuery('above', async (ctx, { n }: { n: number }) => {
    const rows = await ctx.bucket('items').all()
    return rows.filter(row => Number(row['n']) > n).length
  })
  const code = await Events.open(t, port, pathOf({ query: 'above', params: { n: 1 } }))
  t.equal((await code.next()).data, 1)
  const find = { bucket: 'items', aggregate: { function: 'sum', field: 'n' } }
  const sum = await Events.open(t, port, pathOf({ find, minIntervalMs: '5' }))
  const keyed = await Events.open(t, port, pathOf({ find, delta: 'true' }))
  t.equal((await sum.next()).data, 3)
  t.same((await keyed.next()).data, { key: null, data: 3 })
  await store.bucket('items').insert({ n: 5 })
  t.equal((await code.next()).data, 2)
  t.equal((await sum.next()).data, 8)
  t.same((await keyed.next()).data, { key: null, data: 8 })
})

t.test('Last-Event-ID: what the client has is not sent again, and with delta=1 only what is new', async t => {
  const { port, store } = await serveItems(t)
  const { id = '' } = await (await Events.open(t, port, all)).next()
  const same = await Events.open(t, port, all, { 'last-event-id': id })
  const sameDelta = await Events.open(t, port, deltas, { 'last-event-id': id })
  t.match(await sameDelta.next(), { event: 'delta', data: { upsert: [], remove: [] } })
  await store.bucket('items').insert({ id: 'c', n: 9 })
  const next = await same.next(({ event }) => event !== 'none')
  t.equal(next.data.length, 3, 'the first event is the change')
  t.match(await sameDelta.next(), { event: 'delta', data: { upsert: [{ id: 'c' }] } })
  const back = await Events.open(t, port, deltas, { 'last-event-id': id })
  t.match(await back.next(), { id: next.id, event: 'delta', data: { upsert: [{ id: 'c' }] } })
  const others = ['x', 'x:5', `${id}0`, ':', 'a:b:c', id.replace('.', '-'), 'é:1', `${'x'.repeat(9_000)}:1`]
  for (const unknown of others) {
    const anew = await Events.open(t, port, deltas, { 'last-event-id': unknown })
    t.equal((await anew.next()).data.data.length, 3, unknown.slice(0, 20))
  }
})

t.test('a request that is wrong is answered with what is wrong', async t => {
  const { port, app } = await serveItems(t, { connectionLimits: { maxSubscriptionsPerConnection: 0 } })
  const cases: ReadonlyArray<readonly [path: string, status: number, message: RegExp]> = [
    ['/events?token=secret', 400, /"token" would get into logs.*Authorization/],
    ['/events?query=x&access_token=secret', 400, /"access_token" would get into logs/],
    ['/events?qeury=x', 400, /"qeury" is not known: there are query, params/],
    ['/events?__proto__=x', 400, /"__proto__" is not known/],
    ['/events?delta=1', 400, /"delta" needs "query" or "find"/],
    ['/events?query=x&query=y', 400, /"query" is there more than once/],
    ['/events?query=x&params=%7B', 400, /"params" is not JSON/],
    ['/events?query=x&params=1,%22type%22:%22store.clear%22', 400, /"params" is not JSON/],
    ['/events?find=x', 400, /"find" is not JSON/],
    ['/events?query=x&delta=2', 400, /"delta" has a wrong value/],
    ['/events?query=x&minIntervalMs=1e3', 400, /"minIntervalMs" has a wrong value/],
    ['/events?query=x&minIntervalMs=9999999', 429, /ubscription/],
    [all, 429, /ubscription/]
  ]
  for (const [path, status, message] of cases) {
    const answer = await ask(port, path)
    t.equal(answer.status, status, path)
    t.match(JSON.parse(answer.body).message, message)
    t.notMatch(answer.body, 'secret')
  }
  t.equal(app.noex.connectionCount, 0)
  const { port: other } = await serveItems(t)
  t.match(await ask(other, '/events?query=itmes'), { status: 404, body: /QUERY_NOT_DEFINED/ })
  t.match(await ask(other, pathOf({ find: { bucket: 'itms' } })), { status: 404, body: /did you mean/ })
  t.match(await ask(other, pathOf({ find: { bucket: 'items', x: 1 } })), { status: 400 })
  t.match(await ask(other, pathOf({ query: 'x', find: {} })), { status: 400, body: /VALIDATION_ERROR/ })
})

t.test('a client is authorized by its token in the header, never in the URL', async t => {
  const { port, app } = await serveItems(t, {
    auth: {
      validate: async token => token === 'good' ? { userId: 'ann', roles: ['reader'] } : null,
      permissions: {
        default: 'deny', rules: [{ role: 'reader', allow: ['store.where'], buckets: ['items'] }]
      }
    }
  })
  t.match(await ask(port, all), { status: 401, headers: { 'www-authenticate': 'Bearer' } })
  const headers = { authorization: 'Bearer good' }
  const wrong = await ask(port, all, { headers: { authorization: 'Bearer bad' } })
  t.match(wrong, { status: 401, body: /Invalid token/ })
  t.equal((await ask(port, all, { headers: { authorization: 'Basic good' } })).status, 401)
  t.match(await ask(port, pathOf({ query: 'x' }), { headers }), { status: 403 })
  const events = await Events.open(t, port, all, headers)
  t.equal((await events.next()).data.length, 2)
  t.match(app.noex.getConnections(), [{ userId: 'ann', authenticated: true }])
  app.noex.revokeSession('ann')
  t.same((await events.named('end')).data, { reason: 'session_revoked' })
  t.equal(await events.ended, true)
  t.equal((await ask(port, all, { headers })).status, 403, 'it does not come back')
})

t.test('it ends with the session, the query or the bucket, and says so', async t => {
  const { port, store, app } = await serveItems(t, {
    auth: { validate: async () => ({ userId: 'ann', roles: ['admin'], expiresAt: Date.now() + 1_000 }) }
  })
  store.defineQuery('count', async ctx => await ctx.bucket('items').count())
  const headers = { authorization: 'Bearer x' }
  const expiring = await Events.open(t, port, all, headers)
  const query = await Events.open(t, port, pathOf({ query: 'count' }), headers)
  t.equal((await query.next()).data, 2)
  store.undefineQuery('count')
  t.same((await query.named('end')).data, { reason: 'query_undefined' })
  t.same((await expiring.named('end')).data, { reason: 'session_ended' })
  t.same(await Promise.all([expiring.ended, query.ended]), [true, true])
  const other = await serveItems(t)
  const dropped = await Events.open(t, other.port, all)
  await other.store.dropBucket('items')
  t.same((await dropped.named('end')).data, { reason: 'bucket_dropped' })
  await until(() => app.noex.connectionCount === 0 && other.app.noex.connectionCount === 0)
})

t.test('a user of a gateway needs no token, and a page must be one that may connect', async t => {
  const page = 'https://desk.example'
  const { port } = await serveItems(t, {
    allowedOrigins: [page],
    auth: {
      gateway: { userHeader: 'X-User', rolesHeader: 'X-Roles', trustedProxies: ['127.0.0.1'] },
      permissions: { default: 'allow' }
    }
  })
  const user = { 'x-user': 'ann', authorization: 'Bearer of something else' }
  const ofOneSite = { host: 'desk.example', 'sec-fetch-site': 'same-origin' }
  const own = await Events.open(t, port, all, { ...user, ...ofOneSite })
  t.equal((await own.next()).data.length, 2)
  t.equal(await statusOf(t, port, { ...user, origin: page }, all), 200)
  t.equal(await statusOf(t, port, { ...user, 'sec-fetch-site': 'cross-site' }, all), 403)
  t.equal(await statusOf(t, port, user, all), 403)
})

t.test('an idle one is kept alive by comments, and is not closed for want of a pong', async t => {
  const { port, store } = await serveItems(t, { heartbeat: { intervalMs: 60, timeoutMs: 50 } })
  const barrier = new Barrier()
  store.defineQuery('slow', async () => { await barrier.pass() })
  const events = await Events.open(t, port, all)
  const slow = Events.open(t, port, pathOf({ query: 'slow' }))
  await until(() => events.text.split('\n:\n\n').length > 4)
  barrier.open()
  t.equal((await (await slow).next(({ event }) => event === 'message')).data, null, 'nor while it is made')
  await store.bucket('items').insert({ n: 7 })
  t.equal((await events.next(({ data }) => data?.length === 3)).event, 'message')
})

t.test('a query that takes too long, or a client that leaves meanwhile, leaves nothing behind', async t => {
  const { port, store, app } = await serveItems(t, { queryTimeoutMs: 50 })
  const barrier = new Barrier()
  t.teardown(() => { barrier.open() })
  store.defineQuery('slow', async () => { await barrier.pass() })
  t.match(await ask(port, pathOf({ query: 'slow' })), { status: 500, body: /INTERNAL_ERROR/ })
  await until(() => app.noex.connectionCount === 0)
  const limited = await serveItems(t, { maxConnectionsPerIp: 1 })
  await Events.open(t, limited.port, all)
  t.match(await ask(limited.port, all), { status: 429, body: /too_many_connections/ })
})
