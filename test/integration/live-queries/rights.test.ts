import t, { type Test } from 'tap'
import type { NoexOptions } from '../../../lib/index.js'
import { LiveSocket, keysShown } from '../../support/live-socket.js'
import { serve } from '../../support/service.js'

/** Serves orders that each user sees the own ones of; `names` has them per user. */
async function serveOrders (t: Test, options: Omit<NoexOptions, 'store'> = {}) {
  const served = await serve(t, {
    auth: {
      validate: token => ({ userId: token, roles: ['user'] }),
      permissions: {
        default: 'deny',
        rules: [{ role: 'user', allow: '*', where: { owner: '$userId' } }]
      }
    },
    ...options
  })
  await served.store.defineBucket('orders', {
    key: 'id', schema: { id: { type: 'string' }, owner: { type: 'string' }, note: { type: 'string' } }
  })
  const as = async (user: string): Promise<LiveSocket> => {
    const client = await LiveSocket.open(t, served.url)
    await client.ask('auth.login', { token: user })
    return client
  }
  return { ...served, as, orders: served.store.bucket('orders') }
}

t.test('who comes to a query that fails at the moment is shown its next result', async t => {
  const { as, orders, store } = await serveOrders(t)
  let isBroken = false
  store.defineQuery('flaky', async ctx => {
    const rows = await ctx.bucket('orders').all()
    if (isBroken) throw new Error('not now')
    return rows
  })
  await orders.insert({ id: 'a', owner: 'ann' })
  await orders.insert({ id: 'b', owner: 'bob' })
  const [bob, client] = [await as('bob'), await as('ann')]
  await bob.watch({ query: 'flaky' })
  for (const isDelta of [true, false]) {
    const view = await client.watch({ query: 'flaky' }, isDelta)
    isBroken = true
    await orders.update('a', { note: `while it fails, ${isDelta}` })
    await client.ask('auth.login', { token: 'bob' })
    await client.settled()
    isBroken = false
    // A change that bob does not see: his result is the same as before the failure.
    await orders.update('a', { note: `when it works, ${isDelta}` })
    await client.until(() => keysShown(view)[0] === 'b')
    t.same(keysShown(view), ['b'])
    await client.ask('auth.login', { token: 'ann' })
    await client.until(() => keysShown(view)[0] === 'a')
  }
})

/** Returns the owner of the first row. */
function ownerOf (data: unknown): string | undefined {
  return (data as ReadonlyArray<{ readonly owner: string }>)[0]?.owner
}

t.test('a big result of former rights is not sent any more', async t => {
  const { as, orders, store } = await serveOrders(t)
  const rows = Array.from({ length: 6_000 }, (_, i) => ({
    id: `o${i}`, owner: i % 2 === 0 ? 'ann' : 'bob', note: 'x'.repeat(1_000)
  }))
  await store.bucket('orders').insertMany(rows)
  const client = await as('carl')
  for (const isDelta of [true, false]) {
    const view = await client.watch({ find: { bucket: 'orders' } }, isDelta)
    for (let i = 0; i < 10; i++) {
      const [from, to] = i % 2 === 0 ? ['ann', 'bob'] as const : ['bob', 'ann'] as const
      await client.ask('auth.login', { token: from })
      // Other requests let time pass, so that the result of the first one is being encoded.
      for (let turn = 0; turn < i % 5; turn++) await client.connection.request('store.buckets')
      await client.ask('auth.login', { token: to })
      client.shown.delete(view)
      await client.until(() => ownerOf(view.data) === to)
      await client.settled()
      await client.settled()
      const later = (client.shown.get(view) ?? []).map(ownerOf)
      t.ok(later.every(owner => owner === to), `only those of ${to}`)
    }
    await client.connection.unsubscribe(view)
  }
  await orders.clear()
})

t.test('a login of another user shows what is theirs, from the first row on', async t => {
  const { as, orders } = await serveOrders(t)
  await orders.insert({ id: 'a', owner: 'ann' })
  await orders.insert({ id: 'b', owner: 'bob' })
  const client = await as('ann')
  const view = await client.watch({ find: { bucket: 'orders', sort: { id: 'asc' } } })
  const position = { epoch: view.epoch, revision: view.revision }
  t.same(keysShown(view), ['a'])
  await client.ask('auth.login', { token: 'bob' })
  await client.until(() => keysShown(view)[0] === 'b')
  t.not(view.epoch, position.epoch, 'it is another history')
  client.drop()
  const other = await as('ann')
  await other.resume(view)
  t.same(keysShown(view), ['a'], 'the whole result, not a delta')
  t.equal(other.connection.counts.resumedWhole, 1)
})
