import type { WebsocketPluginOptions } from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import WebSocket from 'ws'
import { TestClient } from '../support/client.js'
import { watchUncaughtErrors } from '../support/uncaught-errors.js'
import { RawSocket } from '../support/raw-socket.js'
import { serveBesideOwn } from '../support/own-websocket.js'
import type { LogLine } from '../support/log-into.js'

class OwnWebSocket extends WebSocket {}

/** Options of the application's `@fastify/websocket` with which everything works. */
const harmless: ReadonlyArray<readonly [name: string, own: WebsocketPluginOptions]> = [
  ['no option', {}],
  ['clientTracking: false', { options: { clientTracking: false } }],
  ['perMessageDeflate', { options: { perMessageDeflate: true } }],
  [
    'perMessageDeflate with a threshold',
    { options: { perMessageDeflate: { threshold: 0, serverNoContextTakeover: true } } }
  ],
  ['a small maxPayload', { options: { maxPayload: 10 } }],
  ['no maxPayload', { options: { maxPayload: 0 } }],
  [
    'small maxFragments and maxBufferedChunks',
    { options: { maxFragments: 1, maxBufferedChunks: 1 } as object }
  ],
  ['skipUTF8Validation', { options: { skipUTF8Validation: true } }],
  ['allowSynchronousEvents: false', { options: { allowSynchronousEvents: false } }],
  ['autoPong: false', { options: { autoPong: false } }],
  ['closeTimeout', { options: { closeTimeout: 60_000 } as object }],
  ['a class of its own', { options: { WebSocket: OwnWebSocket } as object }],
  ['the same path', { options: { path: '/live' } as object }],
  ['an empty path', { options: { path: '' } as object }],
  ['verifyClient that lets everything pass', { options: { verifyClient: () => true } }],
  [
    'an async verifyClient that answers by its second parameter',
    {
      options: {
        verifyClient: async (_info, answer) => {
          await Promise.resolve()
          answer(true)
        }
      }
    }
  ],
  [
    'verifyClient that answers later',
    {
      options: {
        verifyClient: (_info, answer) => {
          setImmediate(answer, true)
        }
      }
    }
  ],
  ['an errorHandler that does nothing', { errorHandler: () => {} }],
  [
    'an errorHandler that throws',
    {
      errorHandler: () => {
        throw new Error('an error handler')
      }
    }
  ],
  [
    'a preClose that leaves everything open',
    {
      preClose: done => {
        done()
      }
    }
  ],
  [
    'a preClose that closes for itself',
    {
      preClose (done) {
        for (const client of (this as unknown as FastifyInstance).websocketServer.clients) client.close(4100)
        done()
      }
    }
  ]
]

for (const [name, own] of harmless) {
  t.test(`an application's own @fastify/websocket with ${name}`, async t => {
    const uncaught = watchUncaughtErrors(t)
    const { app, url, port } = await serveBesideOwn(t, own, { path: '/live', maxPayloadBytes: 1_000 })
    const client = await TestClient.open(t, `${url}/live`)
    t.match(await client.ask('store.insert', { bucket: 'items', data: { name: 'x'.repeat(200) } }), {
      name: 'x'.repeat(200)
    })

    t.comment('keeps the limits of ours')
    const large = await TestClient.open(t, `${url}/live`)
    large.send(JSON.stringify({ id: 1, type: 'store.buckets', filler: 'x'.repeat(1_000) }))
    t.equal((await large.closed).code, 1009)
    const parts = await TestClient.open(t, `${url}/live`)
    for (const [i, part] of ['{"id":7,', '"type":', '"store.buckets"}'].entries()) {
      parts.ws.send(part, { fin: i === 2 })
    }
    t.match(await parts.next(), { id: 7, type: 'result' })
    const garbled = await RawSocket.upgrade(t, port, '/live')
    await garbled.until(/welcome/)
    garbled.socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]))
    const received = await garbled.until(/\x88/)
    t.equal(Buffer.from(received.slice(received.indexOf('\x88')), 'latin1').readUInt16BE(2), 1007)
    garbled.socket.destroy()

    t.comment('closes as ours does')
    await app.close()
    t.same(await client.closed, { code: 1000, reason: 'server_shutdown' })
    t.same(uncaught, [])
  })
}

t.test('a closeTimeout of the application does not hold up the shutdown', async t => {
  const { app, port } = await serveBesideOwn(t, { options: { closeTimeout: 60_000 } as object })
  const silent = await RawSocket.upgrade(t, port)
  await silent.until(/welcome/)
  const startedAt = performance.now()
  await app.close()
  t.ok(performance.now() - startedAt < 2_000)
})

t.test(
  'a compressed message is not inflated beyond maxPayloadBytes where the application allows more',
  async t => {
    const inflated: number[] = []
    const { app, url } = await serveBesideOwn(
      t,
      { options: { perMessageDeflate: true, maxPayload: 1_073_741_824 } },
      { maxPayloadBytes: 10_000 }
    )
    app.websocketServer.on('connection', ws => {
      const { 'permessage-deflate': extension } = (
        ws as unknown as { _receiver: { _extensions: Record<string, any> } }
      )._receiver._extensions
      const { decompress } = extension
      extension.decompress = (
        data: Buffer,
        fin: boolean,
        callback: (error: Error | null, result?: Buffer) => void
      ) => {
        decompress.call(extension, data, fin, (error: Error | null, result?: Buffer) => {
          inflated.push(result?.length ?? 0)
          callback(error, result)
        })
      }
    })
    const client = await TestClient.open(t, url)
    t.ok(await client.ask('store.buckets', { filler: 'x'.repeat(5_000) }))
    client.send('x'.repeat(5_000_000))
    t.equal((await client.closed).code, 1009)
    t.ok(inflated.length > 0 && Math.max(...inflated) <= 10_000, inflated.join())
    t.ok(await (await TestClient.open(t, url)).ask('store.buckets'))
  }
)

t.test('an upgrade that the application refuses or never answers releases its slot', t => {
  const refusing: ReadonlyArray<readonly [name: string, own: WebsocketPluginOptions, status: number]> = [
    ['verifyClient refuses', { options: { verifyClient: () => false } }, 401],
    [
      'verifyClient refuses later',
      {
        options: {
          verifyClient: (_info, answer) => {
            setImmediate(answer, false, 418, 'No')
          }
        }
      },
      418
    ],
    [
      'verifyClient throws',
      {
        options: {
          verifyClient: () => {
            throw new Error('thrown by verifyClient')
          }
        }
      },
      503
    ],
    [
      'verifyClient answers with a promise',
      { options: { verifyClient: (_info: unknown): any => Promise.resolve(true) } },
      401
    ],
    [
      'verifyClient answers with a promise that rejects',
      { options: { verifyClient: (): any => Promise.reject(new Error('by verifyClient')) } },
      401
    ],
    [
      'verifyClient with two parameters rejects',
      {
        options: {
          verifyClient: async (_info, _answer) => {
            throw new Error('by verifyClient')
          }
        }
      },
      503
    ],
    [
      'async verifyClient with two parameters refuses',
      {
        options: {
          verifyClient: async (_info, answer) => {
            await Promise.resolve()
            answer(false, 403)
          }
        }
      },
      403
    ],
    ['verifyClient never answers', { options: { verifyClient: (_info, _answer) => {} } }, 503],
    [
      'handleProtocols of others is not asked',
      {
        options: {
          handleProtocols: () => {
            throw new Error('not asked')
          }
        }
      },
      101
    ]
  ]
  for (const [name, own, status] of refusing) {
    t.test(name, async t => {
      const uncaught = watchUncaughtErrors(t)
      const lines: LogLine[] = []
      const { app, port } = await serveBesideOwn(t, own, { connectionLimits: { maxConnections: 1 } }, lines)
      for (let i = 0; i < 3; i++) {
        const raw = await RawSocket.upgrade(t, port, '/', ['Host: localhost', 'Sec-WebSocket-Protocol: a'])
        t.equal(await raw.status(), status)
        if (status === 101) raw.socket.destroy()
        await raw.closed
        while (app.noex.connectionCount > 0) {
          await new Promise(resolve => {
            setImmediate(resolve)
          })
        }
      }
      if (status === 503 || name.includes('promise')) {
        t.match(lines.map(({ msg }) => msg).join(), /upgrade (cut off|refused): .*verifyClient/)
      }
      t.same(uncaught, [])
    })
  }
  t.end()
})
