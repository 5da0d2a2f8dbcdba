import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { NoexServerError, type AuthSession } from '../../lib/index.js'
import { plainAnswer } from '../../lib/application/plain-answer.js'
import { encodeEvent } from '../../lib/rules/rule-engine.js'
import { serve } from '../support/service.js'
import { watchUncaughtErrors } from '../support/uncaught-errors.js'
import { FakeRuleEngine } from '../support/fake-rule-engine.js'
import { logText } from '../support/log-into.js'

const uncaught = watchUncaughtErrors(t)

const rejecting = (): object => ({ toJSON: async () => await Promise.reject(new Error('late')) })

const promised: Readonly<Record<string, () => unknown>> = {
  'a toJSON that rejects': rejecting,
  'a toJSON that resolves': () => ({ toJSON: async () => 1 }),
  'such a toJSON deep inside': () => ({ list: [{ n: 1 }, { at: { toJSON: async () => 1 } }] }),
  'such a toJSON in a long list': () => [...Array.from({ length: 1_000 }, (_, n) => ({ n })), rejecting()],
  'a promise as a member': () => ({ sum: Promise.reject(new Error('late')) }),
  'a toJSON that answers what has such a one': () => ({ toJSON: () => ({ inner: rejecting() }) })
}

for (const [title, make] of Object.entries(promised)) {
  t.test(`a query that returns ${title} is refused, and logged by its name`, async t => {
    const { logger, logged } = logText()
    const { connect, store } = await serve(t, {}, { fastify: { logger } })
    store.defineQuery('promised', async () => make())
    const client = await connect()
    for (const type of ['store.query', 'store.subscribe']) {
      t.match(await client.request(type, { query: 'promised' }), { code: 'INTERNAL_ERROR' }, type)
    }
    t.equal(logged().match(/query \\"promised\\" has returned what JSON cannot hold/g)?.length, 4)
    await setImmediate()
    t.same(uncaught, [])
  })
}

t.test('a toJSON that answers at once is as good as ever', async t => {
  const { connect, store } = await serve(t)
  const at = new Date(0)
  store.defineQuery('good', async () => ({ at, list: [{ toJSON: () => ({ n: 1 }) }] }))
  const client = await connect()
  t.same(await client.ask('store.query', { query: 'good' }), { at: at.toISOString(), list: [{ n: 1 }] })
})

t.test('answers and events of a rule engine that make a promise of themselves are refused', async t => {
  const { logger, logged } = logText()
  const engine = new FakeRuleEngine()
  engine.getFact = rejecting
  engine.getStats = rejecting
  const { app, connect } = await serve(t, { rules: engine }, { fastify: { logger } })
  const client = await connect()
  t.match(await client.request('rules.getFact', { key: 'k' }), { code: 'INTERNAL_ERROR' })
  t.match(logged(), /the method getFact of the rule engine has returned what JSON cannot hold/)
  t.equal((await app.noex.getStats()).rules, null)
  t.throws(() => encodeEvent({ topic: 't', data: rejecting() }), /^the rule engine has returned/)
  await setImmediate()
  t.same(uncaught, [])
})

t.test('statistics of a store that make a promise of themselves are none', async t => {
  const { app, store, connect } = await serve(t)
  const getStats = store.getStats.bind(store)
  store.getStats = async () => Object.assign(await getStats(), { own: rejecting() })
  t.equal((await app.noex.getStats()).store, null)
  t.match(await (await connect()).ask('server.stats', {}), { store: null })
  await setImmediate()
  t.same(uncaught, [])
})

t.test('metadata of a session that makes a promise of itself does no harm', async t => {
  const auth = {
    validate: (token: string): AuthSession => ({ userId: token, roles: ['writer'], metadata: rejecting() }),
    permissions: { check: () => undefined }
  }
  const { connect, store } = await serve(t, { auth })
  store.defineQuery('count', async ctx => await ctx.bucket('items').count())
  const client = await connect()
  await client.ask('auth.login', { token: 'alice' })
  t.match(await client.ask('store.subscribe', { query: 'count' }), { data: 0 })
  await setImmediate()
  t.same(uncaught, [])
})

const details: Readonly<Record<string, () => unknown>> = {
  ...promised,
  'a cycle': () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    return cycle
  },
  'a getter that throws': () => ({ get member () { throw new Error('mine') } })
}

for (const [title, make] of Object.entries(details)) {
  t.test(`a refusal whose details have ${title} is a failure of the application, no more`, async t => {
    const refuse = (): never => { throw new NoexServerError('RATE_LIMITED', 'not now', make()) }
    const auth = { validate: refuse, required: false }
    const { connect, store, port } = await serve(t, { auth, routes: { rpc: '/rpc' } })
    store.defineQuery('refused', async () => refuse())
    const client = await connect()
    const failure = { type: 'error', code: 'INTERNAL_ERROR' }
    t.match(await client.request('store.query', { query: 'refused' }), failure)
    t.match(await client.request('store.subscribe', { query: 'refused' }), failure)
    t.match(await client.request('auth.login', { token: 'x' }), failure)
    const answer = await fetch(`http://127.0.0.1:${port}/rpc`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer x' },
      body: JSON.stringify({ type: 'store.buckets' })
    })
    t.match(await answer.json(), failure)
    await setImmediate()
    t.same(uncaught, [])
  })
}

t.test('a refusal whose details JSON can hold is sent with them', async t => {
  const refuse = (): never => {
    throw new NoexServerError('CONFLICT', 'not now', { at: new Date(0), own: { toJSON: () => 5 } })
  }
  const { connect, store } = await serve(t, { auth: { validate: refuse, required: false } })
  store.defineQuery('refused', async () => refuse())
  const client = await connect()
  const plain = { at: '1970-01-01T00:00:00.000Z', own: 5 }
  const refusal = { code: 'CONFLICT', message: 'not now', details: plain }
  t.match(await client.request('store.query', { query: 'refused' }), refusal)
  t.match(await client.request('auth.login', { token: 'x' }), refusal)
})

t.test('a value without a toJSON is handed on as it is; a cycle is refused', async t => {
  const value = [{ a: 1, at: new Date(), list: [null, 'x'] }]
  t.equal(plainAnswer('query "q"', value), value)
  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  t.throws(() => plainAnswer('query "q"', cycle), /^query "q" has returned what JSON cannot hold/)
})
