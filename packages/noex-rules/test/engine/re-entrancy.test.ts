import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { FakeClock, settle } from '../support/fake-clock.js'
import { onTopic, recordTopics, rule, startEngine } from '../support/start-engine.js'

const call = (method: string, ...args: unknown[]) =>
  ({ type: 'call_service' as const, service: 'app', method, args })

t.test('a service that sends an event and waits for it', async t => {
  t.test('gets what follows done at once, as a part of the chain', async t => {
    const app = { send: async () => { await engine.emit('inner'); order.push('sent') } }
    const { engine } = await startEngine(t, { services: { app } })
    const order: string[] = recordTopics(engine)
    engine.registerRule(onTopic(
      'outer', { actions: [call('send'), { type: 'emit_event', topic: 'after', data: {} }] }
    ))
    engine.registerRule(onTopic('inner', { actions: [{ type: 'emit_event', topic: 'innermost', data: {} }] }))
    const others = [engine.emit('outer'), engine.emit('next')]
    await Promise.all(others)
    t.same(order, ['outer', 'inner', 'innermost', 'sent', 'after', 'next'])
  })

  t.test('is one level deeper each time', async t => {
    const app = { send: async () => { await engine.emit('again') } }
    const { engine, errors } = await startEngine(t, { maxForwardDepth: 4, services: { app } })
    const topics = recordTopics(engine)
    engine.registerRule(onTopic('again', { actions: [call('send')] }))
    await engine.emit('again')
    t.equal(topics.length, 5)
    t.match(engine.getStats(), { rulesExecuted: 4, chainsDropped: 1, servicesTimedOut: 0 })
    t.equal(errors.length, 1)
  })

  t.test('may send several, which are done one after the other', async t => {
    const app = {
      sendAll: async () => { await Promise.all(['b', 'c'].map(topic => engine.emit(topic))) },
      step: async () => { await setImmediate() }
    }
    const { engine } = await startEngine(t, { services: { app } })
    const topics = recordTopics(engine)
    engine.registerRule(onTopic('a', { actions: [call('sendAll')] }))
    for (const topic of ['b', 'c']) {
      engine.registerRule(onTopic(topic, {
        actions: [{
          type: 'emit_event', topic: `${topic}.1`, data: {}
        }, call('step'), { type: 'emit_event', topic: `${topic}.2`, data: {} }]
      }))
    }
    await engine.emit('a')
    t.same(topics, ['a', 'b', 'b.1', 'b.2', 'c', 'c.1', 'c.2'])
  })

  t.test('need not wait for it: the rule does', async t => {
    const app = {
      send: () => { engine.emit('inner').catch(t.error) }, step: async () => { await setImmediate() }
    }
    const { engine } = await startEngine(t, { services: { app } })
    const topics = recordTopics(engine)
    engine.registerRule(onTopic(
      'outer', { actions: [call('send'), { type: 'emit_event', topic: 'after', data: {} }] }
    ))
    engine.registerRule(onTopic(
      'inner', { actions: [call('step'), { type: 'emit_event', topic: 'innermost', data: {} }] }
    ))
    await engine.emit('outer')
    t.same(topics, ['outer', 'inner', 'innermost', 'after'])
  })

  t.test('may set facts and timers, and register rules', async t => {
    const app = {
      change: async () => {
        await engine.setFact('k', 1)
        await engine.setTimer({ name: 't', duration: '1h', onExpire: { topic: 'x' } })
        engine.registerRule(onTopic('b', { id: 'new' }))
        t.equal(engine.getFact('k:seen'), 1)
        await engine.waitForProcessingQueue()
      }
    }
    const { engine, errors } = await startEngine(t, { services: { app } })
    engine.registerRule(onTopic('a', { actions: [call('change')] }))
    engine.registerRule(rule({
      trigger: {
        type: 'fact', pattern: 'k'
      },
      actions: [{ type: 'set_fact', key: 'k:seen', value: { ref: 'event.value' } }]
    }))
    await engine.emit('a')
    t.same(errors, [])
    t.match(engine.getStats(), { timersCount: 1, rulesCount: 3 })
  })
})

t.test('a subscriber that sends an event and waits for it', async t => {
  t.test('does not hang, and what it sends belongs to the chain', async t => {
    const { engine } = await startEngine(t)
    const topics = recordTopics(engine)
    engine.subscribe('a', async () => { await engine.emit('b') })
    engine.registerRule(onTopic('a', { actions: [{ type: 'emit_event', topic: 'a.rule', data: {} }] }))
    engine.registerRule(onTopic('b', { actions: [{ type: 'emit_event', topic: 'b.rule', data: {} }] }))
    await Promise.all([engine.emit('a'), engine.emit('c')])
    t.same(topics, ['a', 'a.rule', 'b', 'b.rule', 'c'])
  })

  t.test('cannot go round for ever', async t => {
    const { engine, errors } = await startEngine(t, { maxForwardDepth: 3 })
    let heard = 0
    engine.subscribe('a', async () => { heard++; await engine.emit('a') })
    await engine.emit('a')
    t.equal(heard, 4)
    t.match(engine.getStats(), { chainsDropped: 1 })
    t.equal(errors.length, 1)
  })

  t.test('cannot multiply without end', async t => {
    const { engine, errors } = await startEngine(t, { maxForwardDepth: 100, maxActionsPerChain: 500 })
    let heard = 0
    engine.subscribe('a', () => {
      heard++
      for (let copy = 0; copy < 10; copy++) engine.emit('a').catch(t.error)
    })
    await engine.emit('a')
    t.equal(heard, 501)
    t.match(errors, [{ error: { details: { limit: 'maxActionsPerChain', max: 500 } } }])
  })

  t.test('and does so later, when the chain has ended, sends from outside', async t => {
    const { engine } = await startEngine(t, { maxForwardDepth: 1 })
    const topics = recordTopics(engine)
    engine.registerRule(onTopic('b', { actions: [{ type: 'emit_event', topic: 'c', data: {} }] }))
    engine.subscribe('a', async () => {
      await setImmediate()
      await engine.emit('b')
    })
    await engine.emit('a')
    t.same(topics, ['a', 'b', 'c'])
  })
})

t.test('what a service leaves behind belongs to no chain', async t => {
  const app = {
    leave: () => { setTimeout(() => { late = engine.emit('late', {}) }, 5).unref() },
    gate: () => new Promise<void>(resolve => { release = resolve })
  }
  let late: Promise<unknown> | undefined
  let release = (): void => {}
  const { engine } = await startEngine(t, { maxForwardDepth: 1, services: { app } })
  const topics = recordTopics(engine)
  engine.registerRule(onTopic('a', { actions: [call('leave')] }))
  engine.registerRule(onTopic('late', { actions: [{ type: 'emit_event', topic: 'followed', data: {} }] }))
  await engine.emit('a')
  engine.registerRule(onTopic(
    'busy', { actions: [call('gate'), { type: 'emit_event', topic: 'not busy', data: {} }] }
  ))
  const busy = engine.emit('busy')
  await new Promise(resolve => { setTimeout(resolve, 20) })
  t.ok(late !== undefined)
  t.equal(engine.getStats().queueLength, 1, 'it waits for its turn')
  release()
  await Promise.all([busy, late])
  t.same(topics, ['a', 'busy', 'not busy', 'late', 'followed'])
})

t.test('requests that a subscriber leads to belong to no chain', async t => {
  const { engine } = await startEngine(t, { maxForwardDepth: 2 })
  const inbox = new EventTarget()
  let requests = 0
  inbox.addEventListener('request', () => { requests++; engine.emit('a').catch(t.error) })
  engine.subscribe('a', () => {
    if (requests < 50) {
      globalThis.setImmediate(() => inbox.dispatchEvent(new Event('request')))
    }
  })
  await engine.emit('a')
  for (let turn = 0; turn < 200; turn++) await setImmediate()
  await engine.waitForProcessingQueue()
  t.match(engine.getStats(), { eventsProcessed: 51, chainsDropped: 0 })
})

t.test('a hanging service', async t => {
  t.test(
    'ends with the service timeout, the rest of the rule runs, and later events are handled',
    async t => {
      const clock = new FakeClock()
      const { engine, errors } = await startEngine(
        t, { clock, serviceTimeoutMs: 500, services: { app: { hang: () => new Promise(() => {}) } } }
      )
      const topics = recordTopics(engine)
      engine.registerRule(onTopic(
        'a', { id: 'hangs', actions: [call('hang'), { type: 'emit_event', topic: 'a.after', data: {} }] }
      ))
      const done = Promise.all([engine.emit('a'), engine.emit('b')])
      await clock.advance(499)
      t.same(topics, ['a'])
      await clock.advance(1)
      await done
      t.same(topics, ['a', 'a.after', 'b'])
      t.match(errors, [{
        error: {
          name: 'ServiceTimeoutError', service: 'app', method: 'hang', timeoutMs: 500
        },
        context: { ruleId: 'hangs', action: 'call_service' }
      }])
      t.match(engine.getStats(), { servicesTimedOut: 1, actionsFailed: 1, rulesExecuted: 1 })
      t.equal(clock.pending, 0)
    }
  )

  t.test('many of them in one chain hold the queue no longer than one', async t => {
    const clock = new FakeClock()
    const calls: string[] = []
    const app = {
      hang: () => { calls.push('hang'); return new Promise(() => {}) },
      quick: async () => { calls.push('quick') }
    }
    const { engine } = await startEngine(t, { clock, serviceTimeoutMs: 500, services: { app } })
    for (let index = 0; index < 5; index++) {
      engine.registerRule(onTopic('a', { actions: [call('hang'), call('quick')] }))
    }
    const done = engine.emit('a')
    await clock.advance(500)
    await done
    t.same(calls, Array.from({ length: 5 }, () => ['hang', 'quick']).flat())
    t.match(engine.getStats(), { servicesTimedOut: 5, actionsFailed: 5 })
  })

  t.test('that sends an event when it is late sends it from outside', async t => {
    const clock = new FakeClock()
    let release = (): void => {}
    const app = {
      late: async () => {
        await new Promise<void>(resolve => { release = resolve }); await engine.emit(
          'late'
        )
      }
    }
    const { engine } = await startEngine(t, { clock, serviceTimeoutMs: 500, services: { app } })
    const topics = recordTopics(engine)
    engine.registerRule(onTopic('a', { actions: [call('late')] }))
    const done = engine.emit('a')
    await clock.advance(500)
    await done
    release()
    await settle()
    t.same(topics, ['a', 'late'])
  })
})

t.test('an event of a detached subscriber is a trigger from outside', async t => {
  const { engine } = await startEngine(t)
  const order: string[] = []
  engine.subscribe('*', (_event, topic) => { order.push(`first ${topic}`) })
  engine.subscribe('outer', () => { engine.emit('inner').catch(t.fail) }, { detached: true })
  engine.subscribe('*', (_event, topic) => { order.push(`last ${topic}`) })
  engine.registerRule(onTopic('outer', { actions: [{ type: 'emit_event', topic: 'follows', data: {} }] }))
  await Promise.all([engine.emit('outer'), engine.emit('next')])
  await engine.waitForProcessingQueue()
  const attached = order.filter(entry => entry.startsWith('first')).map(entry => entry.slice(6))
  t.same(attached.slice(0, 2), ['outer', 'follows'])
  t.same([...attached].sort(), ['follows', 'inner', 'next', 'outer'])
  t.same(order.filter(entry => entry.startsWith('last')).map(entry => entry.slice(5)), attached)
})

t.test('where all subscribers are detached, what one of them sends waits for its turn', async t => {
  const { engine } = await startEngine(t)
  const topics: string[] = []
  engine.subscribe('*', (_event, topic) => {
    topics.push(topic)
    if (topic === 'outer') engine.emit('inner').catch(t.fail)
  }, { detached: true })
  engine.registerRule(onTopic('outer', { actions: [{ type: 'emit_event', topic: 'follows', data: {} }] }))
  await Promise.all([engine.emit('outer'), engine.emit('next')])
  await engine.waitForProcessingQueue()
  t.same(topics, ['outer', 'follows', 'next', 'inner'])
})
