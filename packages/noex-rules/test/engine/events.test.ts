import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Event } from '../../src/index.js'
import { FakeClock } from '../support/fake-clock.js'
import { onTopic, recordEvents, recordTopics, startEngine } from '../support/start-engine.js'

t.test('an event', async t => {
  t.test('has its properties in one order, and none that was not given', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    const bare = await engine.emit('order.placed')
    t.strictSame(
      bare, { id: bare.id, topic: 'order.placed', data: {}, timestamp: clock.now(), source: 'api' }
    )
    const full = await engine.emitCorrelated('order.placed', { sku: 'a' }, 'c', 'e')
    t.equal(JSON.stringify(full), JSON.stringify({
      id: full.id,
      topic: 'order.placed',
      data: {
        sku: 'a'
      },
      timestamp: clock.now(),
      correlationId: 'c',
      causationId: 'e',
      source: 'api'
    }))
    t.not(bare.id, full.id)
    t.notOk('causationId' in await engine.emitCorrelated('order.placed', {}, 'c'))
  })

  t.test('is frozen, its data is what was given', async t => {
    const { engine } = await startEngine(t)
    const data = { sku: 'a' }
    const event = await engine.emit('a', data)
    t.ok(Object.isFrozen(event))
    t.equal(event.data, data)
    t.notOk(Object.isFrozen(data))
  })

  t.test('has an id that no other engine gives', async t => {
    const { engine: first } = await startEngine(t)
    const { engine: second } = await startEngine(t)
    t.not((await first.emit('a')).id, (await second.emit('a')).id)
  })

  t.test('is counted with and without subscribers', async t => {
    const { engine } = await startEngine(t)
    await engine.emit('a')
    recordEvents(engine, 'b')
    await engine.emit('b')
    engine.registerRule(onTopic('c', { actions: [{ type: 'emit_event', topic: 'd', data: {} }] }))
    await engine.emit('c')
    t.equal(engine.getStats().eventsProcessed, 4)
  })
})

t.test('emit never throws, and rejects what is no event', async t => {
  const { engine } = await startEngine(t)
  const bad: unknown[][] = [[undefined], [1], [''], ['x'.repeat(1025)], ['a', null], ['a', []], ['a', 'text']]
  for (const args of bad) {
    let emitting: Promise<unknown> | undefined
    t.doesNotThrow(() => { emitting = engine.emit(...args as [string]) })
    await t.rejects(emitting!, { name: 'TypeError' }, JSON.stringify(args)?.slice(0, 20))
  }
  await t.rejects(engine.emitCorrelated('a', {}, 1 as never), { name: 'TypeError' })
  await t.rejects(engine.emitCorrelated('a', {}, 'c', 1 as never), { name: 'TypeError' })
  t.equal(engine.getStats().eventsProcessed, 0)
})

t.test('subscribers', async t => {
  t.test('see an event before rules do, and so before what rules send', async t => {
    const { engine } = await startEngine(t)
    engine.registerRule(onTopic('a', {
      actions: [{ type: 'set_fact', key: 'seen', value: true }, { type: 'emit_event', topic: 'b', data: {} }]
    }))
    const seen: unknown[] = []
    engine.subscribe('*', ({ topic }) => { seen.push([topic, engine.getFact('seen')]) })
    await engine.emit('a')
    t.same(seen, [['a', undefined], ['b', true]])
  })

  t.test('are called in the order of their subscription, with any patterns', async t => {
    const { engine } = await startEngine(t)
    const calls: string[] = []
    for (const pattern of ['*', 'a.b', 'a.*', 'a.b', '*.b']) {
      engine.subscribe(pattern, () => { calls.push(pattern) })
    }
    await engine.emit('a.b')
    t.same(calls, ['*', 'a.b', 'a.*', 'a.b', '*.b'])
  })

  t.test('get the event and its topic, each for every subscription of its own', async t => {
    const { engine } = await startEngine(t)
    const calls: unknown[] = []
    const handler = (event: Event, topic: string): void => { calls.push([event.id, topic]) }
    const first = engine.subscribe('a', handler)
    engine.subscribe('a', handler)
    const { id } = await engine.emit('a')
    t.same(calls, [[id, 'a'], [id, 'a']])
    first()
    await engine.emit('a')
    t.equal(calls.length, 3)
  })

  t.test('get no event after they unsubscribe, not even the current one', async t => {
    const { engine } = await startEngine(t)
    const calls: string[] = []
    engine.subscribe('a', () => { second() })
    const second = engine.subscribe('a', () => { calls.push('second') })
    await engine.emit('a')
    t.same(calls, [])
    second()
    t.equal(engine.getStats().subscriptionsCount, 1)
  })

  t.test('that are added during an event get the next one', async t => {
    const { engine } = await startEngine(t)
    const calls: string[] = []
    engine.subscribe(
      'a', ({ id }) => { engine.subscribe('a', event => { calls.push(event.id === id ? 'same' : 'next') }) }
    )
    await engine.emit('a')
    t.same(calls, [])
    await engine.emit('a')
    t.same(calls, ['next'])
  })

  t.test('that throw or reject are reported and do no harm', async t => {
    const { engine, errors } = await startEngine(t)
    engine.subscribe('a', () => { throw new Error('thrown') })
    engine.subscribe('a', async () => { throw new Error('rejected') })
    engine.subscribe('a', () => ({ get then (): never { throw new Error('no promise') } }))
    const topics = recordTopics(engine)
    engine.registerRule(onTopic('a', { actions: [{ type: 'emit_event', topic: 'b', data: {} }] }))
    await engine.emit('a')
    t.same(topics, ['a', 'b'])
    t.same(errors.map(({ error }) => error.message).sort(), ['no promise', 'rejected', 'thrown'])
    t.ok(errors.every(({ context }) => context.topic === 'a'))
    t.match(engine.getStats().lastError, { message: String })
  })

  t.test('do not keep rules waiting, but emit waits for them', async t => {
    const { engine } = await startEngine(t)
    let release = (): void => {}
    engine.subscribe('a', () => new Promise<void>(resolve => { release = resolve }))
    engine.registerRule(onTopic('a', { actions: [{ type: 'set_fact', key: 'ran', value: true }] }))
    let isDone = false
    const emitting = engine.emit('a').then(() => { isDone = true })
    await setImmediate()
    t.equal(engine.getFact('ran'), true)
    t.notOk(isDone)
    await engine.emit('b')
    let isSettled = false
    const settling = engine.waitForProcessingQueue().then(() => { isSettled = true })
    await setImmediate()
    t.notOk(isSettled, 'and so does waitForProcessingQueue')
    release()
    await emitting
    await settling
    t.ok(isDone)
  })

  t.test('that never settle are waited for no longer than a service', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock, serviceTimeoutMs: 100 })
    engine.subscribe('a', () => new Promise(() => {}))
    let isDone = false
    const emitting = engine.emit('a').then(() => { isDone = true })
    await clock.advance(99)
    t.notOk(isDone)
    await clock.advance(1)
    await emitting
    await engine.waitForProcessingQueue()
    t.equal(clock.pending, 0)
  })

  t.test('must be functions, of patterns that can be compiled, and not too many', async t => {
    const { engine } = await startEngine(t, { maxSubscriptions: 2 })
    t.throws(() => engine.subscribe('a', 1 as never), { name: 'TypeError' })
    for (const pattern of ['', 1, 'x'.repeat(513)]) {
      t.throws(() => engine.subscribe(pattern as never, () => {}), { name: 'PatternError' })
    }
    engine.subscribe('a', () => {})
    const last = engine.subscribe('a', () => {})
    t.throws(() => engine.subscribe('a', () => {}), {
      name: 'LimitError', details: { limit: 'maxSubscriptions', max: 2 }
    })
    last()
    engine.subscribe('a', () => {})
  })
})

t.test('patterns mean the same to rules and to subscribers', async t => {
  const rows: Array<[pattern: string, topic: string, matches: boolean]> = [
    ['*', 'a', true], [
      '*', 'a.b', true
    ], ['a.*', 'a.b', true], ['a.*', 'a.b.c', true], ['a.*', 'a', false], ['*.*', 'a', false],
    ['a.*.c', 'a.b.c', true], ['*.b', 'a.b', true], ['*.*', 'a.b', true], ['*.*', 'a.b.c', true],
    [
      'bucket.*.*', 'bucket.users.inserted', true
    ], ['a.*.c', 'a.b.x.c', false], ['*.b', 'a.b.c', false], ['*.b.*', 'a.b.c', true],
    [
      'a.b*', 'a.bcd', true
    ], ['a.b*', 'a.b', false], ['**', 'a.b', true], ['a.**', 'a.b.c', true], ['a.**', 'a', false],
    ['a(*', 'a(b', true], ['[a]+?^$|\\{1}', '[a]+?^$|\\{1}', true], ['a.b', 'axb', false]
  ]
  for (const [pattern, topic, matches] of rows) {
    const { engine } = await startEngine(t)
    engine.registerRule(onTopic(pattern, { actions: [{ type: 'set_fact', key: 'ran', value: true }] }))
    const heard = recordEvents(engine, pattern)
    await engine.emit(topic)
    t.equal(heard.length, matches ? 1 : 0, `subscriber: ${pattern} ${matches ? '~' : '!~'} ${topic}`)
    t.equal(engine.getFact('ran') === true, matches, `rule: ${pattern} ${matches ? '~' : '!~'} ${topic}`)
  }
})
