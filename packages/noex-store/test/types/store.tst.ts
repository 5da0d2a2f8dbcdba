import {
  Store, type BucketEvent, type BucketHandle, type Commit, type ParamsOf, type RecordOf, type ResultOf,
  type StoreOptions, type TypedStore
} from '@hamicek/noex-store'
import { expect, test } from 'tstyche'
import { shop, store, type Shop } from './shop.js'

type Order = RecordOf<Shop, 'orders'>

test('a store is started with a schema, or its buckets are defined', async () => {
  expect(await Store.start({ name: 'shop', schema: shop })).type.toBe<TypedStore<Shop>>()
  expect(await Store.start()).type.toBe<Store>()
  expect(await (await Store.start({ name: 'shop' })).defineBuckets(shop)).type.toBe<TypedStore<Shop>>()
  expect<Parameters<typeof Store.start>>().type.toBe<[options?: StoreOptions | undefined]>()
})

test('a typed store is a store', () => {
  expect(store).type.toBeAssignableTo<Store>()
  expect(store.bucket('orders')).type.toBeAssignableTo<BucketHandle>()
})

test('a transaction has typed buckets', async () => {
  const result = await store.transaction(async tx => {
    const orders = await tx.bucket('orders')
    expect(await orders.get(1)).type.toBe<Order | undefined>()
    expect(await orders.where({ status: 'new' })).type.toBe<Order[]>()
    await orders.update(1, { total: 1 }, { expectedVersion: 2 })
    // @ts-expect-error Type 'string' is not assignable to type 'number'.
    await orders.update(1, { total: '1' })
    // @ts-expect-error 'totl' does not exist in type
    await orders.count({ totl: 1 })
    // @ts-expect-error '"statu"' is not assignable to parameter of type
    await orders.groupBy('statu', { function: 'count' })
    // @ts-expect-error Argument of type '"oders"' is not assignable to parameter of type
    await tx.bucket('oders')
    return await orders.insert({ customerId: 'a', total: 1, lines: [] })
  })
  expect(result).type.toBe<Order>()
})

test('changes of a commit are told apart by type and bucket', () => {
  store.onCommit(commit => {
    expect(commit).type.toBeAssignableTo<Commit>()
    for (const change of commit.changes) {
      if (change.type === 'insert' && change.bucket === 'orders') {
        expect(change.after).type.toBe<Order>()
        expect(change.before).type.toBe<undefined>()
        expect(change.key).type.toBe<number>()
      }
      if (change.type === 'delete' && change.bucket === 'customers') {
        expect(change.before.name).type.toBe<string>()
      }
      // @ts-expect-error This comparison appears to be unintentional
      if (change.type === 'update' && change.bucket === 'oders') expect(change).type.toBe<never>()
    }
  })
  store.onDurable(({ revision }) => { expect(revision).type.toBe<number>() })
})

test('events have the type of their topic', async () => {
  await store.on('bucket.orders.inserted', ({ record, key }) => {
    expect(record).type.toBe<Order>()
    expect(key).type.toBe<number>()
  })
  await store.on('bucket.orders.updated', ({ oldRecord }) => { expect(oldRecord).type.toBe<Order>() })
  await store.on('bucket.orders.*', event => {
    if (event.type === 'deleted') expect(event.record).type.toBe<Order>()
  })
  await store.on('bucket.*.deleted', event => {
    if (event.bucket === 'orders') expect(event.record).type.toBe<Order>()
  })
  await store.on('*', event => { expect(event).type.toBeAssignableTo<BucketEvent>() })
  // @ts-expect-error Argument of type '"bucket.oders.inserted"' is not assignable to parameter of type
  await store.on('bucket.oders.inserted', () => {})
  // @ts-expect-error Argument of type '(event: { readonly total: number; }) => void' is not assignable
  await store.on('bucket.orders.inserted', (event: { readonly total: number }) => { String(event.total) })
})

test('a query in code knows its parameters and its result', async () => {
  const large = store.defineQuery('large', async (ctx, { above }: { above: number }) => {
    // @ts-expect-error 'totl' does not exist in type
    await ctx.bucket('orders').where({ totl: above })
    return await ctx.bucket('orders').where({ total: { $gt: above } })
  })
  const count = store.defineQuery('count', async ctx => await ctx.bucket('orders').count())
  expect(large).type.toBeAssignableTo<string>()
  expect<ParamsOf<typeof large>>().type.toBe<{ above: number }>()
  expect<ResultOf<typeof large>>().type.toBe<Order[]>()
  expect(await store.runQuery(large, { above: 1 })).type.toBe<Order[]>()
  expect(await store.runQuery(count)).type.toBe<number>()
  await store.subscribe(large, { above: 1 }, orders => { expect(orders).type.toBe<Order[]>() })
  await store.subscribe(count, result => { expect(result).type.toBe<number>() })
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await store.runQuery(large, { above: '1' })
  // @ts-expect-error is not assignable to
  await store.runQuery(large)
  // @ts-expect-error Type 'string' is not assignable to type 'number'.
  await store.subscribe(large, { above: '1' }, () => {})
})

test('a query as data knows its bucket and its result', async () => {
  const low = store.defineDeclarativeQuery('low', {
    bucket: 'orders',
    filter: { total: { $lte: '{{ params.atMost }}' }, status: 'new' },
    sort: { total: 'asc', 'address.city': 'desc' },
    fields: ['number', 'total', '_version']
  })
  const lows = await store.runQuery(low, { atMost: 3 })
  expect(lows).type.toBe<Array<Pick<Order, 'number' | 'total' | '_version'>>>()
  const all = store.defineDeclarativeQuery('all', { bucket: 'orders' })
  expect(await store.runQuery(all)).type.toBe<Order[]>()
  const groups = store.defineDeclarativeQuery('groups', {
    bucket: 'orders', aggregate: { function: 'count', groupBy: 'status' }
  })
  const [group] = await store.runQuery(groups)
  expect(group?.key).type.toBe<{ readonly status: 'new' | 'packed' } | undefined>()
  const most = store.defineDeclarativeQuery('most', {
    bucket: 'orders', aggregate: { function: 'max', field: 'total' }
  })
  expect(await store.runQuery(most)).type.toBe<number | undefined>()
  // @ts-expect-error Type '"nope"' is not assignable to type
  store.defineDeclarativeQuery('bad', { bucket: 'orders', fields: ['nope'] })
  // @ts-expect-error Type '"a"' is not assignable to type 'number |
  store.defineDeclarativeQuery('bad', { bucket: 'orders', filter: { total: 'a' } })
  // @ts-expect-error Type '"oders"' is not assignable to type '"customers" | "orders" | "sessions"'.
  store.defineDeclarativeQuery('bad', { bucket: 'oders' })
})

test('a query by its name alone is as loose as before', async () => {
  expect(await store.runQuery('large', { any: 1 })).type.toBe<unknown>()
  expect(await store.runQuery<Order[]>('large')).type.toBe<Order[]>()
  await store.subscribe<Order[]>('large', orders => { expect(orders).type.toBe<Order[]>() })
  const name: string = 'large'
  await store.subscribe(name, { above: 1 }, (orders: Order[]) => { expect(orders).type.toBe<Order[]>() })
})
