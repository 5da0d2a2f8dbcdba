import t from 'tap'
import { serveAttacked } from './attacked-service.js'
import { HostileClient } from './hostile-client.js'
import { usedBytes } from './used-bytes.js'
import { closeFrame, encodeFrame, fragments, opcodes, textFrame } from '../support/web-socket-frame.js'

const MIB = 2 ** 20
const MAX_PAYLOAD_BYTES = 65_536

const { continuation, text, binary, close, ping, pong } = opcodes
const request = { id: 7, type: 'store.buckets' }
const answer = { id: 7, type: 'result' }

/** A legal request of exactly `length` bytes. */
function requestOf (length: number): string {
  const bare = JSON.stringify({ ...request, filler: '' })
  return bare.replace('""', `"${'x'.repeat(length - bare.length)}"`)
}

const head = (...bytes: number[]): Buffer => Buffer.from(bytes)
const badText = (...bytes: number[]): Buffer =>
  Buffer.concat([Buffer.from('{"id":1,"type":"'), Buffer.from(bytes), Buffer.from('"}')])
const cutText = Buffer.from(JSON.stringify({ ...request, filler: 'ž€😀' }))

/** Frames that break the protocol, and the code that the server closes with. */
const violations: ReadonlyArray<readonly [attack: string, code: number, ...bytes: Buffer[]]> = [
  ...[1, 2, 3, 4, 5, 6, 7].map(
    rsv => [`reserved bits ${rsv.toString(2).padStart(3, '0')}`, 1002, textFrame(request, { rsv })] as const
  ),
  [
    'a reserved bit on a continuation',
    1002,
    encodeFrame(text, '{', { fin: false }),
    encodeFrame(continuation, '}', { rsv: 4 })
  ],
  ['a reserved bit on a ping', 1002, encodeFrame(ping, '', { rsv: 4 })],
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(
    opcode => [`reserved opcode ${opcode}`, 1002, encodeFrame(opcode, 'x')] as const
  ),
  ['a text frame without a mask', 1002, textFrame(request, { masked: false })],
  ['a ping without a mask', 1002, encodeFrame(ping, '', { masked: false })],
  ['a close frame without a mask', 1002, encodeFrame(close, head(0x03, 0xe8), { masked: false })],
  [
    'a 64-bit length with its highest bit set',
    1009,
    encodeFrame(text, '', { length: 2n ** 63n, lengthBits: 64 })
  ],
  ['a length of all ones', 1009, encodeFrame(text, 'x', { length: 2n ** 64n - 1n, lengthBits: 64 })],
  ['a length that no number can hold', 1009, encodeFrame(text, 'x', { length: 2n ** 53n, lengthBits: 64 })],
  ['a length of four gigabytes', 1009, encodeFrame(text, 'x', { length: 2n ** 32n })],
  ['a length of one byte too many', 1009, encodeFrame(text, 'x', { length: MAX_PAYLOAD_BYTES + 1 })],
  ['a message one byte too long', 1009, textFrame(requestOf(MAX_PAYLOAD_BYTES + 1))],
  [
    'fragments that are one byte too long together',
    1009,
    fragments(text, requestOf(MAX_PAYLOAD_BYTES + 1), 8_192)
  ],
  [
    'an endless message in large fragments',
    1009,
    ...Array.from({ length: 9 }, (_, i) =>
      encodeFrame(i === 0 ? text : continuation, 'x'.repeat(8_192), { fin: false })
    )
  ],
  ['a ping in fragments', 1002, encodeFrame(ping, 'a', { fin: false }), encodeFrame(continuation, 'b')],
  ['a pong in fragments', 1002, encodeFrame(pong, 'a', { fin: false })],
  ['a close frame in fragments', 1002, encodeFrame(close, head(0x03, 0xe8), { fin: false })],
  ['a ping of 126 bytes', 1002, encodeFrame(ping, 'x'.repeat(126))],
  ['a pong with a 64-bit length', 1002, encodeFrame(pong, 'x', { lengthBits: 64 })],
  ['a close frame of 126 bytes', 1002, closeFrame(1000, 'x'.repeat(124))],
  ['a close frame of one byte', 1002, encodeFrame(close, 'x')],
  ...[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map(
    code => [`a close frame with code ${code}`, 1002, closeFrame(code)] as const
  ),
  ['a close reason that is no UTF-8', 1007, closeFrame(1000, head(0xc3, 0x28))],
  ['the two bytes a2 00', 1002, head(0xa2, 0x00)],
  ['a byte that UTF-8 does not have', 1007, encodeFrame(text, badText(0xff))],
  ['an overlong form in UTF-8', 1007, encodeFrame(text, badText(0xc0, 0xaf))],
  ['a surrogate in UTF-8', 1007, encodeFrame(text, badText(0xed, 0xa0, 0x80))],
  ['a character beyond Unicode', 1007, encodeFrame(text, badText(0xf4, 0x90, 0x80, 0x80))],
  ['UTF-8 that ends within a character', 1007, encodeFrame(text, head(0xf0, 0x9f, 0x98))],
  [
    'a wrong character that is split over fragments',
    1007,
    fragments(text, badText(0xf0, 0x9f, 0x28, 0x80), 17)
  ],
  ['a continuation of nothing', 1002, encodeFrame(continuation, 'x')],
  ['a continuation of a message that is over', 1002, textFrame('{}'), encodeFrame(continuation, 'x')],
  ['a new message within fragments', 1002, encodeFrame(text, '{', { fin: false }), textFrame(request)],
  [
    'a binary message within fragments',
    1002,
    encodeFrame(text, '{', { fin: false }),
    encodeFrame(binary, 'x')
  ],
  ['a binary frame', 1003, encodeFrame(binary, JSON.stringify(request))],
  ['an empty binary frame', 1003, encodeFrame(binary)],
  ['a binary message in fragments', 1003, fragments(binary, JSON.stringify(request), 5)],
  [
    'empty fragments that never end',
    1008,
    encodeFrame(text, '', { fin: false }),
    ...Array.from({ length: 20_000 }, () => encodeFrame(continuation, '', { fin: false }))
  ],
  [
    '100,000 fragments of one byte',
    1008,
    encodeFrame(text, '[', { fin: false }),
    ...Array.from({ length: 100_000 }, () => encodeFrame(continuation, ' ', { fin: false }))
  ],
  [
    'a compressed frame that was not agreed on',
    1002,
    encodeFrame(text, head(0xaa, 0x56, 0x4a, 0x04, 0x00), { rsv: 4 })
  ],
  ['a second HTTP request', 1002, Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ['the beginning of TLS', 1002, head(0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03)],
  ['zeros', 1002, Buffer.alloc(1_000)],
  ['ones', 1002, Buffer.alloc(1_000, 0xff)],
  ['a message, and then garbage', 1002, textFrame(request), head(0xff, 0xff, 0xff)]
]

t.test('a frame that breaks the protocol closes its connection alone', async t => {
  const { port, unharmed, store } = await serveAttacked(t, { maxPayloadBytes: MAX_PAYLOAD_BYTES })
  const before = usedBytes()
  for (const [attack, code, ...frames] of violations) {
    await t.test(`${attack}: ${code}`, async t => {
      const client = await HostileClient.open(t, port)
      // What follows in the same chunk must not be executed.
      client.send(
        Buffer.concat([...frames, textFrame({ id: 8, type: 'store.insert', bucket: 'items', data: {} })])
      )
      t.equal(await client.closed(), code)
      client.raw.socket.destroy()
      await unharmed(t)
      t.notMatch(client.messages, [{ id: 8 }])
    })
  }
  t.equal(await store.bucket('items').count(), 0, 'nothing was written')
  const grown = usedBytes() - before
  t.ok(grown < 16 * MIB, `the process has grown by ${(grown / MIB).toFixed(1)} MiB`)
})

t.test('a connection that is closed for a violation ends even if the client holds on to it', async t => {
  const { port, unharmed } = await serveAttacked(t)
  const clients = await Promise.all([
    HostileClient.open(t, port),
    HostileClient.open(t, port),
    HostileClient.open(t, port)
  ])
  clients[0].send(encodeFrame(text, '', { rsv: 1 }))
  clients[1].send(encodeFrame(binary))
  clients[2].send(closeFrame(1000))
  t.same(await Promise.all(clients.map(async client => await client.closed())), [1002, 1003, 1000])
  // They neither answer nor end.
  await unharmed(t)
})

/** Frames that look odd and are legal. */
const oddities: ReadonlyArray<readonly [oddity: string, ...bytes: Buffer[]]> = [
  ['a 16-bit length where 7 bits would do', textFrame(request, { lengthBits: 16 })],
  ['a 64-bit length where 7 bits would do', textFrame(request, { lengthBits: 64 })],
  ['the longest message', textFrame(requestOf(MAX_PAYLOAD_BYTES))],
  ['the longest message in fragments of 4 KiB', fragments(text, requestOf(MAX_PAYLOAD_BYTES), 4_096)],
  ['a message in fragments of one byte', fragments(text, JSON.stringify(request), 1)],
  ['characters that are split over fragments', fragments(text, cutText, 1)],
  [
    'empty fragments around a message',
    encodeFrame(text, '', { fin: false }),
    encodeFrame(continuation, '', { fin: false }),
    encodeFrame(continuation, JSON.stringify(request), { fin: false }),
    encodeFrame(continuation)
  ],
  [
    'a ping between fragments',
    encodeFrame(text, '{"id":7,', { fin: false }),
    encodeFrame(ping, 'x'),
    encodeFrame(continuation, '"type":"store.buckets"}')
  ],
  ['pongs without a ping', encodeFrame(pong), encodeFrame(pong, 'x'.repeat(125)), textFrame(request)],
  [
    'no request first',
    textFrame(''),
    textFrame('\0'),
    textFrame('[]'),
    textFrame('{"id":'),
    textFrame(request)
  ]
]

t.test('an odd frame that is legal is served', async t => {
  const { port, unharmed } = await serveAttacked(t, { maxPayloadBytes: MAX_PAYLOAD_BYTES })
  for (const [oddity, ...bytes] of oddities) {
    await t.test(oddity, async t => {
      const client = await HostileClient.open(t, port)
      client.send(Buffer.concat(bytes))
      t.match(await client.message(({ id }) => id === 7), answer)
      client.raw.socket.destroy()
      await unharmed(t)
    })
  }

  await t.test('a frame that comes byte by byte', async t => {
    const client = await HostileClient.open(t, port)
    client.raw.socket.setNoDelay(true)
    for (const byte of textFrame(request)) await client.flush(Buffer.from([byte]))
    t.match(await client.message(({ id }) => id === 7), answer)
    client.raw.socket.destroy()
    await unharmed(t)
  })
})
