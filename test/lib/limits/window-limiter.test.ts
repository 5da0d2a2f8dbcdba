import { createHash } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { WindowLimiter, type WindowLimits } from '../../../lib/limits/window-limiter.js'
import { FakeClock } from '../../support/fake-clock.js'
import { sampled } from '../../support/sampled.js'

const WINDOW_MS = 1_000

setFlagsFromString('--expose_gc')
const collectGarbage = runInNewContext('gc') as () => void

function heapUsed (): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

function start (limits: Partial<WindowLimits> = {}) {
  const clock = new FakeClock()
  const limiter = new WindowLimiter({ max: 3, windowMs: WINDOW_MS, ...limits }, clock)
  /** How many of `times` counts are allowed. */
  const allowed = (key: string, times: number): number => {
    let count = 0
    for (let i = 0; i < times; i++) if (limiter.take(key) !== undefined) count++
    return count
  }
  return { clock, limiter, allowed }
}

t.test('a window', t => {
  t.test('allows as much as the limit, and refuses what is above it', async t => {
    const { limiter, allowed } = start()
    t.equal(limiter.retryAfterMs('a'), 0)
    t.equal(allowed('a', 10), 3)
    t.equal(allowed('b', 10), 3, 'each key has its own')
    t.equal(limiter.retryAfterMs('a'), WINDOW_MS)
    t.equal(limiter.retryAfterMs('c'), 0)
    t.equal(limiter.size, 2, 'asking is no count')
  })

  t.test('starts with the first count and ends exactly windowMs later', async t => {
    const { clock, limiter, allowed } = start()
    clock.turn(123)
    allowed('a', 1)
    clock.turn(600)
    allowed('a', 2)
    t.equal(limiter.retryAfterMs('a'), 400)
    clock.turn(399)
    t.equal(limiter.retryAfterMs('a'), 1)
    t.equal(limiter.take('a'), undefined, 'still refused in the last millisecond')
    clock.turn(1)
    t.equal(limiter.retryAfterMs('a'), 0)
    t.equal(allowed('a', 10), 3, 'the next one has all again')
    t.equal(limiter.retryAfterMs('a'), WINDOW_MS)
  })

  t.test('tells whole milliseconds that are enough to wait, and no more than one too many', async () => {
    // Binary fractions, which the clock of the test adds up exactly.
    const fraction = fc.nat(WINDOW_MS * 1_024 - 1).map(n => n / 1_024)
    fc.assert(fc.property(fraction, fraction, (before, since) => {
      const { clock, limiter, allowed } = start({ max: 1 })
      clock.turn(before)
      allowed('a', 1)
      clock.turn(since)
      const retryAfterMs = limiter.retryAfterMs('a')
      if (!Number.isInteger(retryAfterMs) || retryAfterMs < 1) return false
      clock.turn(retryAfterMs - 1)
      if (limiter.take('a') !== undefined) return false
      clock.turn(1)
      return limiter.retryAfterMs('a') === 0 && limiter.take('a') !== undefined
    }))
  })

  t.test('lets some cost more than others', async t => {
    const { limiter } = start({ max: 10 })
    t.ok(limiter.take('a', 8))
    t.equal(limiter.retryAfterMs('a', 2), 0)
    t.equal(limiter.retryAfterMs('a', 3), WINDOW_MS)
    t.equal(limiter.take('a', 3), undefined)
    t.ok(limiter.take('a', 2), 'the refused one has not used up what was left')
  })

  t.test('is forgotten when it is cleared', async t => {
    const { limiter, allowed } = start()
    allowed('a', 3)
    allowed('b', 3)
    limiter.clear('a')
    limiter.clear('never seen')
    t.equal(allowed('a', 10), 3)
    t.equal(allowed('b', 10), 0)
  })
  t.end()
})

t.test('a cost that is taken back', t => {
  t.test('can be taken again, once', async t => {
    const { limiter, allowed } = start({ max: 5 })
    const takeBack = limiter.take('a', 2)
    allowed('a', 3)
    takeBack?.()
    takeBack?.()
    t.equal(allowed('a', 10), 2)
  })

  t.test('does not count when its window has ended, been cleared or been evicted since', async t => {
    const { clock, limiter, allowed } = start({ maxKeys: 1 })
    const endings = [
      () => { clock.turn(WINDOW_MS) },
      () => { limiter.clear('a') },
      () => { limiter.take('b') }
    ]
    for (const end of endings) {
      limiter.clear('a')
      const takeBack = limiter.take('a')
      end()
      t.equal(allowed('a', 10), 3)
      takeBack?.()
      t.equal(allowed('a', 10), 0)
    }
  })

  t.test('leaves nothing behind when it was all', async t => {
    const { clock, limiter } = start({ max: 1 })
    const takeBack = limiter.take('a')
    clock.turn(400)
    takeBack?.()
    t.equal(limiter.size, 0)
    limiter.take('a')
    t.equal(limiter.retryAfterMs('a'), WINDOW_MS, 'the window starts anew')
  })
  t.end()
})

t.test('memory', t => {
  t.test('[G-B18] holds no more than maxKeys of a million keys', async t => {
    const { limiter } = start({ maxKeys: 1_000 })
    let most = 0
    for (let i = 0; i < 1_000_000; i++) {
      limiter.take(`key-${i}`)
      most = Math.max(most, limiter.size)
    }
    t.equal(most, 1_000)
  })

  t.test('[G-I3] gets rid of what is over, with two for each new key, and without a timer', async t => {
    const { clock, limiter } = start()
    for (let i = 0; i < 100; i++) limiter.take(`early-${i}`)
    clock.turn(WINDOW_MS - 1)
    limiter.take('late')
    t.equal(limiter.size, 101, 'nothing is over yet')
    clock.turn(1)
    for (let i = 0; i < 10; i++) limiter.take(`new-${i}`)
    t.equal(limiter.size, 91)
    for (let i = 10; i < 100; i++) limiter.take(`new-${i}`)
    t.equal(limiter.size, 101, 'what is not over stays')
    t.equal(clock.pending, 0)
  })

  t.test('replaces the window that started first by that of a new key', async t => {
    const { limiter, allowed } = start({ maxKeys: 3 })
    for (const key of ['a', 'b', 'c', 'b', 'a', 'a']) limiter.take(key)
    t.equal(allowed('a', 10), 0, 'locked')
    t.equal(allowed('d', 1), 1)
    t.equal(allowed('b', 10), 1, 'the others are remembered')
    t.equal(allowed('c', 10), 2)
    t.equal(allowed('a', 10), 3, 'forgotten')
  })

  t.test('keeps a locked key until maxKeys others are counted', async t => {
    const { limiter, allowed } = start({ maxKeys: 100 })
    allowed('locked', 3)
    for (let i = 0; i < 1_000; i++) limiter.take(`given-back-${i}`)?.()
    for (let i = 0; i < 99; i++) limiter.take(`other-${i}`)
    t.equal(allowed('locked', 1), 0)
    limiter.take('other-99')
    t.equal(allowed('locked', 1), 1)
  })

  t.test('does not grow with the length of keys', async t => {
    const { limiter } = start()
    const before = heapUsed()
    for (let i = 0; i < 50; i++) limiter.take(`${i}`.padEnd(1_000_000, 'x'))
    t.ok(heapUsed() - before < 10_000_000, 'of 50 MB')
    t.equal(limiter.size, 50)
  })

  t.test('is not held by functions that could still take a cost back', async t => {
    const { limiter } = start({ maxKeys: 2 })
    const before = heapUsed()
    const takeBack = limiter.take('a')
    for (let i = 0; i < 200_000; i++) limiter.take(`key-${i}`)
    t.ok(heapUsed() - before < 5_000_000, 'of 25 MB')
    takeBack?.()
    t.equal(limiter.size, 2)
  })
  t.end()
})

t.test('long keys', t => {
  t.test('are told apart by their last character, and by lone surrogates', async t => {
    const { allowed } = start()
    const long = 'x'.repeat(10_000)
    const ends = ['a', 'b', '\ud800', '\ud801', '\ufffd']
    for (const end of ends) t.equal(allowed(long + end, 10), 3)
    for (const end of ends) t.equal(allowed(long + end, 10), 0)
  })

  t.test('share nothing with a key that is spelled like their digest', async t => {
    const { limiter, allowed } = start()
    const long = 'x'.repeat(65)
    const digest = createHash('sha256').update(long, 'utf16le').digest('hex')
    t.equal(allowed(long, 10), 3)
    for (const key of [digest, `#${digest}`, `#${digest}`.slice(0, 64)]) t.equal(allowed(key, 10), 3)
    limiter.clear(long)
    t.equal(allowed(long, 10), 3)
  })
  t.end()
})

/**
 * The limiter as one would explain it: a list of windows with a list of counts in each, searched from end to
 * end.
 */
class Model {
  now = 0
  windows: Array<{
    readonly key: string
    readonly startedAt: number
    counts: Array<{ readonly id: number, readonly cost: number }>
  }> = []

  constructor (readonly limits: Required<WindowLimits>) {}

  turn (ms: number): void {
    this.now += ms
    this.windows = this.windows.filter(({ startedAt }) => this.now < startedAt + this.limits.windowMs)
  }

  used (key: string): number {
    return this.windows
      .filter(window => window.key === key)
      .flatMap(({ counts }) => counts)
      .reduce((sum, { cost }) => sum + cost, 0)
  }

  take (key: string, cost: number, id: number): boolean {
    if (this.used(key) + cost > this.limits.max) return false
    let window = this.windows.find(window => window.key === key)
    if (window === undefined) {
      window = { key, startedAt: this.now, counts: [] }
      this.windows = [...this.windows, window].slice(-this.limits.maxKeys)
    }
    window.counts.push({ id, cost })
    return true
  }

  takeBack (id: number): void {
    for (const window of this.windows) window.counts = window.counts.filter(count => count.id !== id)
    this.windows = this.windows.filter(({ counts }) => counts.length > 0)
  }

  clear (key: string): void {
    this.windows = this.windows.filter(window => window.key !== key)
  }

  retryAfterMs (key: string, cost: number): number {
    const window = this.windows.find(window => window.key === key)
    return window === undefined || this.used(key) + cost <= this.limits.max
      ? 0
      : window.startedAt + this.limits.windowMs - this.now
  }
}

t.test('does what a naive model does, with any calls', async t => {
  const limits = { max: 3, windowMs: 10, maxKeys: 3 }
  const keys = ['a', 'b', 'c', 'd', 'e'.repeat(65)]
  const key = fc.constantFrom(...keys)
  const cost = fc.integer({ min: 1, max: limits.max })
  const call = fc.oneof(
    { weight: 6, arbitrary: fc.record({ take: key, cost }) },
    { weight: 2, arbitrary: fc.record({ takeBack: fc.nat(60) }) },
    { weight: 1, arbitrary: fc.record({ clear: key }) },
    { weight: 2, arbitrary: fc.record({ turn: fc.nat(12) }) }
  )
  const seen = { allowed: 0, refused: 0, evicted: 0 }
  fc.assert(fc.property(fc.array(call, { size: 'max', maxLength: 60 }), calls => {
    const { clock, limiter } = start(limits)
    const model = new Model(limits)
    const taken: Array<(() => void) | undefined> = []
    for (const call of calls) {
      if ('take' in call) {
        const open = model.windows.length
        const isNew = model.used(call.take) === 0
        const takeBack = limiter.take(call.take, call.cost)
        if (model.take(call.take, call.cost, taken.length) !== (takeBack !== undefined)) return false
        taken.push(takeBack)
        seen[takeBack === undefined ? 'refused' : 'allowed']++
        if (isNew && open === limits.maxKeys) seen.evicted++
      } else if ('takeBack' in call) {
        taken[call.takeBack]?.()
        model.takeBack(call.takeBack)
      } else if ('clear' in call) {
        limiter.clear(call.clear)
        model.clear(call.clear)
      } else {
        clock.turn(call.turn)
        model.turn(call.turn)
      }
      if (
        keys.some(key =>
          [1, 2, 3].some(cost => limiter.retryAfterMs(key, cost) !== model.retryAfterMs(key, cost))
        )
      ) {
        return false
      }
      if (limiter.size > limits.maxKeys || limiter.size < model.windows.length) return false
    }
    return true
  }), { numRuns: sampled(1_000) })
  const isMuch = seen.allowed > sampled(1_000) && seen.refused > sampled(1_000) && seen.evicted > sampled(100)
  t.ok(isMuch, JSON.stringify(seen))
})
