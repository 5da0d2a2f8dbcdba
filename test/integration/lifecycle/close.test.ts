import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { noexPlugin, NoexServer, type NoexOptions } from '../../../lib/index.js'
import { TestClient } from '../../support/client.js'
import { serve, startStore, type Served } from '../../support/service.js'
import { RawSocket, upgradeHeaders } from '../../support/raw-socket.js'
import { Barrier } from '../../support/barrier.js'
import { SHUTDOWN_ALLOWANCE_MS, shutdownClose, durationOf } from '../../support/shutdown.js'
import { defineSlowQuery } from '../../support/slow-query.js'

t.test('closing without a grace period', t => {
  t.test('closes every connection with 1000 and says nothing before', async t => {
    const { app, connect } = await serve(t)
    const clients = [await connect(), await connect()]
    await app.close()
    for (const client of clients) {
      t.same(await client.closed, shutdownClose)
      t.same(client.waiting, [])
    }
  })

  t.test('answers the requests that are under way', async t => {
    const served = await serve(t)
    const barrier = defineSlowQuery(t, served.store)
    const client = await served.connect()
    const slow = client.ask('store.query', { query: 'slow' })
    const queued = client.ask('store.insert', { bucket: 'items', data: { id: 'queued' } })
    await barrier.held()
    const closed = served.app.close()
    barrier.open()
    t.equal(await slow, 'done')
    t.match(await queued, { id: 'queued' })
    t.same(await client.closed, shutdownClose)
    await closed
    t.match(await served.store.bucket('items').get('queued'), { id: 'queued' }, 'the store goes on')
  })

  t.test('[G-J1] does not wait for a request that never ends', async t => {
    const served = await serve(t)
    const barrier = defineSlowQuery(t, served.store)
    const client = await served.connect()
    client.send({ id: 1, type: 'store.query', query: 'slow' })
    await barrier.held()
    t.ok(await durationOf(served.app.close()) < SHUTDOWN_ALLOWANCE_MS)
    t.same(await client.closed, shutdownClose)
  })

  t.test('[G-J2] closes all connections at the same time', async t => {
    const served = await serve(t)
    const barrier = defineSlowQuery(t, served.store)
    const clients = await Promise.all(Array.from({ length: 20 }, async () => await served.connect()))
    for (const client of clients) client.send({ id: 1, type: 'store.query', query: 'slow' })
    await barrier.held()
    t.ok(await durationOf(served.app.close()) < SHUTDOWN_ALLOWANCE_MS)
    for (const client of clients) t.same(await client.closed, shutdownClose)
  })

  t.test('[G-J8] executes nothing of what still waits when the close has begun', async t => {
    const served = await serve(t)
    const barrier = defineSlowQuery(t, served.store)
    const client = await served.connect()
    client.send({ id: 1, type: 'store.query', query: 'slow' })
    for (let id = 2; id < 50; id++) {
      client.send({ id, type: 'store.insert', bucket: 'items', data: { n: id } })
    }
    await barrier.held()
    await served.app.close()
    barrier.open()
    await client.closed
    t.equal(await served.store.bucket('items').count(), 0)
    t.same(client.waiting, [])
  })

  t.test('[G-J8] executes nothing that follows a binary frame', async t => {
    const { connect, store } = await serve(t)
    const client = await connect()
    client.ws.send(Buffer.from('binary'), { binary: true })
    client.send({ id: 1, type: 'store.insert', bucket: 'items', data: {} })
    t.same(await client.closed, { code: 1003, reason: 'binary_not_supported' })
    t.same(client.waiting, [])
    t.equal(await store.bucket('items').count(), 0)
  })
  t.end()
})

t.test('closing with a grace period', t => {
  t.test('tells the clients and serves them on until it ends', async t => {
    const { app, connect, store } = await serve(t, { shutdown: { gracePeriodMs: 400 } })
    store.defineQuery('count', async ctx => await ctx.bucket('items').count())
    const [client, other] = [await connect(), await connect()]
    await other.ask('store.subscribe', { query: 'count' })
    const closing = durationOf(app.close())
    t.match(await client.next(), {
      type: 'system',
      event: 'shutdown',
      gracePeriodMs: 400,
      reconnectAfterMs: Number
    })
    t.match(await client.ask('store.insert', { bucket: 'items', data: { n: 1 } }), { n: 1 })
    t.equal((await other.push())['data'], 1)
    t.same(await client.closed, shutdownClose)
    const took = await closing
    t.ok(took >= 390 && took < 400 + SHUTDOWN_ALLOWANCE_MS, `${Math.round(took)} ms`)
  })

  t.test('ends as soon as the clients have left', async t => {
    const { app, connect } = await serve(t, { shutdown: { gracePeriodMs: 8_000 } })
    const clients = [await connect(), await connect()]
    const closing = durationOf(app.close())
    for (const client of clients) {
      await client.next(frame => frame['event'] === 'shutdown')
      client.ws.close()
    }
    t.ok(await closing < SHUTDOWN_ALLOWANCE_MS)
  })

  t.test('does not wait at all when no client is connected', async t => {
    const { app } = await serve(t, { shutdown: { gracePeriodMs: 8_000 } })
    t.ok(await durationOf(app.close()) < SHUTDOWN_ALLOWANCE_MS)
  })

  t.test('may last longer than Fastify lets a hook of preClose run', async t => {
    const { app, connect } = await serve(
      t,
      { shutdown: { gracePeriodMs: 500 } },
      { fastify: { pluginTimeout: 200 } }
    )
    const client = await connect()
    t.ok(await durationOf(app.close()) >= 490)
    t.same(await client.closed, shutdownClose)
  })

  t.test('runs at the same time for two instances of one server', async t => {
    const store = await startStore(t)
    const options: Omit<NoexOptions, 'store'> = { shutdown: { gracePeriodMs: 700 } }
    const { app, connect } = await serve(t, options, {
      store,
      async before (app) {
        await app.register(async scope => { await scope.register(noexPlugin, { ...options, store }) }, {
          prefix: '/b'
        })
      }
    })
    const clients = [await connect('/'), await connect('/b')]
    const closing = durationOf(app.close())
    await Promise.all(clients.map(async client => await client.next(frame => frame['event'] === 'shutdown')))
    for (const client of clients) t.same(await client.closed, shutdownClose)
    const took = await closing
    t.ok(took < 1_350, `${Math.round(took)} ms`)
  })
  t.end()
})

t.test('[G-J1] a shutdown is bounded', t => {
  const silent: Array<{ name: string, open: (t: Test, served: Served) => Promise<unknown> }> = [
    {
      name: 'a client that never answers a close frame',
      async open (t, { port }) {
        const raw = await RawSocket.upgrade(t, port)
        await raw.until(/welcome/)
      }
    },
    {
      name: 'a client that reads nothing',
      async open (_t, { connect }) {
        const client = await connect();
        (client.ws as unknown as { _socket: Socket })._socket.pause()
      }
    },
    {
      name: 'a connection that says nothing',
      open: async (t, { port }) => await RawSocket.open(t, port)
    },
    {
      name: 'half a request',
      async open (t, { port }) {
        const raw = await RawSocket.open(t, port)
        raw.socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n')
      }
    },
    {
      name: 'a kept connection of a plain client',
      async open (t, { port }) {
        const raw = await RawSocket.open(t, port)
        raw.request('GET /healthz HTTP/1.1', 'Host: localhost')
        await raw.until(/"ok"/)
      }
    },
    {
      name: 'an upgrade to a plain route',
      async open (t, { port }) {
        const raw = await RawSocket.upgrade(t, port, '/healthz')
        t.not(await raw.status(), 0)
      }
    },
    {
      name: 'an upgrade to a path that is not there',
      async open (t, { port }) {
        const raw = await RawSocket.upgrade(t, port, '/nowhere')
        t.equal(await raw.status(), 404)
      }
    }
  ]
  for (const { name, open } of silent) {
    t.test(`in the face of ${name}`, async t => {
      const served = await serve(t)
      await open(t, served)
      const took = await durationOf(served.app.close())
      t.ok(took < SHUTDOWN_ALLOWANCE_MS, `${Math.round(took)} ms`)
    })
  }

  t.test('in the face of an upgrade that hangs in a hook of the application', async t => {
    const barrier = new Barrier()
    t.teardown(() => { barrier.open() })
    const served = await serve(t, {}, {
      before (app) {
        app.addHook(
          'onRequest',
          async request => { if (request.headers['x-hang'] !== undefined) await barrier.pass() }
        )
      }
    })
    const raw = await RawSocket.upgrade(t, served.port, '/', ['Host: localhost', 'X-Hang: 1'])
    await barrier.held()
    t.ok(await durationOf(served.app.close()) < SHUTDOWN_ALLOWANCE_MS)
    await raw.closed
  })

  for (const forceCloseConnections of ['idle', true] as const) {
    t.test(`in spite of a late upgrade (forceCloseConnections: ${forceCloseConnections})`, async t => {
      const { app, connect, port } = await serve(
        t,
        { shutdown: { gracePeriodMs: 200 } },
        { fastify: { forceCloseConnections } }
      )
      const client = await connect()
      const raw = await RawSocket.open(t, port)
      const closing = durationOf(app.close())
      await client.next(frame => frame['event'] === 'shutdown')
      raw.request('GET / HTTP/1.1', 'Host: localhost', ...upgradeHeaders)
      const status = await raw.status()
      t.ok(status === 503 || (forceCloseConnections === true && status === 0), `answered ${status}`)
      const took = await closing
      t.ok(took < 200 + SHUTDOWN_ALLOWANCE_MS, `${Math.round(took)} ms`)
      t.same(await client.closed, shutdownClose)
    })
  }

  t.test(
    'and an upgrade that comes through late is closed, without harm to those who have their grace',
    async t => {
      const barrier = new Barrier()
      const { app, connect, url } = await serve(t, {}, {
        before (app) {
          app.addHook(
            'preHandler',
            async request => { if (request.headers['x-hang'] !== undefined) await barrier.pass() }
          )
        }
      })
      const client = await connect()
      const late = TestClient.raw(t, url, { headers: { 'x-hang': '1' } })
      await barrier.held()
      const drained = app.noex.drain({ gracePeriodMs: 8_000 })
      await client.next(frame => frame['event'] === 'shutdown')
      barrier.open()
      t.same(await late.closed, shutdownClose)
      await client.settled()
      t.equal(client.ws.readyState, client.ws.OPEN)
      client.ws.close()
      await drained
    }
  )

  t.test('for NoexServer, although plain requests hang', async t => {
    const store = await startStore(t)
    const server = await NoexServer.start({ store, port: 0, host: '127.0.0.1' })
    t.teardown(async () => { await server.stop() })
    store.getStats = async () => await new Promise(() => {})
    const [hung, silent, upgraded] = [
      await RawSocket.open(t, server.port),
      await RawSocket.open(t, server.port),
      await RawSocket.upgrade(t, server.port)
    ]
    hung.request('GET /stats HTTP/1.1', 'Host: localhost')
    await upgraded.until(/welcome/)
    const took = await durationOf(server.stop({ gracePeriodMs: 100 }))
    t.ok(took < 100 + SHUTDOWN_ALLOWANCE_MS, `${Math.round(took)} ms`)
    await Promise.all([hung.closed, silent.closed, upgraded.closed])
  })
  t.end()
})
