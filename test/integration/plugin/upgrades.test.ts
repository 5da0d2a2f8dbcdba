import { once } from 'node:events'
import type { Socket } from 'node:net'
import websocket from '@fastify/websocket'
import t from 'tap'
import type { WebSocket } from 'ws'
import { noexPlugin } from '../../../lib/index.js'
import { TestClient } from '../../support/client.js'
import { serve, startStore } from '../../support/service.js'
import { RawSocket, upgradeHeaders } from '../../support/raw-socket.js'
import { buildApp, refusedStatus } from '../../support/plugin.js'
import type { LogLine } from '../../support/log-into.js'

t.test('maxPayloadBytes', t => {
  for (const own of [false, true]) {
    t.test(`closes with 1009 above it${own ? ', also on a server of the application' : ''}`, async t => {
      const { connect } = await serve(
        t,
        { maxPayloadBytes: 1_000 },
        own ? { before: async app => { await app.register(websocket) } } : {}
      )
      const [client, other] = [await connect(), await connect()]
      const fill = (length: number): string => {
        const frame = JSON.stringify({ id: 1, type: 'store.buckets', filler: '' })
        return frame.replace('""', `"${'x'.repeat(length - frame.length)}"`)
      }
      client.send(fill(1_000))
      t.match(await client.next(), { id: 1, type: 'result' })
      client.send(fill(1_001))
      t.equal((await client.closed).code, 1009)
      t.ok(await other.ask('store.buckets'))
    })
  }
  t.end()
})

t.test('plain HTTP', t => {
  t.test('[G-A3] is answered with 426 on the path of the socket', async t => {
    const { app } = await serve(t)
    for (const method of ['GET', 'HEAD'] as const) {
      const response = await app.inject({ method, url: '/' })
      t.equal(response.statusCode, 426)
      t.equal(response.headers.upgrade, 'websocket')
      if (method === 'GET') t.match(response.json(), { statusCode: 426, error: 'Upgrade Required' })
    }
    t.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 404)
  })

  t.test('[G-A4] is answered with 404 on any other path, upgrades too', async t => {
    const { app, port, url } = await serve(t)
    t.equal((await app.inject('/nowhere')).statusCode, 404)
    t.equal(await refusedStatus(t, `${url}/nowhere`), 404)
    const raw = await RawSocket.upgrade(t, port, '/nowhere')
    t.match(await raw.until(/"statusCode"/), /^HTTP\/1\.1 404 Not Found\r\n/)
    await raw.closed
  })
  t.end()
})

t.test('the answer to an upgrade and the welcome leave in one write', async t => {
  const writes: string[] = []
  const { connect } = await serve(t, {}, {
    async before (app) {
      app.addHook('preHandler', async () => {})
      app.server.on('connection', (socket: Socket) => {
        const { _write: write, _writev: writev } = socket
        socket._write = (chunk: string, encoding, callback) => {
          writes.push(chunk)
          write.call(socket, chunk, encoding, callback)
        }
        socket._writev = (chunks, callback) => {
          writes.push(chunks.map(({ chunk }) => String(chunk)).join(''))
          writev?.call(socket, chunks, callback)
        }
      })
    }
  })
  await connect()
  t.equal(writes.length, 1)
  t.match(writes[0], /^HTTP\/1\.1 101 [\s\S]*\r\n\r\n.{2,4}\{"type":"welcome"/)
})

t.test('allowedOrigins', async t => {
  const { url, port, connect, app } = await serve(t, {
    allowedOrigins: ['https://a.example', 'http://localhost:3000']
  })
  const welcome = async (headers: Record<string, string>): Promise<void> => {
    await TestClient.open(t, url, { headers })
  }

  await t.test('lets in what is listed and who sends no origin', async () => {
    await welcome({ origin: 'https://a.example' })
    await welcome({ origin: 'http://localhost:3000' })
    await connect()
  })

  await t.test('refuses everything else with 403', async t => {
    for (const origin of [
      'https://b.example',
      'https://A.example',
      'https://a.example/',
      'http://a.example',
      'https://a.example.evil.example',
      'null',
      '*'
    ]) {
      t.equal(await refusedStatus(t, url, { origin }), 403, origin)
    }
    const twice = await RawSocket.upgrade(t, port, '/', [
      'Host: localhost',
      'Origin: https://a.example',
      'Origin: https://b.example'
    ])
    t.equal(await twice.status(), 403)
    const empty = await RawSocket.upgrade(t, port, '/', ['Host: localhost', 'Origin:'])
    t.equal(await empty.status(), 403)
    await twice.closed
  })

  await t.test('does not concern plain requests', async t => {
    t.equal((await app.inject({ url: '/healthz', headers: { origin: 'https://b.example' } })).statusCode, 200)
    t.equal((await app.inject({ url: '/', headers: { origin: 'https://b.example' } })).statusCode, 426)
  })

  await t.test('may be empty: then no browser gets in', async t => {
    const { url, connect } = await serve(t, { allowedOrigins: [] })
    t.equal(await refusedStatus(t, url, { origin: 'https://a.example' }), 403)
    await connect()
  })
})

t.test('maxConnectionsPerIp', t => {
  t.test('closes one connection too many with 4003, without a welcome', async t => {
    const { connect, url, app } = await serve(t, { maxConnectionsPerIp: 2 })
    const [first] = [await connect(), await connect()]
    const third = TestClient.raw(t, url)
    t.same(await third.closed, { code: 4003, reason: 'too_many_connections' })
    t.same(third.waiting, [])
    first.ws.close()
    while (app.noex.connectionCount > 1) await new Promise(resolve => { setImmediate(resolve) })
    await connect()
  })

  t.test('does not count those that it has refused, however long their sockets take to close', async t => {
    const { connect, port, app } = await serve(t, { maxConnectionsPerIp: 2 })
    const [leaving] = [await connect(), await connect()]
    for (let i = 0; i < 3; i++) {
      t.match(await (await RawSocket.upgrade(t, port)).until(/too_many/), /too_many_connections/)
    }
    t.equal(app.noex.connectionCount, 2)
    leaving.ws.close()
    await leaving.closed
    while (app.noex.connectionCount > 1) await new Promise(resolve => { setImmediate(resolve) })
    await connect()
  })

  t.test('counts per address, as Fastify sees it behind a proxy that is trusted', async t => {
    const { url, app } = await serve(t, { maxConnectionsPerIp: 1 }, { fastify: { trustProxy: '127.0.0.1' } })
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
    await TestClient.open(t, url, from('203.0.113.1'))
    await TestClient.open(t, url, from('203.0.113.2'))
    t.match(await TestClient.raw(t, url, from('203.0.113.1')).closed, { code: 4003 })
    while (app.noex.connectionCount > 2) await new Promise(resolve => { setImmediate(resolve) })
    t.same(
      app.noex.getConnections().map(connection => connection.remoteAddress),
      ['203.0.113.1', '203.0.113.2']
    )
  })

  t.test('[G-A2] survives a malformed frame on the connection that it refuses', async t => {
    const { connect, port } = await serve(t, { maxConnectionsPerIp: 1 })
    const client = await connect()
    for (const firstByte of [0xc1, 0x83, 0xf1]) {
      const raw = await RawSocket.open(t, port)
      raw.request('GET / HTTP/1.1', 'Host: localhost', ...upgradeHeaders)
      raw.sendFrame('{}', firstByte)
      await raw.until(/too_many_connections/)
      raw.sendFrame('{}', firstByte)
      raw.socket.destroy()
    }
    t.ok(await client.ask('store.buckets'))
  })
  t.end()
})

t.test('malformed clients', t => {
  const manyHeaders = Array.from({ length: 2_500 }, (_, i) => `X-${i}: 1`)
  const upgrades: Record<string, [target: string, headers: string[]]> = {
    'target //': ['//', ['Host: localhost']],
    'target http://[': ['http://[', ['Host: localhost']],
    'target *': ['*', ['Host: localhost']],
    'an absolute target': ['http://localhost/', ['Host: localhost']],
    'target /%zz': ['/%zz', ['Host: localhost']],
    'target /%00': ['/%00', ['Host: localhost']],
    'target ?': ['?', ['Host: localhost']],
    'target /../..': ['/../..', ['Host: localhost']],
    'an empty Host': ['/', ['Host:']],
    'Host: a b': ['/', ['Host: a b']],
    'Host: [': ['/', ['Host: [']],
    'no Host': ['/', []],
    'two Hosts': ['/', ['Host: a', 'Host: b']],
    '2,500 headers': ['/', ['Host: localhost', ...manyHeaders]],
    'a long target': [`/${'x'.repeat(20_000)}`, ['Host: localhost']],
    'a bad version': ['/', ['Host: localhost', 'Sec-WebSocket-Version: 99']],
    'a bad key': ['/', ['Host: localhost', 'Sec-WebSocket-Key: short']],
    'an extension that is none': ['/', ['Host: localhost', 'Sec-WebSocket-Extensions: ;;;']],
    'a protocol that is none': ['/', ['Host: localhost', 'Sec-WebSocket-Protocol: ,,']],
    'a body': ['/', ['Host: localhost', 'Content-Length: 5']]
  }
  t.test('[G-A1] do not end the process with their upgrades', async t => {
    const { connect, port, app } = await serve(t)
    const client = await connect()
    for (const [name, [target, headers]] of Object.entries(upgrades)) {
      const raw = await RawSocket.upgrade(t, port, target, headers)
      const status = await raw.status()
      t.ok([101, 400, 404, 414, 426, 431].includes(status), `${name}: ${status}`)
      raw.socket.destroy()
      const next = await connect()
      t.ok(await next.ask('store.buckets'))
      next.ws.terminate()
    }
    t.ok(await client.ask('store.buckets'))
    while (app.noex.connectionCount > 1) await client.settled()
  })

  t.test('are closed with the code of their fault, and harm no other client', async t => {
    const { connect, port } = await serve(t)
    const client = await connect()
    const faults: Array<[string, number, number]> = [
      ['reserved bit', 0xc1, 1002],
      ['unknown opcode', 0x83, 1002],
      ['invalid UTF-8', 0x81, 1007]
    ]
    for (const [name, firstByte, code] of faults) {
      const raw = await RawSocket.upgrade(t, port)
      await raw.until(/welcome/)
      if (code === 1007) raw.socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]))
      else raw.sendFrame('{}', firstByte)
      const received = await raw.until(/\x88/)
      const close = Buffer.from(received.slice(received.indexOf('\x88')), 'latin1')
      t.equal(close.readUInt16BE(2), code, name)
      await raw.closed
    }
    t.ok(await client.ask('store.buckets'))
  })

  t.test('may send a frame together with their upgrade: it is not lost', async t => {
    const { port } = await serve(t)
    const raw = await RawSocket.open(t, port)
    raw.request('GET / HTTP/1.1', 'Host: localhost', ...upgradeHeaders)
    raw.sendFrame('{"id":7,"type":"store.buckets"}')
    t.match(await raw.until(/"id":7/), /"welcome".*"id":7,"type":"result"/s)
  })
  t.end()
})

t.test('the address of a client', t => {
  t.test('is that of the socket unless Fastify trusts a proxy', async t => {
    const headers = { 'x-forwarded-for': '203.0.113.9', 'x-real-ip': '203.0.113.9' }
    const plain = await serve(t)
    await TestClient.open(t, plain.url, { headers })
    t.equal(plain.app.noex.getConnections()[0]?.remoteAddress, '127.0.0.1')
    const proxied = await serve(t, {}, { fastify: { trustProxy: true } })
    const client = await TestClient.open(t, proxied.url, { headers })
    t.equal(proxied.app.noex.getConnections()[0]?.remoteAddress, '203.0.113.9')
    t.equal((await client.ask('server.connections'))[0].remoteAddress, '203.0.113.9')
  })
  t.end()
})

type Registered = 'no' | 'before' | 'after'

const injected: ReadonlyArray<readonly [title: string, registered: Registered, trustProxy: boolean]> = [
  ['', 'no', false],
  [', behind a trusted proxy', 'no', true],
  [' of an own @fastify/websocket', 'before', false],
  [' of one that is registered later', 'after', false],
  [' of an own one behind a trusted proxy', 'before', true]
]

for (const [title, register, trustProxy] of injected) {
  t.test(`app.injectWS${title} opens a socket without a network`, async t => {
    const store = await startStore(t)
    const app = await buildApp(t, async app => {
      if (register === 'before') await app.register(websocket)
      await app.register(noexPlugin, { store })
      if (register === 'after') await app.register(websocket)
    }, { trustProxy })
    const frames: LogLine[] = []
    const socket: WebSocket = await app.injectWS('/', {}, {
      onInit (ws) { ws.on('message', data => { frames.push(JSON.parse(String(data)) as LogLine) }) }
    })
    t.teardown(() => { socket.terminate() })
    socket.send('{"id":1,"type":"store.buckets"}')
    while (frames.length < 2) await once(socket, 'message')
    t.match(frames, [{ type: 'welcome', version: '1.0.0' }, { id: 1, type: 'result', data: { count: 0 } }])
    t.match(app.noex.getConnections(), [{ remoteAddress: 'unknown' }])
    const closed = once(socket, 'close')
    await app.close()
    t.match((await closed)[0], 1000)
  })
}
