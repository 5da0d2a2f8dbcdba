import { readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { MemoryAdapter } from '@hamicek/noex-store'
import {
  formatDuration,
  matchesFactPattern,
  matchesTopic,
  parseDuration,
  RuleEngine,
  type RuleAction,
  type RuleCondition,
  type RuleEngineConfig,
  type RuleInput,
  type RuleTrigger,
  type TemporalPattern,
  type TimerSetting
} from '@hamicek/noex-rules'
import t, { type Test } from 'tap'
import { FakeClock } from '../support/fake-clock.js'
import { projectFile } from '../support/project-file.js'

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
const ref = (path: string): object => ({ ref: path })
const when = (field: string, operator: RuleCondition['operator'], value?: unknown): RuleCondition =>
  ({ source: { type: 'event', field }, operator, value })
const onTimer = (name: string): { trigger: RuleTrigger } => ({ trigger: { type: 'timer', name } })
const emit = (topic: string): RuleAction => ({ type: 'emit_event', topic, data: {} })
const call = (method: string): RuleAction => ({ type: 'call_service', service: 'app', method })

/** The topics of all events from now on. */
function recordTopics (engine: RuleEngine): string[] {
  const topics: string[] = []
  engine.subscribe('*', ({ topic }) => { topics.push(topic) })
  return topics
}

/** Shows each row of the table. */
const differences: Readonly<Record<string, (t: Test) => Promise<void>>> = {
  async 'patterns of topics' (t) {
    const matching = { '*': 'a.b', '*.*': 'a.b.c', '*.b.*': 'a.b.c', 'a.b*': 'a.bcd', 'a.**': 'a.b.c' }
    for (const [pattern, topic] of Object.entries(matching)) {
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
      set('said', ['event.type', 'event.key', 'event.value', 'event.previousValue'].map(ref))
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
    await t.rejects(engine.setFact('more', 1), { name: 'LimitError', details: { limit: 'maxFacts' } })
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
          conditions: [when('five', 'eq', ref('var.item.n'))],
          then: [set('is five')]
        }]
      }
    ]))
    await engine.setFact('user:7', 'ann')
    await engine.emit('a', { id: 7, five: 5 })
    t.same([engine.getFact('tier:ann'), engine.getFact('is five')], [{ deep: [7, 'a'] }, 1])
    const other = rule('a', [set('k', ref('other.x'))])
    t.throws(() => engine.registerRule(other), { name: 'RuleValidationError' })
    const result = engine.validateRule(rule('a', [set('k', ref('matched.who'))]))
    t.match(result, { valid: true, warnings: [{ path: 'actions[0].value' }] })
  },

  async 'texts in patterns of facts' (t) {
    const engine = await start(t)
    const source = { type: 'fact' as const, pattern: 'user:${event.id}' }
    engine.registerRule(rule('a', [set('ran')], { conditions: [{ source, operator: 'exists' }] }))
    await engine.setFact('user:1', 'ann')
    for (const id of ['*', '(', '1:2']) await engine.emit('a', { id })
    t.equal(engine.getFact('ran'), undefined)
  },

  async paths (t) {
    const engine = await start(t)
    const paths = ['event.constructor', 'event.list.length', 'event.__proto__']
    engine.registerRule(rule('a', [set('k', paths.map(ref))]))
    await engine.emit('a', { list: [1, 2] })
    t.same(engine.getFact('k'), [undefined, 2, undefined])
  },

  async matches (t) {
    const engine = await start(t)
    const matching = (value: string): RuleInput =>
      rule('a', [set('ran')], { conditions: [when('x', 'matches', value)] })
    for (const value of ['(?=a)', '(a)\\1', '(', 'a'.repeat(501)]) {
      t.throws(() => engine.registerRule(matching(value)), { name: 'RuleValidationError' })
    }
    engine.registerRule(matching('^(a+)+$'))
    await engine.emit('a', { x: 'a'.repeat(100_000) })
    t.equal(engine.getStats().conditionsFailed, 1)
  },

  async services (t) {
    const clock = new FakeClock()
    class App {
      hang (): Promise<void> { return new Promise(() => {}) }
      _inner (): void {}
    }
    const engine = await start(t, { clock, serviceTimeoutMs: 100, services: { app: new App() } })
    const methods = ['hasOwnProperty', 'constructor', '_inner', 'hang']
    engine.registerRule(rule('a', [...methods.map(call), set('next')]))
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
    const stats = { actionsFailed: 1, lastError: { ruleId: 'bad' }, tracing: { enabled: false } }
    t.match(engine.getStats(), stats)
  },

  async 'loops and try' (t) {
    const engine = await start(t, { services: { app: { fail () { throw new Error('broken') } } } })
    engine.registerRule(rule('a', [
      {
        type: 'for_each',
        collection: [1, 2, 3],
        as: 'n',
        maxIterations: 2,
        actions: [set('n', ref('var.n'))]
      },
      {
        type: 'try_catch',
        try: [{ type: 'for_each', collection: [1], as: 'n', actions: [call('fail')] }],
        catch: { as: 'e', actions: [set('caught')] }
      }
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
    const clock = new FakeClock()
    const engine = await start(t, { clock })
    const topics = recordTopics(engine)
    const wait = async (ms: number): Promise<void> => {
      clock.turn(ms)
      await engine.waitForProcessingQueue()
    }
    const timer = (name: string, duration: string): TimerSetting =>
      ({ name, duration, onExpire: { topic: name, data: {} } })
    await engine.setTimer({ ...timer('two', '1s'), repeat: { interval: '1s', maxCount: 2 } })
    await engine.setTimer(timer('month', '30d'))
    engine.registerRule(rule('', [{ type: 'cancel_timer', name: 'own' }], onTimer('own')))
    await engine.setTimer({ ...timer('own', '1s'), repeat: { interval: '1s' } })
    for (let i = 0; i < 4; i++) await wait(1_000)
    t.same([...topics].sort(), ['own', 'two', 'two'])
    await wait(30 * 86_400_000)
    t.equal(topics.at(-1), 'month')
    engine.registerRule(rule('', [{ type: 'set_timer', timer: timer('self', '1s') }], onTimer('self')))
    await engine.setTimer(timer('self', '1s'))
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
    const registered = engine.registerRule({ id: 'r', name: 'R', trigger: { type: 'event', topic: 'a' } })
    t.match(registered, { priority: 0, enabled: true, tags: [], conditions: [], actions: [] })
  },

  async 'refused rules' (t) {
    const engine = await start(t)
    const loop = (as: string, actions: RuleAction[]): RuleAction =>
      ({ type: 'for_each', collection: [], as, actions })
    const deep = (levels: number): RuleAction => levels === 0 ? set('k') : loop('x', [deep(levels - 1)])
    const baseline: RuleCondition = { source: { type: 'baseline', metric: 'm' } as never, operator: 'exists' }
    const rows: ReadonlyArray<readonly [RuleInput, string]> = [
      [rule('a', [loop('x', [{ type: 'nothing' } as never])]), 'actions[0].actions[0].type'],
      [rule('a', [loop('x.y', [])]), 'actions[0].as'],
      [rule('a', [], { lookups: [{ name: 'x.y', service: 's', method: 'm' }] }), 'lookups[0].name'],
      [rule('a', [], { conditions: [when(' ', 'exists')] }), 'conditions[0].source.field'],
      [rule('a', [], { conditions: [baseline] }), 'conditions[0].source.type'],
      [rule('a', [], { priority: Infinity }), 'priority'],
      [rule('*'.repeat(9), []), 'trigger.topic'],
      [rule('a', [deep(17)]), `actions[0]${'.actions[0]'.repeat(15)}.actions`],
      [rule('a', [set('k', 'x'.repeat(65_536))]), '(root)'],
      [rule('a', [set('k', new Date())]), 'actions[0].value']
    ]
    for (const [input, path] of rows) {
      t.match(engine.validateRule(input), { valid: false, errors: [{ path }] }, path)
    }
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
    const clock = new FakeClock()
    const engine = await start(t, { clock })
    const event = { topic: 'a' }
    const count = { type: 'count' as const, event, threshold: 2, window: '1m' }
    const patterns: Record<string, TemporalPattern> = {
      sliding: { ...count, sliding: true },
      tumbling: count,
      sum: { type: 'aggregate', event, field: 'n', function: 'sum', threshold: 3, window: '1m' }
    }
    for (const [key, pattern] of Object.entries(patterns)) {
      engine.registerRule(rule('', [set(key)], { trigger: { type: 'temporal', pattern } }))
    }
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
    t.match(await adapter.load('rules'), { state: { rules: [{ id: '' }] } }, 'it is left as it was')
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
    for (const name of [
      'audit', 'backwardChaining', 'baseline', 'hotReload', 'metrics', 'opentelemetry', 'timerPersistence',
      'tracing', 'versioning', 'maxFact'
    ]) {
      const message = new RegExp(`option ${name} `)
      await t.rejects(RuleEngine.start({ [name]: {} } as never), { name: 'TypeError', message }, name)
    }
    const engine = await start(t, { maxConcurrency: 1, debounceMs: 10, tracing: { enabled: false } } as never)
    t.ok(engine.isRunning)
  }
}

t.test('each difference from @hamicek/noex-rules that PROTOCOL.md lists is as it says', async t => {
  const section = readFileSync(projectFile('PROTOCOL.md'), 'utf8').split('### The rule engine\n')[1] ?? ''
  const titles = [...section.matchAll(/^\| ([^|]+?) \|/gm)].map(([, title]) => title)
  const rows = titles.filter(title => title !== 'about')
  t.same(rows, Object.keys(differences), 'each row has its test, and each test its row')
  for (const [title, check] of Object.entries(differences)) await t.test(title, check)
})
