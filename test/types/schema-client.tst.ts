import type { RecordOf } from '@hamicek/noex-store'
import { expect, test } from 'tstyche'
import { useMutation, useQuery } from '../../lib/client/adapters/react.js'
import type { ClientOf, SchemaClient } from '../../lib/client/schema-client.js'
import type { Client, LiveQuery } from '../../lib/client/types.js'
import type { Wire, WireRecord } from '../../lib/client/wire-types.js'
import type { operations, Shop, shop } from '../support/shop-schema.js'

type Order = WireRecord<typeof shop, 'orders'>
type Customer = WireRecord<typeof shop, 'customers'>
declare const client: SchemaClient<typeof shop, typeof operations>
declare const known: SchemaClient<Shop>
const order = { customerId: 'a', total: 1 }

test('a typed client is a client; without a schema it is a loose one', () => {
  expect(client).type.toBeAssignableTo<Client>()
  expect(known).type.toBeAssignableTo<Client>()
  expect<ClientOf<never, object>>().type.toBe<Client>()
  expect<ClientOf<typeof shop, typeof operations>>().type.toBe<typeof client>()
})

test('records are as JSON brings them', () => {
  expect<Order['due']>().type.toBe<number | string | null | undefined>()
  expect<Order['tags']>().type.toBe<ReadonlyArray<'a' | 'b' | null> | null | undefined>()
  expect<Order['status']>().type.toBe<'new' | 'packed'>()
  expect<Order['_version']>().type.toBe<number>()
  expect<Order>().type.toBeAssignableTo<RecordOf<typeof shop, 'orders'>>()
  expect<Wire<any>>().type.toBe<any>()
})

test('a request knows its bucket and its reply', async () => {
  expect(await client.request('store.get', { bucket: 'orders', key: 1 })).type.toBe<Order | null>()
  expect(await client.request('store.all', { bucket: 'customers' })).type.toBe<Customer[]>()
  expect(await client.request('store.insert', { bucket: 'orders', data: order })).type.toBe<Order>()
  expect(await client.request('store.min', { bucket: 'orders', field: 'total' })).type.toBe<number | null>()
  const filter = { status: { $in: ['new'] }, due: { $lt: 3 }, _version: 1 } as const
  expect(await client.request('store.count', { bucket: 'orders', filter })).type.toBe<number>()
  await client.request('store.where', { bucket: 'orders', filter: { $or: [{ paid: true }, { note: null }] } })
  const groups = await client.request('store.groupBy', {
    bucket: 'orders', field: ['status', 'paid'], aggregate: { function: 'sum', field: 'total' }
  })
  expect(groups[0]?.key).type.toBe<Pick<Order, 'status' | 'paid'> | undefined>()
  const page = await client.request('store.paginate', { bucket: 'visits', limit: 2, after: null })
  expect(page.nextCursor).type.toBe<number | string | undefined>()
  await client.request('store.update', {
    bucket: 'orders', key: 1, data: { note: null, due: 3 }, expectedVersion: 2, idempotencyKey: 'k'
  }, { retry: true })
})

test('a request of no bucket has the members of its operation', async () => {
  expect((await client.request('store.buckets')).names).type.toBe<readonly string[]>()
  await client.request('store.buckets', {}, { timeoutMs: 1_000 })
  const event = await client.request('rules.emit', { topic: 'order.placed', data: { total: 1 } })
  expect(event.source).type.toBe<'api' | 'rule' | 'timer'>()
  const { token } = await client.request('identity.login', { username: 'alice', password: 'secret' })
  expect(token).type.toBe<string>()
})

test('a transaction knows the reply of each entry', async () => {
  const { results } = await client.request('store.transaction', {
    operations: [
      { op: 'get', bucket: 'customers', key: 'a' },
      { op: 'insert', bucket: 'orders', data: order },
      { op: 'groupBy', bucket: 'orders', field: 'status', aggregate: { function: 'count' } }
    ]
  }, { retry: true })
  expect(results[0].data).type.toBe<Customer | null>()
  expect(results[1].data).type.toBe<Order>()
  expect(results[2].data[0]?.key.status).type.toBe<'new' | 'packed' | undefined>()
})

test('an operation of the application has its input and its result', async () => {
  const shipped = await client.request('shop.ship', { order: 1 })
  expect(shipped).type.toBe<{ order: number, carrier: string | undefined, at: string }>()
  expect(await client.request('shop.close')).type.toBe<{ open: boolean }>()
  expect(await client.request('shop.ring', { times: 2 }, { retry: true })).type.toBe<null>()
})

test('operations can be given as the types of their calls, and as any', async () => {
  interface Calls { 'a.b': { input: { n: number }, output: string[] } }
  const one = {} as unknown as SchemaClient<typeof shop, Calls>
  expect(await one.request('a.b', { n: 1 })).type.toBe<string[]>()
  const loose = {} as unknown as SchemaClient<typeof shop, any>
  expect(await loose.request('a.b', { anything: 1 })).type.toBe<any>()
  expect(await loose.request('store.get', { bucket: 'orders', key: 1 })).type.toBe<Order | null>()
})

test('procedures and queries are known by their names', async () => {
  const { result } = await known.request('procedures.call', { name: 'sell', input: { sku: 'a' } })
  expect(result).type.toBe<number | undefined>()
  expect(await known.request('store.query', { query: 'large', params: { above: 1 } })).type.toBe<Order[]>()
  expect(await known.request('store.query', { query: 'latest' })).type.toBe<Order | null>()
  expect(await client.request('store.query', { query: 'any', params: { a: 1 } })).type.toBe<unknown>()
})

test('a live query of a name has the result of the query', () => {
  expect(known.query('open-orders', { status: 'new' })).type.toBe<LiveQuery<readonly Order[]>>()
  expect(known.query('everything', undefined, { page: { limit: 9 } }))
    .type.toBe<LiveQuery<readonly Order[]>>()
  expect(known.query('latest')).type.toBe<LiveQuery<Order | null>>()
  expect(client.query('open-orders', { status: 'new' })).type.toBe<LiveQuery<unknown>>()
  expect(client.query<Order[]>('open-orders', { status: 'new' })).type.toBe<LiveQuery<Order[]>>()
  expect(known.query<number>('another', { n: 1 })).type.toBe<LiveQuery<number>>()
})

test('a live query of a bucket has its rows, their fields, or a figure', () => {
  expect(client.query({ bucket: 'orders', filter: { status: 'new' }, sort: { total: 'desc' }, limit: 9 }))
    .type.toBe<LiveQuery<readonly Order[]>>()
  expect(client.query({ bucket: 'orders', fields: ['number', '_version'] }))
    .type.toBe<LiveQuery<ReadonlyArray<Pick<Order, 'number' | '_version'>>>>()
  expect(client.query({ bucket: 'orders', aggregate: { function: 'count' } })).type.toBe<LiveQuery<number>>()
  expect(client.query({ bucket: 'orders', aggregate: { function: 'max', field: 'total' } }))
    .type.toBe<LiveQuery<number | null>>()
  const groups = client.query({ bucket: 'orders', aggregate: { function: 'count', groupBy: 'status' } })
  expect(groups.getSnapshot()?.[0]?.key).type.toBe<{ readonly status: 'new' | 'packed' } | undefined>()
  expect(client.query<Order[]>({ bucket: 'orders' })).type.toBe<LiveQuery<Order[]>>()
})

test('optimistic changes are those of the buckets', async () => {
  const all = client.query({ bucket: 'orders' })
  await client.optimistic(tx => {
    tx.bucket('orders').insert(order)
    tx.bucket('orders').update(1, { status: 'packed', note: null })
    tx.bucket('customers').delete('a', { expectedVersion: 2 })
    tx.query(all, rows => rows.filter(row => row.number !== 1))
  }, { retry: true })
})

test('an adapter takes a typed client and its queries', () => {
  expect(useQuery(client.query({ bucket: 'orders' })).data).type.toBe<readonly Order[] | undefined>()
  const [place] = useMutation(client, (tx, number: number) => {
    tx.bucket('orders').update(number, { total: 2 })
    // @ts-expect-error Type 'string' is not assignable to type 'number'.
    tx.bucket('orders').update(number, { total: '2' })
  })
  expect(place).type.toBeCallableWith(1)
})
