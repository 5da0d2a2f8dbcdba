import t from 'tap'
import { Store } from '@hamicek/noex-store'
import { WebSocket } from 'ws'
import { createClient } from '../../../lib/client/index.js'
import { serve } from '../../support/service.js'
import { defineQueries, operations, shop, type Shop } from '../../support/shop-schema.js'
import { until } from '../../support/until.js'

t.test('what a typed client gets is what its types say', async t => {
  const store = await Store.start({ schema: shop })
  t.teardown(async () => { await store.stop() })
  defineQueries(store)
  const { url } = await serve(t, { operations }, { store })
  const client = createClient<Shop, typeof operations>(url, { WebSocket })
  t.teardown(() => { client.close() })
  const { id } = await client.request('store.insert', { bucket: 'customers', data: { name: 'Ada' } })

  const open = client.query('open-orders', { status: 'new' })
  const rows = client.query({ bucket: 'orders', fields: ['number', 'due'], sort: { number: 'asc' } })
  const latest = client.query('latest')
  const count = client.query({ bucket: 'orders', aggregate: { function: 'max', field: 'total' } })
  for (const query of [open, rows, latest, count]) query.subscribe(() => {})
  await until(() => [open, rows, latest, count].every(({ status }) => status === 'live'))
  const first = [open, rows, latest, count].map(query => query.getSnapshot())
  t.same(first, [[], [], null, null])

  // By the application, which may store a Date.
  await store.bucket('orders').insert({ customerId: id, total: 3, due: new Date(0) })
  const data = { customerId: id, total: 2, due: 5 }
  const order = await client.request('store.insert', { bucket: 'orders', data }, { retry: true })
  t.same([order.number, order.status, order.paid, order._version], [2, 'new', false, 1])
  await until(() => rows.getSnapshot()?.length === 2)
  t.same(rows.getSnapshot(), [{ number: 1, due: '1970-01-01T00:00:00.000Z' }, { number: 2, due: 5 }])
  t.equal(count.getSnapshot(), 3)
  t.equal(latest.getSnapshot()?.number, 2)
  await client.optimistic(tx => { tx.bucket('orders').update(2, { total: 9, due: null }) })
  await until(() => open.getSnapshot()?.[0]?.total === 9)

  const { results } = await client.request('store.transaction', {
    operations: [
      { op: 'get', bucket: 'customers', key: 'none' },
      { op: 'groupBy', bucket: 'orders', field: 'status', aggregate: { function: 'count' } }
    ]
  })
  t.equal(results[0].data, null)
  t.same(results[1].data, [{ key: { status: 'new' }, value: 2 }])
  t.equal(await client.request('store.min', { bucket: 'customers', field: '_expiresAt' }), null)

  const shipped = await client.request('shop.ship', { order: 1 })
  t.match([shipped.order, shipped.carrier, typeof shipped.at], [1, undefined, 'string'])
  t.same(await client.request('shop.close'), { open: false })
  t.equal(await client.request('shop.ring', { times: 2 }), null)
})
