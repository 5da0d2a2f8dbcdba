import { mock } from 'node:test'
import { MemoryAdapter } from '@hamicek/noex-store'
import t, { type Test } from 'tap'
import type { RuleEngine, RuleEngineConfig } from '../../src/index.js'
import { onTopic, recordTopics, startEngine } from '../support/start-engine.js'

const { setTimeout: startTimer, setImmediate: runInNextTurn } = globalThis
const readTicks = performance.now.bind(performance)

/** Waits for real time. */
const pass = (ms: number): Promise<void> => new Promise(resolve => { startTimer(resolve, ms) })
const turn = (): Promise<void> => new Promise(resolve => { runInNextTurn(resolve) })

/** Works for longer than a time slice. */
function work (): void {
  const end = readTicks() + 12
  while (readTicks() < end);
}

/** Installs fake timers. Returns the function that removes them. */
type Install = () => () => void

const installs: Readonly<Record<string, Install>> = {
  'those of node:test': () => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] })
    return () => { mock.timers.reset() }
  },
  'those that replace every global and never fire': () => {
    let id = 1
    const never = (): number => id++
    class FrozenDate extends Date {
      static override now (): number { return 0 }
    }
    const fakes = {
      setTimeout: never,
      setInterval: never,
      setImmediate: never,
      queueMicrotask: never,
      clearTimeout () {},
      clearInterval () {},
      clearImmediate () {},
      Date: FrozenDate
    }
    const realOf = (name: string) => Object.getOwnPropertyDescriptor(globalThis, name)!
    const real = Object.fromEntries(Object.keys(fakes).map(name => [name, realOf(name)]))
    const realNow = performance.now
    const realNextTick = process.nextTick
    for (const [name, value] of Object.entries(fakes)) {
      Object.defineProperty(globalThis, name, { configurable: true, writable: true, value })
    }
    performance.now = () => 0
    process.nextTick = () => {}
    return () => {
      Object.defineProperties(globalThis, real)
      performance.now = realNow
      process.nextTick = realNextTick
    }
  }
}

/** Returns whether a run under fake timers ended within a second. */
async function isDone (install: Install, run: () => Promise<void>): Promise<boolean> {
  const remove = install()
  try {
    return await Promise.race([run().then(() => true), pass(1_000).then(() => false)])
  } finally {
    remove()
  }
}

for (const [name, install] of Object.entries(installs)) {
  t.test(`under fake timers, ${name}`, async t => {
    async function start (t: Test, config: RuleEngineConfig = {}): Promise<RuleEngine> {
      const services = { app: { work, hang: () => new Promise<void>(() => {}) } }
      const { engine } = await startEngine(t, { services, serviceTimeoutMs: 40, ...config })
      for (const method of ['work', 'hang']) {
        engine.registerRule(onTopic(method, {
          actions: [
            { type: 'call_service', service: 'app', method },
            { type: 'set_fact', key: method, value: 1 }
          ]
        }))
      }
      return engine
    }

    t.test('emit does not hang, though the engine lets the rest of the process have its turn', async t => {
      const engine = await start(t)
      t.ok(await isDone(install, async () => {
        await Promise.all(Array.from({ length: 5 }, () => engine.emit('work')))
        await engine.setFact('k', 1)
        await engine.waitForProcessingQueue()
      }))
      t.equal(engine.getFactFull('work')?.version, 5)
    })

    t.test('a service and a subscriber that hang end with the service timeout', async t => {
      const engine = await start(t)
      engine.subscribe('hang', () => new Promise(() => {}))
      t.ok(await isDone(install, async () => { await engine.emit('hang') }))
      t.equal(engine.getFact('hang'), 1)
      t.equal(engine.getStats().servicesTimedOut, 1)
    })

    t.test('stop does not hang, with a chain that runs and with storage that never answers', async t => {
      const adapter = new MemoryAdapter()
      adapter.save = () => new Promise(() => {})
      const engine = await start(t, { persistence: { adapter } })
      t.ok(await isDone(install, async () => {
        engine.emit('hang').catch(() => {})
        await turn()
        await engine.stop()
      }))
      t.notOk(engine.isRunning)
    })

    t.test('rules are saved', async t => {
      const adapter = new MemoryAdapter()
      const engine = await start(t, { persistence: { adapter } })
      t.ok(await isDone(install, async () => {
        const saved = new Promise<void>(resolve => { adapter.save = async () => { resolve() } })
        engine.registerRule(onTopic('a'))
        await saved
      }))
    })
  })
}

t.test('what rules mean by time follows fake timers: their timers and windows', async t => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 0 })
  t.teardown(() => { mock.timers.reset() })
  const { engine } = await startEngine(t)
  const topics = recordTopics(engine)
  const [after, expected] = [{ topic: 'ordered' }, { topic: 'paid' }]
  engine.registerRule({
    id: 'unpaid',
    name: 'unpaid',
    trigger: { type: 'temporal', pattern: { type: 'absence', after, expected, within: '1h' } },
    actions: [{ type: 'emit_event', topic: 'unpaid', data: {} }]
  })
  await engine.emit('ordered')
  await engine.setTimer({ name: 'half', duration: '30m', onExpire: { topic: 'half' } })
  mock.timers.tick(1_800_000)
  await engine.waitForProcessingQueue()
  t.same(topics, ['ordered', 'half'])
  mock.timers.tick(1_800_001)
  await engine.waitForProcessingQueue()
  t.same(topics, ['ordered', 'half', 'unpaid'])
})

t.test('a timer is cleared by the clock that made it', async t => {
  const { engine } = await startEngine(t)
  const topics = recordTopics(engine)
  await engine.setTimer({ name: 'real', duration: 20, onExpire: { topic: 'real' } })
  mock.timers.enable({ apis: ['setTimeout'] })
  await engine.setTimer({ name: 'fake', duration: 20, onExpire: { topic: 'fake' } })
  await engine.cancelTimer('real')
  mock.timers.reset()
  await engine.cancelTimer('fake')
  await pass(40)
  t.same(topics, [])
})
