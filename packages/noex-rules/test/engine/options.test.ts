import { MemoryAdapter } from '@hamicek/noex-store'
import t from 'tap'
import { RuleEngine } from '../../src/index.js'
import { FakeClock } from '../support/fake-clock.js'
import { onTopic, startEngine } from '../support/start-engine.js'

t.test('an option that is wrong fails the start, and is named', async t => {
  const adapter = new MemoryAdapter()
  const rows: Array<[name: string, values: unknown[]]> = [
    ['name', ['', ' ', 1]],
    ...[
      'maxForwardDepth', 'maxConcurrency', 'maxQueue', 'maxFacts', 'maxRules', 'maxTimers',
      'maxSubscriptions', 'maxGroups', 'maxTemporalInstances', 'maxActionsPerChain', 'maxCachedLookups',
      'serviceTimeoutMs'
    ]
      .map((name): [string, unknown[]] => [name, [0, -1, 1.5, NaN, Infinity, '1', null]]),
    ['maxForwardDepth', [101]],
    ['serviceTimeoutMs', [2 ** 31]],
    ['debounceMs', [-1, '1']],
    ['services', [1, null, [], () => {}]],
    ['services', [{ a: 1 }, { a: null }]],
    ['persistence', [1, {}, { adapter: {} }, { adapter, key: '' }, { adapter, schemaVersion: '1' }]],
    ['regex', ['on', true]],
    ['onError', [1, {}]],
    ['logger', [{}, console.log, { info () {}, warn () {}, error () {} }]],
    ['clock', [{}, { now () {} }, { now () {}, after () {}, ticks: 1 }]]
  ]
  for (const [name, values] of rows) {
    for (const value of values) {
      await t.rejects(
        RuleEngine.start({ [name]: value }),
        { name: 'TypeError', message: new RegExp(`option ${name}\\b`) },
        `${name}: ${String(value)}`
      )
    }
  }
  for (const config of [null, 1, 'x', []]) {
    await t.rejects(RuleEngine.start(config as never), { name: 'TypeError' })
  }
})

t.test('options that are undefined have their defaults', async t => {
  const { engine } = await startEngine(
    t, { name: undefined, maxQueue: undefined, services: undefined, clock: undefined, persistence: undefined }
  )
  await engine.stop()
  await t.rejects(engine.emit('a'), { message: /"rule-engine" is not running/ })
})

t.test('the name stands in messages, and engines may share it', async t => {
  const { engine } = await startEngine(t, { name: 'orders' })
  await startEngine(t, { name: 'orders' })
  await engine.stop()
  await t.rejects(engine.emit('a'), { message: /"orders" is not running/ })
})

t.test('options that are accepted have no effect', async t => {
  const { engine, log } = await startEngine(t, { maxConcurrency: 1, debounceMs: 1000 })
  engine.registerRule(onTopic('a', { actions: [{ type: 'set_fact', key: 'k', value: 1 }] }))
  await engine.emit('a')
  t.equal(engine.getFact('k'), 1)
  t.same(log, [])
})

t.test('options of features that there are none of fail the start, and are named', async t => {
  const features: Readonly<Record<string, RegExp>> = {
    audit: /no audit log/,
    backwardChaining: /no backward chaining/,
    baseline: /no baselines/,
    hotReload: /no hot reload/,
    metrics: /no metrics endpoint/,
    opentelemetry: /no OpenTelemetry/,
    timerPersistence: /no durable timers/,
    tracing: /no tracing/,
    versioning: /no versions of rules/
  }
  for (const [name, said] of Object.entries(features)) {
    for (const value of [{}, { enabled: true }, true, null, 1]) {
      const starting = RuleEngine.start({ [name]: value } as never)
      const message = new RegExp(`option ${name} is refused.*${said.source}`)
      await t.rejects(starting, { name: 'TypeError', message })
    }
    // They say that the feature is not wanted: there is nothing to refuse.
    for (const value of [undefined, false, { enabled: false }]) {
      await t.resolves(RuleEngine.start({ [name]: value } as never).then(engine => engine.stop()))
    }
  }
})

t.test('an option that is misspelt fails the start, with the names that there are', async t => {
  const said = { name: 'TypeError', message: /option maxFact is unknown.*maxFacts/ }
  await t.rejects(RuleEngine.start({ maxFact: 1 } as never), said)
  await t.rejects(RuleEngine.start({ toString: 1 } as never), { message: /option toString is unknown/ })
})

t.test('without a logger the console is used', async t => {
  const engine = await RuleEngine.start()
  t.teardown(() => engine.stop())
  const written = (['debug', 'info', 'warn', 'error'] as const).map(level => t.capture(console, level))
  engine.registerRule(onTopic('a', {
    actions: ([
      'debug', 'info', 'warn', 'error'
    ] as const).map(level => ({ type: 'log', level, message: level }))
  }))
  await engine.emit('a')
  const lines = written.map(capture => capture().map(({ args }) => args))
  t.strictSame(lines, [[['debug']], [['info']], [['warn']], [['error']]])
})

t.test('statistics', async t => {
  t.test('are complete from the start', async t => {
    const { engine } = await startEngine(t)
    t.strictSame(engine.getStats(), {
      rulesCount: 0,
      factsCount: 0,
      timersCount: 0,
      eventsProcessed: 0,
      rulesExecuted: 0,
      avgProcessingTimeMs: 0,
      tracing: { enabled: false, entriesCount: 0, maxEntries: 0 },
      subscriptionsCount: 0,
      queueLength: 0,
      temporalInstances: 0,
      actionsFailed: 0,
      conditionsFailed: 0,
      conditionsMissing: 0,
      chainsDropped: 0,
      queueDropped: 0,
      servicesTimedOut: 0,
      temporalDropped: 0
    })
  })

  t.test('count rules whose conditions held, and their time', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, {
      clock, services: { app: { slow: () => new Promise<void>(resolve => { clock.after(30, resolve) }) } }
    })
    const slow = { type: 'call_service' as const, service: 'app', method: 'slow' }
    engine.registerRule(onTopic('a', { actions: [slow] }))
    engine.registerRule(onTopic('a', { actions: [{ ...slow, method: 'nothing' }] }))
    engine.registerRule(onTopic(
      'a', { conditions: [{ source: { type: 'event', field: 'x' }, operator: 'exists' }], actions: [slow] }
    ))
    const done = engine.emit('a')
    await clock.advance(30)
    await done
    t.match(engine.getStats(), {
      rulesCount: 3,
      rulesExecuted: 2,
      avgProcessingTimeMs: 15,
      actionsFailed: 1,
      lastError: { at: clock.now(), message: /no such method/ }
    })
  })

  t.test('are copies', async t => {
    const { engine } = await startEngine(t)
    engine.subscribe('a', () => { throw new Error('x') })
    await engine.emit('a')
    const stats = engine.getStats()
    stats.lastError!.message = 'changed'
    stats.tracing.enabled = true
    t.match(engine.getStats(), { lastError: { message: 'x' }, tracing: { enabled: false } })
  })
})
