import t from 'tap'
import type { TestClient } from '../../support/client.js'
import { operatedModes } from '../../support/audited-acts.js'

/** The entries of acts, and those that closes and revocations have where no operator is named. */
const acts = ['server.close', 'server.revoke', 'server.drain', 'connection.close', 'session.revoke']

async function idOf (client: TestClient, operator: TestClient): Promise<string> {
  const all: Array<{ connectionId: string }> = await operator.ask('server.connections')
  return (all[client === operator ? 0 : 1] as { connectionId: string }).connectionId
}

for (const [mode, serveMode] of Object.entries(operatedModes)) {
  t.test(mode, async t => {
    t.test('server.close closes one connection, and the audit names the operator once', async t => {
      const { operator: open, alice: openAlice, aliceId, operatorId, entriesOf } = await serveMode(t)
      const operator = await open()
      const [alice, other] = [await openAlice(), await openAlice()]
      const connectionId = await idOf(alice, operator)
      t.same(await operator.ask('server.close', { connectionId, reason: 'a <b>test</b>' }), { closed: true })
      t.same(await alice.closed, { code: 4004, reason: 'closed_by_operator' })
      t.match(alice.waiting, [{ type: 'system', event: 'closed_by_operator', reason: 'a <b>test</b>' }])
      t.match(entriesOf(...acts), [{
        userId: operatorId,
        operation: 'server.close',
        resource: `connection:${connectionId}`,
        result: 'success',
        details: { reason: 'a <b>test</b>', user: aliceId, address: '127.0.0.1' }
      }])
      t.equal(entriesOf(...acts).length, 1)
      await other.ask('store.count', { bucket: 'items' })
      t.same(await operator.ask('server.close', { connectionId }), { closed: false }, 'it is gone')
      t.same(await operator.ask('server.close', { connectionId: 'conn-x' }), { closed: false })
      await (await openAlice()).ask('store.count', { bucket: 'items' })
    })

    t.test('server.close of the own connection is answered first, and nothing after it is done', async t => {
      const { operator: open, served: { store }, entriesOf } = await serveMode(t)
      const operator = await open()
      const connectionId = await idOf(operator, operator)
      const closing = operator.request('server.close', { connectionId })
      operator.send({ id: 77, type: 'store.insert', bucket: 'items', data: {} })
      t.match(await closing, { type: 'result', data: { closed: true } })
      t.match(await operator.closed, { code: 4004 })
      t.equal(await store.bucket('items').count(), 0)
      t.equal(entriesOf(...acts).length, 1)
    })

    t.test('server.drain begins the shutdown once, and the audit names the operator', async t => {
      const { operator: open, alice: openAlice, served: { app }, operatorId, entriesOf } = await serveMode(t)
      const [operator, alice] = [await open(), await openAlice()]
      t.same(await operator.ask('server.drain', { graceMs: 600_000 }), { draining: true })
      t.equal(app.noex.state, 'draining')
      t.match(await alice.next(), { type: 'system', event: 'shutdown', gracePeriodMs: 600_000 })
      t.match(entriesOf(...acts), [{
        userId: operatorId,
        operation: 'server.drain',
        details: { drainDelayMs: 0, gracePeriodMs: 600_000, connections: 2 }
      }])
      t.same(await operator.ask('server.drain', { graceMs: 0 }), { draining: true })
      t.match(entriesOf('server.drain').slice(1), [{ userId: operatorId, details: { hasBegun: true } }])
      t.equal(await alice.ask('store.count', { bucket: 'items' }), 0, 'the first grace period holds')
      for (const graceMs of [-1, 1.5, '1', 86_400_001, null, 1e300]) {
        t.equal(await operator.code('server.drain', { graceMs }), 'VALIDATION_ERROR', String(graceMs))
      }
      operator.ws.close()
      alice.ws.close()
      await app.close()
      const succeeded = entriesOf('server.drain').filter(({ result }) => result === 'success')
      t.equal(succeeded.length, 2, 'the close of the application has no entry of its own')
    })

    t.test('server.drain without graceMs takes the option, and closes the asking client too', async t => {
      const { operator: open, served: { app, connect } } = await serveMode(t)
      const operator = await open()
      t.same(await operator.ask('server.drain'), { draining: true })
      t.match(await operator.closed, { code: 1000, reason: 'server_shutdown' })
      t.equal((await app.inject('/readyz')).statusCode, 503)
      await t.rejects(connect())
    })
  })
}
