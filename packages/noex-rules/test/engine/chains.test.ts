import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Action, RuleEngine } from '../../src/index.js'
import { FakeClock, settle } from '../support/fake-clock.js'
import { onTopic, recordEvents, recordTopics, rule, startEngine } from '../support/start-engine.js'

t.test('rules of a trigger run by priority, then in the order of registration, one by one', async t => {
  const { engine } = await startEngine(
    t, { services: { slow: { step: async () => { await setImmediate() } } } }
  )
  const order: string[] = []
  engine.subscribe('ran.*', ({ topic }) => { order.push(topic.slice(4)) })
  const add = (topic: string, id: string, priority: number): void => {
    engine.registerRule(onTopic(topic, {
      id,
      priority,
      actions: [
        { type: 'emit_event', topic: `ran.${id}-first`, data: {} },
        { type: 'call_service', service: 'slow', method: 'step' },
        { type: 'emit_event', topic: `ran.${id}-last`, data: {} }
      ]
    }))
  }
  add('go.*', 'wild', 0)
  add('go.a', 'exact', 0)
  add('go.a', 'low', -1.5)
  add('go.b', 'other', 99)
  add('go.a', 'high', 10)
  await engine.emit('go.a')
  t.same(order, ['high', 'wild', 'exact', 'low'].flatMap(id => [`${id}-first`, `${id}-last`]))
  order.length = 0
  engine.updateRule('wild', { name: 'updated' })
  engine.registerRule(onTopic(
    'go.a', { id: 'exact', actions: [{ type: 'emit_event', topic: 'ran.exact', data: {} }] }
  ))
  add('go.a', 'new', 0)
  await engine.emit('go.a')
  t.same(order.filter(name => !name.endsWith('-last')), [
    'high-first', 'wild-first', 'exact', 'new-first', 'low-first'
  ])
})

t.test('a lower rule sees all effects of a higher one, those of chained rules included', async t => {
  const { engine } = await startEngine(t)
  engine.registerRule(onTopic('a', {
    priority: 10,
    actions: [{
      type: 'set_fact', key: 'one', value: 1
    }, { type: 'emit_event', topic: 'b', data: {} }, { type: 'set_fact', key: 'three', value: 3 }]
  }))
  engine.registerRule(onTopic('b', { actions: [{ type: 'set_fact', key: 'two', value: 2 }] }))
  engine.registerRule(rule({
    trigger: { type: 'fact', pattern: 'two' }, actions: [{ type: 'set_fact', key: 'four', value: 4 }]
  }))
  engine.registerRule(onTopic('a', {
    priority: 1,
    conditions: [
      'one', 'two', 'three', 'four'
    ].map(pattern => ({ source: { type: 'fact' as const, pattern }, operator: 'exists' as const })),
    actions: [{ type: 'set_fact', key: 'sawAll', value: true }]
  }))
  await engine.emit('a')
  t.equal(engine.getFact('sawAll'), true)
})

t.test(
  'a rule that an earlier one ends does not run any more, one that it begins does not run yet',
  async t => {
    const { engine } = await startEngine(t, {
      services: {
        rules: {
          change: () => {
            engine.disableRule('disabled')
            engine.unregisterRule('gone')
            engine.updateRule('updated', { actions: [{ type: 'set_fact', key: 'updated', value: 1 }] })
            engine.registerRule(onTopic(
              'a', { id: 'new', actions: [{ type: 'set_fact', key: 'new', value: 1 }] }
            ))
          }
        }
      }
    })
    engine.registerRule(onTopic(
      'a', { priority: 1, actions: [{ type: 'call_service', service: 'rules', method: 'change' }] }
    ))
    for (const id of ['disabled', 'gone', 'updated']) {
      engine.registerRule(onTopic('a', { id, actions: [{ type: 'set_fact', key: 'ran', value: 1 }] }))
    }
    await engine.emit('a')
    t.same(engine.getAllFacts(), [])
  }
)

t.test('fan-out: fifty rules on one topic that each send make fifty chained runs', async t => {
  const { engine } = await startEngine(t)
  for (let index = 0; index < 50; index++) {
    engine.registerRule(onTopic('start', { actions: [{ type: 'emit_event', topic: 'next', data: {} }] }))
  }
  engine.registerRule(onTopic('next', { actions: [{ type: 'emit_event', topic: 'end', data: {} }] }))
  const ends = recordEvents(engine, 'end')
  await engine.emit('start')
  t.equal(ends.length, 50)
  t.equal(engine.getStats().rulesExecuted, 100)
  t.equal(engine.getStats().chainsDropped, 0)
})

t.test('depth', async t => {
  t.test('a cycle with a limit of three runs three levels of rules and has four events', async t => {
    const { engine, errors, log } = await startEngine(t, { maxForwardDepth: 3 })
    engine.registerRule(onTopic(
      'again', { id: 'cycle', actions: [{ type: 'emit_event', topic: 'again', data: {} }] }
    ))
    const topics = recordTopics(engine)
    await engine.emit('again')
    t.equal(topics.length, 4)
    t.match(engine.getStats(), { rulesExecuted: 3, eventsProcessed: 4, chainsDropped: 1, actionsFailed: 0 })
    t.match(errors, [{
      error: {
        name: 'LimitError', details: { limit: 'maxForwardDepth', max: 3 }
      },
      context: { ruleId: 'cycle', topic: 'again' }
    }])
    t.equal(log.length, 1)
    await engine.emit('again')
    t.equal(engine.getStats().rulesExecuted, 6)
    t.equal(errors.length, 2)
  })

  t.test('a rule that is cut off many times in a chain is reported once', async t => {
    const { engine, errors } = await startEngine(t, { maxForwardDepth: 1 })
    engine.registerRule(onTopic('a', {
      actions: [{ type: 'emit_event', topic: 'b', data: {} }, { type: 'emit_event', topic: 'b', data: {} }]
    }))
    engine.registerRule(onTopic('b', { id: 'first' }))
    engine.registerRule(onTopic('b', { id: 'second' }))
    engine.registerRule(onTopic('b', { id: 'off', enabled: false }))
    await engine.emit('a')
    t.same(errors.map(({ context }) => context.ruleId), ['first', 'second'])
    t.equal(engine.getStats().chainsDropped, 2)
  })

  t.test('counts along each path, not over all', async t => {
    const { engine } = await startEngine(t, { maxForwardDepth: 2 })
    for (let index = 0; index < 5; index++) {
      engine.registerRule(onTopic('a', { actions: [{ type: 'emit_event', topic: 'b', data: {} }] }))
    }
    engine.registerRule(onTopic('b', { actions: [{ type: 'set_fact', key: 'n', value: 1 }] }))
    await Promise.all(Array.from({ length: 20 }, () => engine.emit('a')))
    t.match(engine.getStats(), { rulesExecuted: 200, chainsDropped: 0 })
  })

  t.test('counts facts as it does events', async t => {
    const { engine } = await startEngine(t, { maxForwardDepth: 3 })
    engine.registerRule(rule({
      id: 'up',
      trigger: {
        type: 'fact', pattern: 'n:*'
      },
      actions: [{ type: 'set_fact', key: 'n:${fact.n:0}x', value: { ref: 'event.key' } }]
    }))
    engine.registerRule(onTopic('go', { actions: [{ type: 'set_fact', key: 'n:a', value: 1 }] }))
    await engine.emit('go')
    t.match(engine.getStats(), { rulesExecuted: 3, chainsDropped: 1 })
  })

  t.test('of a hundred levels, of actions nested as deep as may be, takes no stack', async t => {
    const { engine } = await startEngine(t, { maxForwardDepth: 100 })
    let actions: Action[] = [{ type: 'emit_event', topic: 'again', data: {} }]
    for (let nested = 0; nested < 14; nested++) {
      actions = nested % 2 === 0
        ? [{ type: 'for_each', collection: [1], as: 'x', actions }]
        : [{ type: 'try_catch', try: actions, finally: [{ type: 'delete_fact', key: 'x' }] }]
    }
    engine.registerRule(onTopic('again', { actions }))
    await engine.emit('again')
    t.match(engine.getStats(), { rulesExecuted: 100, actionsFailed: 0, chainsDropped: 1 })
  })
})

t.test('a chain', async t => {
  t.test('runs so many actions and no more', async t => {
    const { engine, errors } = await startEngine(t, { maxActionsPerChain: 25 })
    engine.registerRule(onTopic('a', {
      id: 'loops',
      actions: [
        {
          type: 'for_each',
          collection: { ref: 'event.items' },
          as: 'x',
          actions: [{
            type: 'for_each',
            collection: { ref: 'event.items' },
            as: 'y',
            actions: [{ type: 'emit_event', topic: 'b', data: {} }]
          }]
        },
        {
          type: 'try_catch',
          try: [{ type: 'emit_event', topic: 'late', data: {} }],
          catch: {
            actions: [{ type: 'emit_event', topic: 'late', data: {} }]
          },
          finally: [{ type: 'emit_event', topic: 'late', data: {} }]
        }
      ]
    }))
    engine.registerRule(onTopic(
      'a', { priority: -1, actions: [{ type: 'emit_event', topic: 'late', data: {} }] }
    ))
    const topics = recordTopics(engine)
    await engine.emit('a', { items: Array.from({ length: 20 }) })
    t.same(topics, ['a', ...Array.from({ length: 22 }, () => 'b')])
    t.match(errors, [{
      error: {
        name: 'LimitError', details: { limit: 'maxActionsPerChain', max: 25 }
      },
      context: { ruleId: 'loops' }
    }])
    t.equal(engine.getStats().chainsDropped, 1)
    await engine.emit('a', { items: [1] })
    t.equal(topics.filter(topic => topic === 'late').length, 3, 'the next has a budget of its own')
  })

  t.test('of many actions lets the rest of the process have its turn', async t => {
    const { engine } = await startEngine(t, { maxActionsPerChain: 1_000_000 })
    // A tenth of what a chain may do, in a run that is not thorough.
    const items = Array.from({ length: process.env['THOROUGH'] === '1' ? 1_000 : 316 })
    engine.registerRule(onTopic('a', {
      actions: [{
        type: 'for_each',
        collection: { ref: 'event.items' },
        as: 'x',
        actions: [{
          type: 'for_each',
          collection: { ref: 'event.items' },
          as: 'y',
          actions: [{ type: 'delete_fact', key: 'x' }]
        }]
      }]
    }))
    let turns = 0
    const timer = setInterval(() => { turns++ }, 1)
    await engine.emit('a', { items })
    clearInterval(timer)
    t.ok(turns > 3, `${turns} turns`)
  })
})

t.test('triggers from outside are handled in the order of their arrival', async t => {
  t.test('a thousand events at once, with a slow service', async t => {
    const order: unknown[] = []
    const { engine } = await startEngine(t, {
      services: {
        slow: { take: async (n: number) => { if (n % 10 === 0) await setImmediate(); order.push(n) } }
      }
    })
    engine.registerRule(onTopic('a', {
      actions: [{ type: 'call_service', service: 'slow', method: 'take', args: [{ ref: 'event.n' }] }]
    }))
    const done: number[] = []
    await Promise.all(Array.from({ length: 1000 }, async (_, n) => {
      const event = await engine.emit('a', { n })
      done.push(event.data['n'] as number)
    }))
    const expected = Array.from({ length: 1000 }, (_, n) => n)
    t.same(order, expected)
    t.same(done, expected)
  })

  t.test('events, facts and timers among each other', async t => {
    const clock = new FakeClock()
    const order: string[] = []
    let release = (): void => {}
    const { engine } = await startEngine(t, {
      clock,
      services: {
        gate: {
          wait: () => new Promise<void>(resolve => { release = resolve }),
          note: (what: string) => { order.push(what) }
        }
      }
    })
    const note = (what: string) =>
      ({ type: 'call_service' as const, service: 'gate', method: 'note', args: [what] })
    engine.registerRule(onTopic(
      'slow', { actions: [{ type: 'call_service', service: 'gate', method: 'wait' }, note('slow')] }
    ))
    engine.registerRule(onTopic('a', { actions: [note('event')] }))
    engine.registerRule(rule({ trigger: { type: 'fact', pattern: 'k' }, actions: [note('fact')] }))
    engine.registerRule(rule({ trigger: { type: 'timer', name: 't' }, actions: [note('timer')] }))
    await engine.setTimer({ name: 't', duration: 10, onExpire: { topic: 'expired' } })
    const slow = engine.emit('slow')
    await clock.advance(10)
    const all = [engine.setFact('k', 1), engine.emit('a'), slow]
    t.equal(engine.getFact('k'), 1, 'the fact itself is set at once')
    t.equal(engine.getStats().queueLength, 3)
    release()
    await Promise.all(all)
    t.same(order, ['slow', 'timer', 'fact', 'event'])
  })

  t.test('an event has the time of its emit, not that of its turn', async t => {
    const clock = new FakeClock()
    let release = (): void => {}
    const { engine } = await startEngine(
      t, { clock, services: { gate: { wait: () => new Promise<void>(resolve => { release = resolve }) } } }
    )
    engine.registerRule(onTopic(
      'slow', { actions: [{ type: 'call_service', service: 'gate', method: 'wait' }] }
    ))
    const heard = recordEvents(engine, 'a')
    const slow = engine.emit('slow')
    const start = clock.now()
    const waiting = engine.emit('a')
    await clock.advance(500)
    release()
    await Promise.all([slow, waiting])
    t.equal(heard[0]?.timestamp, start)
  })

  t.test('and no rule runs before emit has returned', async t => {
    const { engine } = await startEngine(t)
    engine.registerRule(onTopic('a', { actions: [{ type: 'set_fact', key: 'ran', value: true }] }))
    const emitting = engine.emit('a')
    t.equal(engine.getFact('ran'), undefined)
    await emitting
    t.equal(engine.getFact('ran'), true)
  })
})

t.test('a queue that is full', async t => {
  async function fill (
    t: Parameters<typeof startEngine>[0]
  ): Promise<{ engine: RuleEngine, release: () => void, accepted: Array<Promise<unknown>> }> {
    let release = (): void => {}
    const { engine } = await startEngine(t, {
      maxQueue: 3, services: { gate: { wait: () => new Promise<void>(resolve => { release = resolve }) } }
    })
    engine.registerRule(onTopic(
      'a', { actions: [{ type: 'call_service', service: 'gate', method: 'wait' }] }
    ))
    engine.registerRule(rule({ trigger: { type: 'fact', pattern: 'watched' } }))
    const accepted = [engine.emit('a')]
    await settle()
    recordTopics(engine)
    accepted.push(engine.emit('b'), engine.emit('b'), engine.emit('b'))
    return { engine, release: () => { release() }, accepted }
  }

  t.test('refuses more, and counts it; waiting triggers are not affected', async t => {
    const { engine, release, accepted } = await fill(t)
    await t.rejects(engine.emit('b'), { name: 'EngineBusyError', code: 'ENGINE_BUSY' })
    await t.rejects(engine.setFact('watched', 1), { name: 'EngineBusyError' })
    t.equal(engine.getFact('watched'), undefined)
    t.match(engine.getStats(), { queueDropped: 2, queueLength: 3 })
    release()
    await Promise.all(accepted)
    await engine.emit('b')
    t.match(engine.getStats(), { queueLength: 0 })
  })

  t.test('accepts a fact that triggers no rule', async t => {
    const { engine, release, accepted } = await fill(t)
    t.equal((await engine.setFact('unwatched', 1)).value, 1)
    release()
    await Promise.all(accepted)
  })
})
