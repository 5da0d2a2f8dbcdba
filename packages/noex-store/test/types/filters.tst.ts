import type { FilterOf, NumericPath, PathOf, RecordMeta, ValueAt } from '@hamicek/noex-store'
import { expect, test } from 'tstyche'
import { store, type Shop } from './shop.js'

const orders = store.bucket('orders')

test('a filter names fields, and paths into objects and arrays', async () => {
  await orders.where({
    number: 1,
    status: 'new',
    'address.city': { $startsWith: 'B' },
    'address.zip': { $between: [1, 2] },
    'lines.0.sku': 'a',
    'lines.length': { $gt: 1 },
    'tags.1': { $in: ['a', null] },
    'extra.any.thing': 1,
    _createdAt: { $lt: 5 }
  })
  expect<PathOf<Shop, 'customers'>>().type.toBe<'id' | 'name' | keyof RecordMeta>()
  expect<ValueAt<Shop, 'orders', 'address.city'>>().type.toBe<string>()
  expect<ValueAt<Shop, 'orders', 'lines.7.sku'>>().type.toBe<string>()
  // @ts-expect-error 'totl' does not exist in type
  await orders.where({ totl: 1 })
  // @ts-expect-error ''address.town'' does not exist in type
  await orders.where({ 'address.town': 'a' })
  // @ts-expect-error ''note.length'' does not exist in type
  await orders.where({ 'note.length': 1 })
})

test('operands have the type of their field', async () => {
  // @ts-expect-error Type 'string' is not assignable to type 'number | OrderOperators<number, number>
  await orders.where({ total: '1' })
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await orders.where({ total: { $gte: '1' } })
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await orders.where({ total: { $between: [1, '2'] } })
  // @ts-expect-error Type '"old"' is not assignable to type '"new" | "packed" | null'.
  await orders.where({ status: { $in: ['old'] } })
  // @ts-expect-error Type 'number' is not assignable to type 'string'.
  await orders.where({ note: { $contains: 1 } })
  // @ts-expect-error Type 'number' is not assignable to type 'boolean | undefined'.
  await orders.where({ note: { $exists: 1 } })
  // @ts-expect-error Type 'true' is not assignable to type 'DateValue | undefined'.
  await orders.where({ due: { $lt: true } })
  await orders.where({ due: { $gte: new Date(), $lt: 5 }, note: null, status: { $gt: 'a' } })
})

test('operators are those of the field\'s type', async () => {
  // @ts-expect-error '$contains' does not exist in type 'OrderOperators<number, number>'.
  await orders.where({ total: { $contains: '1' } })
  // @ts-expect-error '$gt' does not exist in type 'EqualityOperators<boolean>'.
  await orders.where({ paid: { $gt: false } })
  // @ts-expect-error '$startsWith' does not exist in type 'Date | OrderOperators<DateValue, DateValue>'.
  await orders.where({ due: { $startsWith: '2026' } })
  // @ts-expect-error '$in' does not exist in type 'PresenceOperators'.
  await orders.where({ address: { $in: [] } })
  // @ts-expect-error '$like' does not exist in type 'TextOperators<string, string>'.
  await orders.where({ note: { $like: 'a' } })
  await orders.where({ address: { $exists: true }, lines: { $neq: null } })
})

test('$and and $or take filters', async () => {
  await orders.where({ $or: [{ total: 1 }, { $and: [{ note: 'a' }] }] })
  // @ts-expect-error Type 'string' is not assignable to type 'number | OrderOperators<number, number> | null
  await orders.where({ $or: [{ total: '1' }] })
  // @ts-expect-error 'nope' does not exist in type
  await orders.where({ $and: [{ $or: [{ nope: '1' }] }] })
})

test('counts, and writes of many, take filters too', async () => {
  // @ts-expect-error 'totl' does not exist in type
  await orders.count({ totl: 1 })
  // @ts-expect-error 'totl' does not exist in type
  await orders.deleteMany({ totl: 1 })
  // @ts-expect-error 'totl' does not exist in type
  await orders.updateMany({ totl: 1 }, {})
  // @ts-expect-error 'totl' does not exist in type
  await orders.sum('total', { totl: 1 })
  expect<FilterOf<Shop, 'customers'>>().type.toBeAssignableFrom<{ name: string }>()
})

test('aggregates take fields of numbers', async () => {
  expect<NumericPath<Shop, 'orders'>>().type.toBe<
    'number' | 'created' | 'total' | 'address.zip' | 'lines.length' | 'tags.length' | 'list.length' |
    keyof RecordMeta>()
  expect(await orders.sum('total')).type.toBe<number>()
  expect(await orders.max('address.zip')).type.toBe<number | undefined>()
  // @ts-expect-error Argument of type '"note"' is not assignable to parameter of type
  await orders.sum('note')
  // @ts-expect-error Argument of type '"due"' is not assignable to parameter of type
  await orders.min('due')
})

test('groups have the values of their paths', async () => {
  const one = await orders.groupBy('status', { function: 'count' })
  expect(one[0]?.key).type.toBe<{ readonly status: 'new' | 'packed' } | undefined>()
  const two = await orders.groupBy(['paid', 'address.city'], { function: 'sum', field: 'total' })
  expect(two[0]?.key).type.toBe<
    { readonly paid: boolean | null, readonly 'address.city': string | null | undefined } | undefined>()
  expect(two[0]?.value).type.toBe<number | undefined>()
  // @ts-expect-error Type '"nope"' is not assignable to type
  await orders.groupBy(['nope'], { function: 'count' })
  // @ts-expect-error Type '"note"' is not assignable to type
  await orders.groupBy('status', { function: 'sum', field: 'note' })
})
