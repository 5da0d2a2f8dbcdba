import t from 'tap'
import { Heartbeat, type Pingable } from '../../../lib/connection/heartbeat.js'
import { isTurnOver } from '../../../lib/util/slice.js'
import { FakeClock } from '../../support/fake-clock.js'
import { until } from '../../support/until.js'

/** A connection as the heartbeat sees it; records its pings and losses. */
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

  t.test('pings connections that came at different times up to a sixteenth of an interval early', async t => {
    const clock = new FakeClock()
    const heartbeat = new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock)
    const early = pingableAt(clock, 'at once')
    const late = pingableAt(clock, 'at once')
    heartbeat.add(early)
    clock.turn(30)
    heartbeat.add(late)
    clock.turn(300)
    t.same(early.pings, [100, 200, 300])
    t.same(late.pings, [125, 225, 325])
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
      `[G-I4] looks at the next ping when timeoutMs is ${timeoutMs === 100 ? 'at' : 'above'} the interval`,
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
    t.same(pingable.losses, [240], 'a frame from before the second ping does not answer it')
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
    t.same(pingable.pings, [100, 200, 300, 400, 500], 'the client still gets pings')
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

  t.test('pings very many in several turns, and none of those that have left meanwhile', async t => {
    const clock = new FakeClock()
    const heartbeat = new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock)
    const pingables = Array.from({ length: 1_000 }, () => pingableAt(clock, 'never'))
    const pinged = () => pingables.filter(({ pings }) => pings.length === 1).length
    for (const pingable of pingables) heartbeat.add(pingable)
    const [first, last] = [pingables[0], pingables.at(-1)]
    if (first === undefined || last === undefined) return
    first.ping = () => { while (!isTurnOver()); }
    clock.turn(100)
    t.ok(pinged() < 900, `${pinged()} in the first turn`)
    heartbeat.delete(last)
    const late = pingableAt(clock, 'never')
    heartbeat.add(late)
    await until(() => pinged() === 998)
    t.same(last.pings, [])
    t.same(late.pings, [], 'nor those that have just come')
    clock.turn(40)
    t.ok(pingables.slice(0, -1).every(({ losses }) => losses[0] === 140), 'each has its time for an answer')
    t.same([last.losses, late.losses], [[], []])
    heartbeat.stop()
  })

  t.test('does not make up for pings that a stalled process has missed', async t => {
    const clock = new FakeClock()
    const heartbeat = new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock)
    const [busy, silent] = [pingableAt(clock, 'at once'), pingableAt(clock, 'never')]
    heartbeat.add(busy)
    clock.turn(90)
    clock.stall(1_000)
    heartbeat.add(silent)
    clock.turn(300)
    const pauses = busy.pings.slice(1).map((at, i) => at - (busy.pings[i] ?? 0))
    t.ok(busy.pings.length >= 2 && pauses.every(pause => pause >= 93), busy.pings.join())
    t.equal(silent.losses.length, 1)
    t.ok((silent.losses[0] ?? 0) - (silent.pings[0] ?? 0) === 40)
  })

  t.test('serves ten thousand connections with two timers', async t => {
    const clock = new FakeClock()
    const heartbeat = new Heartbeat({ intervalMs: 100, timeoutMs: 40 }, clock)
    const pingables = Array.from({ length: 10_000 }, () => pingableAt(clock, 'at once'))
    for (const pingable of pingables) heartbeat.add(pingable)
    t.equal(clock.pending, 1)
    clock.turn(110)
    await until(() => clock.pending === 2)
    t.ok(pingables.every(pingable => pingable.pings.length === 1))
    heartbeat.stop()
  })
  t.end()
})
