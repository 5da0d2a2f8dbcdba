import { setTimeout as pass } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { RuleEngine } from '../../lib/rules/rule-engine.js'
import type { TestClient } from '../support/client.js'
import { FakeRuleEngine } from '../support/fake-rule-engine.js'
import { serve, type Served } from '../support/service.js'
import { logInto } from '../support/log-into.js'
import { sampleOf } from '../support/sampled.js'

type Method = (...args: unknown[]) => unknown

const summary = { id: 'r', name: 'R', enabled: true, priority: 0, version: 1, tags: [] }
const rule = { ...summary, createdAt: 1, updatedAt: 1 }

/** An engine that answers everything well, but for one method that a test replaces. */
function engineWith (replaced: Readonly<Record<string, unknown>>): RuleEngine {
  const methods = {
    registerRule: () => rule,
    updateRule: () => rule,
    unregisterRule: () => true,
    enableRule: () => true,
    disableRule: () => true,
    getRule: (id: string) => id === 'new' ? undefined : rule,
    getRules: () => [rule],
    validateRule: () => ({ valid: true, errors: [], warnings: [] }),
    getFactFull: (key: string) => ({ key, value: 1 })
  }
  return Object.assign(new FakeRuleEngine(), methods, replaced) as unknown as RuleEngine
}

/** Each operation, and the method of the engine that it cannot do without. */
const requests: ReadonlyArray<readonly [operation: string, fields: object, method: string]> = [
  ['rules.emit', { topic: 'a' }, 'emit'],
  ['rules.emit', { topic: 'a', correlationId: 'c' }, 'emitCorrelated'],
  ['rules.setFact', { key: 'k', value: 1 }, 'setFact'],
  ['rules.getFact', { key: 'k' }, 'getFact'],
  ['rules.deleteFact', { key: 'k' }, 'deleteFact'],
  ['rules.queryFacts', { pattern: 'k:*' }, 'getAllFacts'],
  ['rules.queryFacts', { pattern: 'k' }, 'getFactFull'],
  ['rules.getAllFacts', {}, 'getAllFacts'],
  ['rules.subscribe', { pattern: '*' }, 'subscribe'],
  ['rules.stats', {}, 'getStats'],
  ['rules.registerRule', { rule: { ...rule, id: 'new' } }, 'getRule'],
  ['rules.registerRule', { rule: { ...rule, id: 'new' } }, 'registerRule'],
  ['rules.unregisterRule', { ruleId: 'r' }, 'unregisterRule'],
  ['rules.updateRule', { ruleId: 'r', updates: {} }, 'updateRule'],
  ['rules.enableRule', { ruleId: 'r' }, 'enableRule'],
  ['rules.disableRule', { ruleId: 'r' }, 'disableRule'],
  ['rules.getRule', { ruleId: 'r' }, 'getRule'],
  ['rules.getRules', {}, 'getRules'],
  ['rules.validateRule', { rule }, 'validateRule']
]

const never = { then () {} }
const forbid = (): never => { throw new Error('untouchable') }
const untouchable = new Proxy({}, new Proxy({}, { get: () => forbid }))
const fail = (): never => { throw new Error('secret of the engine') }
const circle: unknown[] = []
circle.push({ id: 'r', key: 'k:1', tags: circle })

const misdeeds: Readonly<Record<string, Method>> = {
  throws: fail,
  'throws what is no error': () => { throw untouchable },
  'throws an error that cannot be read' () {
    throw Object.defineProperty(new Error('x'), 'message', { get: fail })
  },
  'throws an error whose name is no text': () => { throw Object.assign(new Error('x'), { name: 5 }) },
  rejects: async () => { throw new Error('secret of the engine') },
  'rejects later': async () => { await pass(5); throw new Error('secret of the engine') },
  'has a promise that fails when it is asked': () => ({ then: fail }),
  'never settles': () => new Promise(() => {}),
  'has a promise with a promise that never settles': () => ({ then (done: Method) { done(never) } }),
  'returns a function with a then': () => Object.assign(() => {}, never),
  'returns a number': () => 5,
  'returns null': () => null,
  'returns a text': () => 'true',
  'returns an array of numbers': () => [1],
  'returns what cannot be looked at': () => untouchable,
  'returns what is no JSON': () => ({ id: 'r', valid: true, big: 1n }),
  'returns a circle': () => circle
}

/** Answers that are of the right kind, beside what else is wrong with them. */
const rightAnswers: ReadonlyArray<readonly [method: string, misdeed: string]> = [
  ['getFact', 'returns a number'], ['getFact', 'returns null'], ['getFact', 'returns a text'],
  ['getFact', 'returns an array of numbers'],
  ['subscribe', 'returns a function with a then'], ['getFactFull', 'returns null'],
  ['getRule', 'returns null'], ['getRule', 'returns what is no JSON'],
  ['registerRule', 'returns what is no JSON'], ['updateRule', 'returns what is no JSON']
]

interface Line {
  readonly level: number
  readonly msg: string
  readonly err?: { readonly message: string }
  readonly method?: string
}

interface ServedEngine extends Served {
  readonly lines: Line[]
}

async function serveEngine (t: Test, engine: RuleEngine): Promise<ServedEngine> {
  const lines: Line[] = []
  const fastify = { logger: logInto(lines) }
  return { lines, ...await serve(t, { rules: engine, rulesTimeoutMs: 40 }, { fastify }) }
}

/** Fails when a promise was rejected that nothing has taken, which would end the process. */
function watchRejections (t: Test): void {
  const onRejection = (error: unknown): void => { t.fail(`unhandled: ${String(error)}`) }
  process.on('unhandledRejection', onRejection)
  t.teardown(async () => {
    await pass(1)
    process.off('unhandledRejection', onRejection)
  })
}

/** The connection and the service go on. */
async function checkGoesOn (t: Test, client: TestClient): Promise<void> {
  t.type(await client.ask('store.insert', { bucket: 'items', data: { n: 1 } }), 'object')
}

for (const [misdeed, call] of Object.entries(misdeeds)) {
  t.test(`a method of a rule engine that ${misdeed} costs its request`, async t => {
    watchRejections(t)
    const wrong = requests.filter(([, , method]) => {
      return !rightAnswers.some(([name, what]) => name === method && what === misdeed)
    })
    for (const [operation, fields, method] of sampleOf(t, wrong)) {
      const { connect, lines } = await serveEngine(t, engineWith({ [method]: call }))
      const client = await connect()
      const reply = await client.request(operation, fields)
      const title = `${operation} by ${method}`
      t.match(reply, { type: 'error', code: 'INTERNAL_ERROR' }, title)
      t.notMatch(reply['message'], /secret/)
      const said = lines.map(line => `${line.msg} ${line.method ?? ''} ${line.err?.message ?? ''}`).join('\n')
      // When the answer is encoded, only the operation is known.
      const isOfEncoding = misdeed === 'returns what is no JSON' || misdeed === 'returns a circle'
      t.match(said, isOfEncoding ? /operation failed|statistics/ : new RegExp(`\\b${method}\\b`), title)
      await checkGoesOn(t, client)
    }
  })
}

t.test('a rule engine may answer with promises where it need not', async t => {
  const slowly = (method: Method): Method => async (...args) => {
    await pass(1)
    return method(...args)
  }
  const methods = Object.entries(engineWith({})).filter(([, member]) => typeof member === 'function')
  const { connect } = await serveEngine(t, engineWith({
    ...Object.fromEntries(methods.map(([name, method]) => [name, slowly(method as Method)])),
    getStats: async () => ({ rulesCount: 7 }),
    deleteFact: async () => true
  }))
  const client = await connect()
  for (const [operation, fields, method] of requests) {
    if (method === 'subscribe') continue
    t.match(await client.request(operation, fields), { type: 'result' }, operation)
  }
  t.same(await client.ask('rules.stats'), { rulesCount: 7 })
  t.match(await client.ask('server.stats'), { rules: { rulesCount: 7 } })
})

t.test('statistics of a rule engine that has none are null, and the log says so', async t => {
  watchRejections(t)
  for (const [misdeed, call] of Object.entries(misdeeds)) {
    const { app, lines } = await serveEngine(t, engineWith({ getStats: call }))
    const reply = await app.inject('/stats')
    t.equal(reply.statusCode, 200, misdeed)
    t.equal(reply.json().rules, null, misdeed)
    t.ok(lines.some(({ level, msg }) => level === 40 && msg === 'the rule engine has no statistics'), misdeed)
  }
})

t.test('a rule engine that does not say whether it is running is not available', async t => {
  const engine = engineWith({})
  const { connect } = await serveEngine(t, engine)
  const client = await connect()
  for (const value of [async () => true, 1, 'true', undefined, false]) {
    Object.assign(engine, { isRunning: value })
    t.equal(await client.code('rules.emit', { topic: 'a' }), 'RULES_NOT_AVAILABLE')
    t.equal(await client.code('rules.subscribe', { pattern: 'a' }), 'RULES_NOT_AVAILABLE')
  }
  Object.defineProperty(engine, 'isRunning', { get () { throw untouchable } })
  t.equal(await client.code('rules.emit', { topic: 'a' }), 'INTERNAL_ERROR')
  await checkGoesOn(t, client)
})

t.test('an error that says "is not running" is RULES_NOT_AVAILABLE, for subscriptions too', async t => {
  const stopped = (): never => { throw new Error('Engine is not running') }
  const { connect } = await serveEngine(t, engineWith({ emit: stopped, subscribe: stopped }))
  const client = await connect()
  t.equal(await client.code('rules.emit', { topic: 'a' }), 'RULES_NOT_AVAILABLE')
  t.equal(await client.code('rules.subscribe', { pattern: 'a' }), 'RULES_NOT_AVAILABLE')
})

t.test('what a rule engine passes to its subscriber', async t => {
  /** Serves an engine, and subscribes one client. */
  async function subscribed (t: Test, subscribe: (listener: Method) => unknown) {
    watchRejections(t)
    const engine = engineWith({ subscribe: (_pattern: string, listener: Method) => subscribe(listener) })
    const served = await serveEngine(t, engine)
    const client = await served.connect()
    return { ...served, client, reply: await client.request('rules.subscribe', { pattern: '*' }) }
  }
  const event = { id: 'e', topic: 'a.b', data: {}, timestamp: 1 }

  t.test('is no event: it is not passed on, the engine is not told, the log is, once', async t => {
    let listener!: Method
    const { client, lines } = await subscribed(t, given => { listener = given; return () => {} })
    const hidden = Object.defineProperty({}, 'topic', { get () { throw new Error('no') } })
    for (const value of [undefined, null, 5, 'a', {}, [], { topic: 5 }, hidden, untouchable]) {
      t.doesNotThrow(() => listener(value))
    }
    listener(event)
    t.match(await client.push(), { data: { topic: 'a.b', event } })
    t.equal(lines.filter(({ msg }) => msg.includes('could not be passed on')).length, 1)
  })

  t.test('comes after the end, or of a subscription that was refused: it is not passed on', async t => {
    const listeners: Method[] = []
    let answer: unknown = 5
    const { client } = await subscribed(t, given => { listeners.push(given); return answer })
    answer = () => {}
    const { subscriptionId } = await client.ask('rules.subscribe', { pattern: '*' })
    t.equal(listeners.length, 2)
    listeners[0]?.(event)
    listeners[1]?.({ ...event, id: 'second' })
    t.match(await client.push(), { data: { event: { id: 'second' } } })
    await client.ask('rules.unsubscribe', { subscriptionId })
    for (const listener of listeners) listener(event)
    await client.settled()
    t.same(client.waiting, [])
  })

  t.test('by a promise of a subscription: it is refused, and ended when it has begun', async t => {
    let ended = 0
    const { client, reply } = await subscribed(t, async () => () => { ended++ })
    t.match(reply, { type: 'error', code: 'INTERNAL_ERROR' })
    await client.settled()
    t.equal(ended, 1)
  })

  t.test('and how it unsubscribes: what fails there is logged, and no client feels it', async t => {
    for (const unsubscribe of [fail, async () => fail(), () => { throw untouchable }]) {
      const { client, reply, lines, app } = await subscribed(t, () => unsubscribe)
      const { subscriptionId } = reply['data']
      t.same(await client.ask('rules.unsubscribe', { subscriptionId }), { unsubscribed: true })
      await client.settled()
      t.match(lines, [{ msg: 'the rule engine has failed' }])
      t.match(await client.request('rules.subscribe', { pattern: 'x' }), { type: 'result' })
      await app.close()
    }
  })

  t.test('comes while it is being subscribed, from within', async t => {
    const { client, reply } = await subscribed(t, listener => { listener(event); return () => {} })
    t.match(reply, { type: 'result' })
    await checkGoesOn(t, client)
  })
})

t.test('emit passes everything on that the application gives it', async t => {
  const given: unknown[][] = []
  const engine = engineWith({ emit: async (...args: unknown[]) => { given.push(args) } })
  await serveEngine(t, engine)
  await (engine.emit as Method)('a', { n: 1 }, { more: true })
  t.same(given, [['a', { n: 1 }, { more: true }]])
})

t.test('a rule engine that asks the service again, from within a request, is answered', async t => {
  const engine = engineWith({})
  const { connect, app } = await serveEngine(t, engine)
  const client = await connect()
  const other = await connect()
  ;(engine as unknown as FakeRuleEngine).onEmit = async topic => {
    if (topic !== 'outer') return
    await other.ask('rules.emit', { topic: 'inner' })
    await app.inject('/stats')
  }
  t.match(await client.ask('rules.emit', { topic: 'outer' }), { topic: 'outer' })
})

t.test('a subscription that a rule engine refuses after a login ends, and the client is told', async t => {
  let fails = false
  const subscribe = (): (() => void) => {
    if (fails) throw new Error('broken')
    return () => {}
  }
  const auth = {
    required: false,
    validate: async (token: string) => token === 'user' ? { userId: 'u', roles: ['user'] } : null,
    permissions: { default: 'deny' as const, rules: [{ role: 'user', allow: 'rules.*' }] }
  }
  const { connect, app } = await serve(t, { rules: engineWith({ subscribe }), auth })
  const client = await connect()
  await client.ask('auth.login', { token: 'user' })
  const { subscriptionId } = await client.ask('rules.subscribe', { pattern: 'a.*' })
  await client.ask('auth.logout')
  fails = true
  t.match(await client.request('auth.login', { token: 'user' }), { type: 'result' }, 'the login succeeds')
  const notice = await client.next(frame => frame['event'] === 'subscription_closed')
  t.match(notice, { subscriptionId, reason: 'failed' })
  t.match(app.noex.getConnections()[0], { rulesSubscriptionCount: 0 })
  fails = false
  t.match(await client.request('rules.subscribe', { pattern: 'a.*' }), { type: 'result' })
})
