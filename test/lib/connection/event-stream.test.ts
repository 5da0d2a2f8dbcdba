import t, { type Test } from 'tap'
import { EventStream, type EventSink } from '../../../lib/connection/event-stream.js'
import { fragment, textFrame } from '../../../lib/protocol/frame.js'
import { MessageEvents } from '../../../lib/protocol/server-sent-events.js'

/** A response that takes what is written when the test says so. */
class Sink implements EventSink {
  text = ''
  isDestroyed = false
  #waiting: Array<() => void> = []
  #onClose: () => void = () => {}

  write (pieces: readonly Buffer[], done: () => void): void {
    this.text += Buffer.concat(pieces).toString()
    this.#waiting.push(done)
  }

  end (done: () => void): void {
    this.#waiting.push(done)
  }

  destroy (): void {
    this.isDestroyed = true
    this.leave()
  }

  onClose (listener: () => void): void {
    this.#onClose = listener
  }

  /** Takes what was written, and what is written then. */
  async drain (): Promise<void> {
    while (this.#waiting.length > 0) {
      for (const done of this.#waiting.splice(0)) done()
      await new Promise(resolve => { setImmediate(resolve) })
    }
  }

  /** Ends the response, as a client that goes away does. */
  leave (): void {
    this.#onClose()
  }
}

function open (t: Test) {
  const sink = new Sink()
  const stream = new EventStream(sink, new MessageEvents())
  stream.maxMessageBytes = 1_000
  const events: unknown[][] = []
  stream.on('message', (data: Buffer) => { events.push(['message', String(data)]) })
  stream.on('error', (error: NodeJS.ErrnoException) => { events.push(['error', error.code]) })
  stream.on('close', (code: number, reason: Buffer) => { events.push(['close', code, String(reason)]) })
  t.teardown(() => { stream.terminate() })
  return { sink, stream, events }
}

const turn = async (): Promise<void> => { await new Promise(resolve => { setImmediate(resolve) }) }
const messages = (...texts: readonly string[]): Buffer[] => texts.map(text => Buffer.from(text))

t.test('frames become events, and what the response has not taken counts as buffered', async t => {
  const { sink, stream } = open(t)
  stream.stream.write(textFrame('{"a":1}'))
  t.equal(sink.text, 'data: {"a":1}\n\n')
  t.ok(stream.stream.writableLength > 0)
  stream.stream.write(fragment('{"b":', { isFirst: true, isLast: false }))
  stream.stream.write(fragment('2}', { isFirst: false, isLast: true }))
  await sink.drain()
  t.equal(sink.text, 'data: {"a":1}\n\ndata: {"b":2}\n\n')
  t.equal(stream.stream.writableLength, 0)
})

t.test('a close follows what was sent, and is told when the response has taken all of it', async t => {
  const { sink, stream, events } = open(t)
  stream.stream.write(textFrame('{}'))
  stream.close(4001, 'heartbeat_timeout')
  stream.close(1000)
  t.equal(stream.isOpen, false)
  await turn()
  t.same(events, [], 'not yet')
  await sink.drain()
  t.equal(sink.text, 'data: {}\n\nevent: close\ndata: {"code":4001,"reason":"heartbeat_timeout"}\n\n')
  t.same(events, [['close', 4001, 'heartbeat_timeout']])
  sink.leave()
  stream.terminate()
  await turn()
  t.equal(events.length, 1)
})

t.test('a client that leaves, and one that is cut off', async t => {
  const left = open(t)
  left.sink.leave()
  await turn()
  t.same(left.events, [['close', 1006, '']])
  t.ok(left.stream.stream.destroyed)
  const stuck = open(t)
  stuck.stream.stream.write(textFrame('{}'))
  stuck.stream.close(1013, 'slow_consumer')
  stuck.stream.terminate()
  await turn()
  t.ok(stuck.sink.isDestroyed)
  t.match(stuck.events, [['close', 1006]])
})

t.test('messages are handed on while the connection reads, and wait while it does not', async t => {
  const { stream, events } = open(t)
  stream.on('message', () => { if (events.length === 2) stream.pause() })
  let isTaken: boolean | undefined
  const taken = stream.take(messages('1', '2', '3')).then(result => { isTaken = result })
  await turn()
  t.same(events, [['message', '1'], ['message', '2']])
  t.equal(isTaken, undefined)
  stream.resume()
  stream.pause()
  await turn()
  t.equal(events.length, 2, 'it has changed its mind')
  stream.resume()
  await taken
  t.equal(isTaken, true)
  t.same(events[2], ['message', '3'])
})

t.test('messages that wait are dropped when the stream ends', async t => {
  for (const end of ['close', 'terminate'] as const) {
    const { stream, events } = open(t)
    stream.pause()
    const taken = stream.take(messages('1'))
    await turn()
    stream[end]()
    t.equal(await taken, false, end)
    t.notOk(events.some(([name]) => name === 'message'))
    t.equal(await stream.take(messages('2')), false)
  }
})

t.test('a message that is too long ends the stream with 1009, as ws does', async t => {
  const { sink, stream, events } = open(t)
  t.equal(stream.maxBodyBytes, 32_768)
  t.equal(await stream.take(messages('1', 'x'.repeat(1_001), '3')), false)
  await sink.drain()
  t.match(events, [['message', '1'], ['error', 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'], ['close', 1009, '']])
  stream.refuse()
  t.equal(events.length, 3)
  stream.maxMessageBytes = 50_000
  t.equal(stream.maxBodyBytes, 50_000)
})

t.test('one POST at a time has the right to send, and gives back only its own', async t => {
  const { stream } = open(t)
  const release = stream.reserve() as () => void
  t.equal(stream.reserve(), undefined)
  release()
  const next = stream.reserve()
  release()
  t.equal(stream.reserve(), undefined, 'that of the next is kept')
  next?.()
  t.ok(stream.reserve())
})
