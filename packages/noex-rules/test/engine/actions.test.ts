import t from 'tap'
import type { Action, RuleEngine } from '../../src/index.js'
import { onTopic, recordEvents, recordTopics, startEngine, type TestEngine } from '../support/start-engine.js'

const FAIL: Action = { type: 'call_service', service: 'app', method: 'fail' }
const emit = (topic: string, data: Record<string, unknown> = {}): Action =>
  ({ type: 'emit_event', topic, data })

/** Runs actions once, and returns the topics that they sent. */
async function run (
  t: Parameters<typeof startEngine>[0],
  actions: Action[],
  data: Record<string, unknown> = {}
): Promise<TestEngine & { topics: string[] }> {
  const started = await startEngine(
    t, { services: { app: { fail: async () => { throw new Error('broken') }, ok: () => 1 } } }
  )
  const topics = recordTopics(started.engine)
  started.engine.registerRule(onTopic('go', { id: 'rule', actions }))
  await started.engine.emit('go', data)
  return { ...started, topics: topics.slice(1) }
}

t.test('set_fact and delete_fact take keys with paths and values with references', async t => {
  const { engine } = await run(t, [
    {
      type: 'set_fact',
      key: 'user:${event.id}',
      value: {
        id: { ref: 'event.id' }, text: '${event.id}', deep: [{ ref: 'event' }]
      }
    },
    { type: 'set_fact', key: 'gone', value: 1 },
    { type: 'delete_fact', key: 'go${event.ne}' },
    { type: 'delete_fact', key: 'nothing' }
  ], { id: 7, ne: 'ne' })
  t.same(engine.getAllFacts().map(({ key, value }) => [key, value]), [
    ['user:7', { id: 7, text: '${event.id}', deep: [{ id: 7, ne: 'ne' }] }]
  ])
})

t.test('emit_event ties its event to the one that triggered the rule', async t => {
  const { engine } = await startEngine(t)
  engine.registerRule(onTopic('a', { actions: [emit('b.${event.x}', { x: { ref: 'event.x' } }), emit('c')] }))
  engine.registerRule(onTopic('b.*', { actions: [{ type: 'set_fact', key: 'k', value: 1 }] }))
  engine.registerRule({ id: 'f', name: 'f', trigger: { type: 'fact', pattern: 'k' }, actions: [emit('d')] })
  const events = recordEvents(engine)
  await engine.emitCorrelated('a', { x: 'y' }, 'corr')
  await engine.setFact('k', 2)
  const [a, b, d, c, alone] = events
  t.match(b, { topic: 'b.y', data: { x: 'y' }, source: 'rule', correlationId: 'corr', causationId: a?.id })
  t.match(d, { topic: 'd', correlationId: 'corr', causationId: b?.id })
  t.match(c, { topic: 'c', data: {}, correlationId: 'corr', causationId: a?.id })
  t.notOk('correlationId' in alone!)
  t.notOk('causationId' in alone!)
})

t.test('log writes to the logger, with the rule', async t => {
  const { log } = await run(
    t, ([
      'debug', 'info', 'warn', 'error'
    ] as const).map(level => ({ type: 'log', level, message: 'it is ${event.x}' })), { x: 5 }
  )
  t.same(
    log, [
      'debug', 'info', 'warn', 'error'
    ].map(level => ({ level, details: { ruleId: 'rule' }, message: 'it is 5' }))
  )
})

t.test('an action that fails does not stop the next, and is reported', async t => {
  const rows: Array<[name: string, action: Action]> = [
    ['a service that throws', FAIL],
    ['a service that there is none of', { type: 'call_service', service: 'nothing', method: 'x' }],
    ['a topic that is none', emit('${event.missing}')],
    ['a topic that is too long', emit('${event.long}')],
    ['a key that is none', { type: 'set_fact', key: '${event.missing}', value: 1 }],
    ['a text that is much too long', { type: 'log', level: 'info', message: '${event.huge}${event.huge}' }],
    ['a loop over what is no array', {
      type: 'for_each', collection: { ref: 'event.long' }, as: 'x', actions: [emit('never')]
    }]
  ]
  for (const [name, action] of rows) {
    const { engine, errors, log, topics } = await run(
      t, [action, emit('after')], { long: 'x'.repeat(2000), huge: 'x'.repeat(60_000) }
    )
    t.same(topics, ['after'], name)
    t.match(errors, [{ error: Error, context: { ruleId: 'rule', action: action.type, topic: 'go' } }], name)
    t.equal(log.filter(({ level }) => level === 'error').length, 1, name)
    t.match(
      engine.getStats(), {
        actionsFailed: 1, rulesExecuted: 1, lastError: { ruleId: 'rule', message: errors[0]?.error.message }
      }, name
    )
  }
})

t.test('conditional', async t => {
  const conditional = (value: unknown, more: Action[] = []): Action => ({
    type: 'conditional',
    conditions: [{ source: { type: 'event', field: 'x' }, operator: 'eq', value }],
    then: [...more, emit('then')],
    else: [...more, emit('else')]
  })
  const { topics } = await run(
    t, [conditional(1), conditional(2), { ...conditional(2), else: undefined } as never], { x: 1 }
  )
  t.same(topics, ['then', 'else'])

  t.test('goes on after a failure in it', async t => {
    const { topics, errors } = await run(t, [conditional(1, [FAIL]), emit('after')], { x: 1 })
    t.same(topics, ['then', 'after'])
    t.match(errors, [{ context: { action: 'call_service' } }])
  })
})

t.test('for_each', async t => {
  t.test('has the member and its index as variables, also in conditions', async t => {
    const { topics } = await run(t, [{
      type: 'for_each',
      collection: { ref: 'event.items' },
      as: 'item',
      actions: [{
        type: 'conditional',
        conditions: [
          { source: { type: 'context', key: 'item.n' }, operator: 'gt', value: { ref: 'var.item_index' } }
        ],
        then: [emit('item.${var.item_index}.${var.item.n}')]
      }]
    }], { items: [{ n: 1 }, { n: 1 }, { n: 9 }] })
    t.same(topics, ['item.0.1', 'item.2.9'])
  })

  t.test('gives outer variables back', async t => {
    const { topics } = await run(t, [{
      type: 'for_each',
      collection: ['a', 'b'],
      as: 'x',
      actions: [
        { type: 'for_each', collection: [1, 2], as: 'x', actions: [emit('inner.${var.x}.${var.x_index}')] },
        emit('outer.${var.x}.${var.x_index}')
      ]
    }, emit('after.${var.x}.')])
    t.same(topics, ['inner.1.0', 'inner.2.1', 'outer.a.0', 'inner.1.0', 'inner.2.1', 'outer.b.1', 'after..'])
  })

  t.test('is cut at maxIterations, and tells of it', async t => {
    const { engine, topics, errors } = await run(t, [
      { type: 'for_each', collection: [1, 2, 3], as: 'x', maxIterations: 2, actions: [emit('x.${var.x}')] }
    ])
    t.same(topics, ['x.1', 'x.2'])
    t.match(errors, [{
      error: {
        name: 'LimitError', details: { limit: 'maxIterations', max: 2 }
      },
      context: { ruleId: 'rule', action: 'for_each' }
    }])
    t.equal(engine.getStats().actionsFailed, 0)
    const long = await run(
      t,
      [{ type: 'for_each', collection: { ref: 'event.items' }, as: 'x', actions: [emit('x')] }],
      { items: Array.from({ length: 1001 }) }
    )
    t.equal(long.topics.length, 1000)
  })

  t.test('goes on after a failure in it', async t => {
    const { topics, errors } = await run(
      t, [{ type: 'for_each', collection: [1, 2], as: 'x', actions: [FAIL, emit('x')] }]
    )
    t.same(topics, ['x', 'x'])
    t.equal(errors.length, 2)
  })
})

t.test('try_catch', async t => {
  const rows: Array<[name: string, actions: Action[], topics: string[], failures: number]> = [
    ['stops at the first failure; then come catch and finally',
      [{
        type: 'try_catch',
        try: [emit('one'), FAIL, emit('two')],
        catch: {
          as: 'e', actions: [emit('caught.${var.e.message}')]
        },
        finally: [emit('finally')]
      }, emit('after.${var.e}.')],
      ['one', 'caught.broken', 'finally', 'after..'], 0],
    ['without a failure leaves catch out',
      [{
        type: 'try_catch',
        try: [emit('one')],
        catch: {
          actions: [emit('caught')]
        },
        finally: [emit('finally')]
      }],
      ['one', 'finally'], 0],
    ['without a catch tells of the failure and succeeds all the same',
      [{ type: 'try_catch', try: [FAIL, emit('two')], finally: [emit('finally')] }, emit('after')],
      ['finally', 'after'], 1],
    ['catches what fails in a conditional and in a loop',
      [{
        type: 'try_catch',
        try: [{
          type: 'conditional',
          conditions: [{ source: { type: 'event', field: 'x' }, operator: 'not_exists' }],
          then: [{ type: 'for_each', collection: [1, 2], as: 'x', actions: [emit('x.${var.x}'), FAIL] }]
        }],
        catch: { actions: [emit('caught')] }
      }],
      ['x.1', 'caught'], 0],
    ['goes on behind what fails in catch and finally',
      [{
        type: 'try_catch',
        try: [FAIL],
        catch: {
          actions: [FAIL, emit('caught')]
        },
        finally: [FAIL, emit('finally')]
      }],
      ['caught', 'finally'], 2],
    ['within another: what fails in catch is caught outside, behind finally',
      [{
        type: 'try_catch',
        try: [{
          type: 'try_catch', try: [FAIL], catch: { actions: [FAIL, emit('never')] }, finally: [emit('inner')]
        }, emit('never')],
        catch: { actions: [emit('outer')] }
      }],
      ['inner', 'outer'], 0],
    ['within another: what was caught is not caught outside',
      [{
        type: 'try_catch',
        try: [
          { type: 'try_catch', try: [FAIL], catch: { actions: [emit('inner')] } }, emit('more')
        ],
        catch: { actions: [emit('never')] }
      }],
      ['inner', 'more'], 0],
    ['gives an outer variable back',
      [{
        type: 'for_each',
        collection: ['a'],
        as: 'e',
        actions: [{
          type: 'try_catch', try: [FAIL], catch: { as: 'e', actions: [emit('${var.e.message}')] }
        }, emit('${var.e}')]
      }],
      ['broken', 'a'], 0]
  ]
  for (const [name, actions, topics, failures] of rows) {
    const result = await run(t, actions)
    t.same(result.topics, topics, name)
    t.equal(result.engine.getStats().actionsFailed, failures, name)
    t.equal(result.errors.length, failures, name)
  }
})

t.test('an action in a rule reaches nothing of prototypes', async t => {
  const { engine, errors } = await run(t, [
    { type: 'set_fact', key: 'a', value: { ref: 'event.constructor.name' } },
    { type: 'set_fact', key: 'b', value: { ref: 'event.__proto__' } },
    { type: 'set_fact', key: 'c', value: { ref: 'var.constructor' } }
  ], { x: 1 })
  t.same(engine.getAllFacts().map(({ value }) => value), [undefined, undefined, undefined])
  t.same(errors, [])
})

t.test('errors of onError and the logger are ignored', async t => {
  const thrower = (): never => { throw new Error('the listener') }
  const rejecter = (): never => Promise.reject(new Error('the listener')) as never
  for (const bad of [thrower, rejecter]) {
    const { engine } = await startEngine(
      t, { onError: bad, logger: { debug: bad, info: bad, warn: bad, error: bad } }
    )
    const topics = recordTopics(engine)
    engine.subscribe('a', thrower)
    engine.registerRule(onTopic(
      'a', { actions: [FAIL, { type: 'log', level: 'info', message: 'x' }, emit('b')] }
    ))
    await engine.emit('a')
    t.same(topics, ['a', 'b'])
    t.match(engine.getStats(), { actionsFailed: 1 })
  }
})

t.test('what is thrown may be anything', async t => {
  const odd: unknown[] = ['text', undefined, null, { toString () { throw new Error('no') } }, Symbol('s')]
  for (const thrown of odd) {
    const { engine, errors } = await startEngine(t, { services: { app: { fail: () => { throw thrown } } } })
    const topics = recordTopics(engine)
    engine.registerRule(onTopic(
      'a', { actions: [FAIL, { type: 'try_catch', try: [FAIL], catch: { as: 'e', actions: [emit('b')] } }] }
    ))
    await engine.emit('a')
    t.same(topics, ['a', 'b'])
    t.ok(errors[0]?.error instanceof Error)
  }
})

t.test('an event that breaks its chain does not affect a later one', async t => {
  const { engine } = await startEngine(t)
  const unsafe = (engine: RuleEngine) =>
    engine.emit(
      'a', new Proxy(
        {}, { get () { throw new Error('trap') }, getOwnPropertyDescriptor () { throw new Error('trap') } }
      )
    )
  engine.registerRule(onTopic(
    'a', { conditions: [{ source: { type: 'event', field: 'x.y' }, operator: 'eq', value: 1 }] }
  ))
  engine.registerRule(onTopic(
    'a', { actions: [{ type: 'set_fact', key: '${event.x}', value: { ref: 'event.y.z' } }, emit('b')] }
  ))
  const topics = recordTopics(engine)
  await unsafe(engine)
  await engine.emit('c')
  t.same(topics, ['a', 'b', 'c'])
})
