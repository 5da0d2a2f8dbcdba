import t from 'tap'
import type { RuleLookup } from '../../src/index.js'
import { FakeClock, settle } from '../support/fake-clock.js'
import { onTopic, recordTopics, startEngine } from '../support/start-engine.js'

class Mailer {
  sent: unknown[] = []
  secret = 'not a function'
  static create (): Mailer { return new Mailer() }
  get transport (): () => void { throw new Error('a getter was called') }
  send (...args: unknown[]): number { return this.sent.push(args) }
  _reset (): void { this.sent = [] }
}

class LoudMailer extends Mailer {
  shout (text: string): void { this.send(text.toUpperCase()) }
}

t.test('a service is called', async t => {
  const call = async (
    t: Parameters<typeof startEngine>[0],
    service: string,
    method: string,
    services: Record<string, object>
  ) => {
    const { engine, errors } = await startEngine(t, { services })
    engine.registerRule(onTopic('a', {
      actions: [{
        type: 'call_service', service, method, args: [{ ref: 'event.to' }, 'x', { deep: { ref: 'event.to' } }]
      }]
    }))
    await engine.emit('a', { to: 'ann' })
    return errors
  }

  t.test('as a method of itself, with its arguments', async t => {
    const mailer = new Mailer()
    t.same(await call(t, 'mail', 'send', { mail: mailer }), [])
    t.same(mailer.sent, [['ann', 'x', { deep: 'ann' }]])
  })

  t.test('by methods that it or its classes declare, and by no others', async t => {
    const rows: Array<[service: string, method: string, isCalled: boolean]> = [
      ['mail', 'send', true], [
        'mail', 'shout', true
      ], ['plain', 'run', true], ['bare', 'run', true], ['late', 'run', true], ['statics', 'create', true],
      ['mail', 'secret', false], [
        'mail', 'transport', false
      ], ['mail', '_reset', false], ['mail', 'constructor', false], ['mail', 'hasOwnProperty', false],
      [
        'mail', 'toString', false
      ], ['mail', '__defineGetter__', false], ['mail', '__proto__', false], ['mail', 'nothing', false],
      ['plain', 'valueOf', false], [
        'bare', 'nothing', false
      ], ['statics', 'call', false], ['statics', 'bind', false], ['statics', 'constructor', false],
      ['toString', 'call', false], ['__proto__', 'hasOwnProperty', false], ['nothing', 'run', false]
    ]
    const bare = Object.assign(Object.create(null) as object, { run () {} })
    for (const [service, method, isCalled] of rows) {
      const late: Record<string, unknown> = {}
      const services = { mail: new LoudMailer(), plain: { run () {} }, bare, statics: Mailer, late }
      late['run'] = () => {}
      const errors = await call(t, service, method, services)
      t.equal(errors.length === 0, isCalled, `${service}.${method}`)
      if (!isCalled) {
        t.match(
          errors, [{ error: { name: 'ServiceError', service, method }, context: { action: 'call_service' } }]
        )
      }
    }
  })

  t.test('and its result is waited for', async t => {
    const order: string[] = []
    const { engine } = await startEngine(
      t, { services: { app: { slow: async () => { await settle(); order.push('slow') } } } }
    )
    engine.registerRule(onTopic('a', {
      actions: [
        { type: 'call_service', service: 'app', method: 'slow' }, { type: 'emit_event', topic: 'b', data: {} }
      ]
    }))
    engine.subscribe('b', () => { order.push('b') })
    await engine.emit('a')
    t.same(order, ['slow', 'b'])
  })

  t.test('from those that were there at the start', async t => {
    const services: Record<string, object> = { app: { run () {} } }
    const { engine, errors } = await startEngine(t, { services })
    services['new'] = { run () {} }
    engine.registerRule(onTopic('a', { actions: [{ type: 'call_service', service: 'new', method: 'run' }] }))
    await engine.emit('a')
    t.match(errors, [{ error: { name: 'ServiceError' } }])
  })
})

t.test('lookups', async t => {
  const lookup = (more: Partial<RuleLookup> = {}): RuleLookup =>
    ({ name: 'user', service: 'users', method: 'find', args: [{ ref: 'event.id' }], ...more })

  t.test('are resolved before the conditions, which see them, as actions do', async t => {
    const { engine } = await startEngine(t, {
      services: {
        users: { find: async (id: number) => ({ id, tier: id > 5 ? 'gold' : 'none' }), count: () => 12 }
      }
    })
    const topics = recordTopics(engine)
    engine.registerRule(onTopic('a', {
      lookups: [lookup(), { name: 'count', service: 'users', method: 'count' }],
      conditions: [
        { source: { type: 'lookup', name: 'user', field: 'tier' }, operator: 'eq', value: 'gold' },
        { source: { type: 'lookup', name: 'count' }, operator: 'eq', value: 12 }
      ],
      actions: [{ type: 'emit_event', topic: 'gold.${lookup.user.id}', data: {} }]
    }))
    await engine.emit('a', { id: 7 })
    await engine.emit('a', { id: 3 })
    t.same(topics, ['a', 'gold.7', 'a'])
  })

  t.test('are asked side by side', async t => {
    const clock = new FakeClock()
    const wait = () => new Promise<void>(resolve => { clock.after(100, resolve) })
    const { engine } = await startEngine(t, { clock, services: { users: { find: wait } } })
    engine.registerRule(onTopic('a', {
      lookups: ['x', 'y', 'z'].map(name => lookup({ name })),
      actions: [
        { type: 'set_fact', key: 'ran', value: true }
      ]
    }))
    const done = engine.emit('a')
    await clock.advance(100)
    await done
    t.equal(engine.getFact('ran'), true)
  })

  t.test('that fail skip the rule silently, or fail it', async t => {
    const services = { users: { find: async () => { throw new Error('down') } } }
    const rows: Array<[more: Partial<RuleLookup>, failures: number]> = [[{}, 0], [
      { onError: 'skip' }, 0
    ], [{ onError: 'fail' }, 1], [{ service: 'nothing' }, 0], [{ method: 'nothing', onError: 'fail' }, 1]]
    for (const [more, failures] of rows) {
      const { engine, errors } = await startEngine(t, { services })
      engine.registerRule(onTopic(
        'a', { id: 'r', lookups: [lookup(more)], actions: [{ type: 'set_fact', key: 'ran', value: true }] }
      ))
      engine.registerRule(onTopic('a', { actions: [{ type: 'set_fact', key: 'other', value: true }] }))
      await engine.emit('a')
      t.same([engine.getFact('ran'), engine.getFact('other')], [undefined, true])
      t.match(engine.getStats(), { conditionsFailed: failures, rulesExecuted: 1 })
      t.equal(errors.length, failures)
      if (failures > 0) {
        t.match(errors[0], {
          error: { name: 'DataResolutionError', lookupName: 'user', cause: Error }, context: { ruleId: 'r' }
        })
      }
    }
  })

  t.test('that hang end with the service timeout', async t => {
    const clock = new FakeClock()
    const { engine, errors } = await startEngine(
      t, { clock, serviceTimeoutMs: 200, services: { users: { find: () => new Promise(() => {}) } } }
    )
    engine.registerRule(onTopic('a', { lookups: [lookup({ onError: 'fail' })] }))
    const done = engine.emit('a')
    await clock.advance(200)
    await done
    t.match(errors, [{ error: { name: 'DataResolutionError', cause: { name: 'ServiceTimeoutError' } } }])
    t.equal(engine.getStats().servicesTimedOut, 1)
  })

  t.test('may send events, which belong to the chain, and end their own rule', async t => {
    const users = {
      find: async () => { await Promise.all([engine.emit('b'), engine.emit('c')]); engine.disableRule('r') }
    }
    const { engine } = await startEngine(t, { services: { users } })
    const topics = recordTopics(engine)
    engine.registerRule(onTopic('a', {
      id: 'r',
      lookups: [
        lookup(), lookup({ name: 'second' })
      ],
      actions: [{ type: 'emit_event', topic: 'never', data: {} }]
    }))
    await Promise.all([engine.emit('a'), engine.emit('d')])
    t.same(topics, ['a', 'b', 'c', 'b', 'c', 'd'])
  })

  t.test('with a cache', async t => {
    async function cached (t: Parameters<typeof startEngine>[0], answer: unknown, maxCachedLookups = 10) {
      const clock = new FakeClock()
      const calls: unknown[] = []
      const { engine } = await startEngine(t, {
        clock,
        maxCachedLookups,
        services: {
          users: { find: (arg: unknown) => { calls.push(arg); return answer } }
        }
      })
      engine.registerRule(onTopic('a', { lookups: [lookup({ cache: { ttl: '1m' } })] }))
      return {
        engine,
        clock,
        ask: async (id: unknown) => {
          const before = calls.length; await engine.emit(
            'a', { id }
          ); return calls.length > before
        }
      }
    }

    t.test('are asked once per arguments within the time', async t => {
      const { clock, ask } = await cached(t, 1)
      t.same([await ask({ a: 1, b: [2] }), await ask({ b: [2], a: 1 }), await ask({ a: 1, b: ['2'] })], [
        true, false, true
      ])
      await clock.advance(59_999)
      t.equal(await ask({ a: 1, b: [2] }), false)
      await clock.advance(1)
      t.equal(await ask({ a: 1, b: [2] }), true)
    })

    t.test('tell arguments apart that look alike', async t => {
      const { ask } = await cached(t, 1, 100)
      for (const id of [1, '1', true, 'true', null, 'null', undefined, 'undefined', NaN, 0, -0, [], [
        []
      ], {}, [1, 2], [12], '[1,2]', { a: { b: 1 } }, { 'a:{b': 1 }]) {
        t.same([await ask(id), await ask(id)], [true, false], `${typeof id} ${JSON.stringify(id)}`)
      }
    })

    t.test(
      'are asked each time when there is nothing to remember, or the arguments cannot be told apart',
      async t => {
        const nothing = await cached(t, undefined)
        t.same([await nothing.ask(1), await nothing.ask(1)], [true, true])
        const cycle: unknown[] = []
        cycle.push(cycle)
        const { ask } = await cached(t, null)
        for (const id of [
          () => {}, new Date(), cycle, 'x'.repeat(5000), Symbol('s'), Array.from({ length: 5000 })
        ]) {
          t.same([await ask(id), await ask(id)], [true, true], typeof id)
        }
        t.same([await ask(1), await ask(1)], [true, false], 'null is remembered')
      }
    )

    t.test('can be counted and forgotten, all of them or one', async t => {
      const { engine, ask } = await cached(t, 1)
      const cache = engine.getLookupCache()
      t.equal(cache.size, 0)
      t.same([await ask(1), await ask(2)], [true, true])
      t.equal(cache.size, 2)
      const deleted = [[1], [1], undefined].map(args => cache.delete('users', 'find', args))
      t.same(deleted, [true, false, false])
      t.same([await ask(1), await ask(2)], [true, false])
      cache.clear()
      t.equal(cache.size, 0)
      t.same([await ask(1), await ask(2)], [true, true])
    })

    t.test('are not remembered when they were under way as the cache was cleared', async t => {
      let answer!: (value: number) => void
      let calls = 0
      const find = (): Promise<number> => new Promise(resolve => { calls++; answer = resolve })
      const { engine } = await startEngine(t, { services: { users: { find } } })
      engine.registerRule(onTopic('a', { lookups: [lookup({ cache: { ttl: '1m' } })] }))
      for (let round = 1; round <= 2; round++) {
        const done = engine.emit('a', { id: 1 })
        await settle()
        t.equal(calls, round)
        engine.getLookupCache().clear()
        answer(round)
        await done
      }
    })

    t.test('are forgotten when there are too many', async t => {
      const { ask } = await cached(t, 1, 2)
      t.same([await ask(1), await ask(2), await ask(1), await ask(3)], [true, true, false, true])
      t.same([await ask(1), await ask(2)], [false, true])
    })
  })
})
