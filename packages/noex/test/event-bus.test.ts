import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import {
  AlreadyRegisteredError, EventBus, type EventBusRef, GenServer, ServerNotRunningError, Supervisor
} from '@hamicek/noex'

async function started (t: Test): Promise<EventBusRef> {
  const bus = await EventBus.start()
  t.teardown(() => EventBus.stop(bus))
  return bus
}

/** Subscribes a handler that notes `name` and the topic. */
function noting (bus: EventBusRef, pattern: string, log: string[], name = pattern): Promise<() => Promise<void>> {
  return EventBus.subscribe(bus, pattern, (_message, topic) => { log.push(`${name}: ${topic}`) })
}

test('A topic pattern', async t => {
  const table: ReadonlyArray<readonly [pattern: string, matching: readonly string[], others: readonly string[]]> = [
    ['*', ['a', 'a.b', 'a.b.c'], []],
    ['a', ['a'], ['b', 'a.b', 'A']],
    ['a.b', ['a.b'], ['a', 'a.c', 'a.b.c']],
    ['a.*', ['a.b', 'a.b.c'], ['a', 'b.a']],
    ['*.b', ['a.b', 'c.b'], ['b', 'a.b.c', 'a.c']],
    ['*.*', ['a.b', 'a.b.c'], ['a']],
    ['a.*.c', ['a.b.c'], ['a.c', 'a.b.b.c', 'a.b.c.d']],
    ['a.b*', ['a.b*'], ['a.b', 'a.bc']],
    ['bucket.*.*', ['bucket.x.inserted', 'bucket.x.y.inserted'], ['bucket.x']]
  ]
  for (const [pattern, matching, others] of table) {
    t.test(`${pattern} matches what it should, and nothing else`, async t => {
      const bus = await started(t)
      const seen: string[] = []
      await EventBus.subscribe(bus, pattern, (_message, topic) => { seen.push(topic) })
      for (const topic of [...matching, ...others]) EventBus.publish(bus, topic, null)
      t.same(seen, matching)
    })
  }

  t.test('without wildcards matches the topic of its name, whatever the name', async t => {
    const bus = await started(t)
    const isDelivered = fc.asyncProperty(fc.string(), async topic => {
      let seen = 0
      const unsubscribe = await EventBus.subscribe(bus, topic, () => { seen++ })
      EventBus.publish(bus, topic, null)
      await unsubscribe()
      return seen === 1
    })
    await t.resolves(fc.assert(isDelivered))
  })
})

test('EventBus.publish', async t => {
  t.test('has run the handlers when it returns, each with the same message', async t => {
    const bus = await started(t)
    const message = { deep: {} }
    const seen: unknown[] = []
    await EventBus.subscribe(bus, 'a', (got, topic) => { seen.push(got, topic) })
    await EventBus.subscribe(bus, '*', (got, topic) => { seen.push(got, topic) })
    EventBus.publish(bus, 'a', message)
    t.equal(seen[0], message)
    t.equal(seen[2], message)
    t.same([seen[1], seen[3]], ['a', 'a'])
  })

  t.test('delivers in the order of subscription, wildcards or not', async t => {
    const bus = await started(t)
    const log: string[] = []
    for (const pattern of ['a.*', 'a.b', '*', 'a.b', '*.b']) await noting(bus, pattern, log)
    EventBus.publish(bus, 'a.b', null)
    t.same(log, ['a.*: a.b', 'a.b: a.b', '*: a.b', 'a.b: a.b', '*.b: a.b'])
  })

  t.test('queues what a handler publishes behind the message being delivered', async t => {
    const bus = await started(t)
    const log: string[] = []
    await EventBus.subscribe(bus, 'outer', () => {
      EventBus.publish(bus, 'inner', null)
      EventBus.publish(bus, 'unheard', null)
      log.push('published')
    })
    await noting(bus, 'outer', log)
    await noting(bus, 'inner', log)
    EventBus.publish(bus, 'outer', null)
    t.same(log, ['published', 'outer: outer', 'inner: inner'])
  })

  t.test('does not recurse, however long the chain', async t => {
    const bus = await started(t)
    let last = 0
    await EventBus.subscribe<number>(bus, 'count', n => {
      last = n
      if (n < 50_000) EventBus.publish(bus, 'count', n + 1)
    })
    EventBus.publish(bus, 'count', 1)
    t.equal(last, 50_000)
  })

  t.test('spares the other handlers and the publisher what a handler throws or rejects with', async t => {
    const bus = await started(t)
    const log: string[] = []
    await EventBus.subscribe(bus, 'a', () => { throw new Error('thrown') })
    await EventBus.subscribe(bus, 'a', async () => { throw new Error('rejected') })
    await noting(bus, 'a', log)
    EventBus.publish(bus, 'a', null)
    await turn()
    t.same(log, ['a: a'])
  })

  t.test('throws on a bus that has stopped', async t => {
    const bus = await started(t)
    await EventBus.stop(bus)
    t.throws(() => EventBus.publish(bus, 'a', null), ServerNotRunningError)
    await t.rejects(EventBus.publishSync(bus, 'a', null), ServerNotRunningError)
    await t.rejects(EventBus.subscribe(bus, 'a', () => {}), ServerNotRunningError)
    await t.rejects(EventBus.getSubscriptionCount(bus), ServerNotRunningError)
    await t.rejects(EventBus.getTopics(bus), ServerNotRunningError)
  })

  t.test('finds the subscribers of more topics than it remembers', async t => {
    const bus = await started(t)
    const seen = new Set<string>()
    await EventBus.subscribe(bus, 'topic.*', (_message, topic) => { seen.add(topic) })
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 1500; i++) EventBus.publish(bus, `topic.${i}`, null)
      t.equal(seen.size, 1500)
      seen.clear()
    }
  })
})

test('EventBus.subscribe', async t => {
  t.test('counts the same handler twice', async t => {
    const bus = await started(t)
    let calls = 0
    const handler = () => { calls++ }
    const first = await EventBus.subscribe(bus, 'a', handler)
    await EventBus.subscribe(bus, 'a', handler)
    EventBus.publish(bus, 'a', null)
    t.equal(calls, 2)
    await first()
    EventBus.publish(bus, 'a', null)
    t.equal(calls, 3)
  })

  t.test('takes effect in its turn when a handler subscribes or unsubscribes', async t => {
    const bus = await started(t)
    const log: string[] = []
    let unsubscribe = async () => {}
    await EventBus.subscribe(bus, 'a', message => {
      if (message !== 'first') return
      noting(bus, '*', log, 'late')
      unsubscribe()
      EventBus.publish(bus, 'b', null)
    })
    unsubscribe = await noting(bus, '*', log, 'early')
    EventBus.publish(bus, 'a', 'first')
    t.same(log, ['early: a', 'late: b'])
  })

  t.test('gives a function that ends it, also twice and also after the bus has stopped', async t => {
    const bus = await started(t)
    const log: string[] = []
    const unsubscribe = await noting(bus, 'a', log)
    const other = await noting(bus, 'a.*', log)
    EventBus.publish(bus, 'a', null)
    await unsubscribe()
    EventBus.publish(bus, 'a', null)
    t.same(log, ['a: a'])
    await unsubscribe()
    t.equal(await EventBus.getSubscriptionCount(bus), 1)
    await EventBus.stop(bus)
    await other()
  })

  t.test('does not change what an earlier subscription gets', async t => {
    const bus = await started(t)
    const log: string[] = []
    await noting(bus, 'a', log, 'one')
    EventBus.publish(bus, 'a', null)
    const end = await noting(bus, 'a', log, 'two')
    EventBus.publish(bus, 'a', null)
    await end()
    EventBus.publish(bus, 'a', null)
    t.same(log, ['one: a', 'one: a', 'two: a', 'one: a'])
  })
})

test('EventBus.getSubscriptionCount', async t => {
  t.test('resolves only after everything published before was delivered', async t => {
    const bus = await started(t)
    const log: string[] = []
    await EventBus.subscribe(bus, 'a', () => {
      EventBus.publish(bus, 'b', null)
      EventBus.getSubscriptionCount(bus).then(count => { log.push(`count: ${count}`) })
      EventBus.publish(bus, 'c', null)
    })
    await noting(bus, 'b', log)
    await noting(bus, 'c', log)
    EventBus.publish(bus, 'a', null)
    t.equal(await EventBus.getSubscriptionCount(bus), 3)
    t.same(log, ['b: b', 'c: c', 'count: 3'])
  })
})

test('EventBus.publishSync', async t => {
  t.test('resolves when the message was delivered, in its turn', async t => {
    const bus = await started(t)
    const log: string[] = []
    await EventBus.subscribe(bus, 'a', () => {
      EventBus.publish(bus, 'b', null)
      EventBus.publishSync(bus, 'c', null).then(() => { log.push('resolved') })
    })
    await noting(bus, '*', log)
    await EventBus.publishSync(bus, 'a', null)
    t.same(log, ['*: a', '*: b', '*: c', 'resolved'])
  })
})

test('EventBus.getTopics', async t => {
  t.test('lists each pattern once', async t => {
    const bus = await started(t)
    for (const pattern of ['b', 'a.*', 'b']) await EventBus.subscribe(bus, pattern, () => {})
    t.same(await EventBus.getTopics(bus), ['b', 'a.*'])
  })
})

test('An event bus', async t => {
  t.test('has a name that nobody else has, until it stops', async t => {
    const bus = await EventBus.start({ name: 'events' })
    t.ok(EventBus.isRunning(bus))
    await t.rejects(EventBus.start({ name: 'events' }), AlreadyRegisteredError)
    await EventBus.stop(bus)
    await EventBus.stop(bus)
    t.notOk(EventBus.isRunning(bus))
    await EventBus.stop(await EventBus.start({ name: 'events' }))
  })

  t.test('delivers what was published before it is stopped', async t => {
    const bus = await started(t)
    const log: string[] = []
    await EventBus.subscribe(bus, 'a', () => {
      EventBus.publish(bus, 'b', null)
      EventBus.stop(bus)
    })
    await noting(bus, 'b', log)
    EventBus.publish(bus, 'a', null)
    t.same(log, ['b: b'])
    t.notOk(EventBus.isRunning(bus))
  })

  t.test('can be supervised like any server', async t => {
    const supervisor = await Supervisor.start()
    const bus = await Supervisor.startChild(supervisor, { id: 'bus', start: () => EventBus.start() })
    t.ok(GenServer.isRunning(bus))
    await Supervisor.stop(supervisor)
    t.notOk(GenServer.isRunning(bus))
  })
})
