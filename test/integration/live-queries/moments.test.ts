import t from 'tap'
import { serve } from '../../support/service.js'
import { LiveSocket } from '../../support/live-socket.js'

t.test('a commit that is put into the views in slices is shown without another one', async t => {
  const { url, store } = await serve(t)
  const items = store.bucket('items')
  await store.transaction(async tx => {
    const bucket = await tx.bucket('items')
    for (let n = 0; n < 2_000; n++) await bucket.insert({ id: `i${n}`, n })
  })
  const client = await LiveSocket.open(t, url)
  const views = []
  // Filters that no index anchors, so that each of them is tried on each record.
  for (let i = 0; i < 90; i++) {
    views.push(await client.watch({ find: { bucket: 'items', filter: { n: { $neq: i } }, limit: 2 } }))
  }
  const count = await client.watch({ find: { bucket: 'items', aggregate: { function: 'sum', field: 'n' } } })
  await store.transaction(async tx => {
    const bucket = await tx.bucket('items')
    for (let n = 0; n < 2_000; n++) await bucket.update(`i${n}`, { n: n + 10_000 })
  })
  const expected = (await items.all()).reduce((sum, { n }) => sum + (n as number), 0)
  await client.until(() => count.data === expected)
  t.equal(count.data, expected)
  for (const view of views) {
    t.equal((view.data as Array<{ n: number }>)[0]?.n, 10_000)
  }
})
