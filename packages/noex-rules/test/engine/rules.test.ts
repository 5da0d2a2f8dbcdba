import t from 'tap'
import type { RuleInput } from '../../src/index.js'
import { FakeClock } from '../support/fake-clock.js'
import { onTopic, recordTopics, rule, startEngine } from '../support/start-engine.js'

t.test('registerRule', async t => {
  t.test('needs an id, a name and a trigger, and fills in the rest', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    const registered = engine.registerRule({ id: 'r', name: 'R', trigger: { type: 'event', topic: 'a' } })
    t.strictSame({ ...registered }, {
      id: 'r',
      name: 'R',
      priority: 0,
      enabled: true,
      version: 1,
      tags: [],
      trigger: { type: 'event', topic: 'a' },
      conditions: [],
      actions: [],
      createdAt: clock.now(),
      updatedAt: clock.now()
    })
    t.equal(engine.getRule('r'), registered)
    await engine.emit('a')
    t.equal(engine.getStats().rulesExecuted, 1)
  })

  t.test('keeps a frozen copy', async t => {
    const { engine } = await startEngine(t)
    const input = {
      id: 'r',
      name: 'R',
      tags: ['x'],
      trigger: {
        type: 'event' as const, topic: 'a'
      },
      actions: [{ type: 'set_fact' as const, key: 'k', value: { n: 1 } }]
    }
    const registered = engine.registerRule(input)
    input.actions[0]!.value.n = 2
    input.trigger.topic = 'b'
    await engine.emit('a')
    t.same(engine.getFact('k'), { n: 1 })
    for (const part of [
      registered, registered.tags, registered.trigger, registered.actions, registered.actions[0]
    ]) t.ok(Object.isFrozen(part))
  })

  t.test('refuses what is no rule, and has registered nothing then', async t => {
    const { engine } = await startEngine(t)
    const bad: unknown[] = [
      undefined, null, 'x', [], {}, {
        id: 'r'
      }, { id: 'r', name: 'R' }, { id: 'r', name: 'R', trigger: { type: 'event', topic: '' } },
      { ...onTopic('a'), actions: [{ type: 'unknown' }] }, { ...onTopic('a'), group: 'nowhere' }
    ]
    for (const input of bad) {
      t.throws(() => engine.registerRule(input as RuleInput), {
        name: 'RuleValidationError', code: 'RULE_VALIDATION_ERROR', statusCode: 400
      })
      t.same(engine.getRules(), [])
    }
    t.throws(() => engine.registerRule({ ...onTopic('a'), group: 'nowhere' }), {
      name: 'RuleValidationError', issues: [{ path: 'group', severity: 'error' }]
    })
    t.equal(engine.registerRule(onTopic('a')).version, 1, 'and no version was spent')
  })

  t.test('replaces a rule of the same id: its old trigger is gone', async t => {
    const { engine } = await startEngine(t)
    engine.registerRule(onTopic('old', { id: 'r', actions: [{ type: 'set_fact', key: 'by', value: 'old' }] }))
    engine.registerRule(onTopic('other', { id: 's' }))
    const replaced = engine.registerRule(onTopic(
      'new', { id: 'r', actions: [{ type: 'set_fact', key: 'by', value: 'new' }] }
    ))
    t.equal(replaced.version, 3)
    t.same(engine.getRules().map(({ id }) => id), ['s', 'r'])
    await engine.emit('old')
    t.equal(engine.getFact('by'), undefined)
    await engine.emit('new')
    t.equal(engine.getFact('by'), 'new')
    t.equal(engine.getStats().rulesExecuted, 1)
  })

  t.test('takes no more than there may be', async t => {
    const { engine } = await startEngine(t, { maxRules: 1 })
    engine.registerRule(onTopic('a', { id: 'r' }))
    t.throws(
      () => engine.registerRule(onTopic('a')), { name: 'LimitError', details: { limit: 'maxRules', max: 1 } }
    )
    engine.registerRule(onTopic('b', { id: 'r' }))
  })

  t.test('may skip the validation, of rules that are known to be right', async t => {
    const { engine } = await startEngine(t)
    engine.registerRule(onTopic('a', { id: 'r' }), { skipValidation: true })
    t.match(engine.getRule('r'), { priority: 0 })
    for (const input of [{}, { id: 'x', name: 'x' }, {
      id: 1, name: 'x', trigger: { type: 'event', topic: 'a' }
    }, { id: 'x', trigger: { type: 'event', topic: '' } }]) {
      t.throws(
        () => engine.registerRule(input as never, { skipValidation: true }), { name: 'RuleValidationError' }
      )
    }
    t.equal(engine.getRules().length, 1)
    await engine.emit('a')
  })

  t.test('with expressions switched off, refuses those that use them', async t => {
    const { engine } = await startEngine(t, { regex: 'off' })
    const conditions = [
      { source: { type: 'event' as const, field: 'x' }, operator: 'matches' as const, value: '^a' }
    ]
    t.throws(() => engine.registerRule(onTopic('a', { conditions })), { name: 'RuleValidationError' })
    t.equal(engine.validateRule(onTopic('a', { conditions })).valid, false)
  })
})

t.test('updateRule', async t => {
  t.test(
    'changes members, counts the version up, keeps the rest, its place and when it was created',
    async t => {
      const clock = new FakeClock()
      const { engine } = await startEngine(t, { clock })
      const first = engine.registerRule(onTopic('a', { id: 'r', tags: ['x'], description: 'd' }))
      engine.registerRule(onTopic('a', { id: 's' }))
      await clock.advance(1000)
      const second = engine.updateRule(
        'r', { name: 'New', id: 'other', trigger: { type: 'event', topic: 'b' } }
      )
      t.match(second, {
        id: 'r',
        name: 'New',
        tags: [
          'x'
        ],
        description: 'd',
        version: 3,
        createdAt: first.createdAt,
        updatedAt: clock.now()
      })
      t.same(engine.getRules().map(({ id }) => id), ['r', 's'])
      await engine.emit('a')
      t.equal(engine.getStats().rulesExecuted, 1)
      await engine.emit('b')
      t.equal(engine.getStats().rulesExecuted, 2)
      t.notOk('description' in engine.updateRule('r', { description: undefined }))
    }
  )

  t.test('that is not valid leaves the rule as it was, and running', async t => {
    const { engine } = await startEngine(t)
    const before = engine.registerRule(onTopic(
      'a', { id: 'r', actions: [{ type: 'set_fact', key: 'k', value: 1 }] }
    ))
    for (const updates of [
      null, [], 'x', { name: '' }, { trigger: { type: 'nothing' } }, { actions: {} }, { group: 'nowhere' }
    ]) {
      t.throws(() => engine.updateRule('r', updates as never), { name: 'RuleValidationError' })
    }
    t.equal(engine.getRule('r'), before)
    await engine.emit('a')
    t.equal(engine.getFact('k'), 1)
    t.throws(
      () => engine.updateRule('nowhere', { name: 'x' }), { name: 'RuleNotFoundError', code: 'RULE_NOT_FOUND' }
    )
  })
})

t.test('rules are enabled, disabled and unregistered by id', async t => {
  const clock = new FakeClock()
  const { engine } = await startEngine(t, { clock })
  const topics = recordTopics(engine)
  const before = engine.registerRule(onTopic(
    'a', { id: 'r', enabled: false, actions: [{ type: 'emit_event', topic: 'ran', data: {} }] }
  ))
  await engine.emit('a')
  await clock.advance(5)
  t.equal(engine.enableRule('r'), true)
  t.match(engine.getRule('r'), { enabled: true, version: before.version, updatedAt: before.updatedAt + 5 })
  await clock.advance(5)
  t.equal(engine.enableRule('r'), true, 'again')
  t.match(engine.getRule('r'), { updatedAt: before.updatedAt + 5 })
  await engine.emit('a')
  t.equal(engine.disableRule('r'), true)
  await engine.emit('a')
  t.same(topics, ['a', 'a', 'ran', 'a'])
  t.equal(before.enabled, false, 'what was handed out stays as it was')
  for (const method of ['enableRule', 'disableRule', 'unregisterRule'] as const) {
    t.equal(engine[method]('nowhere'), false)
  }
  t.equal(engine.unregisterRule('r'), true)
  t.equal(engine.unregisterRule('r'), false)
  t.same([engine.getRule('r'), engine.getRules()], [undefined, []])
})

t.test('groups', async t => {
  t.test('enable and disable their rules, which keep their own flag', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    const group = engine.createGroup({ id: 'g', name: 'G', description: 'd' })
    t.strictSame({ ...group }, {
      id: 'g', name: 'G', description: 'd', enabled: true, createdAt: clock.now(), updatedAt: clock.now()
    })
    engine.registerRule(onTopic(
      'a', { id: 'in', group: 'g', actions: [{ type: 'emit_event', topic: 'in', data: {} }] }
    ))
    engine.registerRule(onTopic('a', {
      id: 'off', group: 'g', enabled: false, actions: [{ type: 'emit_event', topic: 'off', data: {} }]
    }))
    engine.registerRule(onTopic(
      'a', { id: 'out', actions: [{ type: 'emit_event', topic: 'out', data: {} }] }
    ))
    const topics = recordTopics(engine)
    await engine.emit('a')
    t.equal(engine.disableGroup('g'), true)
    await engine.emit('a')
    t.equal(engine.enableGroup('g'), true)
    await engine.emit('a')
    t.same(topics, ['a', 'in', 'out', 'a', 'out', 'a', 'in', 'out'])
    t.same(engine.getGroupRules('g').map(({ id, enabled }) => [id, enabled]), [['in', true], ['off', false]])
  })

  t.test('are changed and deleted; the rules stay', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    const group = engine.createGroup({ id: 'g', name: 'G', enabled: false })
    engine.registerRule(onTopic('a', { id: 'r', group: 'g' }))
    await clock.advance(7)
    t.match(engine.updateGroup('g', { name: 'New', description: 'd', id: 'x' } as never), {
      id: 'g',
      name: 'New',
      description: 'd',
      enabled: false,
      createdAt: group.createdAt,
      updatedAt: clock.now()
    })
    t.throws(() => engine.updateGroup('g', { name: '' }), { name: 'RuleValidationError' })
    t.match(engine.getGroup('g'), { name: 'New' })
    t.equal(engine.deleteGroup('g'), true)
    t.equal(engine.deleteGroup('g'), false)
    t.notOk('group' in engine.getRule('r')!)
    await engine.emit('a')
    t.equal(engine.getStats().rulesExecuted, 1)
    t.same(engine.getGroups(), [])
  })

  t.test('that there are none of', async t => {
    const { engine } = await startEngine(t)
    t.same(
      [
        engine.getGroup('g'), engine.updateGroup('g', {}), engine.enableGroup('g'), engine.disableGroup('g'),
        engine.getGroupRules('g')
      ], [undefined, undefined, false, false, []]
    )
  })

  t.test('that are none are refused, and too many', async t => {
    const { engine } = await startEngine(t, { maxGroups: 2 })
    const rows: Array<[input: unknown, path: string]> = [
      [null, '(root)'], [{ name: 'x' }, 'id'], [
        { id: ' ', name: 'x' }, 'id'
      ], [{ id: 'x' }, 'name'], [{ id: 'x', name: 'x', description: 1 }, 'description'],
      [{ id: 'x', name: 'x', enabled: 1 }, 'enabled'], [{ id: 'x'.repeat(1025), name: 'x' }, 'id']
    ]
    for (const [input, path] of rows) {
      t.throws(
        () => engine.createGroup(input as never), { name: 'RuleValidationError', issues: [{ path }] }, path
      )
    }
    engine.createGroup({ id: 'a', name: 'A' })
    t.throws(() => engine.createGroup({ id: 'a', name: 'A' }), {
      name: 'RuleValidationError', issues: [{ path: 'id' }]
    })
    engine.createGroup({ id: 'b', name: 'B' })
    t.throws(() => engine.createGroup({ id: 'c', name: 'C' }), {
      name: 'LimitError', details: { limit: 'maxGroups', max: 2 }
    })
  })
})

t.test('conditions that cannot be resolved keep the rule from running, and are reported', async t => {
  const { engine, errors } = await startEngine(t)
  engine.registerRule(rule({
    id: 'long',
    trigger: { type: 'event', topic: 'a' },
    conditions: [{ source: { type: 'fact', pattern: '${event.x}' }, operator: 'not_exists' }],
    actions: [{ type: 'set_fact', key: 'ran', value: 1 }]
  }))
  await engine.emit('a', { x: 'x'.repeat(70_000) })
  t.match(engine.getStats(), { conditionsFailed: 1, rulesExecuted: 0, lastError: { ruleId: 'long' } })
  t.match(errors, [{ context: { ruleId: 'long' } }])
  await engine.emit('a', { x: 'x' })
  t.equal(engine.getFact('ran'), 1, 'and the next event is handled')
})

t.test('a thousand rules on other topics cost nothing', async t => {
  const { engine } = await startEngine(t)
  for (let index = 0; index < 1000; index++) engine.registerRule(onTopic(`other.${index}`))
  engine.registerRule(onTopic('a', { actions: [{ type: 'set_fact', key: 'k', value: { ref: 'event.n' } }] }))
  const start = performance.now()
  for (let n = 0; n < 10_000; n++) await engine.emit('a', { n })
  t.ok(performance.now() - start < 5000)
  t.equal(engine.getFact('k'), 9999)
})
