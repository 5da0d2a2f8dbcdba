import t from 'tap'
import { socketTransport } from '../../../lib/client/socket-transport.js'
import type { WebSocketLike } from '../../../lib/client/types.js'
import { until } from '../../support/until.js'
import { IMPOSSIBLE } from '../../../lib/client/transport.js'

/** The part of a WebSocket that the client uses, driven by the test. */
class FakeSocket implements WebSocketLike {
  static readonly all: FakeSocket[] = []
  onopen = null
  onmessage: ((event: any) => void) | null = null
  onclose: ((event: any) => void) | null = null
  onerror: ((event: any) => void) | null = null
  readonly sent: string[] = []
  readonly closes: unknown[][] = []
  readonly url: string

  constructor (url: string) {
    this.url = url
    FakeSocket.all.push(this)
  }

  send (text: string): void {
    if (text === 'broken') throw new Error('it is closing')
    this.sent.push(text)
  }

  close (...args: unknown[]): void {
    this.closes.push(args)
  }
}

interface Opened {
  readonly transport: ReturnType<ReturnType<typeof socketTransport>>
  readonly heard: string[]
  readonly ends: unknown[][]
  readonly socket: FakeSocket
}

function opened (Class: any = FakeSocket): Opened {
  const heard: string[] = []
  const ends: unknown[][] = []
  const transport = socketTransport('wss://h/live', Class)({
    onMessage: text => { heard.push(text) },
    onClose: (...ending) => { ends.push(ending) }
  })
  return { transport, heard, ends, socket: FakeSocket.all.at(-1) as FakeSocket }
}

t.test('passes messages both ways', async t => {
  const { transport, heard, socket } = opened()
  t.equal(transport.kind, 'websocket')
  t.equal(socket.url, 'wss://h/live')
  transport.send('up')
  socket.onmessage?.({ data: 'down' })
  t.same(socket.sent, ['up'])
  t.same(heard, ['down'])
})

t.test('a binary message arrives as what is no JSON', async t => {
  const { heard, socket } = opened()
  socket.onmessage?.({ data: new ArrayBuffer(8) })
  t.same(heard, ['[object ArrayBuffer]'])
})

t.test('tells its end, with the reason where the class knows one', async t => {
  const first = opened()
  first.socket.onerror?.({})
  first.socket.onclose?.({ code: 1006, reason: '' })
  t.same(first.ends, [[1006, '', undefined]])
  const second = opened()
  second.socket.onerror?.({ message: 'self-signed certificate' })
  second.socket.onclose?.({ code: 1006, reason: '' })
  t.same(second.ends, [[1006, '', 'self-signed certificate']])
  const third = opened()
  third.socket.onerror?.({ error: new Error('connect ECONNREFUSED') })
  third.socket.onclose?.({})
  t.same(third.ends, [[1006, '', 'connect ECONNREFUSED']])
})

t.test('once it is closed nothing more is told, also not to a class that goes on', async t => {
  const { transport, heard, ends, socket } = opened()
  transport.close()
  t.same(socket.closes, [[1000, '']])
  socket.onmessage?.({ data: 'late' })
  socket.onerror?.({ message: 'closed before it was open' })
  socket.onclose?.({ code: 1000 })
  t.same(heard, [])
  t.same(ends, [])
})

t.test('a send that throws is followed by the end', async t => {
  const { transport, ends, socket } = opened()
  t.doesNotThrow(() => { transport.send('broken') })
  socket.onclose?.({ code: 1006, reason: '' })
  t.match(ends, [[1006, '', 'it is closing']])
})

t.test('a class that throws is told later, and is not tried again', async t => {
  const { ends, transport } = opened(class { constructor () { throw new SyntaxError('bad URL') } })
  t.same(ends, [], 'never at once')
  await until(() => ends.length > 0)
  t.same(ends, [[IMPOSSIBLE, '', 'bad URL']])
  t.doesNotThrow(() => {
    transport.send('nowhere')
    transport.close()
  })
})

t.test('where there is no WebSocket it says what to do', async t => {
  const globals = globalThis as { WebSocket?: unknown }
  const { WebSocket } = globals
  delete globals.WebSocket
  t.teardown(() => { if (WebSocket !== undefined) globals.WebSocket = WebSocket })
  const ends: unknown[][] = []
  socketTransport('wss://h/live')({ onMessage: () => {}, onClose: (...ending) => { ends.push(ending) } })
  await until(() => ends.length > 0)
  t.match(ends, [[IMPOSSIBLE, '', /pass a class as option `WebSocket`/]])
})

t.test('takes the global class where none is passed', async t => {
  const globals = globalThis as { WebSocket?: unknown }
  const { WebSocket } = globals
  globals.WebSocket = FakeSocket
  t.teardown(() => {
    if (WebSocket === undefined) delete globals.WebSocket
    else globals.WebSocket = WebSocket
  })
  const before = FakeSocket.all.length
  opened(undefined)
  t.equal(FakeSocket.all.length, before + 1)
})
