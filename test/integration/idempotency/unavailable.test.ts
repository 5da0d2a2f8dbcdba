import t, { type Test } from 'tap'
import { MemoryLog, type LogEntry } from '@hamicek/noex-store'
import { FakeRuleEngine } from '../../support/fake-rule-engine.js'
import { serve, startStore } from '../../support/service.js'
import { until } from '../../support/until.js'

/** A log that takes no entries while it is told so. */
class RefusingLog extends MemoryLog {
  refuses = false

  override async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    if (this.refuses) throw new Error('the disk is full')
    await super.append(entries, previousRevision)
  }
}

async function serveRefusing (t: Test) {
  const store = await startStore(t)
  const log = new RefusingLog()
  await store.attachLog(log)
  t.teardown(async () => {
    log.refuses = false
    await until(() => store.durability.state === 'ok')
  })
  const engine = new FakeRuleEngine()
  const { connect } = await serve(t, { rules: engine }, { store })
  return { log, engine, store, client: await connect() }
}

const emit = { topic: 'a', idempotencyKey: 'k' }

t.test('what was done and cannot be remembered is answered so', async t => {
  const { log, engine, store, client } = await serveRefusing(t)
  engine.onEmit = () => { log.refuses = true }
  t.match(await client.request('rules.emit', emit), {
    code: 'INTERNAL_ERROR',
    message: 'The request was executed, but its idempotencyKey cannot be remembered at the moment: a ' +
      'repetition would execute it again',
    details: { reason: 'store_unavailable', applied: true }
  })
  engine.onEmit = () => {}
  t.equal(store.durability.state, 'unavailable')
  t.match(await client.request('rules.emit', emit), { details: { reason: 'store_unavailable' } })
  t.equal(engine.emitted.length, 1, 'nothing is done that could not be remembered')
  log.refuses = false
  await until(() => store.durability.state === 'ok')
  t.match(await client.ask('rules.emit', emit), { id: 'event 2' })
  t.match(await client.ask('rules.emit', emit), { id: 'event 2' })
})

t.test('a write that is taken back is not remembered', async t => {
  const { log, store, client } = await serveRefusing(t)
  log.refuses = true
  const insert = { bucket: 'items', data: { id: 'a' }, idempotencyKey: 'k' }
  t.match(await client.request('store.insert', insert), { details: { reason: 'store_unavailable' } })
  t.equal(store.requests.count, 0)
  log.refuses = false
  await until(() => store.durability.state === 'ok')
  t.match(await client.ask('store.insert', insert), { id: 'a', _version: 1 })
})
