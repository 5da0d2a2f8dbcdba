import { mock } from 'node:test'
import { RuleEngine } from '@hamicek/noex-rules'
import t from 'tap'
import { serve } from '../support/service.js'

const { setTimeout: startTimer } = globalThis
const pass = (ms: number): Promise<void> => new Promise(resolve => { startTimer(resolve, ms).unref() })

/** Puts timers that never fire in the place of those of the process. Returns what takes them away. */
const installs: Readonly<Record<string, () => () => void>> = {
  'those of node:test' () {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] })
    return () => { mock.timers.reset() }
  },
  'those that replace every global' () {
    const timer = { unref: () => timer, ref: () => timer, hasRef: () => false, refresh: () => timer }
    const never = (): object => timer
    const nothing = (): void => {}
    const fakes = {
      setTimeout: never,
      setInterval: never,
      setImmediate: never,
      queueMicrotask: never,
      clearTimeout: nothing,
      clearInterval: nothing,
      clearImmediate: nothing
    }
    const realOf = (name: string) => Object.getOwnPropertyDescriptor(globalThis, name)!
    const real = Object.fromEntries(Object.keys(fakes).map(name => [name, realOf(name)]))
    for (const [name, value] of Object.entries(fakes)) {
      Object.defineProperty(globalThis, name, { configurable: true, writable: true, value })
    }
    const { now } = performance
    performance.now = () => 0
    return () => {
      Object.defineProperties(globalThis, real)
      performance.now = now
    }
  }
}

for (const [name, install] of Object.entries(installs)) {
  t.test(`a server goes on, drains and closes under fake timers: ${name}`, async t => {
    const rules = await RuleEngine.start()
    t.teardown(() => rules.stop())
    const { app, store, connect } = await serve(t, { rules, audit: {} })
    store.defineQuery('all', async ctx => ctx.bucket('items').all())
    const steps: string[] = []

    async function run (): Promise<void> {
      const client = await connect()
      const { subscriptionId } = await client.ask('store.subscribe', { query: 'all' })
      await client.ask('store.insert', { bucket: 'items', data: { n: 1 } })
      await client.push(subscriptionId)
      steps.push('push')
      const operation = { op: 'insert', bucket: 'items', data: { n: 2 } }
      await client.ask('store.transaction', { operations: [operation] })
      const procedure = { name: 'add', steps: [{ action: 'store.insert', bucket: 'items', data: { n: 3 } }] }
      await client.ask('procedures.register', { procedure })
      await client.ask('procedures.call', { name: 'add' })
      steps.push('procedure')
      const events = await client.ask('rules.subscribe', { pattern: '*' })
      await client.ask('rules.emit', { topic: 'a' })
      await client.push(events.subscriptionId)
      steps.push('event')
      await app.noex.drain({ gracePeriodMs: 0 })
      steps.push('drain')
      await app.close()
      steps.push('close')
    }

    const remove = install()
    try {
      await Promise.race([run(), pass(5_000)])
    } finally {
      remove()
    }
    t.same(steps, ['push', 'procedure', 'event', 'drain', 'close'])
  })
}
