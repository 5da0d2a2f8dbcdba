import t from 'tap'
import { serve } from '../../support/service.js'
import { rule, serveRules } from '../../support/rules.js'

t.test('rule administration', async t => {
  const { connect } = await serveRules(t)
  const client = await connect()

  t.test('[G-H1] a rule with no more than it needs is whole', async t => {
    t.match(await client.ask('rules.registerRule', { rule: rule('bare') }), {
      id: 'bare',
      name: 'rule bare',
      version: Number,
      createdAt: Number,
      updatedAt: Number
    })
    t.match(await client.ask('rules.getRule', { ruleId: 'bare' }), {
      enabled: true,
      priority: 0,
      tags: [],
      conditions: [],
      actions: []
    })
    t.equal((await client.ask('rules.emit', { topic: 'on.bare' })).topic, 'on.bare')
    t.equal((await client.ask('rules.stats')).rulesExecuted, 1)
    t.equal(await client.code('rules.registerRule', { rule: rule('bare') }), 'ALREADY_EXISTS')
    t.equal(
      await client.code('rules.registerRule', { rule: { id: 'bare' } }),
      'ALREADY_EXISTS',
      'before it is looked at'
    )
  })

  t.test('a rule that is wrong is refused with each of its faults, and takes no id', async t => {
    const wrong = rule('wrong', { trigger: { type: 'event' }, actions: [{ type: 'explode' }] })
    const reply = await client.request('rules.registerRule', { rule: wrong })
    t.match(reply, {
      code: 'VALIDATION_ERROR',
      details: [{ path: 'trigger.topic', severity: 'error' }, { path: 'actions[0].type' }]
    })
    t.equal(await client.code('rules.getRule', { ruleId: 'wrong' }), 'NOT_FOUND')
    t.match(await client.ask('rules.validateRule', { rule: wrong }), {
      valid: false,
      errors: [{ path: 'trigger.topic' }, {}]
    })
    t.match(await client.ask('rules.validateRule', { rule: rule('fine') }), { valid: true, errors: [] })
    t.equal(
      await client.code('rules.registerRule', { rule: rule('grouped', { group: 'nowhere' }) }),
      'VALIDATION_ERROR'
    )
  })

  t.test('[G-H2] it is updated, disabled, enabled and removed; a missing one is not found', async t => {
    const { version } = await client.ask('rules.registerRule', {
      rule: rule('changing', { tags: ['x'], priority: 3 })
    })
    const updated = await client.ask('rules.updateRule', {
      ruleId: 'changing',
      updates: { priority: 5, id: 'other', trigger: { type: 'event', topic: 'moved' } }
    })
    t.match(updated, { id: 'changing', updatedAt: Number })
    t.ok(updated.version > version)
    t.equal(
      await client.code('rules.updateRule', { ruleId: 'changing', updates: { priority: 'high' } }),
      'VALIDATION_ERROR'
    )
    t.match(await client.ask('rules.getRule', { ruleId: 'changing' }), {
      priority: 5,
      trigger: { topic: 'moved' }
    })
    const executed = async (topic: string): Promise<number> => {
      const before = (await client.ask('rules.stats')).rulesExecuted
      await client.ask('rules.emit', { topic })
      return (await client.ask('rules.stats')).rulesExecuted - before
    }
    t.equal(await executed('on.changing'), 0)
    t.equal(await executed('moved'), 1)
    t.same(await client.ask('rules.disableRule', { ruleId: 'changing' }), {
      ruleId: 'changing',
      enabled: false
    })
    t.equal(await executed('moved'), 0)
    t.same(await client.ask('rules.enableRule', { ruleId: 'changing' }), {
      ruleId: 'changing',
      enabled: true
    })
    t.equal(await executed('moved'), 1)
    const { rules } = await client.ask('rules.getRules')
    t.match(
      rules.find(({ id }: { id: string }) => id === 'changing'),
      { name: 'rule changing', enabled: true, priority: 5, tags: ['x'] }
    )
    t.notOk('group' in rules[0])
    t.same(await client.ask('rules.unregisterRule', { ruleId: 'changing' }), {
      ruleId: 'changing',
      unregistered: true
    })
    for (const type of ['updateRule', 'unregisterRule', 'enableRule', 'disableRule', 'getRule']) {
      t.equal(await client.code(`rules.${type}`, { ruleId: 'changing', updates: {} }), 'NOT_FOUND', type)
    }
  })

  t.test('a rule cannot make a value that has no text form', async t => {
    const { connect, engine } = await serveRules(t)
    const client = await connect()
    const twice = { type: 'set_fact', key: 'a', value: [{ ref: 'fact.a' }, { ref: 'fact.a' }] }
    const loop = {
      type: 'for_each',
      collection: Array.from({ length: 40 }, () => 0),
      as: 'i',
      actions: [twice]
    }
    await client.ask('rules.registerRule', {
      rule: rule('doubles', {
        actions: [
          loop,
          { type: 'emit_event', topic: 'big', data: { a: [{ ref: 'fact.a' }, { ref: 'fact.a' }] } }
        ]
      })
    })
    await client.ask('rules.setFact', { key: 'a', value: 'x' })
    await client.ask('rules.emit', { topic: 'on.doubles' })
    t.match(engine.getStats().lastError, { ruleId: 'doubles', message: /1048576 characters/ })
    t.ok(JSON.stringify(await client.ask('rules.getFact', { key: 'a' })).length < 1_100_000)

    await client.ask('rules.registerRule', {
      rule: rule('nests', { actions: [{ type: 'set_fact', key: 'n', value: { before: { ref: 'fact.n' } } }] })
    })
    for (let i = 0; i < 100; i++) await engine.emit('on.nests')
    t.match(engine.getStats().lastError, { ruleId: 'nests', message: /nested deeper than 64/ })
    t.match(await client.ask('rules.getFact', { key: 'n' }), { before: {} })
  })

  t.test('a rule that compares what is not there, or a text that is too long, leaves a trace', async t => {
    const { connect } = await serveRules(t)
    const client = await connect()
    const condition = (field: string, operator: string, value?: unknown): object => ({
      source: { type: 'event', field },
      operator,
      value
    })
    await client.ask('rules.registerRule', {
      rule: rule('misses', { conditions: [condition('gone', 'not_exists'), condition('gone', 'gt', 1)] })
    })
    await client.ask('rules.registerRule', {
      rule: rule('looks', { conditions: [condition('text', 'matches', 'ERROR')] })
    })
    await client.ask('rules.emit', { topic: 'on.misses' })
    t.match(await client.ask('rules.stats'), { conditionsMissing: 1, conditionsFailed: 0 })
    await client.ask('rules.emit', { topic: 'on.looks', data: { text: `ERROR${'x'.repeat(10_000)}` } })
    t.match(await client.ask('rules.stats'), {
      conditionsFailed: 1,
      rulesExecuted: 0,
      lastError: { ruleId: 'looks', message: /too long/ }
    })
  })

  t.test('a rule that hangs does not hold its connection, or another, for ever', async t => {
    const { connect, engine } = await serveRules(
      t,
      {},
      { services: { slow: { hang: async () => await new Promise(() => {}) } }, serviceTimeoutMs: 50 }
    )
    const [client, other] = [await connect(), await connect()]
    await client.ask('rules.registerRule', {
      rule: rule('hangs', { actions: [{ type: 'call_service', service: 'slow', method: 'hang' }] })
    })
    await client.ask('rules.emit', { topic: 'on.hangs' })
    await other.ask('rules.emit', { topic: 'else' })
    t.match(engine.getStats(), { servicesTimedOut: 1, actionsFailed: 1 })
  })

  t.test('without an engine the whole namespace is not available', async t => {
    const { connect } = await serve(t)
    const client = await connect()
    for (const type of ['rules.emit', 'rules.stats', 'rules.other']) {
      t.equal(await client.code(type, { topic: 'a' }), 'RULES_NOT_AVAILABLE')
    }
    t.match(await client.ask('server.stats'), { rulesEnabled: false, rules: null })
  })
})
