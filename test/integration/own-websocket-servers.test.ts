import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import websocket, { type WebsocketPluginOptions } from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import WebSocket, { WebSocketServer } from 'ws'
import { noexPlugin } from '../../lib/index.js'
import { TestClient } from '../support/client.js'
import { serve, startStore } from '../support/service.js'
import { watchUncaughtErrors } from '../support/uncaught-errors.js'
import { logInto, type LogLine } from '../support/log-into.js'
import { RawSocket } from '../support/raw-socket.js'
import { serveBesideOwn } from '../support/own-websocket.js'

t.test('options with which the socket could not be served are refused at boot, by name', async t => {
  class Broken {
    constructor () {
      throw new Error('no such socket')
    }
  }
  const refused: ReadonlyArray<readonly [own: WebsocketPluginOptions, problem: RegExp]> = [
    [
      { options: { path: '/other' } as object },
      /option path makes the URL \/live, but your @fastify\/websocket has options\.path "\/other"/
    ],
    [{ options: { WebSocket: Broken } as object }, /option maxPayloadBytes .* options\.WebSocket/],
    [
      { options: { verifyClient: async () => false } as object },
      /options\.verifyClient of your @fastify\/websocket must not be an async function: .*\(info, done\)/
    ],
    [
      { options: { verifyClient: async (_info: unknown) => true } as object },
      /options\.verifyClient .* must not be an async function/
    ],
    [
      { options: { * verifyClient () { yield false } } as object },
      /options\.verifyClient .* must not be a generator function/
    ],
    [
      { options: { async * verifyClient (_info: unknown, _done: unknown) { yield false } } as object },
      /options\.verifyClient .* must not be a generator function/
    ],
    [{ options: { verifyClient: 'yes' } as object }, /options\.verifyClient .* must be a function/],
    [{ options: { noServer: true } }, /noServer/]
  ]
  for (const [own, problem] of refused) {
    await t.rejects(
      serve(
        t,
        { path: '/live' },
        {
          before: app => {
            app.register(websocket, own)
          }
        }
      ),
      problem
    )
  }
})

t.test('an application whose WebSockets are on another server', async t => {
  const lines: LogLine[] = []
  const other = createServer()
  t.teardown(() => {
    other.close()
  })
  const { url, port } = await serveBesideOwn(t, { options: { server: other } }, {}, lines)
  t.match(lines, [{ level: 40, path: '/', msg: /listens on another server/ }])
  const raw = await RawSocket.upgrade(t, port)
  t.equal(await raw.status(), 503, 'an upgrade here is answered')
  await raw.closed
  await t.rejects(TestClient.open(t, url))
  other.listen(0, '127.0.0.1')
  await once(other, 'listening')
  const client = await TestClient.open(t, `ws://127.0.0.1:${(other.address() as AddressInfo).port}`)
  t.ok(await client.ask('store.buckets'), 'and one there is served')
})

t.test('another upgrade listener', t => {
  let chat: WebSocketServer | undefined
  t.teardown(() => {
    chat?.close()
  })
  const foreign: ReadonlyArray<
    readonly [name: string, add: (app: FastifyInstance) => void, warned: boolean]
  > = [
    [
      'of @fastify/websocket is none',
      async app => {
        await app.register(websocket)
      },
      false
    ],
    [
      'of a WebSocketServer is told at boot',
      app => {
        chat = new WebSocketServer({ server: app.server, path: '/chat' })
      },
      true
    ],
    [
      'of the application is told at boot',
      app => {
        app.server.on('upgrade', () => {})
      },
      true
    ]
  ]
  for (const [name, add, warned] of foreign) {
    for (const when of ['before', 'after'] as const) {
      t.test(`${name}, when it is added ${when} the plugin`, async t => {
        const lines: LogLine[] = []
        const app = Fastify({ logger: logInto(lines), forceCloseConnections: true })
        t.teardown(async () => {
          await app.close()
        })
        if (when === 'before') await add(app)
        await app.register(noexPlugin, { store: await startStore(t), path: '/live', prefix: '/api' })
        if (when === 'after') await add(app)
        await app.listen({ port: 0, host: '127.0.0.1' })
        const told = lines.filter(({ msg }) => /another upgrade listener .* \/api\/live/.test(msg as string))
        t.equal(told.length, warned ? 1 : 0)
      })
    }
  }

  t.test('that takes the path for itself harms neither the process nor the limits', async t => {
    const uncaught = watchUncaughtErrors(t)
    const { app, url, port } = await serve(
      t,
      { connectionLimits: { maxConnections: 1 } },
      {
        before (app) {
          const thief = new WebSocketServer({ server: app.server })
          thief.on('connection', socket => {
            socket.send('stolen')
          })
          t.teardown(() => {
            thief.close()
          })
        }
      }
    )
    for (let i = 0; i < 3; i++) {
      const client = new WebSocket(url)
      t.equal(String((await once(client, 'message'))[0]), 'stolen')
      client.terminate()
      await once(client, 'close')
    }
    t.equal(app.noex.connectionCount, 0)
    t.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200)
    t.same(uncaught, [])
  })
  t.end()
})
