import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { serveAttacked } from './attacked-service.js'
import { HostileClient } from './hostile-client.js'
import { usedBytes } from './used-bytes.js'
import { closeFrame, encodeFrame, opcodes, textFrame } from '../support/web-socket-frame.js'

const MIB = 2 ** 20

/** PROTOCOL.md, "Limits". */
const MAX_WAITING_PINGS = 60

const { close, ping, pong } = opcodes
const request = { id: 7, type: 'store.buckets' }
const answer = { id: 7, type: 'result' }

t.test('the close handshake', async t => {
  const { port, unharmed, store } = await serveAttacked(t)

  t.test('answers a legal code with the same', async t => {
    for (const code of [1000, 1001, 1007, 1011, 1014, 3000, 4999]) {
      const client = await HostileClient.open(t, port)
      client.send(closeFrame(code, 'bye'))
      t.equal(await client.closed(), code)
      client.raw.socket.destroy()
    }
    await unharmed(t)
  })

  t.test('answers a close frame without a code with one without a code', async t => {
    const client = await HostileClient.open(t, port)
    client.send(encodeFrame(close))
    t.equal(await client.closed(), 1005)
    client.raw.socket.destroy()
    await unharmed(t)
  })

  t.test('answers a flood of close frames once', async t => {
    const client = await HostileClient.open(t, port)
    client.send(Buffer.concat(Array.from({ length: 10_000 }, () => closeFrame(1000))))
    await client.closed()
    t.equal(client.frames.filter(({ opcode }) => opcode === close).length, 1)
    client.raw.socket.destroy()
    await unharmed(t)
  })

  t.test('executes nothing that comes after it', async t => {
    const client = await HostileClient.open(t, port)
    const insert = textFrame({ id: 1, type: 'store.insert', bucket: 'items', data: {} })
    client.send(Buffer.concat([closeFrame(1000), insert]))
    await client.flush(insert)
    t.equal(await client.closed(), 1000)
    client.raw.socket.destroy()
    await unharmed(t)
    t.equal(await store.bucket('items').count(), 0)
  })
  t.end()
})

t.test('half a frame', async t => {
  const half = textFrame({ ...request, filler: 'x'.repeat(10_000) }).subarray(0, 5_000)
  const endings: Record<string, (client: HostileClient) => void> = {
    'and then a reset': client => { client.raw.socket.resetAndDestroy() },
    'and then the end of the connection': client => { client.raw.socket.end() }
  }
  for (const [ending, end] of Object.entries(endings)) {
    t.test(ending, async t => {
      const { port, unharmed } = await serveAttacked(t)
      for (const length of [1, 2, 3, 5, 8, 500, half.length]) {
        const client = await HostileClient.open(t, port)
        await client.flush(half.subarray(0, length))
        end(client)
        await client.raw.closed
      }
      await unharmed(t)
    })
  }

  t.test('and then silence is cut off by the heartbeat', async t => {
    const { port, unharmed } = await serveAttacked(t, { heartbeat: { intervalMs: 250, timeoutMs: 250 } })
    const clients = await Promise.all([1, 2, 5, half.length].map(async length => {
      const client = await HostileClient.open(t, port)
      client.send(half.subarray(0, length))
      return client
    }))
    for (const client of clients) t.equal(await client.closed(), 4001)
    await unharmed(t)
  })
  t.end()
})

t.test('a flood', async t => {
  t.test('of pings is answered in order while it waits for the answers', async t => {
    const { port, otherClient, unharmed } = await serveAttacked(t)
    const client = await HostileClient.open(t, port)
    const pongs = (): string[] =>
      client.frames.filter(({ opcode }) => opcode === pong).map(({ payload }) => String(payload))
    const sent: string[] = []
    for (let round = 0; round < 20; round++) {
      const pings = Array.from({ length: MAX_WAITING_PINGS }, (_, i) => `${round}-${i}`)
      sent.push(...pings)
      client.send(
        Buffer.concat([
          ...pings.map(payload => encodeFrame(ping, payload)),
          textFrame({ ...request, id: 100 + round })
        ])
      )
      t.match(await client.message(({ id }) => id === 100 + round), { type: 'result' })
    }
    t.same(pongs(), sent)
    await otherClient.settled()
    client.raw.socket.destroy()
    await unharmed(t)
  })

  t.test('of pings ends the connection when more of them wait than the protocol allows', async t => {
    const { port, otherClient, unharmed } = await serveAttacked(t)
    const client = await HostileClient.open(t, port)
    client.send(Buffer.concat(Array.from({ length: 100_000 }, (_, i) => encodeFrame(ping, String(i)))))
    await otherClient.settled()
    t.equal(await client.closed(), 1006, 'without a close frame')
    client.raw.socket.destroy()
    await unharmed(t)
  })

  t.test('of pings whose answers are not read takes no memory', async t => {
    const { port, otherClient, unharmed } = await serveAttacked(t, {
      backpressure: { maxBufferedBytes: MIB, drainTimeoutMs: 60_000 }
    })
    const client = await HostileClient.open(t, port)
    client.raw.socket.pause()
    const flood = Buffer.concat(Array.from({ length: 8_000 }, () => encodeFrame(ping, 'x'.repeat(125))))
    const before = usedBytes()
    const sent = { floods: 0 }
    const sending = (async () => {
      for (; sent.floods < 60 && !client.raw.socket.destroyed; sent.floods++) await client.flush(flood)
    })()
    // Until all has left, or the server reads no more.
    for (let stable = 0, last = -1; stable < 50; last = sent.floods) {
      await otherClient.settled()
      stable = sent.floods === last ? stable + 1 : 0
    }
    const grown = usedBytes() - before
    t.ok(grown < 8 * MIB, `the process has grown by ${(grown / MIB).toFixed(1)} MiB`)
    client.raw.socket.destroy()
    await sending
    await unharmed(t)
  })

  t.test('of pongs is ignored', async t => {
    const { port, otherClient, unharmed } = await serveAttacked(t)
    const client = await HostileClient.open(t, port)
    const flood = Buffer.concat(Array.from({ length: 5_000 }, () => encodeFrame(pong, 'x'.repeat(125))))
    for (let round = 0; round < 20; round++) {
      const sent = client.flush(flood)
      await otherClient.settled()
      await sent
    }
    client.send(textFrame(request))
    t.match(await client.message(({ id }) => id === 7), answer)
    t.equal(client.frames.length, 2, 'the welcome and the answer')
    client.raw.socket.destroy()
    await unharmed(t)
  })

  t.test('of pongs is no answer to the heartbeat', async t => {
    const { port, unharmed } = await serveAttacked(t, { heartbeat: { intervalMs: 250, timeoutMs: 250 } })
    const client = await HostileClient.open(t, port)
    await floodUntilClosed(client, encodeFrame(pong))
    t.equal(client.closeCode, 4001)
    await unharmed(t)
  })

  t.test('of messages that are no requests is answered, one by one', async t => {
    const { port, otherClient, unharmed } = await serveAttacked(t)
    const client = await HostileClient.open(t, port)
    client.send(Buffer.concat([...Array.from({ length: 20_000 }, () => textFrame('{')), textFrame(request)]))
    await otherClient.settled()
    // All are decoded once, at the end.
    await client.raw.until(/"id":7/)
    t.equal(client.messages.filter(({ code }) => code === 'PARSE_ERROR').length, 20_000)
    client.raw.socket.destroy()
    await unharmed(t)
  })
  t.end()
})

/** Sends the same over and over until the server ends the connection. */
async function floodUntilClosed (client: HostileClient, bytes: Buffer): Promise<void> {
  const { socket } = client.raw
  const closed = client.closed()
  while (!socket.readableEnded && !socket.destroyed) {
    await Promise.race([closed, client.flush(bytes)])
    await Promise.race([closed, setImmediate()])
  }
  await closed
  socket.destroy()
}
