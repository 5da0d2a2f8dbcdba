import t from 'tap'
import type { Action, RuleEngine } from '../../src/index.js'
import { FakeClock, settle } from '../support/fake-clock.js'
import { onTopic, recordTopics, startEngine } from '../support/start-engine.js'

const call = (method: string) => ({ type: 'call_service' as const, service: 'app', method })

t.test('stop', async t => {
  t.test('within a service: nothing hangs, the chain is finished first', async t => {
    const order: string[] = []
    const app = { stop: async () => { await engine.stop(); order.push('stopped') } }
    const { engine } = await startEngine(t, { services: { app } })
    engine.subscribe('*', ({ topic }) => { order.push(topic) })
    engine.registerRule(onTopic(
      'a', { actions: [call('stop'), { type: 'emit_event', topic: 'after', data: {} }] }
    ))
    const waiting = [engine.emit('a'), engine.emit('b')]
    const [first, second] = await Promise.allSettled(waiting)
    t.equal(first?.status, 'fulfilled')
    t.match(second, { status: 'rejected', reason: { name: 'EngineNotRunningError' } })
    await engine.stop()
    await settle()
    t.same(order, ['a', 'after', 'stopped'])
  })

  t.test('within a service that another service waits for, or throws later', async t => {
    const app = {
      outer: async () => { await engine.emit('b') },
      inner: async () => { await engine.stop(); throw new Error('too late') }
    }
    const { engine, errors } = await startEngine(t, { services: { app } })
    engine.registerRule(onTopic(
      'a', { actions: [call('outer'), { type: 'set_fact', key: 'done', value: true }] }
    ))
    engine.registerRule(onTopic('b', { actions: [call('inner')] }))
    await engine.emit('a')
    await engine.stop()
    await settle()
    t.equal(engine.getFact('done'), true)
    t.match(errors, [{ error: { message: 'too late' }, context: { action: 'call_service' } }])
    t.equal(engine.getStats().servicesTimedOut, 0)
  })

  t.test('within a lookup: the rule is not run', async t => {
    const app = { stop: async () => { await engine.stop(); return 1 } }
    const { engine } = await startEngine(t, { services: { app } })
    engine.registerRule(onTopic('a', {
      lookups: [
        { name: 'x', service: 'app', method: 'stop', onError: 'fail' }
      ],
      actions: [{ type: 'set_fact', key: 'ran', value: true }]
    }))
    await engine.emit('a')
    await engine.stop()
    t.equal(engine.getFact('ran'), undefined)
  })

  t.test('within a subscriber', async t => {
    const { engine } = await startEngine(t)
    let isStopped = false
    engine.subscribe('a', async () => { await engine.stop(); isStopped = true })
    engine.registerRule(onTopic('a', { actions: [{ type: 'set_fact', key: 'done', value: true }] }))
    await engine.emit('a')
    await settle()
    t.ok(isStopped)
    t.equal(engine.getFact('done'), true)
  })

  t.test('drops what waits, which rejects, and ends timers and subscriptions', async t => {
    const clock = new FakeClock()
    let release = (): void => {}
    const { engine } = await startEngine(
      t, { clock, services: { app: { gate: () => new Promise<void>(resolve => { release = resolve }) } } }
    )
    const topics = recordTopics(engine)
    engine.registerRule(onTopic(
      'a', { actions: [call('gate'), { type: 'emit_event', topic: 'a.after', data: {} }] }
    ))
    await engine.setTimer({ name: 't', duration: 10_000, onExpire: { topic: 't' } })
    const running = engine.emit('a')
    const waiting = engine.emit('b')
    await settle()
    const stopping = engine.stop()
    t.notOk(engine.isRunning)
    t.equal(engine.stop(), stopping, 'it is idempotent')
    await t.rejects(waiting, { name: 'EngineNotRunningError', message: /is not running/ })
    release()
    await Promise.all([running, stopping])
    t.same(topics, ['a', 'a.after'])
    t.match(engine.getStats(), { timersCount: 0, subscriptionsCount: 0, queueDropped: 1, queueLength: 0 })
    t.equal(clock.pending, 0)
  })

  t.test('waits no longer than the service timeout, and ends what still runs', async t => {
    const clock = new FakeClock()
    const app = {
      slow: async () => {
        for (let n = 0; n < 100; n++) {
          await new Promise<void>(resolve => { clock.after(100, resolve) })
        }
      }
    }
    const { engine } = await startEngine(t, { clock, serviceTimeoutMs: 1000, services: { app } })
    engine.registerRule(onTopic(
      'a', { actions: [call('slow'), { type: 'set_fact', key: 'after', value: true }] }
    ))
    const running = engine.emit('a')
    await clock.advance(50)
    const stopping = engine.stop()
    await clock.advance(1000)
    await Promise.all([stopping, running])
    t.equal(engine.isRunning, false)
    t.equal(engine.getStats().servicesTimedOut, 1, 'and waits for the service no more')
  })

  t.test('ends a chain that works on and on at its next action', async t => {
    const { engine } = await startEngine(t, { serviceTimeoutMs: 30, maxActionsPerChain: 10_000_000 })
    const each = (actions: Action[]): Action[] =>
      [{ type: 'for_each', collection: { ref: 'event.items' }, as: 'x', actions }]
    engine.registerRule(onTopic('a', { actions: each(each(each([{ type: 'delete_fact', key: 'x' }]))) }))
    engine.registerRule(onTopic('a', { actions: [{ type: 'set_fact', key: 'after', value: true }] }))
    const running = engine.emit('a', { items: Array.from({ length: 200 }) })
    await settle()
    await engine.stop()
    await running
    t.equal(engine.getFact('after'), undefined)
  })

  t.test('lets go of subscribers that never settle', async t => {
    const { engine } = await startEngine(t)
    engine.subscribe('a', () => new Promise(() => {}))
    const emitting = engine.emit('a')
    await settle()
    await engine.stop()
    t.match(await emitting, { topic: 'a' })
  })
})

t.test('a stopped engine refuses work and still answers questions', async t => {
  const { engine } = await startEngine(t)
  engine.registerRule(onTopic('a', { id: 'r' }))
  await engine.setFact('k', 1)
  await engine.stop()
  const refused: { [name: string]: (engine: RuleEngine) => unknown } = {
    emit: e => e.emit('a'),
    emitCorrelated: e => e.emitCorrelated('a', {}, 'c'),
    setFact: e => e.setFact('k', 1),
    setTimer: e => e.setTimer({ name: 't', duration: 1, onExpire: { topic: 'a' } }),
    cancelTimer: e => e.cancelTimer('t')
  }
  for (const [name, refuse] of Object.entries(refused)) {
    const refusing = refuse(engine) as Promise<unknown>
    await t.rejects(refusing, { name: 'EngineNotRunningError', message: /is not running/ }, name)
  }
  const thrown: { [name: string]: (engine: RuleEngine) => unknown } = {
    deleteFact: e => e.deleteFact('k'),
    registerRule: e => e.registerRule(onTopic('a')),
    unregisterRule: e => e.unregisterRule('r'),
    updateRule: e => e.updateRule('r', {}),
    enableRule: e => e.enableRule('r'),
    disableRule: e => e.disableRule('r'),
    createGroup: e => e.createGroup({ id: 'g', name: 'g' }),
    updateGroup: e => e.updateGroup('g', {}),
    deleteGroup: e => e.deleteGroup('g'),
    enableGroup: e => e.enableGroup('g'),
    disableGroup: e => e.disableGroup('g')
  }
  for (const [name, refuse] of Object.entries(thrown)) {
    t.throws(() => refuse(engine), { message: /is not running/ }, name)
  }

  t.equal(engine.getFact('k'), 1)
  t.match(engine.queryFacts('k'), [{ version: 1 }])
  t.equal(engine.getAllFacts().length, 1)
  t.match(engine.getRule('r'), { id: 'r' })
  t.equal(engine.getRules().length, 1)
  t.equal(engine.validateRule({}).valid, false)
  t.same([engine.getTimers(), engine.getTimer('t'), engine.getGroups(), engine.getGroup('g')], [
    [], undefined, [], undefined
  ])
  const unsubscribe = engine.subscribe('a', () => {})
  unsubscribe()
  t.match(engine.getStats(), { subscriptionsCount: 0, rulesCount: 1 })
  await engine.stop()
  await engine.waitForProcessingQueue()
})
