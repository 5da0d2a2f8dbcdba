import { once } from 'node:events'
import t, { type Test } from 'tap'
import { RawSocket } from '../support/raw-socket.js'
import { Barrier } from '../support/barrier.js'
import { serveAttacked, type Attacked } from './attacked-service.js'

const host = 'Host: localhost'
const upgrade = 'Upgrade: websocket'
const connection = 'Connection: Upgrade'
const version = 'Sec-WebSocket-Version: 13'
const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
const path = '/live'

/** The headers between the request line and those that a row adds. */
const proper = [host, upgrade, connection, version, key]
const get = (...headers: string[]): string[] => [`GET ${path} HTTP/1.1`, ...headers]
const at = (target: string): string[] => [`GET ${target} HTTP/1.1`, ...proper]

/** A row: the attack, the status of the answer (0: none, and the connection ends), and the request. */
/**
 * Newer releases of Node refuse so many headers by themselves; older ones drop some, and leave it to the
 * service.
 */
const tooManyHeaders = [400, 431]

type Row = readonly [
  attack: string,
  status: number | readonly number[],
  request: readonly string[],
  body?: string
]

const rows: readonly Row[] = [
  ['nothing odd', 101, get(...proper)],
  ['no key', 400, get(host, upgrade, connection, version)],
  ['two keys', 400, get(...proper, key)],
  ['an empty key', 400, get(host, upgrade, connection, version, 'Sec-WebSocket-Key:')],
  ['a key that is too short', 400, get(host, upgrade, connection, version, 'Sec-WebSocket-Key: abc')],
  [
    'a key of 8 KB',
    400,
    get(host, upgrade, connection, version, `Sec-WebSocket-Key: ${'A'.repeat(8_190)}==`)
  ],
  ['no version', 400, get(host, upgrade, connection, key)],
  ['two versions', 400, get(...proper, version)],
  ['version 12', 400, get(host, upgrade, connection, key, 'Sec-WebSocket-Version: 12')],
  [
    'a version that is no number',
    400,
    get(host, upgrade, connection, key, 'Sec-WebSocket-Version: constructor')
  ],
  ['no upgrade header', 426, get(host, connection, version, key)],
  ['no connection header', 426, get(host, upgrade, version, key)],
  [
    'an upgrade to h2c',
    400,
    get(
      host,
      'Upgrade: h2c',
      'Connection: Upgrade, HTTP2-Settings',
      'HTTP2-Settings: AAMAAABkAAQAAP__',
      version,
      key
    )
  ],
  ['an upgrade to one of two', 400, get(host, 'Upgrade: h2c, websocket', connection, version, key)],
  ['two upgrade headers', 400, get(...proper, upgrade)],
  ['the beginning of HTTP/2', 400, ['PRI * HTTP/2.0', '', 'SM', '']],
  [
    'an extension named like a member of a prototype',
    101,
    get(...proper, 'Sec-WebSocket-Extensions: constructor')
  ],
  [
    'extensions and parameters named like those',
    101,
    get(
      ...proper,
      'Sec-WebSocket-Extensions: __proto__; toString=1, permessage-deflate; __proto__=2; hasOwnProperty'
    )
  ],
  [
    'headers named like those',
    101,
    get(...proper, '__proto__: a', 'constructor: b', 'toString: c', 'hasOwnProperty: d')
  ],
  ['a subprotocol twice', 400, get(...proper, 'Sec-WebSocket-Protocol: a, a')],
  ['a subprotocol without a name', 400, get(...proper, 'Sec-WebSocket-Protocol:')],
  ['headers of 20 KB', 431, get(...proper, `X: ${'y'.repeat(20_000)}`)],
  [
    '2,500 headers after its own',
    tooManyHeaders,
    get(...proper, ...Array.from({ length: 2_500 }, (_, i) => `a${i}:`))
  ],
  [
    '2,500 headers before its own',
    tooManyHeaders,
    get(host, ...Array.from({ length: 2_500 }, (_, i) => `a${i}:`), ...proper.slice(1))
  ],
  ['a fragment', 101, at(`${path}#x`)],
  ['the path in a fragment', 404, at(`/#${path}`)],
  ['the target *', 404, at('*')],
  ['the absolute form', 101, at(`http://evil.example${path}`)],
  ['the absolute form of another protocol', 404, at(`ftp://evil.example${path}`)],
  ['two slashes', 404, at(`/${path}`)],
  ['a way round', 404, at(`/x/..${path}`)],
  ['a way out', 404, at('/../../etc/passwd')],
  ['dots in percent', 404, at(`/%2e%2e%2f%2e%2e${path}`)],
  ['a percent sign that encodes nothing', 400, at('/%zz')],
  ['a percent sign at the end', 400, at(`${path}%`)],
  ['a query that encodes nothing', 101, at(`${path}?%zz=%&__proto__=1&a[__proto__][b]=c`)],
  ['a line end in percent', 404, at(`${path}%0d%0aSet-Cookie:x`)],
  ['a NUL in percent', 404, at(`${path}%00`)],
  ['a target without a slash', 400, at('x')],
  ['no target', 400, ['GET  HTTP/1.1', ...proper]],
  ['a target beyond ASCII', 400, at(`${path}\xe9`)],
  ['no host', 101, get(...proper.slice(1))],
  ['an empty host', 101, get('Host:', ...proper.slice(1))],
  ['two hosts', 101, get(...proper, 'Host: evil.example')],
  ['HTTP/1.0', 101, [`GET ${path} HTTP/1.0`, ...proper]],
  ['HTTP/1.2', 400, [`GET ${path} HTTP/1.2`, ...proper]],
  ['a body', 101, get(...proper, 'Content-Length: 5'), 'hello'],
  ['a body in chunks', 101, get(...proper, 'Transfer-Encoding: chunked'), '5\r\nhello\r\n0\r\n\r\n'],
  [
    'a body in chunks with a length',
    400,
    get(...proper, 'Transfer-Encoding: chunked', 'Content-Length: 5'),
    '5\r\nhello\r\n0\r\n\r\n'
  ],
  ['a body of two lengths', 400, get(...proper, 'Content-Length: 5', 'Content-Length: 6'), 'hello'],
  ['a body of less than nothing', 400, get(...proper, 'Content-Length: -1')],
  ['an expectation', 101, get(...proper, 'Expect: 100-continue')],
  ['POST', 404, [`POST ${path} HTTP/1.1`, ...proper]],
  ['HEAD', 426, [`HEAD ${path} HTTP/1.1`, ...proper]],
  ['OPTIONS', 404, [`OPTIONS ${path} HTTP/1.1`, ...proper]],
  ['CONNECT', 0, [`CONNECT ${path} HTTP/1.1`, ...proper]],
  ['another route', 404, at('/nothing')],
  ['the health route', 200, at('/healthz')],
  ['a CR in a header', 400, get(...proper, 'X: a\rSet-Cookie: b')],
  ['an LF in a header', 400, get(...proper, 'X: a\nY: b')],
  ['lines that end in LF alone', 400, [get(...proper).join('\n') + '\n\n']],
  ['a folded header', 400, get(...proper, 'X: a', ' b')],
  ['a NUL in a header', 400, get(...proper, 'X: a\0b')],
  ['a line end in the subprotocol', 400, get(...proper, 'Sec-WebSocket-Protocol: a\r\n\tb')],
  ['a space before a colon', 400, get(...proper, 'X : a')],
  ['a space in a header\'s name', 400, get(...proper, 'X Y: a')],
  ['a header beyond ASCII', 101, get(...proper, 'X: \xff')],
  ['the beginning of TLS', 400, ['\x16\x03\x01\x02\x00\x01']]
]

/** Sends a request and answers with what came back. A connection that was not upgraded is over then. */
async function send (t: Test, { port }: Attacked, [, status, request, body]: Row): Promise<RawSocket> {
  const raw = await RawSocket.open(t, port)
  raw.request(...request)
  if (body !== undefined) raw.socket.write(body)
  const answered = await raw.status()
  t.ok([status].flat().includes(answered), `answered ${answered}`)
  return raw
}

/** Ends the client's side; resolves when the server's is gone too, and fails when it stays. */
async function gone (t: Test, { app, otherClient }: Attacked, raw: RawSocket): Promise<void> {
  raw.socket.end()
  const count = async (): Promise<number> => await new Promise((resolve, reject) => {
    app.server.getConnections((error, n) => { error === null ? resolve(n) : reject(error) })
  })
  const giveUpAt = performance.now() + 3_000
  while (await count() > 1 && performance.now() < giveUpAt) await otherClient.settled()
  t.equal(await count(), 1, 'the server holds nothing but the other client\'s connection')
  raw.socket.destroy()
}

t.test('an odd handshake is answered by its own connection alone', async t => {
  const served = await serveAttacked(t, { path })
  for (const row of rows) {
    await t.test(`${row[0]}: ${[row[1]].flat().join(' or ')}`, async t => {
      await gone(t, served, await send(t, served, row))
      await served.unharmed(t)
    })
  }
})

t.test('a refused upgrade ends its connection', async t => {
  const served = await serveAttacked(t, { path })
  for (const [attack, status, request] of rows.filter(
    ([, status, lines]) =>
      [status].flat().every(code => code >= 200 && code !== 426) && lines.includes(upgrade)
  )) {
    const raw = await send(t, served, [attack, status, request])
    await raw.closed
    raw.socket.destroy()
  }
  await served.unharmed(t)
})

t.test('a header that takes long to read in some parsers is refused at once', async t => {
  const served = await serveAttacked(t, { path })
  const pathological = [
    `a${' '.repeat(8_000)}b`,
    'a,'.repeat(4_000),
    ','.repeat(8_000),
    `${' '.repeat(4_000)}a${'\t'.repeat(4_000)}`,
    '"'.repeat(8_000)
  ]
  for (const name of [
    'Sec-WebSocket-Protocol',
    'Sec-WebSocket-Extensions',
    'Sec-WebSocket-Version',
    'Origin',
    'Cookie'
  ]) {
    for (const value of pathological) {
      const used = process.cpuUsage()
      const raw = await RawSocket.open(t, served.port)
      raw.request(...get(...proper, `${name}: ${value}`))
      t.match(String(await raw.status()), /^(101|4\d\d)$/)
      const { user } = process.cpuUsage(used)
      t.ok(user < 200_000, `${name} of ${value.length} bytes took ${Math.round(user / 1_000)} ms`)
      raw.socket.destroy()
    }
  }
  await served.unharmed(t)
})

t.test('a token among the subprotocols does not come back', async t => {
  const served = await serveAttacked(t, { path })
  const lists = [
    'bearer.secret, other', 'other, bearer.secret', 'BEARER.secret, other',
    'base64url.bearer.authorization.k8s.io.secret, other'
  ]
  for (const offers of lists) {
    const raw = await send(t, served, ['', 101, get(...proper, `Sec-WebSocket-Protocol: ${offers}`)])
    t.match(raw.received, /\r\nsec-websocket-protocol: other\r\n/i, offers)
    t.notMatch(raw.received, /bearer|secret/i, offers)
    await gone(t, served, raw)
  }
  const raw = await send(t, served, ['', 101, get(...proper, 'Sec-WebSocket-Protocol: bearer.secret')])
  t.notMatch(raw.received, /bearer|secret|sec-websocket-protocol/i)
  await gone(t, served, raw)
})

t.test('requests in one breath', async t => {
  t.test('a second upgrade is no frame', async t => {
    const served = await serveAttacked(t, { path })
    const raw = await send(t, served, ['', 101, [...get(...proper), '', ...get(...proper)]])
    await raw.closed
    t.ok(raw.received.includes('\x02\x03\xea'), 'closed with 1002')
    t.equal(raw.received.match(/HTTP\/1\.1 101/g)?.length, 1)
    await gone(t, served, raw)
    await served.unharmed(t)
  })

  for (const first of [
    ['GET /healthz HTTP/1.1', host],
    ['GET /nothing HTTP/1.1', host],
    [`GET ${path} HTTP/1.1`, host],
    ['POST /healthz HTTP/1.1', host, 'Content-Length: 0']
  ]) {
    t.test(
      `an upgrade that is pipelined behind a plain request (${first[0]}) is answered or ended`,
      async t => {
        const served = await serveAttacked(t, { path })
        const raw = await RawSocket.open(t, served.port)
        raw.request(...first, '', ...get(...proper))
        await raw.status()
        await gone(t, served, raw)
        await served.unharmed(t)
      }
    )
  }

  t.test('both requests before a pipelined upgrade are answered', async t => {
    const served = await serveAttacked(t, { path })
    const raw = await RawSocket.open(t, served.port)
    raw.request('GET /nothing HTTP/1.1', host, '', 'GET /healthz HTTP/1.1', host, '', ...get(...proper))
    await raw.closed
    t.same(raw.received.match(/(?<=HTTP\/1\.1 )\d+/g), ['404', '200'])
    await gone(t, served, raw)
    await served.unharmed(t)
  })

  t.test('nothing is answered behind a refused upgrade', async t => {
    const served = await serveAttacked(t, { path })
    const raw = await send(t, served, ['', 404, [`POST ${path} HTTP/1.1`, ...proper, '', ...get(...proper)]])
    await raw.closed
    t.equal(raw.received.match(/HTTP\/1\.1 /g)?.length, 1)
    await gone(t, served, raw)
    await served.unharmed(t)
  })
  t.end()
})

t.test('a handshake that comes byte by byte is served', async t => {
  const served = await serveAttacked(t, { path })
  const raw = await RawSocket.open(t, served.port)
  raw.socket.setNoDelay(true)
  for (const char of [...get(...proper), '', ''].join('\r\n')) {
    await new Promise(resolve => { raw.socket.write(char, resolve) })
  }
  t.equal(await raw.status(), 101)
  await gone(t, served, raw)
})

t.test('handshakes that never end keep no other client out', async t => {
  const served = await serveAttacked(t, { path, connectionLimits: { maxConnections: 2 } })
  const slow = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    const raw = await RawSocket.open(t, served.port)
    raw.socket.write(get(...proper).join('\r\n').slice(0, i + 1))
    return raw
  }))
  const raw = await send(t, served, ['', 101, get(...proper)])
  raw.socket.destroy()
  await served.unharmed(t)
  for (const { socket } of slow) socket.resetAndDestroy()
  await served.unharmed(t)
})

t.test('a reset', async t => {
  t.test('after any part of the handshake leaves nothing', async t => {
    const served = await serveAttacked(t, { path })
    const whole = Buffer.from([...get(...proper), '', ''].join('\r\n'))
    for (let length = 0; length <= whole.length; length += length < whole.length - 8 ? 7 : 1) {
      const raw = await RawSocket.open(t, served.port)
      await new Promise(resolve => { raw.socket.write(whole.subarray(0, length), resolve) })
      raw.socket.resetAndDestroy()
    }
    await served.unharmed(t)
  })

  t.test('while the application still decides about the upgrade leaves nothing', async t => {
    const barrier = new Barrier()
    let held = true
    const served = await serveAttacked(t, { path, connectionLimits: { maxConnections: 3 } }, {
      before: app => {
        app.addHook('onRequest', async request => {
          if (held && request.headers['x-slow'] !== undefined) await barrier.pass()
        })
      }
    })
    t.teardown(() => { barrier.open() })
    for (let i = 0; i < 20; i++) {
      const raw = await RawSocket.open(t, served.port)
      raw.request(...get(...proper, 'X-Slow: 1'))
      await barrier.held()
      raw.socket.resetAndDestroy()
      // For half of them the server finds out first.
      if (i % 2 === 0) await once(raw.socket, 'close')
      await barrier.release()
    }
    held = false
    await served.unharmed(t)
    const raw = await send(t, served, ['', 101, get(...proper, 'X-Slow: 1')])
    await gone(t, served, raw)
  })
  t.end()
})
