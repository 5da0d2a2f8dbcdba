import t from 'tap'
import { LiveSocket, keysShown } from '../../support/live-socket.js'
import { serve } from '../../support/service.js'

const sorted = { find: { bucket: 'items', sort: { n: 'asc' } } } as const

t.test('a client that comes back gets what it has missed, where that is known', async t => {
  const { url, store } = await serve(t)
  const items = store.bucket('items')
  for (const n of [1, 2, 3, 4]) await items.insert({ id: `i${n}`, n })
  const first = await LiveSocket.open(t, url)
  const view = await first.watch(sorted)
  first.drop()
  await items.update('i1', { n: 9 })
  await items.delete('i2')
  await items.insert({ id: 'i5', n: 0 })
  const second = await LiveSocket.open(t, url)
  const reply = await second.resume(view)
  t.same(keysShown(view), ['i5', 'i3', 'i4', 'i1'])
  t.ok(reply.delta)
  second.drop()
  const third = await LiveSocket.open(t, url)
  t.same((await third.resume(view)).delta, { upsert: [], remove: [] }, 'nothing has changed')
  const { epoch, revision } = view
  const since = async (position: object): Promise<object> =>
    (await third.ask('store.subscribe', { ...sorted, delta: true, since: position }))
  t.ok('data' in await since({ epoch: `${epoch}x`, revision }), 'of another epoch')
  t.ok('data' in await since({ epoch, revision: Number(revision) + 1_000 }), 'of the future')
  t.ok('delta' in await since({ epoch, revision: Number(revision) }))
  t.ok('data' in await since({ epoch, revision: 0 }), 'before the bucket was defined')
  const code = async (fields: object): Promise<unknown> =>
    (await third.connection.request('store.subscribe', { ...sorted, ...fields }))['code']
  const wrong = [
    1, {}, { epoch }, { epoch, revision: -1 }, { epoch, revision: 1.5 }, { epoch: 1, revision },
    { epoch, revision, more: 1 }, { epoch: 'x'.repeat(20_000), revision }
  ]
  for (const position of wrong) t.equal(await code({ delta: true, since: position }), 'VALIDATION_ERROR')
  t.equal(await code({ since: { epoch, revision } }), 'VALIDATION_ERROR', 'without delta')
})

t.test('what is out of reach gives the whole result', async t => {
  const { url, store } = await serve(t, { resume: { maxKeys: 3 } })
  const items = store.bucket('items')
  await items.insert({ id: 'a', n: 0 })
  const first = await LiveSocket.open(t, url)
  const view = await first.watch(sorted)
  first.drop()
  for (let n = 1; n <= 4; n++) await items.update('a', { n })
  const second = await LiveSocket.open(t, url)
  t.ok((await second.resume(view)).data)
  await items.update('a', { n: 5 })
  await second.until(() => (view.data as Array<{ n: number }>)[0]?.n === 5)
  second.drop()
  await items.clear()
  const third = await LiveSocket.open(t, url)
  t.same((await third.resume(view)).data, [])
})

t.test('a query in code is resumed by its own history, for a while', async t => {
  const { url, store } = await serve(t)
  store.defineQuery('all', async ctx => await ctx.bucket('items').all())
  const items = store.bucket('items')
  await items.insert({ id: 'a' })
  const first = await LiveSocket.open(t, url)
  const view = await first.watch({ query: 'all' })
  first.drop()
  await items.insert({ id: 'b' })
  const second = await LiveSocket.open(t, url)
  t.ok((await second.resume(view)).delta)
  t.same(keysShown(view), ['a', 'b'])
})
