import t from 'tap'
import { defineCounted, insertItem } from '../../support/live-queries.js'
import { LiveSocket, keysShown } from '../../support/live-socket.js'
import { sampled } from '../../support/sampled.js'
import { serve } from '../../support/service.js'

t.test('sets of parameters that differ where a query does not look are one live query', async t => {
  const { url, store, app } = await serve(t, { rateLimit: undefined })
  const unused = defineCounted<{ used: number }>(store, 'uses-one', async (ctx, params) => (
    [params.used, await ctx.bucket('items').count()]
  ))
  const client = await LiveSocket.open(t, url)
  const sets = sampled(10_000)
  for (let i = 0; i < sets; i++) {
    const params = { used: 1, [`junk ${i}`]: i, constructor: i }
    const { subscriptionId } = await client.ask('store.subscribe', { query: 'uses-one', params })
    if (i >= 50) await client.ask('store.unsubscribe', { subscriptionId })
  }
  t.equal(unused.count, 1, 'it is evaluated once')
  t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 50)
})

t.test('results beyond liveQueries.maxBytesPerUser are refused, and end where they grow so far', async t => {
  const { url, store, app, connect } = await serve(t, { liveQueries: { maxBytesPerUser: 40_000 } })
  store.defineQuery<{ n: number }>('long', async (ctx, { n }) => (
    (await ctx.bucket('items').all()).map(({ id }) => ({ id, text: `${n}`.repeat(5_000) }))
  ))
  const writer = await connect()
  await insertItem(writer, { id: 'a' })
  const client = await LiveSocket.open(t, url)
  for (let n = 0; n < 6; n++) await client.watch({ query: 'long', params: { n } })
  const refused = await client.connection.request('store.subscribe', { query: 'long', params: { n: 9 } })
  t.match(refused, { code: 'RATE_LIMITED', details: { limit: 'liveQueries.maxBytesPerUser' } })
  t.equal((await app.noex.getStats()).connections.totalStoreSubscriptions, 6, 'the slot is free again')
  await insertItem(writer, { id: 'b' })
  await client.until(() => client.ends.length > 0)
  t.ok(client.ends.every(([, reason]) => reason === 'memory_limit'))
  t.ok(client.connection.views.length > 0, 'no more than has to')
  await client.until(() => client.connection.views.every(view => keysShown(view).length === 2))
})

t.test('pages that are chained show each row once while rows move through them', async t => {
  const { url, store } = await serve(t)
  const items = store.bucket('items')
  for (let n = 0; n < 9; n++) await items.insert({ id: `i${n}`, n: n * 10 })
  const client = await LiveSocket.open(t, url)
  const find = { bucket: 'items', sort: { n: 'asc' } }
  const one = await client.watch({ find, page: { limit: 3 } })
  const two = await client.watch({ find, page: { limit: 3, after: one.nextCursor as string } })
  const three = await client.watch({ find, page: { limit: 3, after: two.nextCursor as string } })
  const all = async (): Promise<void> => {
    const keys = (await items.all()).sort((a, b) => Number(a['n']) - Number(b['n'])).map(({ id }) => id)
    await client.until(() => String([one, two, three].flatMap(view => keysShown(view))) === String(keys))
  }
  for (const [key, n] of [['i0', 45], ['i8', 5], ['i4', 79], ['i3', 31], ['i5', 1]] as const) {
    await items.update(key, { n })
    await all()
  }
  await items.delete('i2')
  await all()
  for (const after of ['x', 'bm9uZQ', '']) {
    const reply = await client.connection.request('store.subscribe', { find, page: { limit: 3, after } })
    t.equal(reply['code'], 'VALIDATION_ERROR', `a malformed cursor: ${after}`)
  }
})
