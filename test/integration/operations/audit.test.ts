import t from 'tap'
import { Type } from 'typebox'
import { NoexServerError } from '../../../lib/index.js'
import { linesOf, place, serveAudited } from '../../support/audited-service.js'
import { act, anyOf, serveOperations } from '../../support/own-operations.js'

const auth = { validate: (token: string) => ({ userId: token, roles: ['admin'] }), required: false }

t.test('requests are recorded by tier, with the members that the operation names', async t => {
  const { connect } = await serveOperations(t, [
    act(() => 1, {
      input: anyOf('text', 'n', 'yes', 'list', 'object', 'secret', 'other'),
      audit: ['text', 'n', 'yes', 'list', 'object'],
      secrets: ['secret'],
      resources: [{ type: 'bucket', name: 'items' }]
    }),
    act(() => { throw new NoexServerError('CONFLICT', 'Sold out') }, { name: 'shop.refuse' }),
    act(() => { throw new Error('secret') }, { name: 'shop.fail' }),
    act(() => 1, { name: 'shop.read', tier: 'read' }),
    act(() => 1, { name: 'shop.admin', tier: 'admin' }),
    act(() => 1, { name: 'shop.wrong', input: Type.Object({ n: Type.Number() }), audit: ['n'] })
  ], { auth, audit: { tiers: ['write', 'admin'] } })
  const client = await connect()
  await client.ask('auth.login', { token: 'alice' })
  const fields = {
    text: 'a',
    n: 1,
    yes: true,
    list: ['a', 5, 'b'],
    object: { a: 1 },
    secret: 'x',
    other: 'y',
    idempotencyKey: 'k'
  }
  await client.ask('shop.act', fields)
  await client.ask('shop.act', fields)
  await client.ask('shop.act', { text: { deep: 1 } })
  for (const name of ['refuse', 'fail', 'read', 'admin', 'wrong']) {
    await client.request(`shop.${name}`, { n: 'x' })
  }
  const { entries } = await client.ask('audit.query', { userId: 'alice' })
  const ofShop = entries.filter(({ operation }: { operation: string }) => operation.startsWith('shop.'))
  const details = { text: 'a', n: 1, yes: true, list: ['a', 'b'] }
  const common = { userId: 'alice', remoteAddress: '127.0.0.1' }
  t.match(ofShop.reverse(), [
    { ...common, operation: 'shop.act', resource: 'items', result: 'success', details },
    { operation: 'shop.act', result: 'success', details: { ...details, repeated: true } },
    { operation: 'shop.act', result: 'success', details: undefined },
    { operation: 'shop.refuse', resource: '*', result: 'error', error: 'Sold out' },
    { operation: 'shop.fail', result: 'error', error: 'The operation failed inside the server' },
    { operation: 'shop.admin', result: 'success' },
    { operation: 'shop.wrong', result: 'error', error: 'n: must be number', details: { n: 'x' } }
  ])
  t.equal(ofShop.length, 7)
  t.notMatch(JSON.stringify(ofShop), /"secret"|"x","other"/)
})

t.test('the commits of a handler are in the trail of a durable store', async t => {
  const where = place(t)
  const operations = [act(async ({ store, call }) => {
    await store.bucket('items').insert({ id: 'a' })
    await call('store.insert', { bucket: 'items', data: { id: 'b' } })
  })]
  const { connect, stop } = await serveAudited(t, where, {}, false, { operations })
  await (await connect()).ask('shop.act')
  await stop()
  t.match(linesOf(where.path).filter(({ operation }) => operation === 'shop.act'), [{ result: 'success' }])
})
