import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Outbox, type OutboxLimits } from '../../../lib/connection/outbox.js'
import { textFrame } from '../../../lib/protocol/frame.js'
import { SharedJson, SharingText } from '../../../lib/protocol/shared-json.js'
import { FakeStream, messagesIn } from '../../support/fake-socket.js'
import { until } from '../../support/until.js'

function unique<T> (items: readonly T[]): T[] {
  return [...new Set(items)]
}

function outboxOver (limits: Partial<OutboxLimits> = {}) {
  const stream = new FakeStream()
  const owner = {
    isWritable: true,
    calls: [] as string[],
    onCongested () { this.calls.push('congested') },
    onProgress () { this.calls.push('progressed') },
    onDrained () { this.calls.push('drained') }
  }
  const outbox = new Outbox(owner, stream, { maxBufferedBytes: 1_000, markBytes: 800, ...limits })
  return { outbox, stream, owner }
}

t.test('Outbox', t => {
  const BIG = 262_144

  t.test('writes what is sent in one turn at once, in the order of sending', async t => {
    const { outbox, stream } = outboxOver()
    outbox.send('one')
    outbox.sendFrame(textFrame('two'))
    outbox.send('three')
    outbox.send('čtyři')
    outbox.sendFrame(textFrame('five'))
    t.same(stream.writes, [], 'nothing leaves before the turn is over')
    await setImmediate()
    t.equal(stream.writes.length, 1)
    t.same(stream.texts, ['one', 'two', 'three', 'čtyři', 'five'])
  })

  t.test('writes once per turn, not once for ever', async t => {
    const { outbox, stream } = outboxOver()
    outbox.send('one')
    await setImmediate()
    outbox.sendFrame(textFrame('two'))
    await setImmediate()
    t.equal(stream.writes.length, 2)
    t.same(stream.texts, ['one', 'two'])
  })

  t.test('hands a prepared frame on without copying it', async t => {
    const { outbox, stream } = outboxOver()
    const frame = textFrame('shared')
    outbox.sendFrame(frame)
    await setImmediate()
    t.equal(stream.writes[0], frame)
  })

  t.test('writes the last frame of a turn at once, and not before a message that waits', async t => {
    const { outbox, stream, owner } = outboxOver()
    const frame = textFrame('shared')
    outbox.sendLast(frame)
    t.equal(stream.writes[0], frame)
    outbox.send('one')
    outbox.sendLast(textFrame('two'))
    t.equal(stream.writes.length, 1)
    await setImmediate()
    t.same(stream.texts, ['shared', 'one', 'two'])
    owner.isWritable = false
    outbox.sendLast(frame)
    await setImmediate()
    t.equal(stream.writes.length, 2, 'nothing follows a close frame')
  })

  t.test('writes at once when it is flushed, and not a second time afterwards', async t => {
    const { outbox, stream } = outboxOver()
    outbox.send('farewell')
    outbox.flush()
    t.same(stream.texts, ['farewell'])
    outbox.flush()
    await setImmediate()
    t.equal(stream.writes.length, 1)
  })

  t.test('keeps the order of any texts and frames', async t => {
    const { outbox, stream } = outboxOver({ maxBufferedBytes: 1e9, markBytes: 1e9 })
    const texts = Array.from({ length: 500 }, (_, i) => `${i}${'é'.repeat((i * 37) % 300)}`)
    for (const [i, text] of texts.entries()) {
      if (i * 7 % 5 < 2) outbox.sendFrame(textFrame(text))
      else outbox.send(text)
      if (i % 90 === 0) await setImmediate()
    }
    await setImmediate()
    t.same(stream.texts, texts)
  })

  t.test('writes texts with shared JSON in their order, the bytes of a long one without a copy', async t => {
    const { outbox, stream } = outboxOver({ maxBufferedBytes: 1_000_000, markBytes: 800_000 })
    const written: unknown[] = []
    const { _writev: writev } = stream
    stream._writev = (chunks, callback) => {
      written.push(...chunks.map(({ chunk }) => chunk))
      writev.call(stream, chunks, callback)
    }
    const long = new SharedJson(`"${'x'.repeat(5_000)}"`)
    const texts = [
      'one', new SharingText('[', long, ']'), 'three', new SharingText('[', new SharedJson('4'), ']'),
      new SharingText('[5,', long, ']')
    ]
    for (const text of texts) outbox.send(text)
    await setImmediate()
    t.same(stream.texts, texts.map(String))
    t.equal(stream.writes.length, 1)
    t.equal(written.filter(chunk => chunk === long.bytes).length, 2)
    outbox.send(new SharingText('[6,', long, ']'))
    await setImmediate()
    t.same(stream.texts.at(-1), `[6,${long.text}]`, 'also by itself')
    t.equal(stream.writes.length, 2)
  })

  t.test('sends a big text with shared JSON in fragments', async t => {
    const { outbox, stream } = outboxOver({ maxBufferedBytes: 10_000_000, markBytes: 8_000_000 })
    const text = new SharingText('[', new SharedJson(`"${'x'.repeat(BIG)}"`), ']')
    outbox.send(text)
    await until(() => outbox.bufferedBytes === 0)
    const [message] = messagesIn(Buffer.concat(stream.writes))
    t.equal(message?.text, String(text))
    t.ok((message?.frames ?? 0) > 1)
  })

  t.test('writes nothing when its owner is not writable', async t => {
    const { outbox, stream, owner } = outboxOver()
    outbox.send('one')
    owner.isWritable = false
    outbox.sendFrame(textFrame('two'))
    await setImmediate()
    t.same(stream.writes, [])
    t.equal(outbox.bufferedBytes, 0)
    t.same(owner.calls, [])
  })

  t.test(
    'is congested from the mark on and full from the limit on, what waits for the tick included',
    async t => {
      const { outbox, stream } = outboxOver()
      stream.blocked = true
      outbox.send('x'.repeat(799))
      t.notOk(outbox.isCongested)
      outbox.send('x')
      t.ok(outbox.isCongested)
      t.notOk(outbox.isFull)
      outbox.send('x'.repeat(200))
      t.ok(outbox.isFull)
      t.equal(outbox.bufferedBytes, 1_000)
    }
  )

  t.test('tells its owner once when the mark is passed, and when it has drained', async t => {
    const { outbox, stream, owner } = outboxOver()
    stream.blocked = true
    outbox.send('x'.repeat(500))
    await setImmediate()
    t.same(owner.calls, [])
    outbox.send('x'.repeat(500))
    await setImmediate()
    t.same(owner.calls, ['congested'])
    t.ok(outbox.isFull)
    outbox.send('late reply')
    await setImmediate()
    t.same(owner.calls, ['congested'])
    await stream.unblock()
    t.same(unique(owner.calls), ['congested', 'drained'])
    t.notOk(outbox.isCongested)
    t.same(stream.texts.map(text => text.length), [500, 500, 10], 'nothing is dropped')
  })

  t.test(
    'is congested until it has drained below the mark, not until the first write is through',
    async t => {
      const { outbox, stream, owner } = outboxOver()
      stream.blocked = true
      outbox.send('x'.repeat(900))
      await setImmediate()
      outbox.send('y'.repeat(900))
      await setImmediate()
      stream.unblockOne()
      await setImmediate()
      t.same(owner.calls, ['congested'])
      t.ok(outbox.isCongested)
      await stream.unblock()
      t.same(unique(owner.calls), ['congested', 'drained'])
      t.equal(outbox.bufferedBytes, 0)
    }
  )

  t.test('sends what is not big in one frame, no matter what its parts are', async t => {
    const { outbox, stream } = outboxOver({ maxBufferedBytes: 1e9, markBytes: 1e9 })
    const text = 'x'.repeat(BIG - 1)
    outbox.send(text)
    outbox.send([text.slice(0, 7), text.slice(7)])
    await setImmediate()
    t.same(Buffer.concat(stream.writes), Buffer.concat([textFrame(text), textFrame(text)]))
  })

  t.test('sends a big message in fragments, in order, with no other message between them', async t => {
    const { outbox, stream } = outboxOver({ maxBufferedBytes: 1e9, markBytes: 1e9 })
    const big = `a${'š😀'.repeat(BIG / 2)}`
    outbox.send('before')
    outbox.send(big)
    outbox.send('behind')
    outbox.sendFrame(textFrame('frame'))
    outbox.send(['x'.repeat(BIG), 'y'])
    await setImmediate()
    outbox.send('last')
    await outbox.idle()
    await setImmediate()
    const messages = messagesIn(Buffer.concat(stream.writes))
    t.same(messages.map(({ frames }) => frames > 1), [false, true, false, false, true, false])
    const sent = ['before', big, 'behind', 'frame', `${'x'.repeat(BIG)}y`, 'last']
    t.ok(messages.map(({ text }) => text).join() === sent.join())
    t.notOk(outbox.isBusy)
    t.equal(outbox.bufferedBytes, 0)
  })

  t.test('writes a big message no faster than the client reads, and says when it has read some', async t => {
    const { outbox, stream, owner } = outboxOver({ maxBufferedBytes: 1_048_576, markBytes: 800_000 })
    stream.blocked = true
    const big = 'x'.repeat(2_000_000)
    outbox.send(big)
    await setImmediate()
    t.ok(stream.writableLength < 200_000, `${stream.writableLength} bytes wait in the socket`)
    t.ok(outbox.bufferedBytes >= 2_000_000, 'what waits for it counts')
    t.ok(outbox.isFull)
    t.same(owner.calls, ['congested'])
    let most = 0
    for (let i = 0; outbox.isBusy && i < 1_000; i++) {
      stream.unblockOne()
      await setImmediate()
      most = Math.max(most, stream.writableLength)
    }
    t.ok(most < 200_000, `${most} bytes at most`)
    t.ok(owner.calls.filter(call => call === 'progressed').length > 5)
    t.ok(owner.calls.includes('drained'))
    await stream.unblock()
    t.equal(messagesIn(Buffer.concat(stream.writes))[0]?.text, big)
  })

  t.test('ends a big message where it is when the socket may not be written to any more', async t => {
    const { outbox, stream, owner } = outboxOver()
    stream.blocked = true
    outbox.send('x'.repeat(2_000_000))
    outbox.send('behind')
    await setImmediate()
    owner.isWritable = false
    const before = stream.writes.length
    await stream.unblock()
    await outbox.idle()
    t.ok(stream.writes.length <= before + 2, 'what was in the socket already')
    t.notOk(outbox.isBusy)
    t.equal(outbox.bufferedBytes, 0)
  })

  t.test('ends a big message when the socket is gone', async t => {
    const { outbox, stream } = outboxOver()
    stream.on('error', () => {})
    stream.blocked = true
    outbox.send('x'.repeat(2_000_000))
    await setImmediate()
    stream.destroy()
    await outbox.idle()
    t.notOk(outbox.isBusy)
  })

  t.test('says nothing to its owner below the mark', async t => {
    const { outbox, owner } = outboxOver()
    outbox.send('x'.repeat(790))
    await setImmediate()
    t.same(owner.calls, [])
  })

  t.test('tells of draining, but not of congestion, when the network takes everything at once', async t => {
    const { outbox, owner } = outboxOver()
    outbox.send('x'.repeat(5_000))
    t.ok(outbox.isCongested, 'a caller that asks in this tick is told to wait, and must be woken')
    await setImmediate()
    t.same(owner.calls, ['drained'])
    t.notOk(outbox.isCongested)
  })

  t.test('works with limits smaller than any frame', async t => {
    const { outbox, stream, owner } = outboxOver({ maxBufferedBytes: 1, markBytes: 0.01 })
    for (const text of ['a', 'b', 'c']) {
      outbox.send(text)
      await setImmediate()
    }
    t.same(unique(owner.calls), ['drained'])
    t.notOk(outbox.isCongested, 'an empty outbox is never congested')
    owner.calls = []
    stream.blocked = true
    outbox.send('d')
    t.ok(outbox.isFull)
    await setImmediate()
    outbox.send('e')
    await setImmediate()
    t.same(owner.calls, ['congested'])
    await stream.unblock()
    t.same(unique(owner.calls), ['congested', 'drained'])
    t.notOk(outbox.isCongested)
    t.same(stream.texts, ['a', 'b', 'c', 'd', 'e'])
  })

  t.test('drains also when the last write of a congestion is a small one among several', async t => {
    const { outbox, stream, owner } = outboxOver({ maxBufferedBytes: 100, markBytes: 80 })
    stream.blocked = true
    for (let i = 0; i < 10; i++) {
      outbox.sendFrame(textFrame(`frame ${i}`))
      outbox.send(`text ${i}`)
    }
    await setImmediate()
    t.same(owner.calls, ['congested'])
    await stream.unblock()
    t.same(owner.calls, ['congested', 'drained'])
  })

  t.test('may be sent to by the owner that it tells of having drained', async t => {
    const { outbox, stream, owner } = outboxOver()
    owner.onDrained = () => {
      owner.calls.push('drained')
      outbox.send('newest state')
    }
    stream.blocked = true
    outbox.send('x'.repeat(900))
    await setImmediate()
    await stream.unblock()
    t.same(owner.calls, ['congested', 'drained'])
    t.equal(stream.texts.at(-1), 'newest state')
  })

  t.test('does not tell of draining when the stream was destroyed', async t => {
    const { outbox, stream, owner } = outboxOver()
    stream.on('error', () => {})
    stream.blocked = true
    outbox.send('x'.repeat(900))
    await setImmediate()
    stream.destroy()
    await stream.unblock()
    t.same(owner.calls, ['congested'])
  })
  t.end()
})
