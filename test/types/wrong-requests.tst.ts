import { test } from 'tstyche'
import type { SchemaClient } from '../../lib/client/schema-client.js'
import type { operations, Shop, shop } from '../support/shop-schema.js'

declare const client: SchemaClient<typeof shop, typeof operations>
declare const known: SchemaClient<Shop>
const order = { customerId: 'a', total: 1 }

test('an operation that there is none of is refused', async () => {
  // @ts-expect-error Argument of type '"store.insrt"' is not assignable to parameter of type
  await client.request('store.insrt', { bucket: 'orders', data: order })
  // @ts-expect-error Argument of type '"shop.shp"' is not assignable to parameter of type
  await client.request('shop.shp', { order: 1 })
  // @ts-expect-error Argument of type '"store.subscribe"' is not assignable to parameter of type
  await client.request('store.subscribe', { query: 'open-orders' })
})

test('a bucket that there is none of is refused', async () => {
  // @ts-expect-error Type '"oders"' is not assignable to type '"customers" | "orders" | "visits"'
  await client.request('store.get', { bucket: 'oders', key: 1 })
  // @ts-expect-error Type '"oders"' is not assignable to type '"customers" | "orders" | "visits"'
  client.query({ bucket: 'oders' })
  // @ts-expect-error Argument of type '"oders"' is not assignable to parameter of type '"customers" |
  await client.optimistic(tx => { tx.bucket('oders').delete(1) })
})

test('a record that does not fit its bucket is refused', async () => {
  // @ts-expect-error Property 'total' is missing in type
  await client.request('store.insert', { bucket: 'orders', data: { customerId: 'a' } })
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await client.request('store.insert', { bucket: 'orders', data: { customerId: 'a', total: '1' } })
  // @ts-expect-error Type '"old"' is not assignable to type '"new" | "packed" | undefined'.
  await client.request('store.insert', { bucket: 'orders', data: { ...order, status: 'old' } })
  // @ts-expect-error Type 'Date' is not assignable to type 'string | number | null | undefined'.
  await client.request('store.insert', { bucket: 'orders', data: { ...order, due: new Date() } })
  // @ts-expect-error Type 'number' is not assignable to type 'never'.
  await client.request('store.insert', { bucket: 'orders', data: { ...order, _version: 1 } })
  // @ts-expect-error Property 'name' is missing in type
  await client.request('store.insertMany', { bucket: 'customers', data: [{}] })
})

test('a change that does not fit its bucket is refused', async () => {
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await client.request('store.update', { bucket: 'orders', key: 1, data: { total: '2' } })
  // @ts-expect-error Type 'number' is not assignable to type 'never'.
  await client.request('store.update', { bucket: 'orders', key: 1, data: { number: 2 } })
  // @ts-expect-error Types of property 'note' are incompatible.
  await client.request('store.update', { bucket: 'orders', key: 1, data: { note: undefined } })
  // @ts-expect-error Type '"status"' is not assignable to type '"total"'.
  await client.request('store.increment', { bucket: 'orders', key: 1, field: 'status', by: 1 })
})

test('a key of another type is refused', async () => {
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await client.request('store.get', { bucket: 'orders', key: '1' })
  // @ts-expect-error Argument of type 'string' is not assignable to parameter of type 'number'.
  await client.optimistic(tx => { tx.bucket('orders').update('1', { total: 2 }) })
  // @ts-expect-error Type 'Date' is not assignable to type 'string | number'.
  await client.request('store.get', { bucket: 'visits', key: new Date() })
})

test('members that a request does not have, or must have, are refused', async () => {
  // @ts-expect-error but 'dta' does not exist in type
  await client.request('store.insert', { bucket: 'orders', dta: order })
  // @ts-expect-error and 'extra' does not exist in type
  await client.request('store.insert', { bucket: 'orders', data: order, extra: 1 })
  // @ts-expect-error and 'idempotencyKey' does not exist in type
  await client.request('store.get', { bucket: 'orders', key: 1, idempotencyKey: 'k' })
  // @ts-expect-error Argument of type '"store.get"' is not assignable to parameter of type 'WithoutMembers
  await client.request('store.get')
  // @ts-expect-error but 'topik' does not exist in type
  await client.request('rules.emit', { topik: 'a' })
})

test('a filter, a sort or a field that the bucket does not have is refused', async () => {
  // @ts-expect-error but 'totl' does not exist in type
  await client.request('store.where', { bucket: 'orders', filter: { totl: 1 } })
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await client.request('store.count', { bucket: 'orders', filter: { total: { $gt: '1' } } })
  // @ts-expect-error ''address.city'' does not exist in type
  await client.request('store.where', { bucket: 'orders', filter: { 'address.city': 'Brno' } })
  // @ts-expect-error Type '"status"' is not assignable to type 'WireNumber<
  await client.request('store.sum', { bucket: 'orders', field: 'status' })
  // @ts-expect-error but 'totl' does not exist in type
  client.query({ bucket: 'orders', filter: { totl: 1 } })
  // @ts-expect-error but 'totl' does not exist in type
  client.query({ bucket: 'orders', sort: { totl: 'asc' } })
  // @ts-expect-error Type '"up"' is not assignable to type
  client.query({ bucket: 'orders', sort: { total: 'up' } })
  // @ts-expect-error Type '"totl"' is not assignable to type 'WireField<
  client.query({ bucket: 'orders', fields: ['totl'] })
})

test('an entry of a transaction that does not fit its bucket is refused', async () => {
  await client.request('store.transaction', {
    // @ts-expect-error Property 'total' is missing in type
    operations: [{ op: 'insert', bucket: 'orders', data: { customerId: 'a' } }]
  })
  await client.request('store.transaction', {
    // @ts-expect-error Type '"insrt"' is not assignable to type
    operations: [{ op: 'insrt', bucket: 'orders', data: order }]
  })
  // @ts-expect-error Property 'customerId' is missing in type
  await client.optimistic(tx => { tx.bucket('orders').insert({ total: 1 }) })
})

test('an input that the operation or the procedure does not take is refused', async () => {
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await client.request('shop.ship', { order: '1' })
  // @ts-expect-error and 'extra' does not exist in type
  await client.request('shop.ship', { order: 1, extra: 1 })
  // @ts-expect-error Type '"sel"' is not assignable to type '"sell"'.
  await known.request('procedures.call', { name: 'sel', input: { sku: 'a' } })
  // @ts-expect-error Type 'number' is not assignable to type 'string'.
  await known.request('procedures.call', { name: 'sell', input: { sku: 1 } })
})

test('a query or parameters that there are none of are refused', async () => {
  // @ts-expect-error Argument of type '"opn-orders"' is not assignable to parameter of type '"open-orders" |
  known.query('opn-orders')
  // @ts-expect-error Expected 2-3 arguments, but got 1.
  known.query('large')
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  known.query('large', { above: '1' })
  // @ts-expect-error is not assignable to parameter of type 'void'.
  known.query('everything', { above: 1 })
  // @ts-expect-error Type '"old"' is not assignable to type '"new" | "packed" | null | undefined'.
  known.query('open-orders', { status: 'old' })
})

test('a member that records and replies do not have is refused', async () => {
  // @ts-expect-error Property 'totl' does not exist on type
  String((await client.request('store.get', { bucket: 'orders', key: 1 }))?.totl)
  // @ts-expect-error Property 'totl' does not exist on type
  String(client.query({ bucket: 'orders' }).getSnapshot()?.[0]?.totl)
  // @ts-expect-error Property 'carier' does not exist on type
  String((await client.request('shop.ship', { order: 1 })).carier)
  // @ts-expect-error Property 'push' does not exist on type
  client.query({ bucket: 'orders' }).getSnapshot()?.push(1)
})
