import type { RecordOf, View } from '@hamicek/noex-store'
import { expect, test } from 'tstyche'
import { store, type Shop } from './shop.js'

type Order = RecordOf<Shop, 'orders'>

test('the result of a view has the type of what it shows', async () => {
  const view = await store.views.open({
    bucket: 'orders', filter: { status: 'new' }, sort: { total: 'desc' }, page: { limit: 2 }
  })
  expect(view.result()).type.toBe<Order[]>()
  expect(view.rows(0, 2)).type.toBe<Order[]>()
  expect(view).type.toBeAssignableTo<View>()
  const some = await store.views.open({ bucket: 'orders', fields: ['number', 'total'], limit: 2 })
  expect(some.result()).type.toBe<Array<Pick<Order, 'number' | 'total'>>>()
  const count = await store.views.open({ bucket: 'orders', aggregate: { function: 'count' } })
  expect(count.result()).type.toBe<number>()
  const most = await store.views.open(
    { bucket: 'orders', aggregate: { function: 'max', field: 'total' } }, { scope: { paid: true } }
  )
  expect(most.result()).type.toBe<number | undefined>()
})

test('a view names what the schema has', async () => {
  // @ts-expect-error 'totl' does not exist in type
  await store.views.open({ bucket: 'orders', filter: { totl: 1 } })
  // @ts-expect-error is not assignable to type
  await store.views.open({ bucket: 'oders' })
  // @ts-expect-error is not assignable to type
  await store.views.open({ bucket: 'orders', fields: ['nope'] })
  // @ts-expect-error 'totl' does not exist in type
  await store.views.open({ bucket: 'orders' }, { scope: { totl: 1 } })
})
