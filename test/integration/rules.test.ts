import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { bridgeStoreToRules } from '@hamicek/noex-store'
import { RuleEngine, type RuleEngineConfig } from '@hamicek/noex-rules'
import t, { type Test } from 'tap'
import type { NoexOptions } from '../../lib/index.js'
import { MAX_WAITING_EVENTS } from '../../lib/subscriptions/event-subscriptions.js'
import type { Frame, TestClient } from '../support/client.js'
import { serve, startStore, type Served } from '../support/service.js'
import { serveAccounts } from '../support/identity.js'

interface ServedRules extends Served {
  readonly engine: RuleEngine
}

async function startEngine (t: Test, config?: RuleEngineConfig): Promise<RuleEngine> {
  const engine = await RuleEngine.start(config)
  t.teardown(async () => { await engine.stop() })
  return engine
}

/** Serves a fresh store and a fresh engine. */
async function serveRules (
  t: Test,
  options: Omit<NoexOptions, 'store' | 'rules'> = {},
  config?: RuleEngineConfig
): Promise<ServedRules> {
  const engine = await startEngine(t, config)
  return { engine, ...await serve(t, { ...options, rules: engine }) }
}

const isEvent = (frame: Frame): boolean => frame['type'] === 'push' && frame['channel'] === 'event'

/** The topics of the events that a client has been pushed, in order, once all it is owed has arrived. */
async function heard (client: TestClient): Promise<string[]> {
  await client.settled()
  const topics: string[] = []
  while (client.waiting.some(isEvent)) topics.push((await client.next(isEvent))['data'].topic)
  return topics
}

/** A rule with nothing but what every rule needs. */
function rule (id: string, fields: object = {}): object {
  return { id, name: `rule ${id}`, trigger: { type: 'event', topic: `on.${id}` }, ...fields }
}

t.test('events and facts', async t => {
  const { connect, engine } = await serveRules(t)
  const client = await connect()

  t.test('an emitted event is answered, with what was given', async t => {
    const before = Date.now()
    const event = await client.ask('rules.emit', {
      topic: 'order.placed',
      data: { sku: 'A1' },
      correlationId: 'c-1',
      causationId: 'e-1'
    })
    t.match(event, {
      topic: 'order.placed',
      data: { sku: 'A1' },
      correlationId: 'c-1',
      causationId: 'e-1',
      source: 'api'
    })
    t.ok(event.timestamp >= before && event.timestamp <= Date.now())
    t.type(event.id, 'string')
    t.same(Object.keys(event), ['id', 'topic', 'data', 'timestamp', 'correlationId', 'causationId', 'source'])
    for (const data of [undefined, null, {}]) {
      t.strictSame((await client.ask('rules.emit', { topic: 'bare', data })).data, {})
    }
    t.notOk(
      'correlationId' in
        (await client.ask('rules.emit', { topic: 'bare', correlationId: null, causationId: 'unused' }))
    )
  })

  t.test('a fact has a version that counts, and is gone when deleted', async t => {
    t.match(await client.ask('rules.setFact', { key: 'user:1:tier', value: 'gold' }), {
      key: 'user:1:tier',
      value: 'gold',
      version: 1,
      source: 'api'
    })
    t.match(await client.ask('rules.setFact', { key: 'user:1:tier', value: 'gold' }), { version: 2 })
    t.match(await client.ask('rules.setFact', { key: 'user:2:tier', value: null }), { value: null })
    t.equal(await client.ask('rules.getFact', { key: 'user:1:tier' }), 'gold')
    t.equal(await client.ask('rules.getFact', { key: 'user:2:tier' }), null)
    t.equal(await client.ask('rules.getFact', { key: 'user:3:tier' }), null)
    t.match(await client.ask('rules.queryFacts', { pattern: 'user:*:tier' }), [
      { key: 'user:1:tier' },
      { key: 'user:2:tier' }
    ])
    t.match(await client.ask('rules.queryFacts', { pattern: 'user:1:tier' }), [{ version: 2 }])
    t.same(await client.ask('rules.queryFacts', { pattern: 'user:*' }), [])
    t.equal((await client.ask('rules.getAllFacts')).length, 2)
    t.same(await client.ask('rules.deleteFact', { key: 'user:1:tier' }), { deleted: true })
    t.same(await client.ask('rules.deleteFact', { key: 'user:1:tier' }), { deleted: false })
  })

  t.test('what is no field is refused by name', async t => {
    const long = 'x'.repeat(513)
    const bad: ReadonlyArray<readonly [string, object, RegExp]> = [
      ['rules.emit', {}, /topic/], ['rules.emit', { topic: '' }, /topic/], ['rules.emit', { topic: long }, /topic/], ['rules.emit', { topic: 'a', data: [] }, /data/],
      ['rules.emit', { topic: 'a', correlationId: '' }, /correlationId/], ['rules.emit', { topic: 'a', correlationId: 'c', causationId: 5 }, /causationId/],
      ['rules.emit', { topic: 'a', causationId: {} }, /causationId/],
      ['rules.setFact', { key: 'k' }, /value/], ['rules.setFact', { value: 1 }, /key/], ['rules.setFact', { key: long, value: 1 }, /key/], ['rules.getFact', { key: 5 }, /key/],
      ['rules.deleteFact', {}, /key/], ['rules.queryFacts', {}, /pattern/], ['rules.subscribe', { pattern: null }, /pattern/], ['rules.subscribe', { pattern: long }, /pattern/],
      ['rules.registerRule', {}, /rule/], ['rules.registerRule', { rule: [] }, /rule/], ['rules.updateRule', { ruleId: 'x', updates: 'x' }, /updates/], ['rules.getRule', { ruleId: '' }, /ruleId/]
    ]
    for (const [type, fields, message] of bad) {
      t.match(
        await client.request(type, fields),
        { code: 'VALIDATION_ERROR', message },
  `${type} ${JSON.stringify(fields).slice(0, 40)}`
      )
    }
  })

  t.test('[G-H3] a pattern is no regular expression, and none takes long', async t => {
    await client.ask('rules.setFact', { key: `evil:${'a'.repeat(200)}!`, value: 1 })
    const began = process.cpuUsage()
    for (const pattern of [
      '*:(a+)+b*',
      '*:(a*)*',
      `evil:${'*a'.repeat(8)}b`,
      'u:(*',
      '[',
      '(',
      '*:a{1,99}$',
      '\\'
    ]) {
      const reply = await client.request('rules.queryFacts', { pattern })
      t.ok(
        reply['type'] === 'result' ? reply['data'].length === 0 : reply['code'] === 'VALIDATION_ERROR',
        pattern
      )
    }
    const { user, system } = process.cpuUsage(began)
    t.ok(user + system < 1e6, 'all of them together are done at once')
    await client.ask('rules.setFact', { key: 'f(x)+[1]?', value: 2 })
    t.match(
      await client.ask('rules.queryFacts', { pattern: 'f(*)+[1]?' }),
      [{ value: 2 }],
      'its characters stand for themselves'
    )
  })

  t.test('keys and members of every name are data and nothing else', async t => {
    for (const key of ['__proto__', 'constructor', 'toString']) {
      t.match(await client.request('rules.setFact', { key, value: 1 }), { type: 'result' })
      t.equal(await client.ask('rules.getFact', { key }), 1)
      t.match(await client.request('rules.registerRule', { rule: rule(key) }), { type: 'result' })
      t.match(await client.request('rules.unregisterRule', { ruleId: key }), { type: 'result' })
    }
    t.equal(await client.ask('rules.getFact', { key: 'hasOwnProperty' }), null)
    t.equal(await client.code('rules.getRule', { ruleId: 'valueOf' }), 'NOT_FOUND')
  })

  t.test('statistics are told by rules.stats and beside the others', async t => {
    const stats = await client.ask('rules.stats')
    t.match(stats, {
      rulesCount: 0,
      timersCount: 0,
      rulesExecuted: 0,
      avgProcessingTimeMs: 0,
      tracing: { enabled: false }
    })
    t.equal(stats.factsCount, engine.getAllFacts().length)
    t.match(await client.ask('server.stats'), { rulesEnabled: true, rules: { factsCount: stats.factsCount } })
  })
})

t.test('subscriptions to events', async t => {
  t.test('[G-H6] a push has the topic and the whole event', async t => {
    const { connect } = await serveRules(t)
    const [listener, sender] = [await connect(), await connect()]
    const { subscriptionId } = await listener.ask('rules.subscribe', { pattern: 'stock.*' })
    const event = await sender.ask('rules.emit', { topic: 'stock.low', data: { sku: 'A1' } })
    t.strictSame(await listener.next(isEvent), {
      type: 'push',
      channel: 'event',
      subscriptionId,
      data: { topic: 'stock.low', event }
    })
  })

  t.test('[G-H4] topics match as clients expect', async t => {
    const { connect } = await serveRules(t)
    const topics = [
      'stock',
      'stock.low',
      'stock.low.eu',
      'stock.high',
      'order',
      'order.eu.paid',
      'a.b*',
      '**'
    ]
    const cases: Record<string, string[]> = {
      '*': topics,
      'stock.*': ['stock', 'stock.low', 'stock.low.eu', 'stock.high'],
      'stock.low': ['stock.low'],
      'stock.*.eu': ['stock.low.eu'],
      '*.low': ['stock.low'],
      '*.*': topics,
      'a.b*': ['a.b*'],
      '**': ['**'],
      'stock.**': [],
      st: []
    }
    for (const [pattern, expected] of Object.entries(cases)) {
      const client = await connect()
      await client.ask('rules.subscribe', { pattern })
      for (const topic of topics) await client.ask('rules.emit', { topic })
      t.same(await heard(client), expected, pattern)
    }
  })

  t.test('events of rules and of timers are heard, in the order in which they happen', async t => {
    const { connect } = await serveRules(t)
    const client = await connect()
    await client.ask('rules.registerRule', {
      rule: rule('chain', {
        actions: [
          { type: 'emit_event', topic: 'then.first', data: { of: { ref: 'event.n' } } },
          {
            type: 'set_timer',
            timer: { name: 'soon', duration: 1, onExpire: { topic: 'then.timer', data: {} } }
          }
        ]
      })
    })
    await client.ask('rules.subscribe', { pattern: '*' })
    const event = await client.ask('rules.emit', { topic: 'on.chain', data: { n: 7 }, correlationId: 'c' })
    t.strictSame((await client.next(isEvent))['data'].event, event)
    t.match((await client.next(isEvent))['data'].event, {
      topic: 'then.first',
      source: 'rule',
      data: { of: 7 },
      correlationId: 'c'
    })
    t.match((await client.next(isEvent))['data'].event, { topic: 'then.timer', source: 'timer' })
  })

  t.test('subscriptions share one limit, and have ids of their own kind', async t => {
    const { connect, app, store } = await serveRules(t, {
      connectionLimits: { maxSubscriptionsPerConnection: 3 }
    })
    store.defineQuery('all', async ctx => await ctx.bucket('items').all())
    const client = await connect()
    const live = (await client.ask('store.subscribe', { query: 'all' })).subscriptionId
    const first = (await client.ask('rules.subscribe', { pattern: 'a' })).subscriptionId
    const second = (await client.ask('rules.subscribe', { pattern: 'a' })).subscriptionId
    t.equal(new Set([live, first, second]).size, 3)
    t.equal(await client.code('rules.subscribe', { pattern: 'b' }), 'RATE_LIMITED')
    t.equal(await client.code('store.subscribe', { query: 'all' }), 'RATE_LIMITED')
    t.match(app.noex.getConnections(), [{ storeSubscriptionCount: 1, rulesSubscriptionCount: 2 }])
    t.match((await app.noex.getStats()).connections, {
      totalStoreSubscriptions: 1,
      totalRulesSubscriptions: 2
    })
    t.equal(await client.code('rules.unsubscribe', { subscriptionId: live }), 'NOT_FOUND')
    t.equal(await client.code('store.unsubscribe', { subscriptionId: first }), 'NOT_FOUND')
    await client.ask('rules.emit', { topic: 'a' })
    t.equal((await heard(client)).length, 2, 'each hears')
    t.same(await client.ask('rules.unsubscribe', { subscriptionId: first }), { unsubscribed: true })
    t.equal(await client.code('rules.unsubscribe', { subscriptionId: first }), 'NOT_FOUND')
    await client.ask('rules.emit', { topic: 'a' })
    t.equal((await heard(client)).length, 1)
    client.ws.close()
    await client.closed
    t.match((await app.noex.getStats()).connections, {
      totalStoreSubscriptions: 0,
      totalRulesSubscriptions: 0
    })
  })

  t.test(
    '[G-H5] a stopped engine can be looked at, and everything else answers that there is none',
    async t => {
      const { connect, engine } = await serveRules(t)
      const client = await connect()
      await client.ask('rules.setFact', { key: 'k', value: 1 })
      await engine.stop()
      const changes: Record<string, object> = {
        'rules.emit': { topic: 'a' },
        'rules.setFact': { key: 'k', value: 1 },
        'rules.deleteFact': { key: 'k' },
        'rules.subscribe': { pattern: 'a' },
        'rules.registerRule': { rule: rule('a') },
        'rules.enableRule': { ruleId: 'a' }
      }
      for (const [type, fields] of Object.entries(changes)) {
        t.equal(await client.code(type, fields), 'RULES_NOT_AVAILABLE', type)
      }
      t.equal(await client.ask('rules.getFact', { key: 'k' }), 1)
      t.equal((await client.ask('rules.queryFacts', { pattern: '*' })).length, 1)
      t.equal((await client.ask('rules.getAllFacts')).length, 1)
      t.match(await client.ask('rules.stats'), { factsCount: 1 })
      t.same(await client.ask('rules.getRules'), { rules: [] })
      t.match(await client.ask('rules.validateRule', { rule: rule('a') }), { valid: true })
      t.equal(await client.code('rules.getRule', { ruleId: 'a' }), 'NOT_FOUND')
      t.match(await client.ask('server.stats'), { rulesEnabled: true })
    }
  )

  t.test('a client that does not read misses events in the end, and is told how many', async t => {
    const { connect, engine } = await serveRules(t, {
      backpressure: { maxBufferedBytes: 50_000, drainTimeoutMs: 60_000 }
    })
    const slow = await connect()
    const other = await connect()
    const { subscriptionId } = await slow.ask('rules.subscribe', { pattern: 'busy' })
    await other.ask('rules.subscribe', { pattern: 'busy' })
    const socket = (slow.ws as unknown as { _socket: Socket })._socket
    socket.pause()
    const filler = 'x'.repeat(5_000)
    const total = 3_000
    for (let n = 1; n <= total; n++) {
      await engine.emit('busy', { n, filler })
      // The other client reads as fast as it can.
      while (other.waiting.length < n) await setImmediate()
    }
    socket.resume()
    let missed = 0
    for (let n = 1; n <= total;) {
      const frame = await slow.next(frame => isEvent(frame) || frame['event'] === 'gap')
      if (isEvent(frame) && frame['data'].event.data.n !== n) {
        t.fail(`event ${frame['data'].event.data.n} where event ${n} should be`)
      }
      if (!isEvent(frame)) t.equal(frame['subscriptionId'], subscriptionId)
      missed += frame['count'] ?? 0
      n += frame['count'] ?? 1
    }
    t.ok(missed > 0 && missed < total, 'every event is pushed in its place, or counted there')
    await engine.emit('busy', { n: total + 1 })
    t.equal((await slow.next(isEvent))['data'].event.data.n, total + 1, 'it goes on')
    t.equal((await heard(other)).length, total + 1, 'another client has missed nothing')
    t.ok(MAX_WAITING_EVENTS < total)
  })

  t.test('data that is no JSON harms neither the emitter nor the others', async t => {
    const { connect, engine } = await serveRules(t)
    const client = await connect()
    const { subscriptionId } = await client.ask('rules.subscribe', { pattern: '*' })
    await engine.emit('odd', { n: 1n })
    t.match(await client.next(frame => frame['event'] === 'gap'), { subscriptionId, count: 1 })
    await engine.emit('good')
    t.same(await heard(client), ['good'])
  })
})

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

  t.test('[G-H2] it is updated, disabled, enabled and removed; one that is not there is not found', async t => {
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

  t.test('a rule cannot make what nobody could write out', async t => {
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

t.test('permissions', async t => {
  const users: Record<string, string[]> = {
    boss: ['admin'],
    scribe: ['writer'],
    guest: ['reader'],
    clerk: ['clerk']
  }
  const auth = {
    validate: (token: string) => users[token] === undefined ? null : { userId: token, roles: users[token] },
    permissions: {
      default: 'deny',
      rules: [
        { role: 'admin', allow: '*' }, { role: 'writer', allow: 'rules.*' }, { role: 'reader', allow: 'rules.*' },
        {
          role: 'clerk',
          allow: ['rules.emit', 'rules.subscribe', 'rules.getFact', 'rules.queryFacts'],
          topics: ['order.*', 'desk:open', 'till:*']
        }
      ]
    }
  } as const

  async function login (served: Served, token: string): Promise<TestClient> {
    const client = await served.connect()
    await client.ask('auth.login', { token })
    return client
  }

  t.test('tiers: a reader listens, a writer speaks, an administrator makes rules', async t => {
    const served = await serveRules(t, { auth })
    const [boss, scribe, guest] = [
      await login(served, 'boss'),
      await login(served, 'scribe'),
      await login(served, 'guest')
    ]
    t.ok(await guest.ask('rules.subscribe', { pattern: '*' }))
    t.equal(await guest.code('rules.emit', { topic: 'a' }), 'FORBIDDEN')
    t.equal(await guest.code('rules.setFact', { key: 'a', value: 1 }), 'FORBIDDEN')
    t.ok(await scribe.ask('rules.emit', { topic: 'a' }))
    t.equal(await scribe.code('rules.registerRule', { rule: rule('a') }), 'FORBIDDEN')
    t.equal(await scribe.code('rules.getRules'), 'FORBIDDEN')
    t.ok(await boss.ask('rules.registerRule', { rule: rule('a') }))
    t.equal(await (await served.connect()).code('rules.stats'), 'UNAUTHORIZED')
  })

  t.test('topics confine topics, patterns and keys, whatever else the request says', async t => {
    const served = await serveRules(t, { auth })
    const clerk = await login(served, 'clerk')
    t.ok(await clerk.ask('rules.emit', { topic: 'order.placed' }))
    t.equal(
      await clerk.code('rules.emit', {
        topic: 'stock.low',
        key: 'order.placed',
        pattern: 'order.placed',
        ruleId: 'order.x'
      }),
      'FORBIDDEN'
    )
    t.equal(await clerk.code('rules.emit', { topic: 'order' }), 'FORBIDDEN')
    t.equal(await clerk.ask('rules.getFact', { key: 'desk:open' }), null)
    t.equal(await clerk.code('rules.getFact', { key: 'desk:closed', topic: 'order.x' }), 'FORBIDDEN')
    t.equal(await clerk.ask('rules.getFact', { key: 'till:1:cash' }), null, 'a family of keys')
    t.same(await clerk.ask('rules.queryFacts', { pattern: 'till:*' }), [])
    t.equal(await clerk.code('rules.getFact', { key: 'tills' }), 'FORBIDDEN')
    for (const pattern of ['*', '*:1', 'til*']) {
      t.equal(await clerk.code('rules.queryFacts', { pattern }), 'FORBIDDEN', pattern)
    }
    for (const pattern of ['*', '*.placed', 'order*', 'stock.*', 'order']) {
      t.equal(await clerk.code('rules.subscribe', { pattern }), 'FORBIDDEN', pattern)
    }
    await clerk.ask('rules.subscribe', { pattern: 'order.*' })
    for (const topic of ['order', 'order.placed', 'order.eu.paid', 'orders.x']) {
      await served.engine.emit(topic)
    }
    t.same(
      await heard(clerk),
      ['order.placed', 'order.eu.paid'],
      'a pattern reaches no topic that the permission does not'
    )
  })

  t.test(
    'subscriptions follow the session: silent after a logout, back after a login, ended where they are not allowed',
    async t => {
      const served = await serveRules(t, { auth: { ...auth, required: false } })
      const client = await login(served, 'scribe')
      const { subscriptionId } = await client.ask('rules.subscribe', { pattern: 'stock.*' })
      await client.ask('auth.logout')
      await served.engine.emit('stock.low')
      t.same(await heard(client), [])
      await client.ask('auth.login', { token: 'guest' })
      await served.engine.emit('stock.high')
      t.same(await heard(client), ['stock.high'], 'what happened meanwhile is not sent later')
      await client.ask('auth.login', { token: 'clerk' })
      t.match(await client.next(frame => frame['event'] === 'subscription_closed'), {
        subscriptionId,
        reason: 'forbidden'
      })
      await served.engine.emit('stock.none')
      t.same(await heard(client), [])
      t.same(await client.ask('rules.unsubscribe', { subscriptionId }), { unsubscribed: true }, 'once')
      t.match(served.app.noex.getConnections()[0], { rulesSubscriptionCount: 0 })
    }
  )

  t.test('a check decides each push anew', async t => {
    let allowed = true
    const served = await serveRules(t, {
      auth: {
        ...auth,
        permissions: {
          check: (_session: unknown, operation: string) => (operation === 'rules.subscribe' ? allowed : true)
        }
      }
    })
    const client = await login(served, 'guest')
    await client.ask('rules.subscribe', { pattern: '*' })
    await served.engine.emit('one')
    t.same(await heard(client), ['one'])
    allowed = false
    await served.engine.emit('two')
    t.match(await client.next(frame => frame['event'] === 'subscription_closed'), { reason: 'forbidden' })
    t.same(await heard(client), [])
  })

  t.test('records of system buckets are for nobody: no subscriber hears them and no rule keeps them, whatever the bridge brings', async t => {
    const store = await startStore(t)
    const engine = await startEngine(t)
    // Before the server, as most applications will.
    t.teardown(await bridgeStoreToRules(store, engine))
    const served = await serveAccounts(t, {}, { rules: engine }, { store })
    const client = await served.superadmin()
    const keep = {
      actions: [
        { type: 'set_fact', key: 'kept', value: { ref: 'event' } },
        { type: 'emit_event', topic: 'told', data: { of: { ref: 'event' } } }
      ]
    }
    for (const [id, topic] of Object.entries({ all: '*', users: 'bucket._users.*', wide: 'bucket.*' })) {
      await client.ask('rules.registerRule', {
        rule: rule(id, {
          trigger: { type: 'event', topic },
          conditions: [{ source: { type: 'event', field: 'bucket' }, operator: 'exists' }],
          ...keep
        })
      })
    }
    await client.ask('rules.subscribe', { pattern: '*' })
    await served.user('alice', 'admin')
    await store.settle()
    await engine.waitForProcessingQueue()
    t.same(await heard(client), [])
    t.same(await client.ask('rules.getAllFacts'), [])
    await store.bucket('items').insert({ name: 'seen' })
    await store.settle()
    await engine.waitForProcessingQueue()
    t.ok((await heard(client)).includes('bucket.items.inserted'))
    t.match(await client.ask('rules.getFact', { key: 'kept' }), { bucket: 'items', record: { name: 'seen' } })
    t.ok(Object.hasOwn(engine, 'emit'))
    await served.app.close()
    t.notOk(Object.hasOwn(engine, 'emit'), 'the engine has its own method back')
  })

  t.test('whoever is confined to some topics writes no rules, which could reach all of them', async t => {
    const confined = {
      ...auth,
      permissions: {
        default: 'deny',
        rules: [
          { role: 'clerk', allow: 'rules.*', topics: ['stock.*'] },
          { role: 'admin', allow: '*' }
        ]
      }
    } as const
    const served = await serveRules(t, { auth: confined })
    const [clerk, boss] = [await login(served, 'clerk'), await login(served, 'boss')]
    const reaching = rule('stock.a', {
      trigger: { type: 'event', topic: 'other' },
      actions: [{ type: 'emit_event', topic: 'stock.leak', data: { of: { ref: 'event' } } }]
    })
    t.equal(await clerk.code('rules.registerRule', { rule: reaching }), 'FORBIDDEN')
    await boss.ask('rules.registerRule', { rule: rule('stock.b') })
    t.equal(
      await clerk.code('rules.updateRule', {
        ruleId: 'stock.b',
        updates: { trigger: { type: 'event', topic: 'other' } }
      }),
      'FORBIDDEN'
    )
    t.same(await clerk.ask('rules.disableRule', { ruleId: 'stock.b' }), { ruleId: 'stock.b', enabled: false })
  })

  t.test('access lists and roles of the built-in accounts reach topics', async t => {
    const engine = await startEngine(t)
    const served = await serveAccounts(t, {}, { rules: engine })
    const admin = await served.superadmin()
    const id = await served.user('bob')
    const bob = await served.as(id)
    t.equal(await bob.code('rules.emit', { topic: 'order.placed' }), 'FORBIDDEN')
    await admin.ask('identity.grant', {
      subjectType: 'user',
      subjectId: id,
      resourceType: 'topic',
      resourceName: 'order.placed',
      operations: ['write']
    })
    t.ok(await bob.ask('rules.emit', { topic: 'order.placed' }))
    t.equal(
      await bob.code('rules.subscribe', { pattern: 'order.placed' }),
      'FORBIDDEN',
      'to write is not to read'
    )
    await admin.ask('identity.grant', {
      subjectType: 'user',
      subjectId: id,
      resourceType: 'topic',
      resourceName: 'order.placed',
      operations: ['read']
    })
    await bob.ask('rules.subscribe', { pattern: 'order.placed' })
    await admin.ask('rules.emit', { topic: 'order.placed' })
    t.same(await heard(bob), ['order.placed'])
    await admin.ask('identity.revoke', {
      subjectType: 'user',
      subjectId: id,
      resourceType: 'topic',
      resourceName: 'order.placed',
      operations: ['read', 'write']
    })
    await admin.ask('rules.emit', { topic: 'order.placed' })
    t.match(await bob.next(frame => frame['event'] === 'subscription_closed'), { reason: 'forbidden' })
  })
})

t.test('the trail names what was touched, and has no data', async t => {
  const { connect, app } = await serveRules(t, { audit: { tiers: ['admin', 'write', 'read'] } })
  const client = await connect()
  await client.ask('rules.emit', { topic: 'order.placed', data: { secret: 'hidden' }, key: 'decoy' })
  await client.ask('rules.setFact', { key: 'k', value: 'hidden', topic: 'decoy' })
  await client.ask('rules.registerRule', { rule: rule('r') })
  await client.ask('rules.subscribe', { pattern: 'order.*' })
  const { entries } = await client.ask('audit.query')
  const resources = entries.map(
    ({ operation, resource }: Record<string, string>) => `${operation} ${resource}`
  )
  for (const expected of [
    'rules.emit order.placed',
    'rules.setFact k',
    'rules.registerRule r',
    'rules.subscribe order.*'
  ]) {
    t.ok(resources.includes(expected), expected)
  }
  t.notMatch(JSON.stringify(entries), /hidden|decoy/)
  t.ok(app.noex)
})
