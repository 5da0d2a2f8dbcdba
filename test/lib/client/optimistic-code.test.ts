import t from 'tap'
import WebSocket from 'ws'
import { clientWithout } from '../../support/missing-chunk.js'
import { serve } from '../../support/service.js'
import { until } from '../../support/until.js'

t.test('a page without the code of optimistic changes is live all the same, and says so', async t => {
  const { createClient } = await clientWithout(t, 'optimistic')
  const { url, store } = await serve(t)
  const client = createClient(url, { WebSocket })
  t.teardown(() => { client.close() })
  const query = client.query({ bucket: 'items' })
  query.subscribe(() => {})
  await until(() => query.status === 'live' && client.state.value === 'open')
  const change = client.optimistic(tx => { tx.bucket('items').insert({ n: 1 }) })
  await t.rejects(change, { code: 'DISCONNECTED', outcome: 'not-done', message: /cannot be loaded/ })
  t.equal(await store.bucket('items').count(), 0)
  t.same(query.getSnapshot(), [])
  t.match(await client.request('store.insert', { bucket: 'items', data: { n: 2 } }), { n: 2 })
})
