import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { MAX_WAITING_EVENTS } from '../../../lib/subscriptions/event-subscriptions.js'
import { pushedTopics, isEventPush, rule, serveRules } from '../../support/rules.js'

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
      ['rules.emit', {}, /topic/], ['rules.emit', { topic: '' }, /topic/],
      ['rules.emit', { topic: long }, /topic/], ['rules.emit', { topic: 'a', data: [] }, /data/],
      ['rules.emit', { topic: 'a', correlationId: '' }, /correlationId/],
      ['rules.emit', { topic: 'a', correlationId: 'c', causationId: 5 }, /causationId/],
      ['rules.emit', { topic: 'a', causationId: {} }, /causationId/],
      ['rules.setFact', { key: 'k' }, /value/], ['rules.setFact', { value: 1 }, /key/],
      ['rules.setFact', { key: long, value: 1 }, /key/], ['rules.getFact', { key: 5 }, /key/],
      ['rules.deleteFact', {}, /key/], ['rules.queryFacts', {}, /pattern/],
      ['rules.subscribe', { pattern: null }, /pattern/], ['rules.subscribe', { pattern: long }, /pattern/],
      ['rules.registerRule', {}, /rule/], ['rules.registerRule', { rule: [] }, /rule/],
      ['rules.updateRule', { ruleId: 'x', updates: 'x' }, /updates/],
      ['rules.getRule', { ruleId: '' }, /ruleId/]
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
    t.strictSame(await listener.next(isEventPush), {
      type: 'push',
      channel: 'event',
      subscriptionId,
      data: { topic: 'stock.low', event }
    })
  })

  t.test('[G-H4] topics match as clients expect', async t => {
    const { connect } = await serveRules(t)
    const topics = [
      'stock', 'stock.low', 'stock.low.eu', 'stock.high', 'order', 'order.eu.paid', 'a.b*', '**'
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
      t.same(await pushedTopics(client), expected, pattern)
    }
  })

  t.test('events of rules and of timers are pushed, in the order in which they happen', async t => {
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
    t.strictSame((await client.next(isEventPush))['data'].event, event)
    t.match((await client.next(isEventPush))['data'].event, {
      topic: 'then.first',
      source: 'rule',
      data: { of: 7 },
      correlationId: 'c'
    })
    t.match((await client.next(isEventPush))['data'].event, { topic: 'then.timer', source: 'timer' })
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
    t.equal((await pushedTopics(client)).length, 2, 'each is pushed')
    t.same(await client.ask('rules.unsubscribe', { subscriptionId: first }), { unsubscribed: true })
    t.equal(await client.code('rules.unsubscribe', { subscriptionId: first }), 'NOT_FOUND')
    await client.ask('rules.emit', { topic: 'a' })
    t.equal((await pushedTopics(client)).length, 1)
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
      const frame = await slow.next(frame => isEventPush(frame) || frame['event'] === 'gap')
      if (isEventPush(frame) && frame['data'].event.data.n !== n) {
        t.fail(`event ${frame['data'].event.data.n} where event ${n} should be`)
      }
      if (!isEventPush(frame)) t.equal(frame['subscriptionId'], subscriptionId)
      missed += frame['count'] ?? 0
      n += frame['count'] ?? 1
    }
    t.ok(missed > 0 && missed < total, 'every event is pushed in its place, or counted there')
    await engine.emit('busy', { n: total + 1 })
    t.equal((await slow.next(isEventPush))['data'].event.data.n, total + 1, 'it goes on')
    t.equal((await pushedTopics(other)).length, total + 1, 'another client has missed nothing')
    t.ok(MAX_WAITING_EVENTS < total)
  })

  t.test('data that is no JSON harms neither the emitter nor the others', async t => {
    const { connect, engine } = await serveRules(t)
    const client = await connect()
    const { subscriptionId } = await client.ask('rules.subscribe', { pattern: '*' })
    await engine.emit('odd', { n: 1n })
    t.match(await client.next(frame => frame['event'] === 'gap'), { subscriptionId, count: 1 })
    await engine.emit('good')
    t.same(await pushedTopics(client), ['good'])
  })
})
