import t from 'tap'
import { NoexServerError, operation, Type, type AuditEntry, type NoexOptions } from '../../../lib/index.js'
import { serveTokens } from '../../support/external-auth.js'
import { serveRpc } from '../../support/rpc.js'
import { until } from '../../support/until.js'

/** Options whose audit entries are kept in a list. */
function recorded (tiers?: ReadonlyArray<'read' | 'write' | 'admin'>): {
  readonly entries: AuditEntry[], readonly audit: NonNullable<NoexOptions['audit']>
} {
  const entries: AuditEntry[] = []
  return { entries, audit: { ...(tiers && { tiers }), onEntry: entry => { entries.push(entry) } } }
}

const isAct = ({ operation }: AuditEntry): boolean =>
  /^(server\.|connection\.close|session\.revoke)/.test(operation)

t.test('acts are recorded once, too, where the tier of administrators is not recorded', async t => {
  const { entries, audit } = recorded(['write'])
  const { as } = await serveTokens(t, {}, { audit })
  const [operator, rita, walt] = [await as('admin'), await as('reader'), await as('writer')]
  const [, { connectionId }] = await operator.ask('server.connections')
  await operator.ask('server.close', { connectionId })
  await rita.closed
  await operator.ask('server.revoke', { userId: 'walt' })
  await walt.closed
  await operator.ask('server.drain', { graceMs: 60_000 })
  const by = { userId: 'anna', sessionId: /^conn-/, remoteAddress: '127.0.0.1', result: 'success' }
  t.match(entries.filter(isAct), [
    { ...by, operation: 'server.close', resource: `connection:${connectionId}`, details: { user: 'rita' } },
    { ...by, operation: 'server.revoke', resource: 'user:walt', details: { sessions: 1, connections: 1 } },
    { ...by, operation: 'server.drain', details: { gracePeriodMs: 60_000 } }
  ])
  t.equal(entries.filter(isAct).length, 3)
})

t.test('an act within an operation of the application has an entry of its own', async t => {
  const { entries, audit } = recorded()
  const panic = operation({
    name: 'desk.panic',
    tier: 'admin',
    input: Type.Object({ userId: Type.String() }),
    async handler ({ input: { userId }, call }) {
      return await call('server.revoke', { userId })
    }
  })
  const { as } = await serveTokens(t, {}, { audit, operations: [panic] })
  const [operator, rita] = [await as('admin'), await as('reader')]
  t.same(await operator.ask('desk.panic', { userId: 'rita' }), { sessions: 1, connections: 1 })
  t.match(await rita.closed, { code: 4002 })
  t.match(entries.filter(isAct), [{ userId: 'anna', operation: 'server.revoke', resource: 'user:rita' }])
  t.equal(entries.filter(({ operation }) => operation === 'desk.panic').length, 1)
  t.equal(await operator.code('desk.panic', { userId: 'anna' }), 'UNAUTHORIZED', 'it may be shown no result')
  t.match(await operator.closed, { code: 4002 })
})

t.test('refused acts end nothing, and are recorded as refused', async t => {
  const { entries, audit } = recorded()
  const { as, connect, app } = await serveTokens(t, {}, { audit })
  const [reader, stranger] = [await as('writer'), await connect()]
  const connectionId = app.noex.getConnections()[0]?.connectionId
  for (const [name, fields] of [
    ['server.close', { connectionId }], ['server.revoke', { userId: 'walt' }], ['server.drain', {}],
    ['server.connection', { connectionId }], ['server.refusals', {}]
  ] as const) {
    t.equal(await reader.code(name, fields), 'FORBIDDEN', name)
    t.equal(await stranger.code(name, fields), 'UNAUTHORIZED', name)
  }
  t.equal(app.noex.state, 'serving')
  t.equal(app.noex.connectionCount, 2)
  t.ok(entries.filter(isAct).every(({ result, details }) => result === 'error' && details === undefined))
  t.equal(entries.filter(isAct).length, 10)
})

t.test('over HTTP, and by the application', async t => {
  const { entries, audit } = recorded()
  const { app, post, connect } = await serveRpc(t, { audit })
  const client = await connect()
  const { body } = await post({ type: 'server.connections' })
  const { connectionId } = body.data[0]
  t.same(await app.noex.call(null, 'server.close', { connectionId }), { closed: true })
  t.match(await client.closed, { code: 4004 })
  t.match((await post({ type: 'server.drain', graceMs: 0 })).body, { data: { draining: true } })
  t.match(entries.filter(({ operation }) => operation !== 'server.connections').filter(isAct), [
    { operation: 'server.close', sessionId: null, remoteAddress: '' },
    { operation: 'server.drain', sessionId: null, remoteAddress: '127.0.0.1' }
  ])
  await until(async () => (await post({ type: 'server.stats' })).status === 503)
  await t.rejects(app.noex.call(null, 'server.stats'), NoexServerError)
})

t.test('an act that is repeated with its key is done once', async t => {
  const { as } = await serveTokens(t, {}, { audit: {} })
  const operator = await as('admin')
  const [first] = [await as('reader')]
  const revoke = { role: 'reader', idempotencyKey: 'once' }
  t.same(await operator.ask('server.revoke', revoke), { sessions: 1, connections: 1 })
  await first.closed
  const walt = await as('writer')
  t.same(await operator.ask('server.revoke', revoke), { sessions: 1, connections: 1 }, 'as before')
  t.match((await operator.ask('audit.query', { operation: 'server.revoke' })).entries, [
    { details: { repeated: true } }, { details: { sessions: 1, users: ['rita'] } }
  ])
  await walt.ask('store.count', { bucket: 'items' })
  const { connectionId } = (await operator.ask('server.connections', { user: 'anna' })).connections[0]
  const close = { connectionId, idempotencyKey: 'own' }
  t.same(await operator.ask('server.close', close), { closed: true })
  t.match(await operator.closed, { code: 4004 })
})
