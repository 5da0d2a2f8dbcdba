import { once } from 'node:events'
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import { RawSocket, upgradeHeaders } from './raw-socket.js'
import { encodeFrame, opcodes, textFrame } from './web-socket-frame.js'

/** An activity of a client while the server closes. */
export interface Behaviour {
  readonly name: string
  /**
   * Whether it is a WebSocket, or has asked to become one; otherwise it is a client of HTTP, which is the
   * application's to close.
   */
  readonly isWebSocket: boolean
  /** Whether it goes on sending as fast as it can. */
  readonly isBusy?: boolean
  /** Does what leads to it and resolves when that is done; what goes on, goes on until the test ends. */
  readonly act: (t: Test, port: number) => Promise<void>
}

/** Shakes hands, and resolves when the welcome has come. */
async function welcomed (t: Test, port: number): Promise<RawSocket> {
  const raw = await RawSocket.upgrade(t, port)
  await raw.until(/"welcome"/)
  return raw
}

/** Connects, sends these lines, and nothing to end the head with. */
async function began (t: Test, port: number, ...lines: readonly string[]): Promise<RawSocket> {
  const raw = await RawSocket.open(t, port)
  raw.socket.write(lines.map(line => `${line}\r\n`).join(''))
  return raw
}

/** Sends something every 20 ms as long as the socket takes it. */
function drip (t: Test, { socket }: RawSocket, next: () => Uint8Array | string): void {
  const ended = new AbortController()
  t.teardown(() => { ended.abort() })
  const run = async (): Promise<void> => {
    while (!socket.destroyed) {
      await setTimeout(20, undefined, { signal: ended.signal, ref: false })
      socket.write(next())
    }
  }
  run().catch(() => {})
}

/** Sends as fast as the server takes it. The others get a turn in between. */
function flood ({ socket }: RawSocket, chunk: Uint8Array | string): void {
  const run = async (): Promise<void> => {
    // The test destroys the socket when it ends.
    while (!socket.destroyed) {
      if (socket.write(chunk)) await setImmediate()
      else await Promise.race([once(socket, 'drain'), once(socket, 'close')])
    }
  }
  run().catch(() => {})
}

const request = (type: string, fields: object = {}): Buffer => textFrame({ ...fields, id: 1, type })
const many = (frame: Buffer, count = 64): Buffer => Buffer.concat(Array.from({ length: count }, () => frame))

const ofWebSockets: ReadonlyArray<Omit<Behaviour, 'isWebSocket'>> = [
  {
    name: 'says nothing, and never answers a close frame',
    act: async (t, port) => { await welcomed(t, port) }
  },
  {
    name: 'has ended its half of the connection',
    act: async (t, port) => { (await welcomed(t, port)).socket.end() }
  },
  {
    name: 'has sent a close frame and holds on to the connection',
    act: async (t, port) => {
      ;(await welcomed(t, port)).socket.write(encodeFrame(opcodes.close, Buffer.from([3, 232])))
    }
  },
  {
    name: 'has broken the protocol and holds on to the connection',
    act: async (t, port) => { (await welcomed(t, port)).socket.write(encodeFrame(0x3, 'x', { rsv: 7 })) }
  },
  {
    name: 'does not read what it has asked for',
    act: async (t, port) => {
      const raw = await welcomed(t, port)
      raw.socket.pause()
      for (let i = 0; i < 40; i++) raw.socket.write(request('store.query', { query: 'large' }))
    }
  },
  {
    name: 'reads nothing from its 101 on',
    act: async (t, port) => {
      const raw = await RawSocket.open(t, port)
      raw.socket.pause()
      raw.request('GET / HTTP/1.1', 'Host: localhost', ...upgradeHeaders)
    }
  },
  {
    name: 'waits for a request that never ends',
    act: async (t, port) => {
      ;(await welcomed(t, port)).socket.write(
        Buffer.concat([request('store.query', { query: 'never' }), many(request('store.stats'))])
      )
    }
  },
  {
    name: 'waits to be logged in',
    act: async (t, port) => {
      ;(await welcomed(t, port)).socket.write(request('auth.login', { token: 'never' }))
    }
  },
  {
    name: 'has sent the beginning of a header',
    act: async (t, port) => { (await welcomed(t, port)).socket.write(Buffer.from([0x81])) }
  },
  {
    name: 'is within a frame, byte by byte',
    act: async (t, port) => {
      const raw = await welcomed(t, port)
      raw.socket.write(encodeFrame(opcodes.text, '{"', { length: 1_000_000 }))
      drip(t, raw, () => ' ')
    }
  },
  {
    name: 'is within a message, fragment by fragment',
    act: async (t, port) => {
      const raw = await welcomed(t, port)
      raw.socket.write(encodeFrame(opcodes.text, '{"', { fin: false }))
      drip(t, raw, () => encodeFrame(opcodes.continuation, ' ', { fin: false }))
    }
  },
  {
    name: 'goes on asking and reading',
    isBusy: true,
    act: async (t, port) => {
      flood(await welcomed(t, port), many(request('store.get', { bucket: 'items', key: 'x' })))
    }
  },
  {
    name: 'goes on asking and never reads',
    isBusy: true,
    act: async (t, port) => {
      const raw = await welcomed(t, port)
      raw.socket.pause()
      flood(raw, many(request('store.stats')))
    }
  },
  {
    name: 'goes on sending pings',
    isBusy: true,
    act: async (t, port) => {
      flood(await welcomed(t, port), many(encodeFrame(opcodes.ping, 'x'.repeat(100)), 8))
    }
  },
  {
    name: 'upgrades to something else',
    act: async (t, port) => {
      await (
        await RawSocket.open(t, port)
      ).request('GET / HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: nothing-known')
    }
  },
  {
    name: 'sends the body of an upgrade request',
    act: async (t, port) => {
      const raw = await RawSocket.upgrade(t, port, '/', ['Host: localhost', 'Content-Length: 1000'])
      drip(t, raw, () => 'x')
    }
  },
  {
    name: 'upgrades where there is nothing',
    act: async (t, port) => { await RawSocket.upgrade(t, port, '/nowhere') }
  }
]

const ofHttp: ReadonlyArray<Omit<Behaviour, 'isWebSocket'>> = [
  {
    name: 'has sent half of an upgrade request',
    act: async (t, port) => { await began(t, port, 'GET / HTTP/1.1', 'Host: localhost', ...upgradeHeaders) }
  },
  { name: 'connects and says nothing', act: async (t, port) => { await RawSocket.open(t, port) } },
  {
    name: 'sends its headers byte by byte',
    act: async (t, port) => {
      drip(t, await began(t, port, 'GET /healthz HTTP/1.1', 'Host: localhost'), () => 'X: x\r\n')
    }
  },
  {
    name: 'keeps a connection alive',
    act: async (t, port) => {
      const raw = await RawSocket.open(t, port)
      raw.request('GET /healthz HTTP/1.1', 'Host: localhost', 'Connection: keep-alive')
      await raw.status()
    }
  },
  {
    name: 'asks again and again',
    isBusy: true,
    act: async (t, port) => {
      flood(await RawSocket.open(t, port), 'GET /stats HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(20))
    }
  },
  {
    name: 'asks again and again and never reads',
    isBusy: true,
    act: async (t, port) => {
      const raw = await RawSocket.open(t, port)
      raw.socket.pause()
      flood(raw, 'GET /stats HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(20))
    }
  },
  {
    name: 'never finishes a POST',
    act: async (t, port) => {
      const raw = await RawSocket.open(t, port)
      raw.request(
        'POST /stats HTTP/1.1',
        'Host: localhost',
        'Content-Type: application/json',
        'Content-Length: 1000'
      )
      drip(t, raw, () => ' ')
    }
  },
  {
    name: 'never finishes a chunked body',
    act: async (t, port) => {
      const raw = await RawSocket.open(t, port)
      raw.request(
        'POST / HTTP/1.1',
        'Host: localhost',
        'Content-Type: application/json',
        'Transfer-Encoding: chunked'
      )
      drip(t, raw, () => '1\r\n \r\n')
    }
  },
  {
    name: 'expects to be told to continue',
    act: async (t, port) => {
      ;(await RawSocket.open(t, port)).request(
        'POST /stats HTTP/1.1',
        'Host: localhost',
        'Expect: 100-continue',
        'Content-Length: 10'
      )
    }
  },
  {
    name: 'has ended its half after a request',
    act: async (t, port) => {
      const raw = await RawSocket.open(t, port)
      raw.request('GET /stats HTTP/1.1', 'Host: localhost')
      raw.socket.end()
    }
  },
  {
    name: 'wants a tunnel',
    act: async (t, port) => {
      ;(await RawSocket.open(t, port)).request('CONNECT example.com:80 HTTP/1.1', 'Host: example.com:80')
    }
  },
  {
    name: 'speaks no HTTP',
    act: async (t, port) => {
      ;(await RawSocket.open(t, port)).socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]))
    }
  }
]

/** Everything that a client may do while a server closes. */
export const behaviours: readonly Behaviour[] = [
  ...ofWebSockets.map(behaviour => ({ ...behaviour, isWebSocket: true })),
  ...ofHttp.map(behaviour => ({ ...behaviour, isWebSocket: false }))
]
