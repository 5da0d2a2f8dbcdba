import t from 'tap'
import { LiveSocket } from '../../support/live-socket.js'
import { serve } from '../../support/service.js'

t.test('a client that comes back to a list hears nothing of the changes of other records', async t => {
  const { url, store } = await serve(t)
  const items = store.bucket('items')
  const names = ['own', 'other']
  for (const name of names) for (let n = 0; n < 20; n++) await items.insert({ id: `${name}${n}`, name, n })
  const watched = { find: { bucket: 'items', filter: { name: 'own' } } }
  const first = await LiveSocket.open(t, url)
  const view = await first.watch(watched)
  first.drop()
  await items.update('own7', { n: 70 })
  for (let n = 0; n < 20; n++) await items.update(`other${n}`, { n: n + 100 })
  await items.update('other3', { name: 'own' })
  const second = await LiveSocket.open(t, url)
  const { delta } = await second.resume(view)
  t.match(delta, { upsert: [{ id: 'own7', n: 70 }, { id: 'other3', n: 103 }], remove: [], at: undefined })
  t.same(view.data, await items.where({ name: 'own' }))
})
