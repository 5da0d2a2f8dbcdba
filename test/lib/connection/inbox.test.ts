import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Inbox, UnauthenticatedInboxes } from '../../../lib/connection/inbox.js'
import { isPending, turns } from '../../support/event-loop.js'

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
    regulate () { seen.full.push(inbox.isFull) },
    onOverload () { seen.overloads++ }
  }, unauthenticated)
  const finish = async (): Promise<void> => {
    pending.shift()?.()
    await turns()
  }
  return { inbox, started, finish, seen }
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
    onOverload () {}
  }, unauthenticated)
  return { inbox, handled, seen }
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
    t.notOk(inbox.isFull)
  })

  t.test('is full at its bound of frames and says so to its owner, and again when there is room', async t => {
    const { inbox, finish, seen } = slowInbox()
    inbox.push('running')
    for (let i = 0; i < MAX_FRAMES - 1; i++) inbox.push('x')
    t.notOk(inbox.isFull)
    t.same(seen.full, [])
    inbox.push('x')
    t.ok(inbox.isFull)
    t.same(seen.full, [true])
    await finish()
    t.notOk(inbox.isFull)
    t.same(seen.full, [true, false])
    await finish()
    t.same(seen.full, [true, false], 'only the turn is reported')
  })

  t.test('is full at its bound of bytes', async t => {
    const { inbox, finish, seen } = slowInbox()
    inbox.push('running')
    inbox.push('x'.repeat(MAX_BYTES - 1))
    t.notOk(inbox.isFull)
    inbox.push('x')
    t.ok(inbox.isFull)
    await finish()
    t.notOk(inbox.isFull)
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
      while (!inbox.isFull && pushed < 200) {
        inbox.push(text.repeat(perFrame))
        pushed++
      }
      const found = `${text.slice(-1)}: full after ${pushed} frames of ${perFrame * bytes} bytes`
      t.ok(Math.abs(pushed - needed / perFrame) <= 1, found)
      for (let i = 0; i <= pushed; i++) await finish()
      t.notOk(inbox.isFull)
    }
  })

  t.test('of a client that has yet to log in holds one frame behind the one that is handled', async t => {
    const { inbox, started, finish, seen } = slowInbox(new UnauthenticatedInboxes(1_000))
    inbox.push('login')
    t.notOk(inbox.isFull)
    inbox.push('next')
    t.ok(inbox.isFull)
    for (let i = 0; i < 14; i++) inbox.push('on top')
    t.notOk(inbox.isOverfull)
    inbox.push('on top')
    t.ok(inbox.isOverfull, 'so that a ping does not let still more in')
    inbox.authenticate()
    t.notOk(inbox.isFull)
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
      }, { regulate () {}, onOverload () {} })
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
    t.notOk(inbox.isFull)
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
    t.ok(inbox.isFull)
    inbox.clear()
    t.notOk(inbox.isFull)
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
