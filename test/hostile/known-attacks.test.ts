// Attacks that worked against other WebSocket servers and their libraries, by the number under which they are
// known.
import t from 'tap'
import { TestClient } from '../support/client.js'
import { serve } from '../support/service.js'
import { RawSocket, upgradeHeaders } from '../support/raw-socket.js'
import { Barrier } from '../support/barrier.js'
import { serveAttacked } from './attacked-service.js'
import { HostileClient } from './hostile-client.js'
import { usedBytes } from './used-bytes.js'
import { closeFrame, encodeFrame, opcodes, textFrame } from '../support/web-socket-frame.js'

const MIB = 2 ** 20

const request = textFrame({ id: 7, type: 'store.buckets' })

/**
 * The longest CPU time that reading one header may take, in microseconds: where the attack works it takes
 * seconds.
 */
const MAX_PARSE_US = 200_000

t.test(
  'CVE-2016-10518, CVE-2026-45736: a number or a view where bytes are expected, answered with memory that ' +
    'was never written',
  async t => {
    const { port, unharmed } = await serveAttacked(t, { heartbeat: { intervalMs: 250, timeoutMs: 250 } })
    for (const length of [0, 1, 64, 125]) {
      const client = await HostileClient.open(t, port)
      const payload = Buffer.alloc(length, 'p')
      client.send(Buffer.concat([encodeFrame(opcodes.ping, payload), request]))
      await client.message(({ id }) => id === 7)
      t.same(
        client.frames.filter(({ opcode }) => opcode === opcodes.pong).map(frame => frame.payload),
        [payload]
      )
      client.send(closeFrame(4_000, 'r'.repeat(length === 125 ? 123 : length)))
      await client.closed()
      t.same(client.frames.at(-1)?.payload.subarray(2).toString(), 'r'.repeat(length === 125 ? 123 : length))
      client.raw.socket.destroy()
    }
    const silent = await HostileClient.open(t, port)
    t.equal(await silent.closed(), 4001)
    t.same(
      silent.frames.slice(0, -1).map(({ opcode }) => opcode),
      silent.messages.map(() => opcodes.text),
      'its own pings are JSON'
    )
    t.equal(silent.frames.at(-1)?.payload.subarray(2).toString(), 'heartbeat_timeout')
    silent.raw.socket.destroy()
    await unharmed(t)
  }
)

t.test('CVE-2016-10542, CVE-2020-36048, CVE-2020-36049: an unbounded message, kept in pieces', async t => {
  const { port, unharmed } = await serveAttacked(t, { maxPayloadBytes: MIB })
  const clients = await Promise.all(Array.from({ length: 20 }, async () => await HostileClient.open(t, port)))
  const before = usedBytes()
  // Announced to the last byte and never sent.
  for (const client of clients) client.send(encodeFrame(opcodes.text, 'x'.repeat(1_000), { length: MIB }))
  for (const [i, client] of clients.entries()) if (i % 2 === 0) client.send(Buffer.alloc(MIB - 1_001))
  const tooLong = await HostileClient.open(t, port)
  tooLong.send(encodeFrame(opcodes.text, '', { length: MIB + 1 }))
  t.equal(await tooLong.closed(), 1009)
  const grown = usedBytes() - before
  t.ok(grown < 32 * MIB, `the process has grown by ${(grown / MIB).toFixed(1)} MiB`)
  for (const { raw } of [...clients, tooLong]) raw.socket.destroy()
  await unharmed(t)
})

t.test('GHSA-5v72-xg48-5rpm: an extension named like a member that every object has', async t => {
  const { port, unharmed } = await serveAttacked(t)
  for (const name of [
    'constructor',
    '__proto__',
    'toString',
    'hasOwnProperty',
    'permessage-deflate; constructor; __proto__=1'
  ]) {
    const raw = await RawSocket.upgrade(t, port, '/', [
      'Host: localhost',
      `Sec-WebSocket-Extensions: ${name}`
    ])
    t.equal(await raw.status(), 101)
    t.notMatch(raw.received, /sec-websocket-extensions/i)
    raw.socket.destroy()
  }
  await unharmed(t)
})

t.test('CVE-2021-32640: 8 KB of spaces in the header of the subprotocols', async t => {
  const { port, unharmed } = await serveAttacked(t)
  const used = process.cpuUsage()
  const raw = await RawSocket.upgrade(t, port, '/', [
    'Host: localhost',
    `Sec-WebSocket-Protocol: b${' '.repeat(8_000)}x`
  ])
  t.equal(await raw.status(), 400)
  t.ok(process.cpuUsage(used).user < MAX_PARSE_US)
  raw.socket.destroy()
  await unharmed(t)
})

t.test('CVE-2024-37890: so many headers that the one that matters is dropped', async t => {
  const { port, unharmed } = await serveAttacked(t)
  const raw = await RawSocket.open(t, port)
  raw.request(
    'GET / HTTP/1.1',
    'Host: localhost',
    ...Array.from({ length: 2_500 }, (_, i) => `a${i}:`),
    ...upgradeHeaders
  )
  // Newer releases of Node refuse it by themselves.
  t.match(await raw.status(), /^(?:400|431)$/)
  raw.socket.destroy()
  await unharmed(t)
})

for (const [id, payload] of [
  ['CVE-2026-48779: a message in fragments of one byte', 'x'],
  ['CVE-2026-62389: a message in fragments without any byte', '']
] as const) {
  t.test(`${id}, without an end: little is sent, and much is kept`, async t => {
    const { port, unharmed } = await serveAttacked(t)
    // As many as are let in stay, so that what each of them costs can be seen.
    const clients = await Promise.all(
      Array.from({ length: 20 }, async () => await HostileClient.open(t, port))
    )
    const before = usedBytes()
    const fragment = encodeFrame(opcodes.continuation, payload, { fin: false })
    for (const client of clients) {
      await client.flush(
        Buffer.concat([
          encodeFrame(opcodes.text, payload, { fin: false }),
          ...Array.from({ length: 250 }, () => fragment)
        ])
      )
    }
    const greedy = await HostileClient.open(t, port)
    greedy.send(
      Buffer.concat([
        encodeFrame(opcodes.text, payload, { fin: false }),
        ...Array.from({ length: 100_000 }, () => fragment)
      ])
    )
    t.equal(await greedy.closed(), 1008)
    const grown = usedBytes() - before
    t.ok(grown < 8 * MIB, `the process has grown by ${(grown / MIB).toFixed(1)} MiB`)
    for (const { raw } of [...clients, greedy]) raw.socket.destroy()
    await unharmed(t)
  })
}

t.test(
  'CVE-2022-39386, CVE-2022-21676, CVE-2024-38355: an invalid frame, on a socket without an error listener',
  async t => {
    const { port, unharmed } = await serveAttacked(t)
    for (const bytes of [[0xa2, 0x00], [0xff, 0xff], [0x00, 0x00], [0x81, 0xff]]) {
      const client = await HostileClient.open(t, port)
      await client.flush(Buffer.from([...bytes, ...Buffer.alloc(8, 0xff)]))
      client.raw.socket.resetAndDestroy()
      await unharmed(t)
    }
  }
)

t.test(
  'CVE-2022-41940, CVE-2026-126343, CVE-2026-129500: a reset while the upgrade is still being decided about',
  async t => {
    const barrier = new Barrier()
    const { port, unharmed } = await serveAttacked(t, {}, {
      before: app => {
        app.addHook('onRequest', async request => {
          if (request.headers['x-slow'] !== undefined) await barrier.pass()
        })
      }
    })
    t.teardown(() => { barrier.open() })
    for (let turns = 0; turns < 20; turns++) {
      const raw = await RawSocket.upgrade(t, port, '/', ['Host: localhost', 'X-Slow: 1'])
      await barrier.held()
      raw.socket.resetAndDestroy()
      for (let i = 0; i < turns; i++) await new Promise(resolve => { setImmediate(resolve) })
      await barrier.release()
    }
    await unharmed(t)
  }
)

t.test('CVE-2023-31125: a query that is not what the handshake takes it for', async t => {
  const { port, unharmed } = await serveAttacked(t)
  for (const query of [
    '?%',
    '?%zz=%zz',
    '?EIO=4&EIO=3',
    '?a[b][__proto__][c]=1',
    '?__proto__[x]=1',
    '?constructor',
    '?=&&=',
    `?${'a&'.repeat(4_000)}`
  ]) {
    const raw = await RawSocket.upgrade(t, port, `/${query}`)
    t.equal(await raw.status(), 101, query.slice(0, 30))
    raw.socket.destroy()
  }
  t.equal(({} as Record<string, unknown>)['x'], undefined)
  await unharmed(t)
})

t.test(
  'CVE-2026-130647: a second upgrade in the same breath is not one that passes by the checks',
  async t => {
    const { port, app, unharmed } = await serveAttacked(t, {
      path: '/live',
      connectionLimits: { maxConnections: 3 }
    })
    const raw = await RawSocket.open(t, port)
    const upgrade = ['GET /live HTTP/1.1', 'Host: localhost', ...upgradeHeaders]
    raw.request(...upgrade, '', ...upgrade)
    await raw.closed
    t.equal(raw.received.match(/HTTP\/1\.1 101/g)?.length, 1)
    t.ok(app.noex.connectionCount <= 2)
    raw.socket.destroy()
    await unharmed(t)
  }
)

t.test(
  'CVE-2026-129502, CVE-2026-15631: a target that one parser reads differently from another',
  async t => {
    const { port, unharmed } = await serveAttacked(t, { path: '/live' })
    const targets = {
      '/live#/nothing': 101,
      '/nothing#/live': 404,
      '/nothing/../live': 404,
      '/nothing/%2e%2e/live': 404,
      '/nothing%2f..%2flive': 404,
      '\\live': 400,
      '//live': 404,
      '/live%2f..%2fnothing': 404,
      '*': 404,
      '/%zz': 400
    }
    for (const [target, status] of Object.entries(targets)) {
      const raw = await RawSocket.upgrade(t, port, target)
      t.equal(await raw.status(), status, target)
      raw.socket.destroy()
    }
    await unharmed(t)
  }
)

const otherSite = 'CVE-2026-133111, GHSA-f53g-frr2-jhpf, CVE-2020-28481: a page of another site connects, ' +
  'or reads, as the user who looks at it'

t.test(otherSite, async t => {
  const { port, app } = await serveAttacked(t, { allowedOrigins: ['https://desk.example'] })
  for (const origin of ['https://evil.example', 'https://desk.example.evil.example', 'null']) {
    const raw = await RawSocket.upgrade(t, port, '/', ['Host: localhost', `Origin: ${origin}`])
    t.equal(await raw.status(), 403, origin)
    raw.socket.destroy()
    for (const url of ['/healthz', '/stats', '/']) {
      const { headers } = await app.inject({ url, headers: { origin } })
      t.equal(headers['access-control-allow-origin'], undefined, url)
    }
  }
})

t.test('CVE-2022-2421, CVE-2023-32695: a member that is taken for what it should be', async t => {
  const { port, unharmed } = await serveAttacked(t)
  const client = await HostileClient.open(t, port)
  const odd = [
    null,
    true,
    0,
    -1,
    1.5,
    1e308,
    '',
    'constructor',
    '__proto__',
    'toString',
    [],
    ['store.get'],
    {},
    { length: 1e9 },
    { toJSON: 1 }
  ]
  let sent = 0
  for (const value of odd) {
    for (const message of [
      value,
      { id: value, type: 'store.buckets' },
      { id: 1, type: value },
      { id: 1, type: 'store.get', bucket: value, key: value },
      { type: 'pong', timestamp: value }
    ]) {
      if ((message as { type?: unknown } | null)?.type === 'pong' && typeof value === 'number') continue
      client.send(textFrame(JSON.stringify(message)))
      sent++
    }
  }
  client.send(request)
  await client.message(({ id }) => id === 7)
  t.equal(client.messages.length, sent + 2, 'each has one answer, after the welcome')
  t.notOk(client.messages.some(({ code }) => code === 'INTERNAL_ERROR'))
  client.raw.socket.destroy()
  await unharmed(t)
})

t.test('CVE-2026-33151: a message in parts of which the last never comes', async t => {
  const { port, unharmed } = await serveAttacked(t, { heartbeat: { intervalMs: 250, timeoutMs: 250 } })
  const client = await HostileClient.open(t, port)
  client.send(encodeFrame(opcodes.text, '{', { fin: false }))
  const dripping = setInterval(
    () => { client.send(encodeFrame(opcodes.continuation, ' ', { fin: false })) },
    10
  )
  t.teardown(() => { clearInterval(dripping) })
  t.equal(await client.closed(), 4001, 'parts of a message are no answer to the heartbeat')
  clearInterval(dripping)
  client.raw.socket.destroy()
  await unharmed(t)
})

t.test('GHSA-444r-cwp2-x5xf, CVE-2026-92395: a client writes the address that a proxy should', async t => {
  const spoofed = '203.0.113.9'
  type Row = readonly [peer: string, trustedProxies: string[], headers: string[], address: string | number]
  const table: readonly Row[] = [
    ['a trusted proxy', ['127.0.0.1'], [`X-Real-IP: ${spoofed}`], spoofed],
    ['a trusted proxy in a network', ['127.0.0.0/8'], [`X-Real-IP: ::ffff:${spoofed}`], spoofed],
    ['a trusted proxy, twice', ['127.0.0.1'], [`X-Real-IP: ${spoofed}`, 'X-Real-IP: 127.0.0.1'], 400],
    ['a trusted proxy, in another spelling', ['127.0.0.1'], [`X_Real_IP: ${spoofed}`], 400],
    [
      'a trusted proxy under another header',
      ['127.0.0.1'],
      [`X-Forwarded-For: ${spoofed}`, `Forwarded: for=${spoofed}`],
      '127.0.0.1'
    ],
    ['a trusted proxy that passes a list on', ['127.0.0.1'], [`X-Real-IP: ${spoofed}, 127.0.0.1`], 400],
    ['any other peer', ['10.0.0.0/8'], [`X-Real-IP: ${spoofed}`], '127.0.0.1'],
    ['any other peer, twice', ['10.0.0.0/8'], [`X-Real-IP: ${spoofed}`, `X-Real-IP: ${spoofed}`], '127.0.0.1']
  ]
  for (const [peer, trustedProxies, headers, address] of table) {
    const { app, port } = await serveAttacked(t, { realIpHeader: 'X-Real-IP', trustedProxies })
    const raw = await RawSocket.upgrade(t, port, '/', ['Host: localhost', ...headers])
    const status = await raw.status()
    t.equal(status === 101 ? app.noex.getConnections().at(-1)?.remoteAddress : status, address, peer)
    raw.socket.destroy()
  }
  await t.rejects(
    serve(t, { realIpHeader: 'X-Real-IP', trustedProxies: ['::ffff:10.0.0.0/104'] }),
    /IPv4 in IPv6 notation/,
    'a network that would be all of IPv4 to some is none'
  )
  const direct = await serveAttacked(t)
  await TestClient.open(t, direct.url, {
    headers: { 'x-forwarded-for': spoofed, 'x-real-ip': spoofed, forwarded: `for=${spoofed}` }
  })
  t.equal(direct.app.noex.getConnections().at(-1)?.remoteAddress, '127.0.0.1', 'no peer is trusted unasked')
})
