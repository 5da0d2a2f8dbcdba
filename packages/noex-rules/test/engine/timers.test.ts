import t from 'tap'
import type { Action, TimerConfig, TimerSetting } from '../../src/index.js'
import { FakeClock, settle } from '../support/fake-clock.js'
import { onTopic, recordEvents, recordTopics, rule, startEngine } from '../support/start-engine.js'

const DAY = 86_400_000
const set = (timer: Partial<TimerSetting> = {}): Action => ({
  type: 'set_timer', timer: { name: 't', duration: 100, onExpire: { topic: 'expired', data: {} }, ...timer }
})
const config = (more: Partial<TimerConfig> = {}): TimerConfig =>
  ({ name: 't', duration: 100, onExpire: { topic: 'expired' }, ...more })

t.test('a timer of a rule', async t => {
  t.test('fires once: first its rules, then its event', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    engine.registerRule(onTopic('a', {
      actions: [set({
        name: 'pay:${event.id}',
        duration: '2s',
        onExpire: {
          topic: 'late.${event.id}', data: { id: { ref: 'event.id' }, at: { ref: 'meta.timestamp' } }
        }
      })]
    }))
    engine.registerRule(rule({
      trigger: { type: 'timer', name: 'pay:*' },
      actions: [{ type: 'emit_event', topic: 'rule', data: { all: { ref: 'event' } } }]
    }))
    engine.registerRule(onTopic('late.*', { actions: [{ type: 'emit_event', topic: 'after', data: {} }] }))
    const start = clock.now()
    await engine.emitCorrelated('a', { id: 7 }, 'corr')
    const timer = engine.getTimer('pay:7')!
    t.strictSame({ ...timer }, {
      id: timer.id,
      name: 'pay:7',
      expiresAt: start + 2000,
      onExpire: {
        topic: 'late.7', data: { id: 7, at: start }
      },
      correlationId: 'corr'
    })
    t.ok(Object.isFrozen(timer))
    t.equal(engine.getStats().timersCount, 1)
    const events = recordEvents(engine)
    await clock.advance(1999)
    t.same(events, [])
    await clock.advance(1)
    t.match(events, [
      {
        topic: 'rule',
        source: 'rule',
        correlationId: 'corr',
        causationId: timer.id,
        data: {
          all: {
            timerId: timer.id,
            timerName: 'pay:7',
            expiresAt: start + 2000,
            correlationId: 'corr',
            id: 7,
            at: start
          }
        }
      },
      {
        topic: 'late.7',
        source: 'timer',
        correlationId: 'corr',
        causationId: timer.id,
        data: {
          id: 7, at: start
        }
      },
      { topic: 'after', source: 'rule', correlationId: 'corr' }
    ])
    t.equal(events.length, 3)
    t.same([engine.getTimers(), engine.getStats().timersCount, clock.pending], [[], 0, 0])
  })

  t.test('replaces one of the same name', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    engine.registerRule(onTopic('a', { actions: [set()] }))
    const topics = recordTopics(engine)
    await engine.emit('a')
    const first = engine.getTimer('t')
    await clock.advance(60)
    await engine.emit('a')
    t.not(engine.getTimer('t')?.id, first?.id)
    await clock.advance(99)
    t.same(topics, ['a', 'a'])
    await clock.advance(1)
    t.same(topics, ['a', 'a', 'expired'])
  })

  t.test('may be set again by its rules', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    engine.registerRule(rule({ trigger: { type: 'timer', name: 't' }, actions: [set()] }))
    await engine.setTimer(config())
    const topics = recordTopics(engine)
    await clock.advance(350)
    t.same(topics, ['expired', 'expired', 'expired'])
    t.equal(engine.getTimers().length, 1)
  })

  t.test('that repeats fires again its interval after it was handled, up to maxCount', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    engine.registerRule(onTopic(
      'a', { actions: [set({ duration: 10, repeat: { interval: '100ms', maxCount: 3 } })] }
    ))
    await engine.emit('a')
    t.match(engine.getTimer('t'), { repeat: { interval: 100, maxCount: 3 } })
    const events = recordEvents(engine)
    const start = clock.now()
    await clock.advance(10)
    t.equal(engine.getTimer('t')?.expiresAt, start + 110)
    await clock.advance(1000)
    t.same(events.map(({ timestamp }) => timestamp - start), [10, 110, 210])
    t.same(engine.getTimers(), [])
  })

  t.test('that repeats ends when its rules cancel it', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    engine.registerRule(onTopic('expired', { actions: [{ type: 'cancel_timer', name: '${event.name}' }] }))
    await engine.setTimer(config({
      repeat: { interval: 50 }, onExpire: { topic: 'expired', data: { name: 't' } }
    }))
    const topics = recordTopics(engine)
    await clock.advance(1000)
    t.same(topics, ['expired'])
    t.same([engine.getTimers(), clock.pending], [[], 0])
  })

  t.test('that repeats is replaced by the one that its rules set', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    engine.registerRule(onTopic(
      'expired', { actions: [set({ duration: 500, onExpire: { topic: 'second', data: {} } })] }
    ))
    await engine.setTimer(config({ repeat: { interval: 50 } }))
    const topics = recordTopics(engine)
    await clock.advance(1000)
    t.same(topics, ['expired', 'second'])
  })

  t.test('does not fire when it is cancelled or replaced while it waits for its turn', async t => {
    const clock = new FakeClock()
    let release = (): void => {}
    const { engine } = await startEngine(
      t, { clock, services: { gate: { wait: () => new Promise<void>(resolve => { release = resolve }) } } }
    )
    engine.registerRule(onTopic('a', {
      actions: [{
        type: 'call_service', service: 'gate', method: 'wait'
      }, { type: 'cancel_timer', name: 'cancelled' }, set({ name: 'replaced', duration: 500 })]
    }))
    const topics = recordTopics(engine)
    await engine.setTimer(config({ name: 'cancelled', onExpire: { topic: 'cancelled' } }))
    await engine.setTimer(config({ name: 'replaced', onExpire: { topic: 'replaced' } }))
    const running = engine.emit('a')
    await clock.advance(100)
    release()
    await running
    await engine.waitForProcessingQueue()
    t.same(topics, ['a'])
    await clock.advance(500)
    t.same(topics, ['a', 'expired'])
  })

  t.test('of thirty days fires in thirty days', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    await engine.setTimer(config({ duration: '30d' }))
    const topics = recordTopics(engine)
    await clock.advance(30 * DAY - 1)
    t.same(topics, [])
    await clock.advance(1)
    t.same(topics, ['expired'])
    t.ok(clock.longestWait <= 2 ** 31 - 1)
    await engine.setTimer(config({ duration: '1y' }))
    await clock.advance(50 * DAY)
    t.equal(await engine.cancelTimer('t'), true)
    t.equal(clock.pending, 0)
  })

  t.test('whose handling fails fires again', async t => {
    const clock = new FakeClock()
    const { engine, errors } = await startEngine(t, { clock })
    engine.registerRule(rule({
      trigger: {
        type: 'timer', name: 't'
      },
      actions: [{ type: 'call_service', service: 'nothing', method: 'x' }]
    }))
    const data = { get x (): never { throw new Error('unreadable') } }
    await engine.setTimer(config({ repeat: { interval: 100 }, onExpire: { topic: 'expired', data } }))
    await engine.setTimer(config({ name: 'ok', repeat: { interval: 100 }, onExpire: { topic: 'ok' } }))
    const topics = recordTopics(engine)
    await clock.advance(300)
    t.same(topics.filter(topic => topic === 'ok').length, 3)
    t.equal(errors.length, 3)
    t.equal(engine.getTimers().length, 2)
  })
})

t.test('setTimer', async t => {
  t.test('gives the timer, cancelTimer says whether there was one', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    const timer = await engine.setTimer(config({ correlationId: 'c' }))
    t.strictSame({ ...timer }, {
      id: timer.id,
      name: 't',
      expiresAt: clock.now() + 100,
      onExpire: {
        topic: 'expired', data: {}
      },
      correlationId: 'c'
    })
    t.equal(engine.getTimer('t'), timer)
    t.same(engine.getTimers(), [timer])
    t.same([await engine.cancelTimer('t'), await engine.cancelTimer('t'), engine.getTimer('t')], [
      true, false, undefined
    ])
  })

  t.test('rejects what is no timer', async t => {
    const { engine } = await startEngine(t)
    const bad: unknown[] = [
      undefined, {}, config({ name: '' }), config({ name: 'x'.repeat(1025) }), config({
        duration: 0
      }), config({ duration: -1 }), config({ duration: NaN }), config({ duration: 'soon' }),
      config({ duration: undefined }), config({
        cron: '* * * * *'
      }), config({ onExpire: undefined as never }), config({ onExpire: { topic: '' } }),
      config({ onExpire: { topic: 'a', data: [] as never } }), config({
        repeat: { interval: 0 }
      }), config({ repeat: { interval: 1, maxCount: 0 } }), config({ maxCount: 1.5 }),
      config({ correlationId: 1 as never }),
      ...[
        '', 'soon', '* * * *', '* * * * * * *', '2099-01-01T00:00:00', '@daily', '61 * * * *', '0 0 30 2 *',
        `${'1,'.repeat(200)}1 * * * *`
      ].map(cron => config({ duration: undefined, cron })),
      config({ duration: undefined, cron: '* * * * *', repeat: { interval: 1 } })
    ]
    for (const [index, input] of bad.entries()) {
      await t.rejects(engine.setTimer(input as never), Error, `${index}`)
    }
    t.same(engine.getTimers(), [])
  })

  t.test('takes no more than there may be', async t => {
    const { engine, errors } = await startEngine(t, { maxTimers: 1 })
    await engine.setTimer(config())
    await engine.setTimer(config())
    await t.rejects(
      engine.setTimer(config({ name: 'u' })), { name: 'LimitError', details: { limit: 'maxTimers', max: 1 } }
    )
    engine.registerRule(onTopic('a', { actions: [set({ name: 'u' })] }))
    await engine.emit('a')
    t.match(errors, [{ error: { name: 'LimitError' }, context: { action: 'set_timer' } }])
  })

  t.test('with a cron fires at its times, in local time, so often as it may', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    const events = recordEvents(engine)
    await engine.setTimer(config({ duration: undefined, cron: '*/10 * * * *', maxCount: 3 }))
    t.match(engine.getTimer('t'), { cron: '*/10 * * * *' })
    t.notOk('repeat' in engine.getTimer('t')!)
    await clock.advance(3_600_000)
    t.same(events.map(({ timestamp }) => [new Date(timestamp).getMinutes() % 10, timestamp % 60_000]), [
      [0, 0], [0, 0], [0, 0]
    ])
    t.equal(engine.getTimers().length, 0)
  })

  t.test(
    'with a cron of six fields fires in seconds, and not twice for one time on a clock that runs behind',
    async t => {
      const clock = new FakeClock()
      const { engine } = await startEngine(t, { clock })
      const events = recordEvents(engine)
      await engine.setTimer(config({ duration: undefined, cron: '*/30 * * * * *' }))
      clock.set(-2)
      await clock.advance(60_000)
      t.equal(events.length, 2)
    }
  )

  t.test('does not keep the process alive', async t => {
    const keepingAlive = (): number => process.getActiveResourcesInfo()
      .filter(name => name === 'Timeout').length
    const { engine } = await startEngine(t)
    const before = keepingAlive()
    await engine.setTimer(config({ duration: 60_000 }))
    await engine.setTimer(config({ name: 'cron', duration: undefined, cron: '0 0 * * *' }))
    t.equal(keepingAlive(), before)
  })
})

t.test('many timers of one moment fire in the order in which they were set', async t => {
  const clock = new FakeClock()
  const { engine } = await startEngine(t, { clock, maxQueue: 5 })
  const topics = recordTopics(engine)
  for (let index = 0; index < 100; index++) {
    await engine.setTimer(config({ name: `t${index}`, onExpire: { topic: `t.${index}` } }))
  }
  await clock.advance(100)
  await settle()
  t.same(topics, Array.from({ length: 100 }, (_, index) => `t.${index}`))
  t.equal(engine.getStats().queueDropped, 0)
})
