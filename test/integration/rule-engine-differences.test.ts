import { readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { MemoryAdapter } from '@hamicek/noex'
import {
  formatDuration, matchesFactPattern, matchesTopic, parseDuration, RuleEngine, type RuleAction, type RuleEngineConfig, type RuleInput
} from '@hamicek/noex-rules'
import t, { type Test } from 'tap'
import { HandClock } from '../hand-clock.js'
import { projectFile } from '../project-file.js'

const SILENT = { debug () {}, info () {}, warn () {}, error () {} }

async function start (t: Test, config: RuleEngineConfig = {}): Promise<RuleEngine> {
  const engine = await RuleEngine.start({ logger: SILENT, ...config })
  t.teardown(() => engine.stop())
  return engine
}

let count = 0

function rule (topic: string, actions: RuleAction[], more: Partial<RuleInput> = {}): RuleInput {
  const id = `rule ${++count}`
  return { id, name: id, trigger: { type: 'event', topic }, actions, ...more }
}

const set = (key: string, value: unknown = 1): RuleAction => ({ type: 'set_fact', key, value })
const emit = (topic: string): RuleAction => ({ type: 'emit_event', topic, data: {} })
const call = (method: string): RuleAction => ({ type: 'call_service', service: 'app', method })

/** The topics of all events from now on. */
function recordTopics (engine: RuleEngine): string[] {
  const topics: string[] = []
  engine.subscribe('*', ({ topic }) => { topics.push(topic) })
  return topics
}

/** What each row of the table says, shown. */
const differences: Readonly<Record<string, (t: Test) => Promise<void>>> = {
  async 'patterns of topics' (t) {
    for (const [pattern, topic] of [['*', 'a.b'], ['*.*', 'a.b.c'], ['*.b.*', 'a.b.c'], ['a.b*', 'a.bcd'], ['a.**', 'a.b.c']] as const) {
      const engine = await start(t)
      engine.registerRule(rule(pattern, [set('ran')]))
      const topics: string[] = []
      engine.subscribe(pattern, event => { topics.push(event.topic) })
      await engine.emit(topic)
      t.same([engine.getFact('ran'), topics], [1, [topic]], `${pattern} ${topic}`)
    }
    for (const pattern of ['a.*', '*.*']) t.notOk(matchesTopic(pattern, 'a'), pattern)
  },

  async 'patterns of keys' (t) {
    t.ok(matchesFactPattern('cust*:1', 'customer:1'))
    t.ok(matchesFactPattern('a:**', 'a:b:c'))
    t.notOk(matchesFactPattern('a(*', 'a'), 'all but * is literal')
    const engine = await start(t)
    t.throws(() => engine.queryFacts('*'.repeat(9)), { name: 'PatternError' })
  },

  async 'order of rules' (t) {
    const engine = await start(t, { services: { app: { wait: async () => { await turn() } } } })
    const topics = recordTopics(engine)
    engine.registerRule(rule('*', [emit('low')], { priority: 1, trigger: { type: 'event', topic: 'a' } }))
    engine.registerRule(rule('a', [call('wait'), emit('high'), call('wait')], { priority: 2 }))
    await Promise.all([engine.emit('a'), engine.emit('b')])
    t.same(topics, ['a', 'high', 'low', 'b'])
  },

  async subscribers (t) {
    const engine = await start(t)
    let isSettled = false
    let seen: boolean | undefined
    let calls = 0
    const handler = async (): Promise<void> => { calls++; await turn(); isSettled = true }
    engine.subscribe('a', handler)
    engine.subscribe('a', handler)
    engine.subscribe('b', () => { seen = isSettled })
    engine.registerRule(rule('a', [emit('b')]))
    await engine.emit('a')
    t.same([seen, isSettled, calls], [false, true, 2])
  },

  async 'facts that rules set' (t) {
    const engine = await start(t)
    engine.registerRule(rule('a', [set('k', { n: { ref: 'event.n' } })]))
    engine.registerRule(rule('', [
      { type: 'set_fact', key: 'said', value: [{ ref: 'event.type' }, { ref: 'event.key' }, { ref: 'event.value' }, { ref: 'event.previousValue' }] }
    ], { trigger: { type: 'fact', pattern: 'k' } }))
    await engine.emit('a', { n: 1 })
    t.same(engine.getFact('said'), ['created', 'k', { n: 1 }, undefined])
    await engine.emit('a', { n: 1 })
    t.equal(engine.getFactFull('said')?.version, 1, 'an equal value is no change')
    await engine.emit('a', { n: 2 })
    t.same(engine.getFact('said'), ['updated', 'k', { n: 2 }, { n: 1 }])
  },

  async 'depth and bounds' (t) {
    const engine = await start(t, { maxForwardDepth: 3, maxFacts: 60 })
    for (let i = 0; i < 50; i++) engine.registerRule(rule('fan', [emit('leaf')]))
    engine.registerRule(rule('leaf', [set('leaf')]))
    engine.registerRule(rule('round', [emit('round')]))
    await engine.emit('fan')
    t.equal(engine.getFactFull('leaf')?.version, 50)
    const topics = recordTopics(engine)
    await engine.emit('round')
    t.equal(topics.length, 4)
    for (let i = 0; i < 59; i++) await engine.setFact(`k${i}`, i)
    await t.rejects(engine.setFact('more', 1), { name: 'LimitError', details: { limit: 'maxFacts', max: 60 } })
    const busy = await start(t, { maxQueue: 1 })
    busy.subscribe('*', () => {})
    const outcomes = await Promise.allSettled([busy.emit('a'), busy.emit('a')])
    t.match(outcomes[1], { status: 'rejected', reason: { name: 'EngineBusyError' } })
  },

  async references (t) {
    const engine = await start(t)
    engine.registerRule(rule('a', [
      set('tier:${fact.user:${event.id}}', { deep: [{ ref: 'event.id' }, { ref: 'meta.topic' }] }),
      {
        type: 'for_each',
        collection: [{ n: 5 }],
        as: 'item',
        actions: [{
          type: 'conditional',
          conditions: [{ source: { type: 'event', field: 'five' }, operator: 'eq', value: { ref: 'var.item.n' } }],
          then: [set('is five')]
        }]
      }
    ]))
    await engine.setFact('user:7', 'ann')
    await engine.emit('a', { id: 7, five: 5 })
    t.same([engine.getFact('tier:ann'), engine.getFact('is five')], [{ deep: [7, 'a'] }, 1])
    t.throws(() => engine.registerRule(rule('a', [set('k', { ref: 'other.x' })])), { name: 'RuleValidationError' })
    t.match(engine.validateRule(rule('a', [set('k', { ref: 'matched.who' })])), { valid: true, warnings: [{ path: 'actions[0].value' }] })
  },

  async 'texts in patterns of facts' (t) {
    const engine = await start(t)
    engine.registerRule(rule('a', [set('ran')], { conditions: [{ source: { type: 'fact', pattern: 'user:${event.id}' }, operator: 'exists' }] }))
    await engine.setFact('user:1', 'ann')
    for (const id of ['*', '(', '1:2']) await engine.emit('a', { id })
    t.equal(engine.getFact('ran'), undefined)
  },

  async paths (t) {
    const engine = await start(t)
    engine.registerRule(rule('a', [set('k', [{ ref: 'event.constructor' }, { ref: 'event.list.length' }, { ref: 'event.__proto__' }])]))
    await engine.emit('a', { list: [1, 2] })
    t.same(engine.getFact('k'), [undefined, 2, undefined])
  },

  async matches (t) {
    const engine = await start(t)
    const matching = (value: string): RuleInput =>
      rule('a', [set('ran')], { conditions: [{ source: { type: 'event', field: 'x' }, operator: 'matches', value }] })
    for (const value of ['(?=a)', '(a)\\1', '(', 'a'.repeat(501)]) t.throws(() => engine.registerRule(matching(value)), { name: 'RuleValidationError' })
    engine.registerRule(matching('^(a+)+$'))
    await engine.emit('a', { x: 'a'.repeat(100_000) })
    t.equal(engine.getStats().conditionsFailed, 1)
  },

  async services (t) {
    const clock = new HandClock()
    class App {
      hang (): Promise<void> { return new Promise(() => {}) }
      _inner (): void {}
    }
    const engine = await start(t, { clock, serviceTimeoutMs: 100, services: { app: new App() } })
    engine.registerRule(rule('a', [call('hasOwnProperty'), call('constructor'), call('_inner'), call('hang'), set('next')]))
    const done = engine.emit('a')
    for (let i = 0; i < 5; i++) await turn()
    clock.turn(100)
    await done
    t.match(engine.getStats(), { actionsFailed: 4, servicesTimedOut: 1 })
    t.equal(engine.getFact('next'), 1)
  },

  async failures (t) {
    const told: unknown[] = []
    const engine = await start(t, { onError: (error, context) => { told.push([error.message, context]) } })
    engine.registerRule(rule('a', [set('x:${event.huge}${event.huge}'), set('next')], { id: 'bad' }))
    await engine.emit('a', { huge: 'x'.repeat(60_000) })
    t.equal(engine.getFact('next'), 1)
    t.match(told, [[/65536/, { ruleId: 'bad', action: 'set_fact', topic: 'a' }]])
    t.match(engine.getStats(), { actionsFailed: 1, lastError: { ruleId: 'bad' }, tracing: { enabled: false } })
  },

  async 'loops and try' (t) {
    const engine = await start(t, { services: { app: { fail () { throw new Error('broken') } } } })
    engine.registerRule(rule('a', [
      { type: 'for_each', collection: [1, 2, 3], as: 'n', maxIterations: 2, actions: [set('n', { ref: 'var.n' })] },
      { type: 'try_catch', try: [{ type: 'for_each', collection: [1], as: 'n', actions: [call('fail')] }], catch: { as: 'e', actions: [set('caught')] } }
    ]))
    await engine.emit('a')
    t.same([engine.getFact('n'), engine.getFact('caught')], [2, 1])
    t.match(engine.getStats().lastError, { message: /maxIterations/ }, 'a loop that is cut is told of')
  },

  async causes (t) {
    const engine = await start(t)
    const causes: unknown[] = []
    engine.subscribe('b', ({ causationId }) => { causes.push(causationId) })
    engine.registerRule(rule('a', [emit('b')]))
    const { id } = await engine.emit('a')
    t.same(causes, [id])
  },

  async timers (t) {
    const clock = new HandClock()
    const engine = await start(t, { clock })
    const topics = recordTopics(engine)
    const wait = async (ms: number): Promise<void> => { clock.turn(ms); await engine.waitForProcessingQueue() }
    await engine.setTimer({ name: 'two', duration: '1s', repeat: { interval: '1s', maxCount: 2 }, onExpire: { topic: 'two', data: {} } })
    await engine.setTimer({ name: 'month', duration: '30d', onExpire: { topic: 'month', data: {} } })
    engine.registerRule(rule('', [{ type: 'cancel_timer', name: 'own' }], { trigger: { type: 'timer', name: 'own' } }))
    await engine.setTimer({ name: 'own', duration: '1s', repeat: { interval: '1s' }, onExpire: { topic: 'own', data: {} } })
    for (let i = 0; i < 4; i++) await wait(1_000)
    t.same([...topics].sort(), ['own', 'two', 'two'])
    await wait(30 * 86_400_000)
    t.equal(topics.at(-1), 'month')
    const again: RuleAction = { type: 'set_timer', timer: { name: 'self', duration: '1s', onExpire: { topic: 'self', data: {} } } }
    engine.registerRule(rule('', [again], { trigger: { type: 'timer', name: 'self' } }))
    await engine.setTimer({ name: 'self', duration: '1s', onExpire: { topic: 'self', data: {} } })
    await wait(1_000)
    t.ok(engine.getTimer('self'), 'a rule may set the timer again that has led to it')
  },

  async durations (t) {
    t.equal(parseDuration('250'), 250)
    t.throws(() => parseDuration(-1), { name: 'RangeError' })
    t.equal(formatDuration(59_999), '60s', 'texts are rounded as there')
  },

  async 'required members' (t) {
    const engine = await start(t)
    t.match(engine.registerRule({ id: 'r', name: 'R', trigger: { type: 'event', topic: 'a' } }), { priority: 0, enabled: true, tags: [], conditions: [], actions: [] })
  },

  async 'refused rules' (t) {
    const engine = await start(t)
    const deep = (levels: number): RuleAction => levels === 0 ? set('k') : { type: 'for_each', collection: [], as: 'x', actions: [deep(levels - 1)] }
    const source = (members: object): Partial<RuleInput> => ({ conditions: [{ source: members as never, operator: 'exists' }] })
    const rows: ReadonlyArray<readonly [RuleInput, string]> = [
      [rule('a', [{ type: 'for_each', collection: [], as: 'x', actions: [{ type: 'nothing' } as never] }]), 'actions[0].actions[0].type'],
      [rule('a', [{ type: 'for_each', collection: [], as: 'x.y', actions: [] }]), 'actions[0].as'],
      [rule('a', [], { lookups: [{ name: 'x.y', service: 's', method: 'm' }] }), 'lookups[0].name'],
      [rule('a', [], source({ type: 'event', field: ' ' })), 'conditions[0].source.field'],
      [rule('a', [], source({ type: 'baseline', metric: 'm', comparison: 'above' })), 'conditions[0].source.type'],
      [rule('a', [], { priority: Infinity }), 'priority'],
      [rule('*'.repeat(9), []), 'trigger.topic'],
      [rule('a', [deep(17)]), `actions[0]${'.actions[0]'.repeat(15)}.actions`],
      [rule('a', [set('k', 'x'.repeat(65_536))]), '(root)'],
      [rule('a', [set('k', new Date())]), 'actions[0].value']
    ]
    for (const [input, path] of rows) t.match(engine.validateRule(input), { valid: false, errors: [{ path }] }, path)
  },

  async 'registering again, updates, copies' (t) {
    const engine = await start(t)
    const given = rule('a', [set('ran')])
    const registered = engine.registerRule(given)
    Object.assign(given.trigger, { topic: 'changed' })
    t.same(engine.getRule(given.id)?.trigger, { type: 'event', topic: 'a' })
    t.throws(() => { registered.name = 'changed' }, TypeError)
    t.equal(engine.updateRule(given.id, { name: 'new' }).createdAt, registered.createdAt)
    engine.registerRule({ ...given, trigger: { type: 'event', topic: 'b' } })
    await engine.emit('a')
    t.equal(engine.getFact('ran'), undefined)
    t.throws(() => engine.updateRule('none', {}), { name: 'RuleNotFoundError' })
    t.throws(() => engine.updateRule(given.id, { trigger: {} as never }), { name: 'RuleValidationError' })
    await engine.emit('b')
    t.equal(engine.getFact('ran'), 1, 'an update that fails leaves the rule as it was')
  },

  async 'patterns over time' (t) {
    const clock = new HandClock()
    const engine = await start(t, { clock })
    const event = { topic: 'a' }
    const count = { type: 'count' as const, event, threshold: 2, window: '1m' }
    engine.registerRule(rule('', [set('sliding')], { trigger: { type: 'temporal', pattern: { ...count, sliding: true } } }))
    engine.registerRule(rule('', [set('tumbling')], { trigger: { type: 'temporal', pattern: count } }))
    engine.registerRule(rule('', [set('sum')], {
      trigger: { type: 'temporal', pattern: { type: 'aggregate', event, field: 'n', function: 'sum', threshold: 3, window: '1m' } }
    }))
    await engine.emit('a', { n: 1 })
    await engine.emit('a', { n: 2 })
    t.same(['sliding', 'tumbling', 'sum'].map(key => engine.getFact(key)), [1, undefined, 1])
    clock.turn(60_000)
    await engine.waitForProcessingQueue()
    t.equal(engine.getFact('tumbling'), 1)
  },

  async persistence (t) {
    const adapter = new MemoryAdapter()
    const metadata = { persistedAt: 1, serverId: 'rule-engine', schemaVersion: 1 }
    await adapter.save('rules', { state: { rules: [] }, metadata: { ...metadata, schemaVersion: 2 } })
    await t.rejects(RuleEngine.start({ persistence: { adapter } }), { name: 'RuleStorageError' })
    await adapter.save('rules', { state: { rules: [{ id: '' }] }, metadata })
    await t.rejects(RuleEngine.start({ persistence: { adapter } }), { name: 'RuleStorageError' })
    t.match(await adapter.load('rules'), { state: { rules: [{ id: '' }] } }, 'what was saved is left as it is')
  },

  async stop (t) {
    const engine = await start(t, { services: { app: { stop: async () => { await engine.stop() } } } })
    engine.registerRule(rule('a', [call('stop'), set('next')]))
    const outcomes = await Promise.allSettled([engine.emit('a'), engine.emit('a')])
    await engine.stop()
    t.match(outcomes.map(({ status }) => status), ['fulfilled', 'rejected'])
    t.equal(engine.getFact('next'), 1, 'what runs is finished')
  },

  async options (t) {
    for (const name of ['audit', 'backwardChaining', 'baseline', 'hotReload', 'metrics', 'opentelemetry', 'timerPersistence', 'tracing', 'versioning', 'maxFact']) {
      await t.rejects(RuleEngine.start({ [name]: {} } as never), { name: 'TypeError', message: new RegExp(`option ${name} `) }, name)
    }
    const engine = await start(t, { maxConcurrency: 1, debounceMs: 10, tracing: { enabled: false } } as never)
    t.ok(engine.isRunning)
  }
}

t.test('each difference from @hamicek/noex-rules that PROTOCOL.md lists is as it says', async t => {
  const section = readFileSync(projectFile('PROTOCOL.md'), 'utf8').split('### The rule engine\n')[1] ?? ''
  const rows = [...section.matchAll(/^\| ([^|]+?) \|/gm)].map(([, title]) => title).filter(title => title !== 'about' && title !== '---')
  t.same(rows, Object.keys(differences), 'each row has its test, and each test its row')
  for (const [title, check] of Object.entries(differences)) await t.test(title, check)
})
