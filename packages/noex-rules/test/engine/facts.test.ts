import t from 'tap'
import type { Rule } from '../../src/index.js'
import { FakeClock } from '../support/fake-clock.js'
import { onTopic, recordEvents, rule, startEngine } from '../support/start-engine.js'

t.test('a fact', async t => {
  t.test('has a version that grows with each set, and begins again at 1 after a delete', async t => {
    const clock = new FakeClock()
    const { engine } = await startEngine(t, { clock })
    const first = await engine.setFact('user:1', { tier: 'gold' })
    t.strictSame(
      first, { key: 'user:1', value: { tier: 'gold' }, timestamp: clock.now(), source: 'api', version: 1 }
    )
    t.equal((await engine.setFact('user:1', 2)).version, 2)
    t.equal((await engine.setFact('user:1', 2)).version, 3)
    t.equal(engine.deleteFact('user:1'), true)
    t.equal(engine.deleteFact('user:1'), false)
    t.equal((await engine.setFact('user:1', 2)).version, 1)
  })

  t.test('is frozen, and stays as it was when the key is set again; its value is what was given', async t => {
    const { engine } = await startEngine(t)
    const value = { tier: 'gold' }
    const first = await engine.setFact('k', value)
    t.ok(Object.isFrozen(first))
    t.equal(first.value, value)
    t.notOk(Object.isFrozen(value))
    await engine.setFact('k', 2)
    t.equal(first.version, 1)
    t.match(engine.getFactFull('k'), { value: 2, version: 2 })
  })

  t.test('is there when setFact returns', async t => {
    const { engine } = await startEngine(t)
    const setting = engine.setFact('k', 1)
    t.equal(engine.getFact('k'), 1)
    t.equal(engine.deleteFact('k'), true)
    t.equal((await setting).value, 1)
    t.equal(engine.getFact('k'), undefined)
  })

  t.test('has a key that is a text, and may be named like a member of all objects', async t => {
    const { engine } = await startEngine(t)
    for (const key of [undefined, 1, '', 'x'.repeat(1025)]) {
      await t.rejects(engine.setFact(key as never, 1), { name: 'TypeError' })
    }
    for (const key of ['__proto__', 'constructor', 'toString']) {
      t.equal(engine.getFact(key), undefined)
      await engine.setFact(key, key)
      t.equal(engine.getFact(key), key)
    }
    t.equal(engine.getStats().factsCount, 3)
  })

  t.test('is refused when there are as many as may be', async t => {
    const { engine, errors } = await startEngine(t, { maxFacts: 2 })
    await engine.setFact('a', 1)
    await engine.setFact('b', 1)
    await t.rejects(engine.setFact('c', 1), { name: 'LimitError', details: { limit: 'maxFacts', max: 2 } })
    await engine.setFact('b', 2)
    engine.registerRule(onTopic(
      'go', { actions: [{ type: 'set_fact', key: 'c', value: 1 }, { type: 'set_fact', key: 'a', value: 2 }] }
    ))
    await engine.emit('go')
    t.match(errors, [{ error: { name: 'LimitError' }, context: { action: 'set_fact' } }])
    t.same(engine.getAllFacts().map(({ key, value }) => [key, value]), [['a', 2], ['b', 2]])
  })
})

t.test('queries give facts in the order in which their keys were first set', async t => {
  const { engine } = await startEngine(t)
  for (const key of ['b:2', 'a', 'b:1', 'b:1:x', 'customer:1', 'a(:1']) await engine.setFact(key, 1)
  await engine.setFact('b:2', 2)
  const rows: Array<[pattern: string, keys: string[]]> = [
    ['', []], [
      '*', ['a']
    ], ['b:*', ['b:2', 'b:1']], ['*:*', ['b:2', 'b:1', 'customer:1', 'a(:1']], ['b:1', ['b:1']], ['b', []],
    ['b:*:x', ['b:1:x']], [
      'b:**', ['b:2', 'b:1', 'b:1:x']
    ], ['cust*:1', ['customer:1']], ['a(*', []], ['a(:*', ['a(:1']], ['*1', []]
  ]
  for (const [pattern, keys] of rows) t.same(engine.queryFacts(pattern).map(({ key }) => key), keys, pattern)
  t.same(engine.getAllFacts().map(({ key }) => key), ['b:2', 'a', 'b:1', 'b:1:x', 'customer:1', 'a(:1'])
  for (const pattern of [undefined, 'x'.repeat(513), '*a*a*a*a*a*a*a*a*a*b']) {
    t.throws(() => engine.queryFacts(pattern as never), { name: 'PatternError' })
  }
})

t.test('rules on facts', async t => {
  const watching = (input: Partial<Rule> = {}) => rule({
    trigger: { type: 'fact', pattern: 'stock:*' },
    actions: [{ type: 'emit_event', topic: 'changed', data: { all: { ref: 'event' } } }],
    ...input
  })

  t.test('see the fact, what it was before, and whether it is new', async t => {
    const { engine } = await startEngine(t)
    const events = recordEvents(engine, 'changed')
    engine.registerRule(watching())
    const first = await engine.setFact('stock:a', 1)
    const second = await engine.setFact('stock:a', 2)
    t.same(events.map(({ data }) => data['all']), [
      { fact: first, key: 'stock:a', value: 1, previousValue: undefined, type: 'created' },
      { fact: second, key: 'stock:a', value: 2, previousValue: 1, type: 'updated' }
    ])
  })

  t.test('run for each set of the application, also of the same value, and for no delete', async t => {
    const { engine } = await startEngine(t)
    const events = recordEvents(engine, 'changed')
    engine.registerRule(watching())
    await engine.setFact('stock:a', 1)
    await engine.setFact('stock:a', 1)
    await engine.setFact('stock:a:b', 1)
    engine.deleteFact('stock:a')
    t.equal(events.length, 2)
  })

  t.test('run for a set of a rule only when it changed the value', async t => {
    const { engine } = await startEngine(t)
    const events = recordEvents(engine, 'changed')
    engine.registerRule(watching())
    engine.registerRule(onTopic(
      'set', { actions: [{ type: 'set_fact', key: 'stock:a', value: { ref: 'event.value' } }] }
    ))
    const date = new Date()
    const rows: Array<[value: unknown, changes: boolean]> = [
      [1, true], [1, false], [
        '1', true
      ], [{ a: [1, { b: null }] }, true], [{ a: [1, { b: null }] }, false], [{ a: [1, { b: 0 }] }, true],
      [{ a: [1], b: undefined }, true], [
        { a: [1], c: undefined }, true
      ], [NaN, true], [NaN, false], [[1, 2], true], [[1, 2], false], [[2, 1], true],
      [date, true], [
        date, false
      ], [new Date(date), true], [null, true], [null, false], [undefined, true], [undefined, false]
    ]
    for (const [value, changes] of rows) {
      const before = events.length
      await engine.emit('set', { value })
      t.equal(
        events.length - before,
        changes ? 1 : 0,
        `${JSON.stringify(value)} ${changes ? 'changes' : 'changes nothing'}`
      )
    }
    t.equal(engine.getFactFull('stock:a')?.version, rows.length, 'each set counts')
    t.equal(engine.getFactFull('stock:a')?.source, 'rule')
  })

  t.test('take bounded time to find that nothing changed', async t => {
    const { engine, errors } = await startEngine(t)
    engine.registerRule(watching())
    engine.registerRule(onTopic('double', {
      actions: [
        { type: 'set_fact', key: 'stock:a', value: [{ ref: 'fact.stock:a' }, { ref: 'fact.stock:a' }] }
      ]
    }))
    await engine.setFact('stock:a', 1)
    const start = performance.now()
    for (let round = 0; round < 60; round++) await engine.emit('double')
    t.ok(performance.now() - start < 3000)
    t.ok(errors.length > 30, 'it grows so far and no further')
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    const other = { self: cycle }
    engine.registerRule(onTopic(
      'set', { actions: [{ type: 'set_fact', key: 'stock:a', value: { ref: 'event.value' } }] }
    ))
    await engine.emit('set', { value: cycle })
    await engine.emit('set', { value: other })
    for (const { error } of errors) t.match(error, { name: 'ResolutionError', message: /1048576 characters/ })
  })

  t.test('stop going round when a value has settled', async t => {
    const { engine, errors } = await startEngine(t)
    engine.registerRule(rule({
      trigger: {
        type: 'fact', pattern: 'a'
      },
      actions: [{ type: 'set_fact', key: 'b', value: { ref: 'event.value' } }]
    }))
    engine.registerRule(rule({
      trigger: {
        type: 'fact', pattern: 'b'
      },
      actions: [{ type: 'set_fact', key: 'a', value: { ref: 'event.value' } }]
    }))
    await engine.setFact('a', 1)
    t.match(engine.getStats(), { rulesExecuted: 2, chainsDropped: 0 })
    t.same(errors, [])
  })
})

t.test('what comes from an event is text in a pattern, never a part of its syntax', async t => {
  const { engine, errors } = await startEngine(t)
  await engine.setFact('user:1:tier', 'gold')
  engine.registerRule(onTopic('a', {
    conditions: [
      { source: { type: 'fact', pattern: 'user:${event.id}:tier' }, operator: 'eq', value: 'gold' }
    ],
    actions: [{ type: 'emit_event', topic: 'gold', data: {} }]
  }))
  const gold = recordEvents(engine, 'gold')
  const rows: Array<[id: unknown, isGold: boolean]> = [
    [1, true], ['1', true], ['*', false], ['(', false], ['2', false], [undefined, false]
  ]
  for (const [id, isGold] of rows) {
    const before = gold.length
    await engine.emit('a', { id })
    t.equal(gold.length - before, isGold ? 1 : 0, String(id))
  }
  t.same(errors, [])
})
