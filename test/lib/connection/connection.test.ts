import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { EventEmitter } from 'node:events'
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { WebSocket } from 'ws'
import { unlimitedScope } from '../../../lib/permissions/policy.js'
import { Connection, type ConnectionHost } from '../../../lib/connection/connection.js'
import type { Authorizer } from '../../../lib/permissions/authorizer.js'
import { DeadlineQueue } from '../../../lib/util/deadline-queue.js'
import { Heartbeat, type Pingable } from '../../../lib/connection/heartbeat.js'
import { Inbox, UnauthenticatedInboxes } from '../../../lib/connection/inbox.js'
import { Outbox, type OutboxLimits } from '../../../lib/connection/outbox.js'
import type { Log } from '../../../lib/util/log.js'
import { rejectionReasons } from '../../../lib/limits/rejections.js'
import { Counters } from '../../../lib/util/counters.js'
import { SubscriptionQuota } from '../../../lib/limits/subscription-quota.js'
import { textFrame } from '../../../lib/protocol/frame.js'
import { Work } from '../../../lib/store/work.js'
import { FakeClock } from '../../support/fake-clock.js'

const silentLog: Log = { trace () {}, debug () {}, info () {}, warn () {}, error () {}, child: () => silentLog }

/** The bounds of lib/connection/inbox.ts. */
const MAX_FRAMES = 256
const MAX_BYTES = 1_048_576

/** An inbox whose frames are done when the test says so. */
function slowInbox (unauthenticated?: UnauthenticatedInboxes) {
  const started: string[] = []
  const pending: Array<() => void> = []
  const seen = { full: [] as boolean[], overloads: 0 }
  const inbox: Inbox = new Inbox({
    async handle (text) {
      started.push(text)
      await new Promise<void>(resolve => { pending.push(resolve) })
    }
  }, {
    regulate () { seen.full.push(inbox.full) },
    overload () { seen.overloads++ }
  }, unauthenticated)
  const finish = async (): Promise<void> => {
    pending.shift()?.()
    await turns()
  }
  return { inbox, started, finish, seen }
}

/** Lets the event loop turn: a burst goes on in the turn after the next one at the latest. */
async function turns (): Promise<void> {
  for (let i = 0; i < 3; i++) await setImmediate()
}

/** An inbox whose frames need no time. */
function quickInbox (
  during: (text: string, inbox: Inbox) => void = () => {},
  unauthenticated?: UnauthenticatedInboxes
) {
  const handled: string[] = []
  const seen = { regulated: 0 }
  const inbox: Inbox = new Inbox({
    handle (text) {
      handled.push(text)
      during(text, inbox)
      return undefined
    }
  }, {
    regulate () { seen.regulated++ },
    overload () {}
  }, unauthenticated)
  return { inbox, handled, seen }
}

async function isPending (promise: Promise<unknown>): Promise<boolean> {
  return await Promise.race([promise.then(() => false), setImmediate(true)])
}

t.test('Inbox', t => {
  t.test('handles one frame at a time, in the order of arrival', async t => {
    const { inbox, started, finish } = slowInbox()
    for (const text of ['a', 'b', 'c']) inbox.push(text)
    t.same(started, ['a'])
    await finish()
    t.same(started, ['a', 'b'])
    inbox.push('d')
    t.same(started, ['a', 'b'])
    await finish()
    await finish()
    t.same(started, ['a', 'b', 'c', 'd'])
  })

  t.test('handles a frame that needs no time in the call that brings it', async t => {
    const { inbox, handled } = quickInbox()
    inbox.push('a')
    t.same(handled, ['a'])
  })

  t.test('handles a hundred thousand frames that need no time without recursion', async t => {
    const { inbox, handled } = quickInbox()
    inbox.hold()
    for (let i = 0; i < 100_000; i++) inbox.push(String(i))
    inbox.release()
    await inbox.idle()
    t.equal(handled.length, 100_000)
    t.equal(handled.at(-1), '99999')
    t.notOk(inbox.full)
  })

  t.test('is full at its bound of frames and says so to its owner, and again when there is room', async t => {
    const { inbox, finish, seen } = slowInbox()
    inbox.push('running')
    for (let i = 0; i < MAX_FRAMES - 1; i++) inbox.push('x')
    t.notOk(inbox.full)
    t.same(seen.full, [])
    inbox.push('x')
    t.ok(inbox.full)
    t.same(seen.full, [true])
    await finish()
    t.notOk(inbox.full)
    t.same(seen.full, [true, false])
    await finish()
    t.same(seen.full, [true, false], 'only the turn is reported')
  })

  t.test('is full at its bound of bytes', async t => {
    const { inbox, finish, seen } = slowInbox()
    inbox.push('running')
    inbox.push('x'.repeat(MAX_BYTES - 1))
    t.notOk(inbox.full)
    inbox.push('x')
    t.ok(inbox.full)
    await finish()
    t.notOk(inbox.full)
    t.same(seen.full, [true, false])
  })

  t.test('[G-A5] counts bytes: as sent, or two for each character where one needs two', async t => {
    const mixed = `${'x'.repeat(999)}ж`
    for (const [text, bytes] of [['é', 2], ['ж', 2], ['語', 3], [mixed, 2_000], ['😀', 4]] as const) {
      const { inbox, finish } = slowInbox()
      inbox.push('running')
      const needed = Math.ceil(MAX_BYTES / bytes)
      const perFrame = Math.ceil(needed / 100)
      let pushed = 0
      while (!inbox.full && pushed < 200) {
        inbox.push(text.repeat(perFrame))
        pushed++
      }
      const found = `${text.slice(-1)}: full after ${pushed} frames of ${perFrame * bytes} bytes`
      t.ok(Math.abs(pushed - needed / perFrame) <= 1, found)
      for (let i = 0; i <= pushed; i++) await finish()
      t.notOk(inbox.full)
    }
  })

  t.test('of a client that has yet to log in holds one frame behind the one that is handled', async t => {
    const { inbox, started, finish, seen } = slowInbox(new UnauthenticatedInboxes(1_000))
    inbox.push('login')
    t.notOk(inbox.full)
    inbox.push('next')
    t.ok(inbox.full)
    for (let i = 0; i < 14; i++) inbox.push('on top')
    t.notOk(inbox.overfull)
    inbox.push('on top')
    t.ok(inbox.overfull, 'so that a ping does not let still more in')
    inbox.authenticate()
    t.notOk(inbox.full)
    for (let i = 0; i < 16; i++) await finish()
    t.equal(started.length, 17, 'nothing is lost')
    t.same(seen.overloads, 0)
  })

  t.test('of clients that have yet to log in hold no more than 64 MiB together', async t => {
    const shared = new UnauthenticatedInboxes(32_768)
    const many = Array.from({ length: 2_100 }, () => slowInbox(shared))
    for (const { inbox } of many) {
      inbox.push('login')
      inbox.push('x'.repeat(32_768))
    }
    const overloaded = many.filter(({ seen }) => seen.overloads > 0)
    t.equal(many.length - overloaded.length, Math.floor(67_108_864 / (32_768 + 64)))
    for (const { inbox } of overloaded) inbox.clear()
    const late = slowInbox(shared)
    late.inbox.push('login')
    t.equal(late.seen.overloads, 0, 'a frame that need not wait is never too much')
    late.inbox.push('x')
    t.equal(late.seen.overloads, 0, 'those that are dropped count no more')
    for (const { inbox, finish } of many) {
      inbox.authenticate()
      await finish()
    }
    for (let i = 0; i < 1_000; i++) late.inbox.push('x'.repeat(32_768))
    t.equal(late.seen.overloads, 0, 'nor do those of clients that have logged in')
  })

  t.test('that is empty again counts nothing for all', async t => {
    const shared = new UnauthenticatedInboxes(32_768)
    const added: number[] = []
    const { add } = shared
    shared.add = (frames, bytes) => {
      added.push(frames * 64 + bytes)
      add.call(shared, frames, bytes)
    }
    const slow = slowInbox(shared)
    for (const text of ['a', 'bb', 'ccc']) slow.inbox.push(text)
    for (let i = 0; i < 3; i++) await slow.finish()
    const quick = quickInbox((text, inbox) => { if (text === 'clear') inbox.clear() }, shared)
    for (const text of ['a', 'clear', 'b']) quick.inbox.push(text)
    quick.inbox.hold()
    for (const text of ['a', 'clear', 'b']) quick.inbox.push(text)
    quick.inbox.release()
    await quick.inbox.idle()
    const left = slowInbox(shared)
    for (const text of ['a', 'bb', 'ccc']) left.inbox.push(text)
    left.inbox.authenticate()
    left.inbox.clear()
    t.equal(added.reduce((sum, value) => sum + value, 0), 0)
  })

  t.test('loses nothing of a chunk that arrives on top of the bound', async t => {
    const { inbox, started, finish } = slowInbox()
    const texts = Array.from({ length: MAX_FRAMES + 1_600 }, (_, i) => String(i))
    for (const text of texts) inbox.push(text)
    for (let i = 0; i < texts.length; i++) await finish()
    t.same(started, texts)
  })

  t.test('lets others have their turn within a burst, of frames that need time and of others', async t => {
    for (const work of [() => undefined, async () => {}]) {
      const handled: string[] = []
      const inbox = new Inbox({
        handle (text) {
          handled.push(text)
          const until = performance.now() + 3
          while (performance.now() < until);
          return work()
        }
      }, { regulate () {}, overload () {} })
      inbox.hold()
      const texts = Array.from({ length: 20 }, (_, i) => `${i}${' '.repeat(40_000)}`)
      for (const text of texts) inbox.push(text)
      await setImmediate()
      inbox.release()
      let turn = 0
      for (let seen = 0; handled.length < texts.length; turn++) {
        await setImmediate()
        t.ok(handled.length - seen <= 4, `${handled.length - seen} frames in a turn`)
        seen = handled.length
      }
      t.ok(turn >= 5, `${turn} turns`)
      t.same(handled, texts)
      await inbox.idle()
    }
  })

  t.test('handles a single frame above the bound of bytes', async t => {
    const { inbox, handled } = quickInbox()
    inbox.push('x'.repeat(2 * MAX_BYTES))
    t.equal(handled.length, 1)
    t.notOk(inbox.full)
  })

  t.test('starts nothing while it is held, and everything in order when it is released', async t => {
    const { inbox, handled } = quickInbox()
    inbox.hold()
    inbox.hold()
    inbox.push('a')
    inbox.push('b')
    t.same(handled, [])
    inbox.release()
    await turns()
    t.same(handled, ['a', 'b'])
    inbox.release()
    inbox.push('c')
    t.same(handled, ['a', 'b', 'c'])
  })

  t.test('stops after the present frame when that one leads to a hold', async t => {
    const { inbox, handled } = quickInbox((text, inbox) => { if (text === 'b') inbox.hold() })
    inbox.hold()
    for (const text of ['a', 'b', 'c']) inbox.push(text)
    inbox.release()
    await turns()
    t.same(handled, ['a', 'b'])
    inbox.release()
    await turns()
    t.same(handled, ['a', 'b', 'c'])
  })

  t.test('stays held when the frame that was being handled is done', async t => {
    const { inbox, started, finish } = slowInbox()
    inbox.push('a')
    inbox.push('b')
    inbox.hold()
    await finish()
    t.same(started, ['a'])
    inbox.release()
    t.same(started, ['a', 'b'])
  })

  t.test('does not start a second frame when it is released during the first', async t => {
    const { inbox, started, finish } = slowInbox()
    inbox.push('a')
    inbox.push('b')
    inbox.hold()
    inbox.release()
    t.same(started, ['a'])
    await finish()
    t.same(started, ['a', 'b'])
  })

  t.test('drops what has not been started when it is cleared', async t => {
    const { inbox, started, finish } = slowInbox()
    inbox.push('a')
    inbox.push('x'.repeat(MAX_BYTES))
    t.ok(inbox.full)
    inbox.clear()
    t.notOk(inbox.full)
    await finish()
    t.same(started, ['a'])
  })

  t.test('can be cleared by the frame that is being handled', async t => {
    const { inbox, handled } = quickInbox((text, inbox) => { if (text === 'a') inbox.clear() })
    inbox.hold()
    for (const text of ['a', 'b', 'c']) inbox.push(text)
    inbox.release()
    t.same(handled, ['a'])
    t.notOk(await isPending(inbox.idle()))
  })

  t.test('is idle when nothing is being handled or waiting', async t => {
    const { inbox, finish } = slowInbox()
    await inbox.idle()
    inbox.push('a')
    inbox.push('b')
    const idle = Promise.all([inbox.idle(), inbox.idle()])
    await finish()
    t.ok(await isPending(idle))
    await finish()
    t.notOk(await isPending(idle))
  })

  t.test('is not idle while frames are held, and is when they are cleared', async t => {
    const { inbox } = slowInbox()
    inbox.hold()
    inbox.push('a')
    const idle = inbox.idle()
    t.ok(await isPending(idle))
    inbox.clear()
    t.notOk(await isPending(idle))
  })

  t.test('is idle after a clear only when the frame that was being handled is done', async t => {
    const { inbox, finish } = slowInbox()
    inbox.push('a')
    inbox.push('b')
    inbox.clear()
    const idle = inbox.idle()
    t.ok(await isPending(idle))
    await finish()
    t.notOk(await isPending(idle))
  })
  t.end()
})

/** The network side of a socket: takes a write at once, or keeps it until the test lets it go. */
class FakeStream extends Duplex {
  /** One entry for each system call. */
  readonly writes: Buffer[] = []
  blocked = false
  #release: Array<() => void> = []

  override _read (): void {}

  override _write (chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#take(chunk, callback)
  }

  override _writev (chunks: Array<{ chunk: Buffer }>, callback: (error?: Error | null) => void): void {
    this.#take(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback)
  }

  #take (chunk: Buffer, callback: (error?: Error | null) => void): void {
    this.writes.push(chunk)
    if (this.blocked) this.#release.push(callback)
    else callback()
  }

  /** Lets the write that is under way go, and holds the next. */
  unblockOne (): void {
    this.#release.shift()?.()
  }

  /** Lets the write that is under way go, and those that follow it. */
  async unblock (): Promise<void> {
    this.blocked = false
    for (const release of this.#release.splice(0)) release()
    await setImmediate()
  }

  /** The texts of all frames so far, all of them shorter than 64 KiB. */
  get texts (): string[] {
    const bytes = Buffer.concat(this.writes)
    const texts: string[] = []
    for (let offset = 0; offset < bytes.length;) {
      const short = bytes[offset + 1] as number
      const start = offset + (short < 126 ? 2 : 4)
      const length = short < 126 ? short : bytes.readUInt16BE(offset + 2)
      texts.push(bytes.toString('utf8', start, start + length))
      offset = start + length
    }
    return texts
  }
}

/** The messages in what was sent, and in how many frames each came. */
function messagesIn (bytes: Buffer): Array<{ readonly text: string, readonly frames: number }> {
  const messages: Array<{ text: string, frames: number }> = []
  let payloads: Buffer[] = []
  for (let offset = 0; offset < bytes.length;) {
    const first = bytes[offset] as number
    assert.equal(first & 0x0f, payloads.length === 0 ? 1 : 0, 'a text, then its continuation')
    const short = bytes[offset + 1] as number
    const start = offset + (short < 126 ? 2 : short === 126 ? 4 : 10)
    const extended = () => short === 126 ? bytes.readUInt16BE(offset + 2) : bytes.readUInt32BE(offset + 6)
    const length = short < 126 ? short : extended()
    payloads.push(bytes.subarray(start, start + length))
    // A part that is no whole text would not survive this.
    assert.ok(isUtf8(payloads.at(-1) as Buffer))
    offset = start + length
    if ((first & 0x80) === 0) continue
    messages.push({ text: Buffer.concat(payloads).toString(), frames: payloads.length })
    payloads = []
  }
  assert.equal(payloads.length, 0)
  return messages
}

function unique<T> (items: readonly T[]): T[] {
  return [...new Set(items)]
}

function outboxOver (limits: Partial<OutboxLimits> = {}) {
  const stream = new FakeStream()
  const owner = {
    writable: true,
    calls: [] as string[],
    congested () { this.calls.push('congested') },
    progressed () { this.calls.push('progressed') },
    drained () { this.calls.push('drained') }
  }
  const outbox = new Outbox(owner, stream, { maxBufferedBytes: 1_000, markBytes: 800, ...limits })
  return { outbox, stream, owner }
}

t.test('Outbox', t => {
  t.test('writes what is sent in one tick at once, in the order of sending', async t => {
    const { outbox, stream } = outboxOver()
    outbox.send('one')
    outbox.sendFrame(textFrame('two'))
    outbox.send('three')
    outbox.send('čtyři')
    outbox.sendFrame(textFrame('five'))
    t.same(stream.writes, [], 'nothing leaves before the tick is over')
    await setImmediate()
    t.equal(stream.writes.length, 1)
    t.same(stream.texts, ['one', 'two', 'three', 'čtyři', 'five'])
  })

  t.test('writes once per tick, not once for ever', async t => {
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

  t.test('writes at once when it is flushed, and not a second time afterwards', async t => {
    const { outbox, stream } = outboxOver()
    outbox.send('farewell')
    outbox.flush()
    t.same(stream.texts, ['farewell'])
    outbox.flush()
    await setImmediate()
    t.equal(stream.writes.length, 1)
  })

  t.test('keeps the order of texts and frames, whatever they are', async t => {
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

  t.test('writes nothing when its owner is not writable', async t => {
    const { outbox, stream, owner } = outboxOver()
    outbox.send('one')
    owner.writable = false
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
      t.notOk(outbox.congested)
      outbox.send('x')
      t.ok(outbox.congested)
      t.notOk(outbox.full)
      outbox.send('x'.repeat(200))
      t.ok(outbox.full)
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
    t.ok(outbox.full)
    outbox.send('late reply')
    await setImmediate()
    t.same(owner.calls, ['congested'])
    await stream.unblock()
    t.same(unique(owner.calls), ['congested', 'drained'])
    t.notOk(outbox.congested)
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
      t.ok(outbox.congested)
      await stream.unblock()
      t.same(unique(owner.calls), ['congested', 'drained'])
      t.equal(outbox.bufferedBytes, 0)
    }
  )

  const BIG = 262_144

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
    t.notOk(outbox.busy)
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
    t.ok(outbox.full)
    t.same(owner.calls, ['congested'])
    let most = 0
    for (let i = 0; outbox.busy && i < 1_000; i++) {
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
    owner.writable = false
    const before = stream.writes.length
    await stream.unblock()
    await outbox.idle()
    t.ok(stream.writes.length <= before + 2, 'what was in the socket already')
    t.notOk(outbox.busy)
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
    t.notOk(outbox.busy)
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
    t.ok(outbox.congested, 'whoever asks in this tick is told to wait, and must be woken')
    await setImmediate()
    t.same(owner.calls, ['drained'])
    t.notOk(outbox.congested)
  })

  t.test('works with limits smaller than any frame', async t => {
    const { outbox, stream, owner } = outboxOver({ maxBufferedBytes: 1, markBytes: 0.01 })
    for (const text of ['a', 'b', 'c']) {
      outbox.send(text)
      await setImmediate()
    }
    t.same(unique(owner.calls), ['drained'])
    t.notOk(outbox.congested, 'an empty outbox is never congested')
    owner.calls = []
    stream.blocked = true
    outbox.send('d')
    t.ok(outbox.full)
    await setImmediate()
    outbox.send('e')
    await setImmediate()
    t.same(owner.calls, ['congested'])
    await stream.unblock()
    t.same(unique(owner.calls), ['congested', 'drained'])
    t.notOk(outbox.congested)
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
    owner.drained = () => {
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

t.test('DeadlineQueue', t => {
  function queue (delayMs = 100) {
    const clock = new FakeClock()
    const expired: Array<readonly [string, number]> = []
    const queue = new DeadlineQueue<string>(delayMs, clock, item => { expired.push([item, clock.ticks()]) })
    return { clock, expired, queue }
  }

  t.test('gives each item its whole time and no more', async t => {
    const { clock, expired, queue: deadlines } = queue()
    deadlines.add('a')
    clock.turn(10)
    deadlines.add('b')
    clock.turn(89)
    t.same(expired, [])
    clock.turn(1)
    t.same(expired, [['a', 100]])
    clock.turn(10)
    t.same(expired, [['a', 100], ['b', 110]])
    t.equal(deadlines.size, 0)
    t.equal(clock.pending, 0, 'no timer runs for nothing')
  })

  t.test('starts the time anew when an item is added again', async t => {
    const { clock, expired, queue: deadlines } = queue()
    deadlines.add('a')
    clock.turn(60)
    deadlines.add('a')
    clock.turn(99)
    t.same(expired, [])
    clock.turn(1)
    t.same(expired, [['a', 160]])
  })

  t.test('forgets what is deleted, and everything when cleared', async t => {
    const { clock, expired, queue: deadlines } = queue()
    deadlines.add('a')
    deadlines.add('b')
    deadlines.delete('a')
    deadlines.delete('unknown')
    t.equal(deadlines.size, 1)
    deadlines.clear()
    t.equal(deadlines.size, 0)
    t.equal(clock.pending, 0)
    clock.turn(1_000)
    t.same(expired, [])
    deadlines.add('c')
    clock.turn(100)
    t.same(expired, [['c', 1_100]], 'it can be used again')
  })

  t.test('waits for any number of items with one timer', async t => {
    const { clock, expired, queue: deadlines } = queue()
    for (let i = 0; i < 1_000; i++) {
      deadlines.add(String(i))
      if (i % 20 === 0) clock.turn(1)
    }
    t.equal(clock.pending, 1)
    clock.turn(100)
    t.equal(expired.length, 1_000)
    t.same(expired.map(([item]) => item), expired.map((_, i) => String(i)), 'in the order of adding')
  })

  t.test('lets an expired item start again without delaying the others', async t => {
    const clock = new FakeClock()
    const expired: Array<readonly [string, number]> = []
    const deadlines = new DeadlineQueue<string>(100, clock, item => {
      expired.push([item, clock.ticks()])
      deadlines.add(item)
    })
    deadlines.add('a')
    clock.turn(10)
    deadlines.add('b')
    clock.turn(290)
    t.same(expired, [['a', 100], ['b', 110], ['a', 200], ['b', 210], ['a', 300]])
    t.equal(clock.pending, 1)
  })

  t.test('may be cleared by what expires', async t => {
    const clock = new FakeClock()
    const expired: string[] = []
    const deadlines = new DeadlineQueue<string>(100, clock, item => {
      expired.push(item)
      deadlines.clear()
    })
    deadlines.add('a')
    deadlines.add('b')
    clock.turn(1_000)
    t.same(expired, ['a'])
    t.equal(clock.pending, 0)
  })

  t.test('never expires early when the timer does', async t => {
    const clock = new FakeClock()
    const early: FakeClock['after'] = (delayMs, callback) => clock.after(delayMs - 0.4, callback)
    const expired: number[] = []
    const deadlines = new DeadlineQueue<string>(
      100,
      { now: () => clock.now(), ticks: () => clock.ticks(), after: early },
      () => { expired.push(clock.ticks()) }
    )
    deadlines.add('a')
    clock.turn(200)
    t.equal(expired.length, 1)
    t.ok((expired[0] as number) >= 100)
  })
  t.end()
})

/** A connection as the heartbeat sees it, that notes when it was pinged and when it was lost. */
function pingableAt (clock: FakeClock, answers: 'at once' | 'never') {
  const pingable: Pingable & { pings: number[], losses: number[], isPaused: boolean } = {
    isAlive: true,
    isPaused: false,
    pings: [],
    losses: [],
    ping () {
      pingable.pings.push(clock.ticks())
      if (answers === 'at once') pingable.isAlive = true
    },
    onTimeout () { pingable.losses.push(clock.ticks()) }
  }
  return pingable
}

t.test('Heartbeat', t => {
  t.test('pings once per interval, the first time after one interval', async t => {
    const clock = new FakeClock()
    const pingable = pingableAt(clock, 'at once')
    new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock).add(pingable)
    clock.turn(350)
    t.same(pingable.pings, [100, 200, 300])
    t.same(pingable.losses, [])
  })

  t.test('pings connections that came at different times each in its own rhythm', async t => {
    const clock = new FakeClock()
    const heartbeat = new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock)
    const early = pingableAt(clock, 'at once')
    const late = pingableAt(clock, 'at once')
    heartbeat.add(early)
    clock.turn(30)
    heartbeat.add(late)
    clock.turn(300)
    t.same(early.pings, [100, 200, 300])
    t.same(late.pings, [130, 230, 330])
  })

  t.test('[G-I4] loses a silent connection when timeoutMs have passed since the ping', async t => {
    const clock = new FakeClock()
    const pingable = pingableAt(clock, 'never')
    new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock).add(pingable)
    clock.turn(139)
    t.same(pingable.losses, [])
    clock.turn(1)
    t.same(pingable.losses, [140])
  })

  for (const timeoutMs of [100, 250]) {
    t.test(
      `[G-I4] looks at the next ping when timeoutMs is ${timeoutMs === 100 ? 'equal to' : 'above'} the interval`,
      async t => {
        const clock = new FakeClock()
        const pingable = pingableAt(clock, 'never')
        new Heartbeat({ intervalMs: 100, timeoutMs }, clock).add(pingable)
        clock.turn(199)
        t.same(pingable.losses, [])
        clock.turn(1)
        t.same(pingable.losses, [200])
        t.same(pingable.pings, [100])
        clock.turn(1_000)
        t.same(pingable.losses, [200], 'a lost connection is reported once')
        t.equal(clock.pending, 0)
      }
    )
  }

  t.test('[G-I5] takes any frame after the ping for its answer, and one of before for none', async t => {
    const clock = new FakeClock()
    const pingable = pingableAt(clock, 'never')
    new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock).add(pingable)
    clock.turn(120)
    pingable.isAlive = true
    clock.turn(99)
    t.same(pingable.pings, [100, 200])
    t.same(pingable.losses, [])
    clock.turn(21)
    t.same(pingable.losses, [240], 'what was heard before the second ping does not answer it')
  })

  t.test('[G-I5] is not switched off by one early answer', async t => {
    const clock = new FakeClock()
    const pingable = pingableAt(clock, 'never')
    new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock).add(pingable)
    clock.turn(50)
    pingable.isAlive = true
    clock.turn(90)
    t.same(pingable.losses, [140])
  })

  t.test('[G-I6] does not count silence while the server does not read', async t => {
    const clock = new FakeClock()
    const pingable = pingableAt(clock, 'never')
    new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock).add(pingable)
    clock.turn(90)
    pingable.isPaused = true
    clock.turn(500)
    t.same(pingable.losses, [])
    t.same(pingable.pings, [100, 200, 300, 400, 500], 'the client still hears of the server')
    pingable.isPaused = false
    clock.turn(50)
    t.same(pingable.losses, [600])
  })

  t.test('leaves a deleted connection alone', async t => {
    const clock = new FakeClock()
    const pingable = pingableAt(clock, 'never')
    const heartbeat = new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock)
    heartbeat.add(pingable)
    clock.turn(110)
    heartbeat.delete(pingable)
    clock.turn(1_000)
    t.same(pingable.losses, [])
    t.same(pingable.pings, [100])
  })

  t.test('keeps no timer when it has stopped', async t => {
    const clock = new FakeClock()
    const heartbeat = new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock)
    heartbeat.add(pingableAt(clock, 'never'))
    clock.turn(110)
    heartbeat.stop()
    t.equal(clock.pending, 0)
  })

  t.test('serves ten thousand connections with two timers', async t => {
    const clock = new FakeClock()
    const heartbeat = new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock)
    const pulses = Array.from({ length: 10_000 }, () => pingableAt(clock, 'at once'))
    for (const pingable of pulses) heartbeat.add(pingable)
    t.equal(clock.pending, 1)
    clock.turn(110)
    t.equal(clock.pending, 2)
    t.ok(pulses.every(pingable => pingable.pings.length === 1))
    heartbeat.stop()
  })
  t.end()
})

/** As much of a WebSocket as a connection uses. */
class FakeWebSocket extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  isPaused = false
  readonly closes: Array<readonly [number, string]> = []
  readonly _socket = new FakeStream()

  pause (): void { this.isPaused = true }
  resume (): void { this.isPaused = false }
  terminate (): void { this.closes.push([1006, '']) }
  close (code: number, reason: string): void {
    this.closes.push([code, reason])
    this.readyState = 2
  }

  receive (message: object | Buffer): void {
    if (Buffer.isBuffer(message)) this.emit('message', message, true)
    else this.emit('message', Buffer.from(JSON.stringify(message)), false)
  }
}

/** A connection whose requests are answered when the test says so. */
function connectionOver () {
  const clock = new FakeClock()
  const ws = new FakeWebSocket()
  const requests: string[] = []
  const pending: Array<() => void> = []
  const seen = { stopped: 0, closed: [] as number[] }
  const heartbeat = new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock)
  const host: ConnectionHost = {
    clock,
    quota: new SubscriptionQuota(
      { maxSubscriptionsPerConnection: 10, maxTotalSubscriptions: 10 },
      new Counters(rejectionReasons)
    ),
    outboxLimits: { maxBufferedBytes: 1_000, markBytes: 800 },
    maxPayloadBytes: 1_000,
    maxUnauthenticatedPayloadBytes: 100,
    unauthenticatedInboxes: new UnauthenticatedInboxes(100),
    requiresAuth: false,
    authorizer: {
      isVolatile: false, liveQueryScope: () => unlimitedScope, topicScope: () => 'whole'
    } as unknown as Authorizer,
    authenticator: undefined,
    isRevoked: () => false,
    stalled: new DeadlineQueue<Connection>(
      50,
      clock,
      connection => { connection.close({ code: 1013, reason: 'slow_consumer', comeBack: true }) }
    ),
    closing: new DeadlineQueue<Connection>(80, clock, connection => { connection.terminate() }),
    async dispatch (text) {
      requests.push(text)
      await new Promise<void>(resolve => { pending.push(resolve) })
    },
    beforeSessionChange () {},
    onLoggedOut () {},
    onStopped (connection) {
      seen.stopped++
      heartbeat.delete(connection)
    },
    onClosed (_connection, code) { seen.closed.push(code) },
    trail: undefined,
    logOf: () => silentLog
  }
  const connection = new Connection(
    ws as unknown as WebSocket,
    'conn-1',
    { remoteAddress: '::1', requestId: 'req-1', headers: {}, session: undefined },
    host
  )
  heartbeat.add(connection)
  const answerAll = async (): Promise<void> => {
    while (pending.length > 0) {
      pending.shift()?.()
      await turns()
    }
  }
  return { clock, ws, connection, requests, answerAll, seen, host }
}

t.test('Connection', t => {
  t.test('[G-A5] stops reading when its inbox is full and reads on when there is room', async t => {
    const { ws, requests, answerAll } = connectionOver()
    for (let id = 0; id <= MAX_FRAMES; id++) ws.receive({ id, type: 'store.buckets' })
    t.ok(ws.isPaused)
    t.equal(requests.length, 1)
    await answerAll()
    t.notOk(ws.isPaused)
    t.equal(requests.length, MAX_FRAMES + 1)
  })

  t.test('[G-I6] is listened to after a ping also while nothing is read behind a slow request', async t => {
    const { clock, ws } = connectionOver()
    for (let id = 0; id <= MAX_FRAMES; id++) ws.receive({ id, type: 'store.buckets' })
    t.ok(ws.isPaused)
    clock.turn(100)
    t.notOk(ws.isPaused, 'until something arrives')
    ws.receive({ type: 'pong', timestamp: 0 })
    t.ok(ws.isPaused)
    clock.turn(99)
    t.same(ws.closes, [], 'it has answered')
    clock.turn(1)
    t.notOk(ws.isPaused)
    clock.turn(40)
    t.same(ws.closes, [[4001, 'heartbeat_timeout']], 'and a dead one is noticed')
  })

  t.test('[G-A5] is not listened to when it has sent far too much already', async t => {
    const { clock, ws } = connectionOver()
    for (let id = 0; id <= 16 * MAX_FRAMES; id++) ws.receive({ id, type: 'store.buckets' })
    clock.turn(100)
    t.ok(ws.isPaused)
    clock.turn(40)
    t.same(ws.closes, [[4001, 'heartbeat_timeout']])
  })

  t.test('[G-I6] answers a ping while a request is slow', async t => {
    const { clock, ws, connection, requests } = connectionOver()
    ws.receive({ id: 1, type: 'store.query' })
    for (let i = 0; i < 5; i++) {
      clock.turn(100)
      ws.receive({ type: 'pong', timestamp: 0 })
    }
    t.ok(connection.open)
    t.equal(requests.length, 1, 'the pongs wait behind the request and yet count')
  })

  t.test('stops reading when more waits for the client than may, and closes it when that lasts', async t => {
    const { clock, ws, connection, requests, answerAll, seen } = connectionOver()
    ws._socket.blocked = true
    ws.receive({ id: 1, type: 'store.all' })
    connection.flow.reply({ text: 'x'.repeat(1_100) })
    await setImmediate()
    t.ok(ws.isPaused)
    await answerAll()
    ws.receive({ id: 2, type: 'store.insert' })
    t.equal(requests.length, 1, 'what had been read already waits')
    clock.turn(49)
    t.same(ws.closes, [])
    clock.turn(1)
    t.same(ws.closes, [[1013, 'slow_consumer']])
    t.equal(seen.stopped, 1)
    clock.turn(80)
    t.same(ws.closes.at(-1), [1006, ''], 'and cut off when the close frame goes unanswered')
  })

  t.test('goes on where it stopped when the client has read', async t => {
    const { clock, ws, connection, requests } = connectionOver()
    ws._socket.blocked = true
    connection.flow.reply({ text: 'x'.repeat(1_100) })
    await setImmediate()
    ws.receive({ id: 1, type: 'store.insert' })
    await ws._socket.unblock()
    t.notOk(ws.isPaused)
    t.equal(requests.length, 1)
    clock.turn(50)
    t.same(ws.closes, [])
  })

  t.test('[G-J8] executes nothing that was waiting or arrives when the close has begun', async t => {
    const { ws, requests, answerAll, connection, seen } = connectionOver()
    ws.receive({ id: 1, type: 'store.insert' })
    ws.receive({ id: 2, type: 'store.insert' })
    ws.receive(Buffer.from('binary'))
    ws.receive({ id: 3, type: 'store.insert' })
    await answerAll()
    t.equal(requests.length, 1)
    t.same(ws.closes, [[1003, 'binary_not_supported']])
    connection.flow.reply({ text: 'too late' })
    await setImmediate()
    t.same(ws._socket.writes, [])
    connection.close({ code: 1000, reason: 'server_shutdown', comeBack: true })
    t.equal(ws.closes.length, 1, 'a close is not repeated')
    ws.emit('close', 1003)
    t.same(seen, { stopped: 1, closed: [1003] })
  })

  t.test('writes what was sent before the close frame', async t => {
    const { ws, connection } = connectionOver()
    connection.notify({ type: 'system', event: 'shutdown', gracePeriodMs: 1, reconnectAfterMs: 1 })
    const { close } = ws
    ws.close = function (code, reason) {
      t.equal(ws._socket.texts.length, 1)
      close.call(ws, code, reason)
    }
    connection.close({ code: 1000, reason: 'server_shutdown', comeBack: true })
    t.equal(ws.closes.length, 1)
  })

  t.test('is settled when its requests are answered', async t => {
    const { ws, connection, answerAll } = connectionOver()
    await connection.flow.settled()
    ws.receive({ id: 1, type: 'store.insert' })
    const settled = connection.flow.settled()
    t.ok(await isPending(settled))
    await answerAll()
    t.notOk(await isPending(settled))
  })

  t.test('ends its subscriptions and gives its places back when the client goes', async t => {
    const { ws, connection, host, seen } = connectionOver()
    const feed = { join: async () => {}, leave () {}, id: 'sub-1', text: '[]', scope: unlimitedScope }
    const grant = {
      principal: connection.principal,
      rows: () => undefined,
      scope: () => unlimitedScope,
      assertStillAllowed () {},
      work: new Work(Infinity),
      maxChanges: Infinity
    }
    await connection.subscriptions.add({ liveQuery: () => feed } as never, 'query', undefined, grant)
    t.equal(connection.info.storeSubscriptionCount, 1)
    t.equal(host.quota.taken.store, 1)
    ws.emit('close', 1001)
    t.equal(host.quota.taken.store, 0)
    t.same(seen, { stopped: 1, closed: [1001] })
    t.notOk(connection.open)
  })
  t.end()
})
