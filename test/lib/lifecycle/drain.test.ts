import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Calls } from '../../../lib/connection/calls.js'
import type { Connections } from '../../../lib/connection/connections.js'
import { Drain, type DrainTimes } from '../../../lib/lifecycle/drain.js'
import { FakeClock } from '../../support/fake-clock.js'

interface FakeConnection {
  isOpen: boolean
  reconnectAfterMs: number | undefined
  closedAt: number | undefined
}

/** Drains `count` clients that do nothing by themselves. `run` turns the clock. */
function drain (count: number, times: Partial<DrainTimes>) {
  const clock = new FakeClock()
  const seen = {
    doorClosedAt: undefined as number | undefined,
    notices: 0,
    endedAt: undefined as number | undefined
  }
  let emptied: () => void = () => {}
  const empty = new Promise<void>(resolve => { emptied = resolve })
  const close = (connection: FakeConnection): void => {
    if (!connection.isOpen) return
    connection.isOpen = false
    connection.closedAt = clock.ticks()
    if (all.every(({ isOpen }) => !isOpen)) emptied()
  }
  const all = Array.from({ length: count }, () => {
    const connection = {
      isOpen: true,
      reconnectAfterMs: undefined as number | undefined,
      closedAt: undefined as number | undefined,
      notify (notice: { reconnectAfterMs: number }): void {
        seen.notices++
        connection.reconnectAfterMs = notice.reconnectAfterMs
      },
      flow: { async settled (): Promise<void> {} },
      close (): void { close(connection) }
    }
    return connection
  })
  const connections = {
    get all () { return all.filter(({ isOpen }) => isOpen) },
    get size () { return connections.all.length },
    empty: async () => { await (connections.size === 0 ? undefined : empty) },
    settled: async () => {},
    closeAll () { for (const connection of all) connection.close() }
  }
  const drain = new Drain({ drainDelayMs: 0, gracePeriodMs: 0, reconnectWindowMs: 5_000, ...times }, {
    connections: connections as unknown as Connections,
    calls: { async settled () {}, close () {} } as unknown as Calls,
    clock,
    stopAccepting () { seen.doorClosedAt = clock.ticks() }
  })
  drain.ended.then(() => { seen.endedAt = clock.ticks() }, () => {})
  const run = async (ms: number): Promise<void> => {
    for (let i = 0; i < ms; i++) {
      clock.turn(1)
      await setImmediate()
    }
  }
  return { clock, seen, all, close, drain, run }
}

/** The largest number of values within `width`. */
function mostWithin (values: readonly number[], width: number): number {
  return Math.max(...values.map(from => values.filter(value => value >= from && value < from + width).length))
}

t.test('the delay', t => {
  t.test('passes before any client is notified or refused', async t => {
    const { seen, run } = drain(3, { drainDelayMs: 500, gracePeriodMs: 100 })
    await run(499)
    t.same(seen, { doorClosedAt: undefined, notices: 0, endedAt: undefined })
    await run(1)
    t.equal(seen.doorClosedAt, 500)
    t.equal(seen.notices, 3)
  })

  t.test('ends at once when the server is closing', async t => {
    const { seen, run, drain: draining } = drain(3, { drainDelayMs: 500, gracePeriodMs: 100 })
    await run(10)
    draining.skipDelay()
    await run(1)
    t.equal(seen.notices, 3)
    await run(120)
    t.ok(seen.endedAt !== undefined && seen.endedAt <= 112, String(seen.endedAt))
  })
  t.end()
})

t.test('the clients', t => {
  t.test('are told different times to reconnect, spread evenly over the window', async t => {
    const { all, run } = drain(1_000, { gracePeriodMs: 1_000, reconnectWindowMs: 5_000 })
    await run(1)
    const times = all.map(({ reconnectAfterMs }) => reconnectAfterMs as number).sort((a, b) => a - b)
    for (const [i, time] of times.entries()) if (time < i * 5 || time > (i + 1) * 5) t.fail(`${i}: ${time}`)
    t.ok(mostWithin(times, 100) <= 21, 'at most about two of a hundred in 100 ms')
  })

  t.test('need not wait long when they are few', async t => {
    const { all, run } = drain(3, { gracePeriodMs: 1_000, reconnectWindowMs: 5_000 })
    await run(1)
    t.ok(all.every(({ reconnectAfterMs }) => reconnectAfterMs !== undefined && reconnectAfterMs <= 60))
  })

  t.test('are closed one by one when they do not leave, the last at the end of the grace period', async t => {
    const { all, run, seen } = drain(1_000, { gracePeriodMs: 2_000, reconnectWindowMs: 5_000 })
    await run(999)
    t.ok(all.every(({ isOpen }) => isOpen), 'all clients have the first half')
    await run(1_010)
    const closed = all.map(({ closedAt }) => closedAt as number)
    t.ok(
      Math.min(...closed) >= 1_000 && Math.max(...closed) <= 2_002,
      `${Math.min(...closed)} to ${Math.max(...closed)}`
    )
    t.ok(mostWithin(closed, 100) <= 110, `at most ${mostWithin(closed, 100)} of them in 100 ms`)
    t.ok(seen.endedAt !== undefined && seen.endedAt <= 2_003)
  })

  t.test('have nearly all of the grace period when they are few', async t => {
    const { all, run } = drain(2, { gracePeriodMs: 2_000 })
    await run(1_959)
    t.ok(all.every(({ isOpen }) => isOpen))
    await run(45)
    t.ok(all.every(({ closedAt }) => closedAt !== undefined && closedAt >= 1_960 && closedAt <= 2_002))
  })

  t.test('are not waited for when they have left', async t => {
    const { all, close, run, seen } = drain(5, { gracePeriodMs: 60_000 })
    await run(10)
    for (const connection of all) close(connection)
    await run(2)
    t.ok(seen.endedAt !== undefined && seen.endedAt <= 12)
  })

  t.test('are closed at once without a grace period, and not notified', async t => {
    const { all, run, seen } = drain(1_000, { gracePeriodMs: 0 })
    await run(1)
    t.equal(seen.notices, 0)
    t.ok(all.every(({ closedAt }) => closedAt !== undefined && closedAt <= 1))
  })
  t.end()
})
