import type {
  ChangesOf, InsertOf, KeyOf, RecordMeta, RecordOf, StoreRecord, StoreSchema, UpdateOf
} from '@hamicek/noex-store'
import { expect, test } from 'tstyche'
import { store, type Shop } from './shop.js'

type Order = RecordOf<Shop, 'orders'>

test('a record has its fields and metadata', () => {
  expect<Order['number']>().type.toBe<number>()
  expect<Order['status']>().type.toBe<'new' | 'packed'>()
  expect<Order['total']>().type.toBe<number>()
  expect<Order['_version']>().type.toBe<number>()
  expect<Order['_expiresAt']>().type.toBe<number | undefined>()
  expect<Order>().type.toBeAssignableTo<RecordMeta>()
  expect<Order>().type.toBeAssignableTo<StoreRecord>()
  expect<RecordOf<Shop, 'customers'>>().type.toBe<
    StoreRecord<{ readonly id: string, readonly name: string }>>()
})

test('only the key and required fields are never null; generated and default ones are always there', () => {
  expect<Pick<Order, 'paid' | 'created'>>()
    .type.toBe<{ readonly paid: boolean | null, readonly created: number | null }>()
  expect<Pick<Order, 'note'>>().type.toBe<{ readonly note?: string | null }>()
})

test('a date is as it was stored', () => {
  expect<Order['due']>().type.toBe<Date | number | string | null | undefined>()
  expect<KeyOf<Shop, 'sessions'>>().type.toBe<Date | number | string>()
})

test('objects have their properties, arrays their items', () => {
  expect<NonNullable<Order['address']>['city']>().type.toBe<string>()
  expect<NonNullable<Order['address']>['zip']>().type.toBe<number | null | undefined>()
  expect<NonNullable<Order['lines'][number]>['sku']>().type.toBe<string>()
  expect<Order['tags']>().type.toBe<ReadonlyArray<'a' | 'b' | null> | null | undefined>()
  expect<NonNullable<Order['extra']>['x']>().type.toBe<unknown>()
  expect<Order['list']>().type.toBe<readonly unknown[] | null | undefined>()
})

test('without literals a record is as loose as before', () => {
  expect<RecordOf<StoreSchema, string>>().type.toBe<StoreRecord>()
})

test('reads give records', async () => {
  const orders = store.bucket('orders')
  expect(await orders.get(1)).type.toBe<Order | undefined>()
  expect(await orders.all()).type.toBe<Order[]>()
  expect(await orders.where({})).type.toBe<Order[]>()
  expect(await orders.findOne({})).type.toBe<Order | undefined>()
  expect(await orders.first(1)).type.toBe<Order[]>()
  expect(await orders.last(1)).type.toBe<Order[]>()
  const page = await orders.paginate({ after: 3, limit: 1 })
  expect(page.records).type.toBe<Order[]>()
  expect(page.nextCursor).type.toBe<number | undefined>()
  // @ts-expect-error Argument of type 'string' is not assignable to parameter of type 'number'.
  await orders.get('1')
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await orders.paginate({ after: '1', limit: 1 })
  // @ts-expect-error Property 'totl' does not exist on type 'StoreRecord<{
  String((await orders.get(1))?.totl)
  // @ts-expect-error Argument of type '"oders"' is not assignable to parameter of type '"customers" |
  store.bucket('oders')
})

test('an insert may leave out what the store fills in', async () => {
  const orders = store.bucket('orders')
  const least = { customerId: 'a', total: 1, lines: [] }
  expect(await orders.insert(least)).type.toBe<Order>()
  expect(await orders.insertMany([least])).type.toBe<Order[]>()
  expect(await orders.upsert({ ...least, number: 3 })).type.toBe<Order>()
  expect<InsertOf<Shop, 'orders'>>().type.toBeAssignableFrom<typeof least & { note?: string | undefined }>()
  // @ts-expect-error Property 'total' is missing in type
  await orders.insert({ customerId: 'a', lines: [] })
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await orders.insert({ ...least, total: '1' })
  // @ts-expect-error Type '"old"' is not assignable to type '"new" | "packed"
  await orders.insert({ ...least, status: 'old' })
  // @ts-expect-error Type 'null' is not assignable to type '"new" | "packed"
  await orders.insert({ ...least, status: null })
  // @ts-expect-error Property 'sku' is missing in type
  await orders.insert({ ...least, lines: [{}] })
  // @ts-expect-error Type 'null' is not assignable to type 'string'.
  await orders.insert({ ...least, address: { city: null } })
  await orders.insert({ ...least, note: null, address: { city: 'Brno' }, due: new Date(), extra: { a: 1 } })
})

test('further fields are kept, so they are allowed; metadata is the store\'s own', async () => {
  const orders = store.bucket('orders')
  await orders.insert({ customerId: 'a', total: 1, lines: [], further: 1 })
  await orders.update(1, { further: { a: 1 } })
  // @ts-expect-error Type 'number' is not assignable to type 'never'.
  await orders.insert({ customerId: 'a', total: 1, lines: [], _version: 1 })
  // @ts-expect-error Type 'number' is not assignable to type 'undefined'.
  await orders.update(1, { _updatedAt: 1 })
  // @ts-expect-error Type 'number' is not assignable to type 'never'.
  await orders.insert({ customerId: 'a', total: 1, lines: [], _expiresAt: 1 })
  await store.bucket('sessions').insert({ at: 1, _expiresAt: 1 })
})

test('an update changes any fields but the key and generated ones', async () => {
  const orders = store.bucket('orders')
  expect(await orders.update(1, { total: 2, note: undefined })).type.toBe<Order>()
  expect(await orders.updateMany({ total: 1 }, { paid: true })).type.toBe<number>()
  await orders.update(1, ({ total }) => ({ total: total + 1 }), { expectedVersion: 1 })
  expect<ChangesOf<Shop, 'orders'>>().type.toBeAssignableFrom<UpdateOf<Shop, 'orders'>>()
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await orders.update(1, { total: '2' })
  // @ts-expect-error Type 'number' is not assignable to type 'undefined'.
  await orders.update(1, { number: 2 })
  // @ts-expect-error Type 'number' is not assignable to type 'undefined'.
  await orders.update(1, { created: 2 })
  // @ts-expect-error Type 'string' is not assignable to type 'boolean | null'.
  await orders.updateMany({}, { paid: 'yes' })
  // @ts-expect-error Types of property 'total' are incompatible.
  await orders.update(1, ({ note }) => ({ total: note ?? '' }))
  // @ts-expect-error Argument of type 'string' is not assignable to parameter of type 'number'.
  await orders.delete('1')
})
