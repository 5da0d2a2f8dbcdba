import t from 'tap'
import { createCollection, createLiveQueryCollection, eq } from '@tanstack/db'
import { NoexClientError } from '../../../../lib/client/errors.js'
import { collectionOptions } from '../../../../lib/client/adapters/tanstack-db.js'
import { HandClient, HandQuery } from '../../../support/hand-client.js'

interface Order {
  readonly number: number
  readonly status: string
}

const [first, second] = [{ number: 1, status: 'new' }, { number: 2, status: 'packed' }]

/** Returns a collection of orders, its query and its client. */
function start () {
  const client = new HandClient()
  const query = new HandQuery<Order[]>('open-orders')
  const orders = createCollection(collectionOptions({
    client,
    query,
    bucket: 'orders',
    getKey: order => order.number,
    toRecord: ({ number: _, ...record }) => record
  }))
  return { client, query, orders }
}

/** The rows without what TanStack DB adds. */
function rowsOf (rows: readonly Order[]): Order[] {
  return rows.map(({ number, status }) => ({ number, status }))
}

t.test('it is ready with the first result, and has each change', async t => {
  const { query, orders } = start()
  const ready = orders.preload()
  t.equal(orders.status, 'loading')
  query.show([first, second])
  await ready
  t.equal(orders.status, 'ready')
  t.same(rowsOf(orders.toArray), [first, second])
  const changes: Array<[type: string, key: unknown]> = []
  const subscription = orders.subscribeChanges(list => {
    for (const { type, key } of list) changes.push([type, key])
  }, { includeInitialState: true })
  changes.length = 0
  query.show([{ ...first, status: 'packed' }, { number: 3, status: 'new' }])
  t.same(rowsOf(orders.toArray), [{ number: 1, status: 'packed' }, { number: 3, status: 'new' }])
  t.same(changes.sort(), [['delete', 2], ['insert', 3], ['update', 1]])
  query.change({ status: 'stale' })
  t.equal(changes.length, 3)
  subscription.unsubscribe()
  await orders.cleanup()
  t.equal(query.listeners.size, 0)
})

t.test('rows of a user who has gone are gone, and those of the next come', async t => {
  const { query, orders } = start()
  const ready = orders.preload()
  query.show([first, second])
  await ready
  query.forget({ status: 'error', error: new NoexClientError('LOGGED_OUT', 'the user has logged out') })
  t.same(orders.toArray, [])
  query.show([second])
  t.same(rowsOf(orders.toArray), [second])
  query.forget()
  t.same(orders.toArray, [])
})

t.test('live queries of TanStack DB follow it', async t => {
  const { query, orders } = start()
  query.show([first, second])
  const packed = createLiveQueryCollection(q =>
    q.from({ order: orders }).where(({ order }) => eq(order.status, 'packed')))
  await packed.preload()
  t.same(rowsOf(packed.toArray as Order[]), [second])
  query.show([{ ...first, status: 'packed' }, second])
  t.same(rowsOf(packed.toArray as Order[]).length, 2)
  await packed.cleanup()
  await orders.cleanup()
})

t.test('a query that is refused is an error of the collection', async t => {
  const { query, orders } = start()
  const ready = orders.preload()
  const error = new NoexClientError('NOT_FOUND', 'there is no such query')
  query.fail(error)
  await t.rejects(ready, error)
  t.equal(orders.status, 'error')
})

t.test('changes are shown at once, are one transaction, and go where they are refused', async t => {
  const { client, query, orders } = start()
  query.show([first, second])
  await orders.preload()
  const insert = orders.insert({ number: -1, status: 'new' })
  t.ok(orders.has(-1))
  t.match(client.requests, [{
    type: 'optimistic',
    members: [{ op: 'insert', bucket: 'orders', record: { status: 'new' } }],
    options: { retry: true }
  }])
  query.show([first, second, { number: 3, status: 'new' }])
  client.requests[0]?.answer([])
  await insert.isPersisted.promise
  t.same([...orders.keys()].sort(), [1, 2, 3], 'the row with its key of the server is there instead')

  const update = orders.update([1, 2], drafts => {
    for (const draft of drafts as Array<{ status: string }>) draft.status = 'shipped'
  })
  t.equal(orders.get(1)?.status, 'shipped')
  t.same(client.requests[1]?.members, [
    { op: 'update', bucket: 'orders', key: 1, record: { status: 'shipped' } },
    { op: 'update', bucket: 'orders', key: 2, record: { status: 'shipped' } }
  ])
  const error = new NoexClientError('FORBIDDEN', 'no')
  client.requests[1]?.refuse(error)
  await t.rejects(update.isPersisted.promise, error)
  t.equal(orders.get(1)?.status, 'new')

  const gone = orders.delete(2)
  t.notOk(orders.has(2))
  t.same(client.requests[2]?.members, [{ op: 'delete', bucket: 'orders', key: 2 }])
  query.show([first])
  client.requests[2]?.answer([])
  await gone.isPersisted.promise
  t.same([...orders.keys()], [1])
})

t.test('without a bucket it is read only', async t => {
  const query = new HandQuery<Order[]>()
  const options = collectionOptions({ client: new HandClient(), query, getKey: order => order.number })
  query.show([first])
  const orders = createCollection(options)
  await orders.preload()
  t.throws(() => { orders.insert(second as Order) })
})
