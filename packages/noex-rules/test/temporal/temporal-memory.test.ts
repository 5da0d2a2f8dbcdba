import t from 'tap'
import type { TemporalPattern } from '../../src/index.js'
import { FakeClock } from '../support/fake-clock.js'
import { recordEvents, rule, startEngine } from '../support/start-engine.js'
import { type Step, temporal, watch } from '../support/watch-pattern.js'

const aThenB = {
  type: 'sequence', events: [{ topic: 'a' }, { topic: 'b' }], within: '10s'
} as const satisfies TemporalPattern
const byUser = { groupBy: 'user' }
const u1 = { user: 1 }
const u2 = { user: 2 }

t.test('the state of a rule', async t => {
  t.test('goes with the rule, and with each change of it', async t => {
    for (const change of ['unregister', 'update', 'replace'] as const) {
      const { engine, take, clock } = await watch(
        t, { type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s', ...byUser }
      )
      await take([['a', u1], ['a', u2]])
      t.equal(engine.getStats().temporalInstances, 2)
      if (change === 'unregister') engine.unregisterRule('temporal')
      else if (change === 'update') engine.updateRule('temporal', { priority: 1 })
      else engine.registerRule(temporal(aThenB, { id: 'temporal' }))
      t.equal(engine.getStats().temporalInstances, 0)
      t.equal(clock.pending, 0)
      t.equal(await take([20_000]), 0, change)
    }
  })

  t.test('stays while the rule is disabled; whether it runs is asked when it fires', async t => {
    const { engine, take } = await watch(
      t, { type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s' }
    )
    engine.disableRule('temporal')
    await take([['a'], 5000])
    engine.enableRule('temporal')
    t.equal(await take([5000]), 1)
    await take([['a']])
    engine.disableRule('temporal')
    t.equal(await take([10_000]), 0)
    engine.enableRule('temporal')
    engine.createGroup({ id: 'g', name: 'G' })
    engine.updateRule('temporal', { group: 'g' })
    await take([['a']])
    engine.disableGroup('g')
    t.equal(await take([10_000]), 0)
  })

  t.test('ends with its time, also when nothing more happens', async t => {
    const patterns: TemporalPattern[] = [
      aThenB, { ...aThenB, ...byUser }, { type: 'count', event: { topic: 'a' }, threshold: 9, window: '10s' },
      {
        type: 'count', event: { topic: 'a' }, threshold: 9, window: '10s', sliding: true
      }, { type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s' }
    ]
    for (const pattern of patterns) {
      const { engine, take, clock } = await watch(t, pattern)
      await take([['a', u1], 3000, ['a', u2]])
      t.ok(engine.getStats().temporalInstances > 0)
      await take([20_000])
      t.equal(engine.getStats().temporalInstances, 0)
      t.equal(clock.pending, 0)
    }
  })

  t.test('ends with the engine', async t => {
    const { engine, take, clock } = await watch(
      t, { type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s' }
    )
    await take([['a']])
    await engine.stop()
    t.equal(clock.pending, 0)
    t.equal(engine.getStats().temporalInstances, 0)
  })

  t.test('waits longer than a timer of the process can', async t => {
    const { take, clock } = await watch(
      t, { type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '60d' }
    )
    t.equal(await take([['a'], 59 * 86_400_000]), 0)
    t.equal(await take([86_400_000]), 1)
    t.ok(clock.longestWait <= 2 ** 31 - 1)
  })
})

t.test('what is remembered is bounded: the oldest goes first, and is counted', async t => {
  t.test('over all rules', async t => {
    const { engine, take, shown } = await watch(
      t,
      { type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s', groupBy: 'n' },
      { maxTemporalInstances: 3 }
    )
    engine.registerRule(temporal({
      type: 'count', event: { topic: 'c' }, threshold: 100, window: '10s', sliding: true
    }))
    await take([['c'], ...[1, 2, 3, 4].map((n): Step => ['a', { n }])])
    t.match(engine.getStats(), { temporalInstances: 3, temporalDropped: 2 })
    await take([10_000])
    t.same(shown().map(({ groupKey }) => groupKey), ['2', '3', '4'])
  })

  t.test('a window loses its oldest events', async t => {
    const { engine, take, shown } = await watch(
      t,
      { type: 'aggregate', event: { topic: 'a' }, field: 'n', function: 'sum', threshold: 1, window: '1m' },
      { maxTemporalInstances: 2 }
    )
    await take([1, 10, 100, 1000].map((n): Step => ['a', { n }]))
    t.same(shown().map(({ value }) => value), [1, 11, 110, 1100])
    t.match(engine.getStats(), { temporalInstances: 2, temporalDropped: 2 })
  })

  t.test('sequences without groups are at most a hundred', async t => {
    const { engine, take } = await watch(t, aThenB)
    await take(Array.from({ length: 150 }, (): Step => ['a']))
    t.match(engine.getStats(), { temporalInstances: 100, temporalDropped: 50 })
    t.equal(await take([['b']]), 100)
  })
})

t.test('what is late in the queue is judged by when it was sent', async t => {
  const clock = new FakeClock()
  let release = (): void => {}
  const { engine } = await startEngine(t, {
    clock,
    serviceTimeoutMs: 60_000,
    services: {
      gate: { wait: () => new Promise<void>(resolve => { release = resolve }) }
    }
  })
  engine.registerRule(rule({
    trigger: {
      type: 'event', topic: 'slow'
    },
    actions: [{ type: 'call_service', service: 'gate', method: 'wait' }]
  }))
  engine.registerRule(temporal({
    type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s', groupBy: 'n'
  }))
  const fired = recordEvents(engine, 'fired')
  await engine.emit('a', { n: 1 })
  await engine.emit('a', { n: 2 })
  const slow = engine.emit('slow')
  await clock.advance(9000)
  const inTime = engine.emit('b', { n: 1 })
  await clock.advance(5000)
  const late = engine.emit('b', { n: 2 })
  release()
  await Promise.all([slow, inTime, late])
  await engine.waitForProcessingQueue()
  t.match(fired, [{ data: { trigger: { groupKey: '2' } } }])
  t.equal(fired.length, 1)
})

t.test('an event that comes before an overdue look at the clock is judged by its own time', async t => {
  const absence = await watch(
    t, { type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s' }
  )
  await absence.take([['a']])
  absence.clock.set(10_001)
  t.equal(await absence.take([['b']]), 1)
  t.equal(await absence.take([20_000]), 0)

  const count = await watch(t, { type: 'count', event: { topic: 'a' }, threshold: 2, window: '1m' })
  await count.take([['a'], ['a']])
  count.clock.set(60_000)
  t.equal(await count.take([['a']]), 1)
  t.equal(await count.take([120_000]), 0)

  const sliding = await watch(
    t, { type: 'count', event: { topic: 'a' }, threshold: 2, window: '1m', sliding: true }
  )
  await sliding.take([['a']])
  sliding.clock.set(60_001)
  t.equal(await sliding.take([['a']]), 0)

  const sequence = await watch(t, aThenB)
  await sequence.take([['a']])
  sequence.clock.set(10_001)
  t.equal(await sequence.take([['b']]), 0)
  t.equal(sequence.engine.getStats().temporalInstances, 0)
})

t.test('many absences at once are a chain each, and none is lost', async t => {
  const { engine, take } = await watch(
    t,
    { type: 'absence', after: { topic: 'a' }, expected: { topic: 'b' }, within: '10s', groupBy: 'n' },
    { maxActionsPerChain: 2, maxQueue: 10 }
  )
  await take(Array.from({ length: 500 }, (_, n): Step => ['a', { n }]))
  t.equal(await take([10_000]), 500)
  t.match(engine.getStats(), { chainsDropped: 0, queueDropped: 0, temporalInstances: 0 })
})
