import t, { type Test } from 'tap'
import { httpTransport } from '../../../lib/client/http-transport.js'
import type { NoexOptions } from '../../../lib/index.js'
import { TestClient } from '../../support/client.js'
import { streamRoutes } from '../../support/events.js'
import { serve, type Served } from '../../support/service.js'
import { TransportClient } from '../../support/transport-client.js'
import { until } from '../../support/until.js'

/** A client over either way. */
type AnyClient = Pick<TransportClient, 'next' | 'push' | 'send' | 'request' | 'ask' | 'answersPings'> & {
  readonly closed: Promise<{ readonly code: number, readonly reason: string }>
}

/** The ways to a server, each with what opens a client that has had its welcome. */
const ways: Readonly<Record<string, (t: Test, served: Served) => Promise<AnyClient>>> = {
  'a WebSocket': async (_t, served) => await served.connect(),
  'plain HTTP': async (t, { port }) => {
    const url = `http://127.0.0.1:${port}`
    const open = httpTransport({ rpc: `${url}/rpc`, events: `${url}/events` }, 5_000)
    const client = new TransportClient(t, open)
    await client.next(({ type }) => type === 'welcome')
    return client
  }
}

const find = { bucket: 'items', sort: { n: 'asc' }, fields: ['id', 'n'] }

for (const [way, connect] of Object.entries(ways)) {
  const start = async (
    t: Test, options: Omit<NoexOptions, 'store'> = {}
  ): Promise<Served & { client: AnyClient }> => {
    const served = await serve(t, { routes: streamRoutes, ...options })
    return { ...served, client: await connect(t, served) }
  }

  t.test(`over ${way}: live queries, deltas, and coming back`, async t => {
    const served = await start(t)
    const { client, store } = served
    await store.bucket('items').insertMany([{ id: 'a', n: 1 }, { id: 'b', n: 2 }])
    const live = await client.ask('store.subscribe', { find, delta: true })
    const { subscriptionId, epoch, revision, data } = live
    t.same(data, [{ id: 'a', n: 1 }, { id: 'b', n: 2 }])
    await client.ask('store.update', { bucket: 'items', key: 'a', data: { n: 3 } })
    t.match(await client.push(), { subscriptionId, delta: { upsert: [{ id: 'a', n: 3 }], at: [['a', 1]] } })
    t.same(await client.ask('store.unsubscribe', { subscriptionId }), { unsubscribed: true })
    const other = await connect(t, served)
    const back = await other.ask('store.subscribe', { find, delta: true, since: { epoch, revision } })
    t.match(back, { epoch, delta: { upsert: [{ id: 'a', n: 3 }] } })
    const whole = await other.ask('store.subscribe', { find, delta: true, complete: true })
    t.equal(whole.data.length, 2)
    await store.bucket('items').insert({ id: 'c', n: 0 })
    const pushes = [await other.push(), await other.push()]
    t.match(pushes.find(push => push['data'] !== undefined), {
      epoch, revision: Number, key: 'id', data: [{ id: 'c' }, { id: 'b' }, { id: 'a' }]
    })
  })

  t.test(`over ${way}: a thousand requests at once are answered in order`, async t => {
    const { client } = await start(t)
    for (let id = 1; id <= 1_000; id++) {
      client.send({ id, type: 'store.insert', bucket: 'items', data: { n: id } })
    }
    for (let id = 1; id <= 1_000; id++) {
      const { id: answered, type } = await client.next(({ type }) => type === 'result' || type === 'error')
      if (answered !== id || type !== 'result') t.fail(`${answered} ${type} in place of ${id}`)
    }
    t.equal(await client.ask('store.count', { bucket: 'items' }), 1_000)
  })

  t.test(`over ${way}: long requests and long results`, async t => {
    const { client } = await start(t)
    const name = `š😀${'x'.repeat(900_000)}`
    t.match(await client.ask('store.insert', { bucket: 'items', data: { id: 'long', name } }), { id: 'long' })
    t.equal((await client.ask('store.get', { bucket: 'items', key: 'long' })).name, name)
    for (let n = 0; n < 4; n++) client.send({ id: -n, type: 'store.all', bucket: 'items' })
    for (let n = 0; n < 4; n++) t.equal((await client.next(({ id }) => id === -n))['data'][0].name, name)
  })

  t.test(`over ${way}: pings are answered, and one that is not ends the connection`, async t => {
    const { client } = await start(t, { heartbeat: { intervalMs: 200, timeoutMs: 150 } })
    for (let i = 0; i < 3; i++) await client.next(({ type }) => type === 'ping')
    client.answersPings = false
    t.match(await client.closed, { code: 4001, reason: 'heartbeat_timeout' })
  })

  t.test(`over ${way}: login, logout, revocation`, async t => {
    const { client, app } = await start(t, {
      auth: { validate: async token => token === 'good' ? { userId: 'ann', roles: ['admin'] } : null }
    })
    t.match(await client.request('store.count', { bucket: 'items' }), { code: 'UNAUTHORIZED' })
    t.match(await client.request('auth.login', { token: 'bad' }), { code: 'UNAUTHORIZED' })
    await client.ask('auth.login', { token: 'good' })
    t.match(app.noex.getConnections(), [{ userId: 'ann' }])
    t.equal(await client.ask('store.count', { bucket: 'items' }), 0)
    app.noex.revokeSession('ann')
    t.match(await client.next(), { event: 'session_revoked' })
    t.match(await client.closed, { code: 4002, reason: 'session_revoked' })
  })

  t.test(`over ${way}: a message that is too long, and no login in time`, async t => {
    const { client } = await start(t, { maxPayloadBytes: 40_000 })
    client.send({ id: 1, type: 'store.count', bucket: 'x'.repeat(50_000) })
    t.match(await client.closed, { code: 1009, reason: '' })
    const late = await start(t, { loginTimeoutMs: 100, auth: { validate: async () => null } })
    t.match(await late.client.closed, { code: 1008, reason: 'login_timeout' })
  })

  t.test(`over ${way}: a shutdown is announced, and ends the connection`, async t => {
    const { client, app } = await start(t)
    const drained = app.noex.drain({ gracePeriodMs: 300 })
    t.match(await client.next(({ type }) => type === 'system'), { event: 'shutdown', gracePeriodMs: 300 })
    t.equal(await client.ask('store.count', { bucket: 'items' }), 0, 'it is served until then')
    t.match(await client.closed, { code: 1000, reason: 'server_shutdown' })
    await drained
  })

  t.test(`over ${way}: presence ends with the connection`, async t => {
    const served = await start(t, { presence: { graceMs: 0 } })
    await served.store.defineBucket('online', {
      key: 'id', schema: { id: { type: 'string' } }, ephemeral: true
    })
    const other = await TestClient.open(t, served.url)
    await other.ask('store.subscribe', { find: { bucket: 'online' } })
    await served.client.ask('store.insert', { bucket: 'online', data: { id: 'ann' } })
    t.match((await other.push())['data'], [{ id: 'ann' }])
    if (served.client instanceof TestClient) served.client.ws.terminate()
    else (served.client as TransportClient).transport.close()
    t.same((await other.push())['data'], [])
    await until(() => served.app.noex.connectionCount === 1)
  })
}
