import t from 'tap'
import { serve } from '../../support/service.js'

t.test('the reply to a subscription names the bucket whose key tells its rows apart', async t => {
  const { store, connect } = await serve(t)
  await store.defineBucket('others', { key: 'id', schema: { id: { type: 'string' } } })
  const text = { type: 'string' } as const
  await store.defineBucket('codes', { key: 'code', schema: { code: text, id: text } })
  await store.bucket('codes').insert({ code: 'c', id: 'd' })
  const read = (...names: string[]): (ctx: { bucket: (name: string) => any }) => Promise<unknown> =>
    async ctx => (await Promise.all(names.map(async name => await ctx.bucket(name).all()))).flat()
  store.defineQuery('one', read('items'))
  store.defineQuery('two-of-one-key', read('items', 'others'))
  store.defineQuery('two-of-other-keys', read('items', 'codes'))
  store.defineQuery('none', async ctx => ({ count: await ctx.bucket('items').count() }))
  store.defineDeclarativeQuery('declared', { bucket: 'items' })
  const client = await connect()
  const find = { bucket: 'items' }
  for (const [request, key, bucket] of [
    [{ find }, 'id', 'items'],
    [{ find, page: { limit: 2 } }, 'id', 'items'],
    [{ find, since: { epoch: 'another', revision: 0 } }, 'id', 'items'],
    [{ find: { bucket: 'items', fields: ['n'] } }, null, null],
    [{ find: { bucket: 'items', aggregate: { function: 'count' } } }, null, null],
    [{ query: 'declared' }, 'id', 'items'],
    [{ query: 'one' }, 'id', 'items'],
    [{ query: 'two-of-one-key' }, 'id', null],
    [{ query: 'two-of-other-keys' }, 'id', 'items'],
    [{ query: 'none' }, null, null]
  ] as const) {
    const reply = await client.ask('store.subscribe', { ...request, delta: true })
    t.match(reply, { key, bucket }, JSON.stringify(request))
    const { page, since, ...former } = request as Record<string, unknown>
    t.notOk('bucket' in await client.ask('store.subscribe', former))
  }
  const { epoch, revision } = await client.ask('store.subscribe', { find, delta: true })
  const again = await client.ask('store.subscribe', { find, delta: true, since: { epoch, revision } })
  t.same(Object.keys(again), ['subscriptionId', 'epoch', 'revision', 'key', 'bucket', 'delta'])
  t.equal(again.bucket, 'items')
})
