import t, { type Test } from 'tap'
import type { AuditEntry, RecordedEntry } from '../../lib/audit/entry.js'
import type { AuditSink, SinkContext, SinkPolicies } from '../../lib/audit/sink.js'
import { serve } from '../support/service.js'
import { everything } from '../support/audit-sinks.js'

/** A sink that a test can block, continue and break. */
class HandSink implements AuditSink {
  readonly name = 'by-hand'
  readonly policy: SinkPolicies
  readonly entries: AuditEntry[] = []
  /** Whether batches become durable at once. */
  flows = true
  context: SinkContext | undefined
  #held: Array<() => void> = []
  #arrived: Array<() => void> = []
  waiting: AuditEntry[] = []

  constructor (policy: Partial<SinkPolicies> = {}) {
    this.policy = { admin: 'block', write: 'block', read: 'block', ...policy }
  }

  async open (context: SinkContext) {
    this.context = context
    return {
      write: async (batch: readonly RecordedEntry[]) => {
        const entries = batch.map(({ entry }) => entry)
        this.waiting = entries
        for (const arrived of this.#arrived.splice(0)) arrived()
        if (!this.flows) await new Promise<void>(resolve => { this.#held.push(resolve) })
        this.entries.push(...entries)
      },
      close: async () => {}
    }
  }

  /** Resolves when a batch with this operation waits. */
  async has (operation: string): Promise<void> {
    while (!this.waiting.some(entry => entry.operation === operation)) {
      await new Promise<void>(resolve => { this.#arrived.push(resolve) })
    }
  }

  flow (): void {
    this.flows = true
    for (const go of this.#held.splice(0)) go()
  }

  fail (): void {
    this.context?.failing(new Error('no space left'), 'ENOSPC')
  }
}

t.test('a sink whose policy is to block', t => {
  t.test(
    'holds the reply until the entry is durable, while the next request runs; pushes do not wait',
    async t => {
      const sink = new HandSink({ read: 'drop' })
      const { connect, store } = await serve(t, { audit: { ...everything, sinks: [sink] } })
      store.defineDeclarativeQuery('all-items', { bucket: 'items' })
      const client = await connect()
      const { subscriptionId } = await client.ask('store.subscribe', { query: 'all-items' })
      sink.flows = false
      client.send({ id: 101, type: 'store.insert', bucket: 'items', data: { id: 'a' } })
      client.send({ id: 102, type: 'store.get', bucket: 'items', key: 'a' })
      await client.push(subscriptionId)
      await sink.has('store.insert')
      t.equal(await store.bucket('items').count(), 1)
      t.same(client.waiting, [], 'neither reply has come')
      sink.flow()
      t.match(await client.next(), { id: 101, type: 'result' })
      t.match(await client.next(), { id: 102, type: 'result', data: { id: 'a' } })
    }
  )

  t.test('that fails: requests are refused, waiting ones were executed; then all recovers', async t => {
    const sink = new HandSink()
    const { connect, store, app } = await serve(t, {
      audit: { ...everything, tiers: ['write'], sinks: [sink] }
    })
    const client = await connect()
    sink.flows = false
    client.send({ id: 101, type: 'store.insert', bucket: 'items', data: { id: 'a' } })
    await sink.has('store.insert')
    sink.fail()
    t.match(await client.next(({ id }) => id === 101), {
      code: 'INTERNAL_ERROR',
      details: { reason: 'audit_unavailable', applied: true }
    })
    t.same((await client.request('store.insert', { bucket: 'items', data: { id: 'b' } }))['details'], {
      reason: 'audit_unavailable'
    })
    t.same(
      (await store.bucket('items').all()).map(({ id }) => id),
      ['a'],
      'the second was refused before it ran'
    )
    t.same(await client.ask('store.count', { bucket: 'items' }), 1, 'what is not recorded goes on')
    const health = await app.inject('/healthz')
    t.equal(health.statusCode, 503)
    t.same(health.json(), { status: 'audit_unavailable', reason: 'by-hand: ENOSPC' })
    t.equal((await app.inject('/readyz')).statusCode, 503)
    t.equal((await app.inject('/livez')).statusCode, 200, 'to be started again would not help')
    t.match((await app.inject('/stats')).json(), {
      audit: { sinks: [{ name: 'by-hand', problem: 'by-hand: ENOSPC', queued: 2 }] }
    })
    sink.flow()
    await client.settled()
    while ((await app.inject('/healthz')).statusCode !== 200) await client.settled()
    await client.ask('store.insert', { bucket: 'items', data: { id: 'c' } })
    t.same(
      sink.entries.map(({ operation, result }) => `${operation} ${result}`),
      ['store.insert success', 'store.insert error', 'store.insert success']
    )
  })

  t.test('that hangs is waited for no longer than writeTimeoutMs', async t => {
    const sink = new HandSink()
    const { connect, app } = await serve(t, {
      audit: { ...everything, tiers: ['write'], sinks: [sink], writeTimeoutMs: 50 }
    })
    const client = await connect()
    sink.flows = false
    t.match(await client.request('store.insert', { bucket: 'items', data: {} }), {
      details: { reason: 'audit_unavailable', applied: true }
    })
    t.same((await client.request('store.insert', { bucket: 'items', data: {} }))['details'], {
      reason: 'audit_unavailable'
    })
    t.match((await app.inject('/healthz')).json(), { reason: /by-hand: nothing has become durable/ })
    sink.flow()
    await client.settled()
    await client.ask('store.insert', { bucket: 'items', data: {} })
    t.equal((await app.inject('/healthz')).statusCode, 200)
  })

  t.test('takes back a subscription whose reply could not be sent', async t => {
    const sink = new HandSink()
    const { connect, store, app } = await serve(t, {
      audit: { ...everything, tiers: ['read'], sinks: [sink], writeTimeoutMs: 50 }
    })
    store.defineDeclarativeQuery('all-items', { bucket: 'items' })
    const client = await connect()
    sink.flows = false
    t.same((await client.request('store.subscribe', { query: 'all-items' }))['details'], {
      reason: 'audit_unavailable'
    })
    t.equal(app.noex.getConnections()[0]?.storeSubscriptionCount, 0)
    sink.flow()
  })

  t.test('is flushed by close, which rejects with the number of lost entries', async t => {
    const good = new HandSink()
    const one = await serve(t, { audit: { ...everything, sinks: [good] } })
    const client = await one.connect()
    good.flows = false
    client.send({ id: 1, type: 'store.insert', bucket: 'items', data: {} })
    await good.has('store.insert')
    const closed = one.app.close()
    good.flow()
    await closed
    t.ok(good.entries.some(({ operation }) => operation === 'server.drain'))

    const bad = new HandSink()
    const two = await serve(t, { audit: { ...everything, sinks: [bad], writeTimeoutMs: 50 } })
    const other = await two.connect()
    bad.flows = false
    await other.request('store.insert', { bucket: 'items', data: {} })
    await t.rejects(two.app.close(), /2 audit entries did not become durable/)
  })

  t.test('delays further requests instead of keeping more and more replies', async t => {
    const sink = new HandSink()
    const { connect, store } = await serve(t, { audit: { ...everything, tiers: ['write'], sinks: [sink] } })
    const client = await connect()
    sink.flows = false
    for (let id = 1; id <= 1_000; id++) {
      client.send({ id, type: 'store.insert', bucket: 'items', data: { n: id } })
    }
    await sink.has('store.insert')
    const other = await connect()
    let before = -1
    for (let count = 0; count !== before; count = await store.bucket('items').count()) {
      before = count
      await other.settled()
    }
    t.ok(before < 300, `${before} have run`)
    sink.flow()
    const ids: unknown[] = []
    while (ids.length < 1_000) ids.push((await client.next())['id'])
    t.same(ids, Array.from(ids, (_, i) => i + 1), 'in their order')
  })
  t.end()
})

t.test('a sink whose policy is to drop', t => {
  t.test('delays no reply', async t => {
    const sink = new HandSink({ write: 'drop' })
    const { connect } = await serve(t, { audit: { ...everything, tiers: ['write'], sinks: [sink] } })
    const client = await connect()
    sink.flows = false
    await client.ask('store.insert', { bucket: 'items', data: {} })
    sink.fail()
    await client.ask('store.insert', { bucket: 'items', data: {} })
    sink.flow()
  })

  t.test('records the entries that were left out, in their place, with their number', async t => {
    const sink = new HandSink({ write: 'drop' })
    const { app, connect } = await serve(t, { audit: { ...everything, tiers: ['write'], sinks: [sink] } })
    const client = await connect()
    sink.flows = false
    const requests = 10_500
    for (let id = 100; id < 100 + requests; id++) {
      client.send({ id, type: 'store.insert', bucket: 'nowhere', data: {} })
    }
    await client.next(({ id }) => id === 99 + requests)
    sink.flow()
    await client.ask('store.insert', { bucket: 'items', data: {} })
    await app.close()
    const gaps = sink.entries.filter(({ operation }) => operation === 'audit.gap')
    t.equal(gaps.length, 1)
    const recorded = sink.entries.filter(({ operation }) => operation === 'store.insert').length
    t.equal(recorded + Number(gaps[0]?.details?.['count']), requests + 1, 'every entry is there or counted')
    t.ok(sink.entries.indexOf(gaps[0] as AuditEntry) > 9_000, 'behind what came before it')
  })
  t.end()
})

t.test('a plugin whose sink cannot be opened does not start', async (t: Test) => {
  const sink: AuditSink = {
    name: 'broken',
    policy: new HandSink().policy,
    open: async () => { throw new Error('no such directory') }
  }
  await t.rejects(serve(t, { audit: { sinks: [sink] } }), /no such directory/)
})
