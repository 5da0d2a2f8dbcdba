import { setTimeout as pass } from 'node:timers/promises'
import { MemoryAdapter } from '@hamicek/noex-store'
import t, { type Test } from 'tap'
import { type RuleAction, RuleEngine, type RuleEngineConfig, type RuleInput } from '../../src/index.js'
import { FakeClock } from '../support/fake-clock.js'
import { onTopic, startEngine, type TestEngine } from '../support/start-engine.js'

type Callback = (...args: unknown[]) => unknown

/** A callback or service of the application that misbehaves. */
interface Misbehaviour {
  readonly call: Callback
  /** The message of the reported error; absent when the misbehaviour is no failure. */
  readonly reported?: RegExp
  readonly isEndless?: true
}

const never = { then () {} }
const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
const forbid = (): never => { throw new Error('untouchable') }
/** An object that throws when anything is read of it. */
const untouchable = new Proxy({}, new Proxy({}, { get: () => forbid }))

const misdeeds: Readonly<Record<string, Misbehaviour>> = {
  'that throws': { call: () => { throw new Error('broken') }, reported: /broken/ },
  'that rejects with nothing': {
    call: () => ({ then (_done: Callback, fail: Callback) { fail(undefined) } }),
    reported: /undefined/
  },
  'that throws what has no text': { call: () => { throw untouchable }, reported: /no text/ },
  'that throws an error without a readable message': {
    call: () => { throw Object.defineProperty(new Error('x'), 'message', { get: forbid }) },
    reported: /no text/
  },
  'that rejects': { call: async () => { throw new Error('broken') }, reported: /broken/ },
  'that rejects later': {
    call: async () => { await pass(5); throw new Error('broken') }, reported: /broken/
  },
  'whose promise is of its own making, and fails when it is asked': {
    call: () => ({ then () { throw new Error('broken') } }),
    reported: /broken/
  },
  'whose promise cannot be looked at': {
    call: () => ({ get then () { throw new Error('broken') } }),
    reported: /broken/
  },
  'whose promise answers and fails': {
    call: () => ({ then (done: Callback, fail: Callback) { done(); done(); fail(new Error('no')) } })
  },
  'that never settles': {
    call: () => new Promise(() => {}), reported: /within (2\d|30) ms/, isEndless: true
  },
  'whose promise has a promise that never settles': {
    call: () => ({ then (done: Callback) { done(never) } }), reported: /within (2\d|30) ms/, isEndless: true
  },
  'that returns a function with a then': {
    call: () => Object.assign(() => {}, never), reported: /within (2\d|30) ms/, isEndless: true
  },
  'that returns a number': { call: () => 5 },
  'that returns null': { call: () => null },
  'that returns a symbol': { call: () => Symbol('s') },
  'that returns an empty object': { call: () => ({}) },
  'that returns what cannot be looked at': { call: revoked, reported: /revoked/ }
}

// The timers of an engine do not keep a process alive.
const alive = setInterval(() => {}, 1_000)
t.teardown(() => { clearInterval(alive) })

const CALL: RuleAction = { type: 'call_service', service: 'app', method: 'call' }
const FAIL: RuleAction = { type: 'call_service', service: 'none', method: 'none' }
const SILENT = { debug () {}, info () {}, warn () {}, error () {} }

/** Fails the test for an unhandled rejection. */
function watchRejections (t: Test): void {
  const onRejection = (error: unknown): void => { t.fail(`unhandled: ${String(error)}`) }
  process.on('unhandledRejection', onRejection)
  t.teardown(async () => {
    await pass(1)
    process.off('unhandledRejection', onRejection)
  })
}

/** Starts an engine with a working rule beside the misbehaviour. */
async function start (t: Test, config: RuleEngineConfig, input?: RuleInput): Promise<TestEngine> {
  watchRejections(t)
  const started = await startEngine(t, { serviceTimeoutMs: 30, ...config })
  if (input !== undefined) started.engine.registerRule(input)
  started.engine.registerRule(onTopic('a', { actions: [{ type: 'set_fact', key: 'bystander', value: 1 }] }))
  return started
}

/** Sends two events: the working rule runs on each. */
async function checkGoesOn (t: Test, engine: RuleEngine): Promise<void> {
  await engine.emit('a', { n: 1 })
  await engine.emit('a', { n: 2 })
  t.equal(engine.getFactFull('bystander')?.version, 2, 'other rules go on')
  t.ok(engine.isRunning)
}

function checkTold (
  t: Test,
  { reported: told }: Misbehaviour,
  errors: TestEngine['errors'],
  context: object
): void {
  t.equal(errors.length, told === undefined ? 0 : 2, 'each time')
  for (const { error, context: where } of errors) {
    const { message, cause } = error
    t.match(`${message} ${cause instanceof Error ? cause.message : String(cause)}`, told!)
    t.match(where, context)
  }
}

for (const [name, misdeed] of Object.entries(misdeeds)) {
  t.test(`a service ${name} costs its action, and is reported`, async t => {
    const { engine, errors } = await start(t, { services: { app: { call: misdeed.call } } }, onTopic('a', {
      id: 'bad',
      priority: 1,
      actions: [CALL, { type: 'set_fact', key: 'next', value: { ref: 'event.n' } }]
    }))
    await checkGoesOn(t, engine)
    t.equal(engine.getFact('next'), 2, 'the next action is run')
    checkTold(t, misdeed, errors, { ruleId: 'bad', action: 'call_service', topic: 'a' })
    t.equal(engine.getStats().servicesTimedOut, misdeed.isEndless === true ? 2 : 0)
  })

  t.test(`a lookup ${name} costs its rule, and is reported`, async t => {
    const { engine, errors } = await start(t, { services: { app: { call: misdeed.call } } }, onTopic('a', {
      id: 'bad',
      priority: 1,
      lookups: [{ name: 'x', service: 'app', method: 'call', onError: 'fail' }],
      actions: [{ type: 'set_fact', key: 'ran', value: 1 }]
    }))
    await checkGoesOn(t, engine)
    t.equal(engine.getFact('ran'), misdeed.reported === undefined ? 1 : undefined, 'run with an answer only')
    checkTold(t, misdeed, errors, { ruleId: 'bad' })
    const failure = { name: 'DataResolutionError', lookupName: 'x', service: 'app', method: 'call' }
    for (const { error } of errors) t.match(error, failure)
  })

  t.test(`a subscriber ${name} costs nothing but its own part, and is reported`, async t => {
    const { engine, errors } = await start(t, {})
    let others = 0
    engine.subscribe('a', misdeed.call)
    engine.subscribe('a', () => { others++ })
    await checkGoesOn(t, engine)
    t.equal(others, 2, 'other subscribers are told')
    checkTold(t, misdeed, errors, { topic: 'a' })
  })

  t.test(`an onError ${name} does no harm`, async t => {
    const { engine } = await start(t, { logger: SILENT, onError: misdeed.call }, onTopic('a', {
      actions: [FAIL]
    }))
    await checkGoesOn(t, engine)
    t.equal(engine.getStats().actionsFailed, 2)
  })

  t.test(`a logger ${name} does no harm`, async t => {
    const { call } = misdeed
    const logger = { debug: call, info: call, warn: call, error: call }
    const { engine, errors } = await start(t, { logger }, onTopic('a', {
      actions: [{ type: 'log', level: 'info', message: 'x' }, FAIL]
    }))
    await checkGoesOn(t, engine)
    t.equal(errors.length, 2, 'onError is told all the same')
    t.match(errors[0], { context: { action: 'call_service' } })
  })

  t.test(`a storage ${name} when it saves does not hold up the engine, and is reported`, async t => {
    const clock = new FakeClock()
    const adapter = new MemoryAdapter()
    adapter.save = misdeed.call as MemoryAdapter['save']
    watchRejections(t)
    const { engine, errors } = await startEngine(t, { clock, persistence: { adapter } })
    engine.registerRule(onTopic('a', { actions: [{ type: 'set_fact', key: 'k', value: 1 }] }))
    await clock.advance(10)
    await pass(10)
    await clock.advance(30_000)
    await engine.emit('a')
    t.equal(engine.getFact('k'), 1)
    const told = misdeed.isEndless === true ? /did not answer within 30000 ms/ : misdeed.reported
    if (told === undefined) t.same(errors, [])
    else t.match(errors[0]?.error.message, told)
    const stopping = engine.stop()
    await clock.advance(5_000)
    await stopping
  })

  t.test(`a storage ${name} when it loads fails the start, or has nothing`, async t => {
    const clock = new FakeClock()
    const adapter = new MemoryAdapter()
    adapter.load = misdeed.call as MemoryAdapter['load']
    watchRejections(t)
    const starting = RuleEngine.start({ clock, persistence: { adapter, key: 'mine' } })
      .then(engine => engine.stop(), (error: unknown) => error)
    await pass(10)
    await clock.advance(30_000)
    const outcome = await starting
    if (/null|answers and fails/.test(name)) t.equal(outcome, undefined)
    else t.match(outcome, { name: 'RuleStorageError', message: /"mine"/ })
  })
}

t.test('saved rules that cannot be looked at fail the start', async t => {
  const metadata = { persistedAt: 1, serverId: 'rule-engine', schemaVersion: 1 }
  const throwing = { get rules (): never { throw new Error('broken') } }
  const states: unknown[] = [
    throwing,
    { rules: [untouchable] },
    { rules: [revoked()] },
    { rules: [{ id: 1n }] },
    { rules: [], groups: [untouchable] }
  ]
  const unreadable = { get metadata (): never { throw new Error('broken') } }
  for (const saved of [...states.map(state => ({ state, metadata })), unreadable]) {
    const adapter = new MemoryAdapter()
    adapter.load = async () => saved as never
    await t.rejects(RuleEngine.start({ persistence: { adapter } }), { name: 'RuleStorageError' })
  }
})

t.test('what calls the engine again does not wait for itself', async t => {
  const emits = async (): Promise<void> => { await engine.emit('again') }
  const stops = async (): Promise<void> => { await engine.stop() }
  let engine!: RuleEngine
  for (const call of [emits, stops]) {
    const places: Readonly<Record<string, RuleEngineConfig>> = {
      service: { services: { app: { call } } },
      onError: { onError: call },
      logger: { logger: { ...SILENT, error: call } },
      storage: { persistence: { adapter: Object.assign(new MemoryAdapter(), { save: call }) } }
    }
    for (const [place, config] of Object.entries(places)) {
      t.comment(`${place} ${call.name}`)
      ;({ engine } = await startEngine(t, { serviceTimeoutMs: 200, logger: SILENT, ...config }))
      engine.registerRule(onTopic('a', { actions: [CALL] }))
      engine.registerRule(onTopic('again', { actions: [{ type: 'set_fact', key: 'again', value: 1 }] }))
      await pass(20)
      await engine.emit('a').catch(() => {})
      await engine.waitForProcessingQueue()
      if (call === emits) t.equal(engine.getFact('again'), 1, place)
      await engine.stop()
    }
  }
})
