import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { noexPlugin, type NoexOptions } from '../../../lib/index.js'
import { TestClient } from '../../support/client.js'
import { startStore } from '../../support/service.js'
import { SHUTDOWN_ALLOWANCE_MS, shutdownClose, durationOf } from '../../support/shutdown.js'

t.test('an application that has WebSockets of its own', t => {
  async function echo (scope: FastifyInstance): Promise<void> {
    scope.get('/echo', { websocket: true }, socket => {
      socket.on('message', data => { socket.send(`echo ${String(data)}`) })
    })
  }

  async function listen (t: Test, app: FastifyInstance): Promise<string> {
    t.teardown(async () => { await app.close() })
    await app.listen({ port: 0, host: '127.0.0.1' })
    return `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  }

  const arrangements: Record<string, (app: FastifyInstance, options: NoexOptions) => Promise<unknown>> = {
    'registers them before the plugin': async (app, options) => {
      await app.register(websocket)
      await app.register(echo)
      await app.register(noexPlugin, options)
    },
    'registers them after the plugin': async (app, options) => {
      await app.register(noexPlugin, options)
      await app.register(websocket)
      await app.register(echo)
    },
    'has them in a scope before that of the plugin': async (app, options) => {
      await app.register(async scope => {
        await scope.register(websocket)
        await scope.register(echo)
      })
      await app.register(async scope => { await scope.register(noexPlugin, options) })
    },
    'has them in a scope after that of the plugin': async (app, options) => {
      await app.register(async scope => { await scope.register(noexPlugin, options) })
      await app.register(async scope => {
        await scope.register(websocket)
        await scope.register(echo)
      })
    },
    'has them in the scope around that of the plugin': async (app, options) => {
      await app.register(websocket)
      await app.register(echo)
      await app.register(async scope => { await scope.register(noexPlugin, options) })
    }
  }
  t.test('may take its time to say goodbye to them', async t => {
    const app = Fastify()
    await app.register(websocket)
    await app.register(noexPlugin, { store: await startStore(t) })
    app.addHook('preClose', async () => {
      await new Promise(resolve => { setTimeout(resolve, SHUTDOWN_ALLOWANCE_MS) })
      for (const socket of sockets) socket.close(4100, 'goodbye')
    })
    const sockets: Array<{ close: (code: number, reason: string) => void }> = []
    app.get('/own', { websocket: true }, socket => {
      sockets.push(socket)
      app.websocketServer.clients.delete(socket)
    })
    const url = await listen(t, app)
    const own = TestClient.raw(t, `${url}/own`)
    await once(own.ws, 'open')
    const closed = app.close()
    t.same(await own.closed, { code: 4100, reason: 'goodbye' })
    await closed
  })

  for (const [name, arrange] of Object.entries(arrangements)) {
    t.test(`keeps them when it ${name}`, async t => {
      const store = await startStore(t)
      const app = Fastify({ forceCloseConnections: true })
      await arrange(app, { store, shutdown: { gracePeriodMs: 150 } })
      const url = await listen(t, app)
      const client = await TestClient.open(t, url)
      const own = TestClient.raw(t, `${url}/echo`)
      const echoed = once(own.ws.removeAllListeners('message'), 'message')
      await once(own.ws, 'open')
      own.ws.send('hello')
      t.equal(String((await echoed)[0]), 'echo hello')
      t.ok(await client.ask('store.buckets'))
      const took = durationOf(app.close())
      t.match(
        await client.next(),
        { event: 'shutdown' },
        'the application\'s own shutdown does not reach our sockets'
      )
      t.same(await client.closed, shutdownClose)
      await own.closed
      t.ok(await took < 150 + SHUTDOWN_ALLOWANCE_MS)
    })
  }
  t.end()
})
