import t from 'tap'
import { LiveSocket, keysShown } from '../../support/live-socket.js'
import { serve } from '../../support/service.js'

const firstPage = { find: { bucket: 'items', sort: { n: 'asc' } }, page: { limit: 2 } } as const

t.test('a page begins with its limit, also where that of another client has grown or shrunk', async t => {
  const { url, store } = await serve(t)
  const items = store.bucket('items')
  for (const n of [0, 1_000]) await items.insert({ id: `i${n}`, n })
  const early = await LiveSocket.open(t, url)
  const grown = await early.watch(firstPage)
  for (let n = 1; n < 50; n++) await items.insert({ id: `i${n}`, n })
  await early.until(() => keysShown(grown).length === 51)
  const late = await LiveSocket.open(t, url)
  const fresh = await late.watch(firstPage)
  t.same(keysShown(fresh), ['i0', 'i1'])
  t.ok(fresh.hasMore)
  for (const id of ['i0', 'i1']) await items.delete(id)
  await late.until(() => keysShown(fresh).length === 0)
  const last = await LiveSocket.open(t, url)
  t.same(keysShown(await last.watch(firstPage)), ['i2', 'i3'])
  late.drop()
  await items.insert({ id: 'first', n: -1 })
  const back = await LiveSocket.open(t, url)
  t.ok('delta' in await back.resume(fresh), 'a client comes back to the ends that it knows')
  t.same(keysShown(fresh), ['first'])
})

t.test('pages of clients that come at the same time are one live query', async t => {
  const { app, url, store } = await serve(t)
  for (let n = 0; n < 5; n++) await store.bucket('items').insert({ id: `i${n}`, n })
  const sockets = await Promise.all(Array.from({ length: 3 }, async () => await LiveSocket.open(t, url)))
  for (const socket of sockets) t.same(keysShown(await socket.watch(firstPage)), ['i0', 'i1'])
  t.equal((await app.noex.getStats()).liveQueries.count, 1)
})
