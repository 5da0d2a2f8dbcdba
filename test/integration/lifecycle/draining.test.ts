import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { noexPlugin, NoexServer } from '../../../lib/index.js'
import { TestClient } from '../../support/client.js'
import { serve, startStore } from '../../support/service.js'
import { RawSocket } from '../../support/raw-socket.js'
import { shutdownClose } from '../../support/shutdown.js'

t.test('draining', t => {
  async function health (app: FastifyInstance): Promise<{ statusCode: number, body: unknown }> {
    const { statusCode, body } = await app.inject('/healthz')
    return { statusCode, body: JSON.parse(body) as unknown }
  }

  t.test('shows on /healthz from its first moment, while the present clients are served', async t => {
    const { app, connect } = await serve(t)
    const client = await connect()
    t.match(await health(app), { statusCode: 200, body: { status: 'ok', connections: 1 } })
    t.equal(app.noex.state, 'serving')
    const drained = app.noex.drain({ gracePeriodMs: 8_000 })
    t.equal(app.noex.state, 'draining')
    t.same(await health(app), { statusCode: 503, body: { status: 'draining' } })
    t.match(await client.next(), {
      type: 'system',
      event: 'shutdown',
      gracePeriodMs: 8_000,
      reconnectAfterMs: Number
    })
    t.ok(await client.ask('store.insert', { bucket: 'items', data: {} }))
    client.ws.close()
    await drained
    t.same(await health(app), { statusCode: 503, body: { status: 'draining' } })
    t.equal(app.noex.connectionCount, 0)
  })

  t.test('refuses new connections with 503', async t => {
    const { app, connect, port, url } = await serve(t)
    const client = await connect()
    const drained = app.noex.drain({ gracePeriodMs: 8_000 })
    const raw = await RawSocket.upgrade(t, port)
    t.equal(await raw.status(), 503)
    await raw.closed
    const refused = TestClient.raw(t, url)
    const [, response] = await once(refused.ws, 'unexpected-response') as [unknown, { statusCode: number }]
    t.equal(response.statusCode, 503)
    t.equal(app.noex.connectionCount, 1)
    client.ws.close()
    await drained
  })

  t.test('begins once, however often it is asked for', async t => {
    const { app, connect } = await serve(t)
    const client = await connect()
    const first = app.noex.drain({ gracePeriodMs: 100 })
    const second = app.noex.drain({ gracePeriodMs: 8_000 })
    await Promise.all([first, second, app.noex.drain()])
    t.same(client.waiting.map(frame => frame['gracePeriodMs']), [100])
    t.same(await client.closed, shutdownClose)
    await app.noex.drain()
    await app.close()
    await app.noex.drain()
  })

  t.test('takes its grace period from the options unless it is given one', async t => {
    const { app, connect } = await serve(t, { shutdown: { gracePeriodMs: 8_000 } })
    const client = await connect()
    const drained = app.noex.drain()
    t.match(await client.next(), { event: 'shutdown', gracePeriodMs: 8_000 })
    client.ws.close()
    await drained
  })

  t.test('refuses a grace period that no timer can wait', async t => {
    const { app, connect } = await serve(t)
    const client = await connect()
    for (const gracePeriodMs of [Infinity, NaN, -5, 1.5, 2 ** 31, '1000' as unknown as number]) {
      await t.rejects(app.noex.drain({ gracePeriodMs }), { code: 'NOEX_ERR_INVALID_OPTION' })
    }
    t.equal(app.noex.state, 'serving')
    t.ok(await client.ask('store.buckets'))
  })

  t.test('leaves the other instance of the server alone', async t => {
    const store = await startStore(t)
    let other: FastifyInstance | undefined
    const { app, connect } = await serve(t, {}, {
      store,
      async before (app) {
        await app.register(async scope => {
          other = scope
          await scope.register(noexPlugin, { store })
        }, { prefix: '/b' })
      }
    })
    const [client, outsider] = [await connect('/'), await connect('/b')]
    await app.noex.drain()
    t.same(await client.closed, shutdownClose)
    t.equal(other?.noex.state, 'serving')
    t.ok(await outsider.ask('store.buckets'))
    t.ok(await connect('/b'))
    t.equal((await app.inject('/b/healthz')).statusCode, 200)
    t.equal((await app.inject('/healthz')).statusCode, 503)
  })

  t.test('[G-J4] is followed by closed, where statistics and counts still answer', async t => {
    const { app, connect } = await serve(t)
    await connect()
    await app.close()
    t.equal(app.noex.state, 'closed')
    t.equal(app.noex.connectionCount, 0)
    t.same(app.noex.getConnections(), [])
    t.match(await app.noex.getStats(), {
      name: 'noex-server',
      port: null,
      host: null,
      connectionCount: 0,
      connections: { active: 0 }
    })
  })
  t.end()
})

t.test('NoexServer.stop', t => {
  t.test('makes /healthz answer 503 while clients have their grace, and refuses new ones', async t => {
    const store = await startStore(t)
    const server = await NoexServer.start({ store, port: 0, host: '127.0.0.1' })
    t.teardown(async () => { await server.stop() })
    const client = await TestClient.open(t, `ws://127.0.0.1:${server.port}`)
    t.ok(server.isRunning)
    const stopped = server.stop({ gracePeriodMs: 8_000 })
    t.notOk(server.isRunning)
    t.match(await client.next(), { event: 'shutdown', gracePeriodMs: 8_000 })
    const health = await fetch(`http://127.0.0.1:${server.port}/healthz`)
    t.equal(health.status, 503)
    t.same(await health.json(), { status: 'draining' })
    t.equal(await (await RawSocket.upgrade(t, server.port)).status(), 503)
    client.ws.close()
    await stopped
    await t.rejects(fetch(`http://127.0.0.1:${server.port}/healthz`))
  })

  t.test('takes its grace period from the options unless it is given one', async t => {
    const store = await startStore(t)
    const server = await NoexServer.start({
      store,
      port: 0,
      host: '127.0.0.1',
      shutdown: { gracePeriodMs: 8_000 }
    })
    const client = await TestClient.open(t, `ws://127.0.0.1:${server.port}`)
    await t.rejects(server.stop({ gracePeriodMs: NaN }), { code: 'NOEX_ERR_INVALID_OPTION' })
    t.ok(server.isRunning)
    const stopped = server.stop()
    t.match(await client.next(), { event: 'shutdown', gracePeriodMs: 8_000 })
    client.ws.close()
    await stopped
  })

  t.test('[G-J4] is idempotent, and statistics answer afterwards', async t => {
    const store = await startStore(t)
    const server = await NoexServer.start({ store, port: 0, host: '127.0.0.1', name: 'production' })
    const client = await TestClient.open(t, `ws://127.0.0.1:${server.port}`)
    const { port } = server
    await Promise.all([server.stop(), server.stop({ gracePeriodMs: 8_000 })])
    await server.stop()
    t.same(await client.closed, shutdownClose)
    t.same(client.waiting, [], 'no message without a grace period')
    t.equal(server.isRunning, false)
    t.equal(server.connectionCount, 0)
    t.equal(server.port, port)
    t.same(server.getConnections(), [])
    t.match(await server.getStats(), { name: 'production', connections: { active: 0 } })
    t.ok(await store.getStats(), 'the store is not stopped')
  })

  t.test('ends a process that got SIGTERM, with code 0', async t => {
    const child = fork(fileURLToPath(new URL('../../fixtures/server.js', import.meta.url)), {
      execArgv: process.execArgv
    })
    t.teardown(() => { child.kill('SIGKILL') })
    const [port] = await once(child, 'message') as [number]
    const client = await TestClient.open(t, `ws://127.0.0.1:${port}`)
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    t.match(await client.next(), { type: 'system', event: 'shutdown', gracePeriodMs: 5_000 })
    t.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 503)
    client.ws.close()
    t.same(await exited, [0, null])
  })
  t.end()
})
