import { readFile, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { orderDesk } from '../../example-app/app.js'
import type { Order } from '../../example-app/model.js'
import { openStore } from '../../example-app/store.js'
import { TestClient, type Frame } from '../support/client.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { projectFile } from '../support/project-file.js'
import { liveUrl, orderEntries, placeOrder, productOf, type Stored } from '../support/order-desk.js'

interface Desk {
  readonly app: FastifyInstance
  readonly connect: () => Promise<TestClient>
  /** Ends it as the process does, clients first. */
  readonly stop: () => Promise<void>
}

/** Runs the order desk on a folder of the test's own. */
async function open (t: Test, directory = temporaryDirectory(t), paymentMs = 3_600_000): Promise<Desk> {
  const { store, close } = await openStore({ directory })
  const app = Fastify({ forceCloseConnections: true })
  const clients: TestClient[] = []
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    for (const { ws } of clients) ws.close()
    stopped ??= app.close().then(close)
    await stopped
  }
  t.teardown(stop)
  app.register(orderDesk, { store, allowedOrigins: ['http://desk.example'], paymentMs })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const connect = async (): Promise<TestClient> => {
    const client = await TestClient.open(t, liveUrl((app.server.address() as AddressInfo).port))
    clients.push(client)
    return client
  }
  return { app, connect, stop }
}

t.test('the first start fills the store', async t => {
  const { app, connect } = await open(t)
  const client = await connect()

  t.same(await client.ask('store.buckets'), { count: 3, names: ['customers', 'products', 'orders'] })
  const orders = await client.ask('store.subscribe', { query: 'open-orders' })
  t.match(orders.data, [
    { number: 5, sku: 'POT-002', quantity: 1, total: 3_850, status: 'new', _version: 1 },
    { number: 4, sku: 'CUP-002', status: 'packed' }
  ])
  const [customers, products] = [
    await client.ask('store.subscribe', { query: 'all-customers' }),
    await client.ask('store.subscribe', { query: 'all-products' })
  ]
  t.equal(customers.data.find(({ id }: { id: string }) => id === orders.data[0].customerId).name, 'Jun Mori')
  t.equal(products.data.length, 6)
  const counts = await client.ask('store.subscribe', { query: 'orders-by-status' })
  t.match(new Set(counts.data), new Set([
    { key: { status: 'new' }, value: 1 },
    { key: { status: 'packed' }, value: 1 },
    { key: { status: 'shipped' }, value: 2 },
    { key: { status: 'cancelled' }, value: 1 }
  ]))
  const low = await client.ask('store.subscribe', { query: 'low-stock', params: { atMost: 5 } })
  t.same(low.data, [
    { sku: 'TRY-001', name: 'Serving tray', stock: 2 },
    { sku: 'POT-001', name: 'Stoneware teapot', stock: 4 }
  ])

  t.match((await app.inject('/healthz')).json(), { status: 'ok', connections: 1 })
  t.match((await app.inject('/stats')).json(), {
    name: 'order-desk',
    connections: { totalStoreSubscriptions: 5 },
    store: { persistence: { enabled: true } }
  })
})

t.test('an order reaches every client that watches', async t => {
  const { connect } = await open(t)
  const [seller, watcher] = await Promise.all([connect(), connect()])
  const orders = await watcher.ask('store.subscribe', { query: 'open-orders' })
  const counts = await watcher.ask('store.subscribe', { query: 'orders-by-status' })
  const low = await watcher.ask('store.subscribe', { query: 'low-stock', params: { atMost: 5 } })

  const { results } = await placeOrder(seller, 'POT-002', 6)
  t.match(results[0].data, { number: 6, status: 'new', total: 23_100 })

  const [row] = (await watcher.push(orders.subscriptionId))['data'] as Array<Stored<Order>>
  t.match(row, { number: 6, sku: 'POT-002', quantity: 6, status: 'new' })
  t.match(
    (await watcher.push(counts.subscriptionId))['data'].find((group: any) => group.key.status === 'new'),
    { value: 2 }
  )
  t.match((await watcher.push(low.subscriptionId))['data'][1], { sku: 'POT-002', stock: 3 })

  await watcher.ask('store.transaction', {
    operations: [
      { op: 'update', bucket: 'orders', key: 6, data: { status: 'shipped' }, expectedVersion: row?._version }
    ]
  })
  t.notOk(
    (await watcher.push(orders.subscriptionId))['data'].some(({ number }: Order) => number === 6),
    'a shipped order leaves the list'
  )
})

t.test('of two who sell the same pieces one has to look again', async t => {
  const { connect } = await open(t)
  const [first, second] = await Promise.all([connect(), connect()])
  const product = await productOf(first, 'TRY-001')

  const [one, other] = await Promise.all([first, second].map(async client =>
    await client.request('store.transaction', { operations: await orderEntries(client, product, 2) })))
  t.same([one?.['type'], other?.['type']].sort(), ['error', 'result'])
  t.equal(one?.['code'] ?? other?.['code'], 'CONFLICT')

  t.equal((await productOf(first, 'TRY-001')).stock, 0)
  t.equal(await first.ask('store.count', { bucket: 'orders' }), 6, 'the refused transaction has left nothing')
})

t.test('the schema holds against any request of a client', async t => {
  const { connect } = await open(t)
  const client = await connect()
  const [{ id: customerId }] = await client.ask('store.all', { bucket: 'customers' })
  const order = { customerId, sku: 'CUP-001', quantity: 2, unitPrice: 1_250, total: 2_500 }
  const refused = async (data: object): Promise<string> =>
    await client.code('store.insert', { bucket: 'orders', data: { ...order, ...data } })

  t.equal(await refused({ total: 1 }), 'VALIDATION_ERROR', 'a total that does not add up')
  t.equal(await refused({ quantity: 0.5, total: 625 }), 'VALIDATION_ERROR', 'half a piece')
  t.equal(await refused({ customerId: 'unknown' }), 'VALIDATION_ERROR', 'an order of an unknown customer')
  t.equal(await refused({ status: 'lost' }), 'VALIDATION_ERROR', 'an unknown status')
  const tooMany = await orderEntries(client, await productOf(client, 'TRY-001'), 3)
  t.equal(
    await client.code('store.transaction', { operations: tooMany }),
    'VALIDATION_ERROR',
    'more pieces than there are'
  )
  t.equal(
    await client.code('store.insert', { bucket: 'customers', data: { name: 'A', email: 'ada@example.com' } }),
    'ALREADY_EXISTS'
  )
  t.equal(
    await client.code('store.delete', { bucket: 'products', key: 'POT-002' }),
    'CONFLICT',
    'a product that was ordered'
  )
  t.equal(await client.ask('store.count', { bucket: 'orders' }), 5)
})

t.test('a restart keeps what was there', async t => {
  const directory = temporaryDirectory(t)
  const first = await open(t, directory)
  await placeOrder(await first.connect(), 'CUP-001', 8)
  await first.stop()

  const second = await open(t, directory)
  const client = await second.connect()
  t.equal((await productOf(client, 'CUP-001')).stock, 40)
  t.equal(await client.ask('store.count', { bucket: 'customers' }), 4, 'no second seed')
  t.match((await placeOrder(client, 'CUP-001', 1)).results[0].data, { number: 7 }, 'numbers go on')
})

t.test('a log that is not whole stops the start, each time', async t => {
  const directory = temporaryDirectory(t)
  const desk = await open(t, directory)
  for (let i = 0; i < 3; i++) await placeOrder(await desk.connect(), 'CUP-001', 1)
  await desk.stop()
  const path = join(directory, 'store.log')
  const whole = await readFile(path, 'utf8')
  const damaged = whole.replace('"number"', '"numbre"')
  await writeFile(path, damaged)
  for (let i = 0; i < 2; i++) await t.rejects(openStore({ directory }), /store\.log, line \d+ .*damaged/)
  t.equal(await readFile(path, 'utf8'), damaged, 'and the file is left as it is')
  await writeFile(path, whole)
  const { store, close } = await openStore({ directory })
  t.equal(await store.bucket('orders').count(), 8)
  await close()
})

t.test('a store that cannot make its commits durable says so at its end', async t => {
  const directory = temporaryDirectory(t)
  const notices: string[] = []
  const { store, close } = await openStore({ directory, onNotice: ({ type }) => { notices.push(type) } })
  await rm(join(directory, 'store.log'))
  await t.rejects(store.bucket('products').update('CUP-001', { stock: 1 }), { name: 'StoreUnavailableError' })
  t.same(notices, ['unavailable'])
  t.match(await store.bucket('products').get('CUP-001'), { stock: 48 }, 'the write was taken back')
  await t.rejects(close(), { message: /lost to the store: entries 1 to \d+/ })
  t.notOk(store.hasBucket('orders'), 'the store has stopped all the same')
})

t.test('the page', async t => {
  const { app } = await open(t)
  const expected = {
    '/': ['text/html; charset=utf-8', 'index.html'],
    '/app.js': ['text/javascript; charset=utf-8', 'app.js'],
    '/style.css': ['text/css; charset=utf-8', 'style.css'],
    '/icon.svg': ['image/svg+xml', 'icon.svg']
  } as const
  for (const [url, [type, file]] of Object.entries(expected)) {
    const response = await app.inject(url)
    t.equal(response.statusCode, 200, url)
    t.equal(response.headers['content-type'], type)
    t.equal(response.headers['x-content-type-options'], 'nosniff')
    t.equal(response.body, await readFile(projectFile(`example-app/public/${file}`), 'utf8'))
    t.match(response.headers['content-security-policy'], /^default-src 'self'; connect-src 'self' ws: wss:;/)
  }
  const { body } = await app.inject('/')
  t.notMatch(
    body,
    /<script(?![^>]* src=)|<style| style=| on\w+=|https?:\/\//,
    'holds nothing that its policy forbids'
  )
})

t.test('pages of other sites may not connect', async t => {
  const { app } = await open(t)
  const url = liveUrl((app.server.address() as AddressInfo).port)
  t.equal((await TestClient.raw(t, url, { origin: 'http://elsewhere.example' }).closed).code, 1006)
  await TestClient.open(t, url, { origin: 'http://desk.example' })
})

t.test('the rules', async t => {
  const isNotice =
    (topic: string) =>
      (frame: Frame): boolean =>
        frame['channel'] === 'event' && frame['data'].topic === topic
  const place = async (client: TestClient, quantity: number): Promise<number> => {
    const entries = await orderEntries(client, await productOf(client, 'CUP-001'), quantity)
    const { results } = await client.ask('store.transaction', { operations: entries })
    return results[0].data.number
  }

  t.test('a large order is announced to subscribers, a small one is not', async t => {
    const { connect } = await open(t)
    const [mine, theirs] = [await connect(), await connect()]
    await theirs.ask('rules.subscribe', { pattern: 'desk.*' })
    await place(mine, 1)
    const number = await place(mine, 20)
    t.match(await theirs.next(isNotice('desk.large-order')), {
      data: { event: { data: { number, total: 25_000 }, source: 'rule' } }
    })
  })

  t.test(
    'an order that is not paid in time is reported, also after a restart; a paid or cancelled one is not',
    async t => {
      const directory = temporaryDirectory(t)
      const first = await open(t, directory)
      const client = await first.connect()
      const [paid, cancelled, forgotten] = [
        await place(client, 1),
        await place(client, 1),
        await place(client, 1)
      ]
      await client.ask('store.update', { bucket: 'orders', key: paid, data: { paid: true } })
      await client.ask('store.update', { bucket: 'orders', key: cancelled, data: { status: 'cancelled' } })
      t.equal(
        (await client.ask('rules.stats')).timersCount,
        1 + 2,
        'those of the seed that are open, and this one'
      )
      await first.stop()
      // Longer than a restart takes on a busy machine.
      const second = await open(t, directory, 3_000)
      const again = await second.connect()
      await again.ask('rules.subscribe', { pattern: 'desk.*' })
      const numbers = new Set<number>()
      while (!numbers.has(forgotten)) {
        numbers.add((await again.next(isNotice('desk.payment-due')))['data'].event.data.number)
      }
      const later = await place(again, 1)
      while (!numbers.has(later)) {
        numbers.add((await again.next(isNotice('desk.payment-due')))['data'].event.data.number)
      }
      t.same([...numbers].filter(number => number === paid || number === cancelled), [], 'neither of these')
    }
  )
})
