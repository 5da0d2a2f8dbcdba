import type { RecordOf, TypedFindOptions, TypedUpsertOptions } from '@hamicek/noex-store'
import { expect, test } from 'tstyche'
import { store, type Shop } from './shop.js'

type Order = RecordOf<Shop, 'orders'>

test('first, last, paginate and find take a filter of the bucket', async () => {
  const orders = store.bucket('orders')
  expect(await orders.first(2, { status: 'new' })).type.toBe<Order[]>()
  expect(await orders.last(2, { total: { $gt: 1 } })).type.toBe<Order[]>()
  expect(
    (await orders.paginate({ limit: 2, filter: { 'address.city': 'Brno' } })).records
  ).type.toBe<Order[]>()
  const options: TypedFindOptions<Shop, 'orders'> = {
    filter: { status: 'new' }, sort: { total: 'desc' }, limit: 1
  }
  expect(await orders.find(options)).type.toBe<Order[]>()
  expect(await orders.find({ sort: { 'extra.x': 'asc' } })).type.toBe<Order[]>()
  // @ts-expect-error 'totl' does not exist in type
  await orders.first(2, { totl: 1 })
  // @ts-expect-error is not assignable to type
  await orders.last(2, { status: 'lost' })
  // @ts-expect-error 'totl' does not exist in type
  await orders.paginate({ limit: 1, filter: { totl: 1 } })
  // @ts-expect-error is not assignable to type
  await orders.find({ filter: { total: 'a' } })
  // @ts-expect-error 'totl' does not exist in type
  await orders.find({ sort: { totl: 'asc' } })
})

test('upsert takes the changes of a record that is there', async () => {
  const orders = store.bucket('orders')
  const data = { customerId: 'a', total: 1, lines: [] }
  await orders.upsert(data, { update: { total: 2 } })
  await orders.upsert(data, { update: ({ total }) => ({ total: total + 1 }), user: 'ann' })
  expect<TypedUpsertOptions<Shop, 'orders'>['expectedVersion']>().type.toBe<number | undefined>()
  // @ts-expect-error is not assignable to type
  await orders.upsert(data, { update: { total: '2' } })
  await store.transaction(async tx => {
    await (await tx.bucket('orders')).upsert(data, { update: { note: 'again' }, expectedVersion: 1 })
    // @ts-expect-error is not assignable to type
    await (await tx.bucket('orders')).upsert(data, { update: { note: 1 } })
  })
})

test('a scope is a filter of the bucket', () => {
  store.bucket('orders', { scope: { status: 'new' } })
  // @ts-expect-error 'nope' does not exist in type
  store.bucket('orders', { scope: { nope: 1 } })
  // @ts-expect-error is not assignable to type
  store.bucket('orders', { scope: { total: 'a' } })
})
