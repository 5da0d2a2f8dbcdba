import { RuleEngine } from '@hamicek/noex-rules'
import t, { type Test } from 'tap'
import { operations } from '../../../lib/operations/registry.js'
import { httpStatuses, type NoexErrorCode, type NoexServerError } from '../../../lib/protocol/errors.js'
import { baseRequests } from '../../support/base-requests.js'
import { ADMIN_SECRET, passwordHash, serveAccounts, type Accounts } from '../../support/identity.js'
import { poster } from '../../support/rpc.js'

/** Operations that have another answer without a connection, or say something about it; they have tests. */
const others = new Set([
  'auth.login', 'auth.logout', 'store.subscribe', 'store.unsubscribe', 'rules.subscribe', 'rules.unsubscribe',
  'server.connections', 'server.refusals', 'server.drain', 'identity.logout'
])

/** The operation that ends the token with which the others are asked. */
const last = 'identity.refreshSession'

/** Texts that are made anew each time: ids, tokens, the name of a store, the id of an event. */
const fresh = /^(?:[0-9a-f]{8}-[0-9a-f-]{27}|[\w-]{20,}(?:\.[\w-]+)?|store-\d+|[\w-]{12}-\d+)$/

/** Members that are measured, or differ from service to service. */
const measured = new Set([
  'uptimeMs', 'connectionCount', 'connections', 'memory', 'bytes', 'process', 'operations', 'seconds',
  'lastMs', 'maxMs', 'updateSeconds'
])

/** Returns a reply's data without what differs from service to service. */
function comparable (value: unknown): unknown {
  if (typeof value === 'number') return value > 1_000_000 ? 'a time' : value
  if (typeof value === 'string') return fresh.test(value) ? 'fresh' : value
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value)
    .filter(([name]) => !measured.has(name))
    .map(([name, member]) => [name, comparable(member)]))
}

async function serveAll (t: Test): Promise<Accounts> {
  const rules = await RuleEngine.start()
  t.teardown(async () => { await rules.stop() })
  rules.registerRule({ id: 'kept', name: 'kept', trigger: { type: 'fact', pattern: '*' } })
  const served = await serveAccounts(t, {}, { rules, audit: { tiers: ['admin'] }, routes: { rpc: '/rpc' } })
  const { store } = served
  await store.bucket('_users').insertMany(['alice', 'bob'].map(id =>
    ({ id, username: `${id} of the tests`, passwordHash })))
  await store.defineBucket('scratch', { key: 'id', schema: { id: { type: 'string', generated: 'uuid' } } })
  await store.bucket('items').insert({ id: 'taken', name: 'x', n: 1 })
  const steps = [{ action: 'store.where', bucket: 'items', filter: { id: '{{ input.id }}' }, as: 'items' }]
  await store.bucket('_procedures').insert({ name: 'kept', definition: { name: 'kept', steps } })
  store.defineDeclarativeQuery('named', { bucket: 'items', filter: { name: '{{ params.name }}' } })
  return served
}

/** A reply, however it has come. */
type Answer = { readonly data: unknown } | { readonly code: string, readonly message: string }

type Ask = (type: string, fields: object) => Promise<Answer>

function answerOf ({ type, data, code, message }: any): Answer {
  return type === 'result' ? { data } : { code, message }
}

t.test('every operation answers the same over a socket, over HTTP, and to the application', async t => {
  const names = [...operations.keys()].filter(name => !others.has(name) && name !== last)
  const asks: Ask[] = []
  const overSocket = await (await serveAll(t)).superadmin()
  asks.push(async (type, fields) => answerOf(await overSocket.request(type, fields)))

  const { port } = await serveAll(t)
  const post = poster(`http://127.0.0.1:${port}/rpc`)
  const login = await post({ type: 'identity.loginWithSecret', secret: ADMIN_SECRET })
  const headers = { authorization: `Bearer ${login.body.data.token}` }
  asks.push(async (type, fields) => {
    const { status, body } = await post({ ...fields, type }, headers)
    const expected = body.type === 'result' ? 200 : httpStatuses[body.code as NoexErrorCode]
    if (status !== expected) t.equal(status, expected, type)
    return answerOf(body)
  })

  const { app } = await serveAll(t)
  const secret = { secret: ADMIN_SECRET }
  const { token } = await app.noex.call<{ token: string }>(null, 'identity.loginWithSecret', secret)
  const raw = { socket: { remoteAddress: '127.0.0.1' }, rawHeaders: [] }
  const caller = { ip: '127.0.0.1', raw, log: app.log, headers: { authorization: `Bearer ${token}` } }
  asks.push(async (type, fields) => await app.noex.call(caller, type, fields).then(
    data => ({ data }), ({ code, message }: NoexServerError) => ({ code, message })))

  for (const name of [...names, last]) {
    const fields = (baseRequests as Record<string, object>)[name] ?? {}
    const answers: unknown[] = []
    for (const ask of asks) answers.push(comparable(await ask(name, fields)))
    t.same(answers[1], answers[0], `${name} over HTTP`)
    t.same(answers[2], answers[0], `${name} by the application`)
  }
})
