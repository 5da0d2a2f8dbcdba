import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { operation, Type, type NoexOptions } from '../../lib/index.js'
import { logInto, type LogLine } from '../support/log-into.js'
import { serveAccounts, ADMIN_SECRET } from '../support/identity.js'
import { serve } from '../support/service.js'

const isSlow = ({ msg }: LogLine): boolean => msg === 'a request is slow' || msg === 'a query is slow'

async function serveSlow (t: Test, options: Omit<NoexOptions, 'store'> = {}) {
  const lines: LogLine[] = []
  const served = await serve(t, options, { fastify: { logger: logInto(lines) } })
  served.store.defineQuery('slow', async (ctx, params) => {
    await setTimeout((params as unknown as { wait?: number } | undefined)?.wait ?? 0)
    return await ctx.bucket('items').all()
  })
  return { ...served, slow: () => lines.filter(isSlow), client: await served.connect() }
}

t.test('a slow query and its request are logged with names, rows and time, and no values', async t => {
  const { store, client, slow } = await serveSlow(t, {
    slowMs: 50,
    auth: { validate: () => ({ userId: 'alice', roles: ['admin'] }) }
  })
  await client.ask('auth.login', { token: 'x' })
  await store.bucket('items').insertMany([{ name: 'a' }, { name: 'b' }])
  const params = { wait: 60, password: 'hidden-1', ['long'.repeat(100)]: 'hidden-2' }
  await client.ask('store.query', { query: 'slow', params })
  await client.ask('store.query', { query: 'slow', params: { wait: 0 } })
  const [query, request, ...others] = slow().filter(line => line['query'] === 'slow')
  t.same(others, [])
  t.match(query, { level: 40, query: 'slow', kind: 'code', rows: 2, userId: 'alice', msg: 'a query is slow' })
  t.same(query?.['params'], ['wait', 'password', 'long'.repeat(16)])
  t.match(request, {
    level: 40, operation: 'store.query', query: 'slow', rows: 2, userId: 'alice', connectionId: /^conn-/
  })
  t.same(request?.['params'].slice(0, 3), ['query', 'params.wait', 'params.password'])
  for (const { ms } of [query, request] as LogLine[]) t.ok(Number.isInteger(ms) && ms >= 50 && ms < 10_000)
  t.notMatch(JSON.stringify(slow()), /hidden/)
})

t.test('one that is slow all the time fills no log, and neither do names that clients make up', async t => {
  const { client, slow } = await serveSlow(t, { slowMs: 0 })
  for (let i = 0; i < 100; i++) await client.ask('store.query', { query: 'slow' })
  t.equal(slow().length, 2)
  for (let i = 0; i < 300; i++) {
    const bucket = `${i}${'x'.repeat(10_000)}\n`
    t.equal(await client.code('store.where', { bucket, filter: {} }), 'BUCKET_NOT_DEFINED')
  }
  t.equal(slow().length, 60)
  t.ok(Math.max(...slow().map(line => JSON.stringify(line).length)) < 1_000)
})

t.test('an evaluation after a change is logged as well, and a search by its fields', async t => {
  const { client, store, slow } = await serveSlow(t, { slowMs: 40 })
  await client.ask('store.subscribe', { query: 'slow' })
  store.defineQuery('later', async ctx => {
    const { length } = await ctx.bucket('items').all()
    if (length > 0) await setTimeout(60)
    return length
  })
  await client.ask('store.subscribe', { query: 'later' })
  t.same(slow(), [])
  await store.bucket('items').insert({ name: 'a' })
  await client.next(({ data, type }) => type === 'push' && data === 1)
  t.match(slow(), [{ query: 'later', kind: 'code', msg: 'a query is slow' }])
})

t.test('operations with passwords are left out, which take long on purpose', async t => {
  const lines: LogLine[] = []
  const { connect } = await serveAccounts(t, {}, { slowMs: 0 }, { fastify: { logger: logInto(lines) } })
  const client = await connect()
  await client.ask('identity.loginWithSecret', { secret: ADMIN_SECRET })
  await client.ask('identity.whoami')
  t.same(lines.filter(isSlow).map(({ operation }) => operation), ['identity.whoami'])
})

t.test('with slowMs: Infinity nothing is slow', async t => {
  const operations = [operation({
    name: 'shop.wait', tier: 'read', input: Type.Object({}), handler: async () => { await setTimeout(150) }
  })]
  const { client, slow } = await serveSlow(t, { slowMs: Infinity, operations })
  await client.ask('shop.wait', {})
  t.same(slow(), [])
  const other = await serveSlow(t, { operations })
  await other.client.ask('shop.wait', {})
  t.match(other.slow(), [{ operation: 'shop.wait', msg: 'a request is slow' }], '100 by default')
})
