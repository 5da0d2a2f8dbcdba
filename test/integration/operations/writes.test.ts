import t from 'tap'
import { Type } from 'typebox'
import { Store, type Commit } from '@hamicek/noex-store'
import { Barrier } from '../../support/barrier.js'
import { act, anyOf, serveOperations } from '../../support/own-operations.js'
import { serveAccounts } from '../../support/identity.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { until } from '../../support/until.js'

const auth = { validate: (token: string) => ({ userId: token, roles: ['writer'] }), required: false }
const insert = act(async ({ store, input }) => await store.bucket('items').insert(input.data), {
  input: anyOf('data')
})

t.test('the writes of a handler name the user of the request', async t => {
  const { connect, store } = await serveOperations(t, [act(async ({ store }) => {
    const items = store.bucket('items')
    await items.insert({ id: 'a', n: 1 })
    await items.insertMany([{ id: 'b' }, { id: 'c' }])
    await items.update('a', { n: 2 })
    await items.update('a', ({ n }) => ({ n: Number(n) + 1 }))
    await items.updateMany({}, { name: 'x' })
    await items.upsert({ id: 'a', n: 4 })
    await items.upsert({ id: 'd', n: 1 }, { update: { n: 2 } })
    await items.delete('b')
    await items.deleteMany({ id: 'c' })
    await store.transaction(async tx => {
      const bucket = await tx.bucket('items')
      await bucket.insert({ id: 'e', n: (await bucket.get('a'))?.['n'] })
    })
    await items.insert({ id: 'f' }, { user: 'another' })
    await items.clear()
  })], { auth })
  const commits: Commit[] = []
  store.onCommit(commit => { commits.push(commit) })
  const client = await connect()
  await client.ask('shop.act')
  t.same(commits.map(({ user }) => user), [...Array<undefined>(10), 'another', undefined], 'anonymous')
  t.ok(commits.every(({ writer }) => writer !== undefined))
  commits.splice(0)
  await client.ask('auth.login', { token: 'alice' })
  await client.ask('shop.act')
  t.same(commits.map(({ user }) => user), [...Array<string>(10).fill('alice'), 'another', 'alice'])
})

t.test('the store of a handler reads as the store does', async t => {
  const { connect, store } = await serveOperations(t, [act(async ({ store }) => {
    const items = store.bucket('items')
    return {
      names: store.bucketNames.includes('items'),
      has: [store.hasBucket('items'), store.hasBucket('nothing')],
      history: [store.revision > 0, store.epoch !== ''],
      name: items.name,
      get: (await items.get('a'))?.['n'],
      all: (await items.all()).length,
      where: (await items.where({ n: 2 })).length,
      find: (await items.find({ sort: { n: 'desc' }, limit: 1 }))[0]?.['n'],
      findOne: (await items.findOne({ n: 1 }))?.['id'],
      count: await items.count({ n: { $gt: 1 } }),
      first: (await items.first(1))[0]?.['id'],
      last: (await items.last(1))[0]?.['id'],
      page: (await items.paginate({ limit: 1 })).hasMore,
      figures: [await items.sum('n'), await items.avg('n'), await items.min('n'), await items.max('n')],
      groups: await items.groupBy('name', { function: 'count' }),
      query: await store.runQuery('over', { n: 1 }),
      code: await store.runQuery('code')
    }
  })])
  await store.bucket('items').insertMany([{ id: 'a', n: 1, name: 'x' }, { id: 'b', n: 2, name: 'x' }])
  const filter = { n: { $gt: '{{ params.n }}' } }
  store.defineDeclarativeQuery('over', { bucket: 'items', filter, fields: ['id'] })
  store.defineQuery('code', async ctx => await ctx.bucket('items').count())
  t.same(await (await connect()).ask('shop.act'), {
    names: true,
    has: [true, false],
    history: [true, true],
    name: 'items',
    get: 1,
    all: 2,
    where: 1,
    find: 2,
    findOne: 'a',
    count: 1,
    first: 'a',
    last: 'b',
    page: true,
    figures: [3, 1.5, 1, 2],
    groups: [{ key: { name: 'x' }, value: 2 }],
    query: [{ id: 'b' }],
    code: 2
  })
})

t.test('a transaction of a handler takes effect as a whole, or not', async t => {
  const { connect, store } = await serveOperations(t, [
    act(async ({ store }) => {
      await store.transaction(async tx => {
        await (await tx.bucket('items')).insert({})
        throw new Error('no')
      })
    }),
    act(async ({ store }) => await store.transaction(async tx => {
      const items = await tx.bucket('items')
      await items.update('a', { n: 2 }, { expectedVersion: 7 })
    }), { name: 'shop.version' })
  ])
  await store.bucket('items').insert({ id: 'a', n: 1 })
  const client = await connect()
  t.equal(await client.code('shop.act'), 'INTERNAL_ERROR')
  t.match(await client.request('shop.version'), {
    code: 'CONFLICT', details: { expectedVersion: 7, version: 1 }
  })
  t.match(await store.bucket('items').all(), [{ id: 'a', n: 1 }])
})

t.test('ephemeral records that a handler writes end with the connection of its client', async t => {
  const { connect, store } = await serveOperations(t, [act(async ({ store }) => {
    await store.bucket('online').insert({ id: 'alice' })
  })], { presence: { graceMs: 0 } })
  await store.defineBucket('online', { key: 'id', ephemeral: true, schema: { id: { type: 'string' } } })
  const [client, other] = [await connect(), await connect()]
  await client.ask('shop.act')
  t.equal(await store.bucket('online').count(), 1)
  client.ws.close()
  await until(async () => await store.bucket('online').count() === 0)
  await other.ask('shop.act', { idempotencyKey: 'k' })
})

t.test('a key makes an operation happen once', async t => {
  const { connect, store } = await serveOperations(t, [
    insert,
    act(async () => 'read', { name: 'shop.read', tier: 'read' }),
    act(async ({ call, input }) => await call('store.insert', { bucket: 'items', data: input.data }), {
      name: 'shop.call', input: anyOf('data')
    })
  ], { auth })
  const client = await connect()
  await client.ask('auth.login', { token: 'alice' })
  for (const type of ['shop.act', 'shop.call']) {
    const first = await client.ask(type, { data: { n: 1 }, idempotencyKey: type })
    t.same(await client.ask(type, { data: { n: 1 }, idempotencyKey: type }), first)
    t.match(await client.request(type, { data: { n: 2 }, idempotencyKey: type }), {
      code: 'VALIDATION_ERROR', message: /is that of another request/
    })
  }
  t.equal(await store.bucket('items').count(), 2)
  t.match(await client.request('shop.read', { idempotencyKey: 'k' }), {
    code: 'VALIDATION_ERROR', message: 'idempotencyKey: is not taken by shop.read: leave it out'
  })
  t.match(await client.request('shop.act', { data: {}, idempotencyKey: 5 }), { message: /^idempotencyKey: / })
})

t.test('an operation that changes something may be asked for its revision', async t => {
  const { connect, store } = await serveOperations(t, [
    insert, act(async () => 'read', { name: 'shop.read', tier: 'read' })
  ])
  const client = await connect()
  const { revision } = await client.request('shop.act', { data: { n: 3 }, revision: true })
  t.equal(revision, store.revision)
  t.match(await client.next(({ event }) => event === 'revision'), { revision })
  t.match(await client.request('shop.read', { revision: true }), {
    code: 'VALIDATION_ERROR', message: 'revision: is not taken by shop.read: leave it out'
  })
  const wrong = await client.request('shop.act', { data: {}, revision: 1 })
  t.match(wrong, { message: 'revision: must be boolean' })
})

t.test('the answer of a repeated request is shown while the rights of its calls are the same', async t => {
  const { login, superadmin } = await serveAccounts(t, {}, {
    operations: [act(async ({ call }) => await call('store.insert', { bucket: 'items', data: {} }))]
  })
  const admin = await superadmin()
  const role = await admin.ask('identity.createRole', {
    name: 'clerk', permissions: [{ allow: ['shop.*', 'store.insert'] }]
  })
  const client = await login('alice', 'clerk')
  const first = await client.ask('shop.act', { idempotencyKey: 'k' })
  t.same(await client.ask('shop.act', { idempotencyKey: 'k' }), first)
  await admin.ask('identity.updateRole', { roleId: role.id, permissions: [{ allow: ['shop.*'] }] })
  t.same(await client.ask('shop.act', { idempotencyKey: 'k' }), { repeated: true })
})

t.test('a key outlives the process of a durable store, and a failure is not remembered', async t => {
  const directory = temporaryDirectory(t)
  let runs = 0
  const operations = [act(async ({ store }) => {
    if (++runs === 1) throw new Error('once')
    await store.bucket('items').insert({})
    return runs
  })]
  for (const expected of ['INTERNAL_ERROR', 2, 2]) {
    const store = await Store.start({ durability: { directory, onNotice () {} } })
    const { connect, app } = await serveOperations(t, operations, {}, { store })
    const client = await connect()
    const reply = await client.request('shop.act', { idempotencyKey: 'k' })
    t.equal(reply['code'] ?? reply['data'], expected)
    t.equal(await store.bucket('items').count(), expected === 2 ? 1 : 0)
    await app.close()
    await store.stop()
  }
  t.equal(runs, 2)
})

t.test('of two requests with one key at once, the second waits for the first', async t => {
  const barrier = new Barrier()
  const { connect } = await serveOperations(t, [act(async () => {
    await barrier.pass()
    return barrier.passed
  })])
  const [one, other] = [await connect(), await connect()]
  const replies = [one, other].map(async client => await client.ask('shop.act', { idempotencyKey: 'k' }))
  await barrier.release()
  t.same(await Promise.all(replies), [1, 1])
})

t.test('an operation that names an ephemeral bucket is remembered nevertheless', async t => {
  let runs = 0
  const { connect, store } = await serveOperations(t, [act(() => ++runs, {
    resources: [{ type: 'bucket', name: 'online' }]
  })])
  await store.defineBucket('online', { key: 'id', ephemeral: true, schema: { id: { type: 'string' } } })
  const client = await connect()
  for (let i = 0; i < 2; i++) t.equal(await client.ask('shop.act', { idempotencyKey: 'k' }), 1)
})

t.test('secrets are no part of what is remembered', async t => {
  const pin = Type.Object({ pin: Type.String(), n: Type.Number() })
  const { connect } = await serveOperations(t, [act(() => 1, { input: pin, secrets: ['pin'] })])
  const client = await connect()
  await client.ask('shop.act', { pin: 'a', n: 1, idempotencyKey: 'k' })
  t.equal(await client.ask('shop.act', { pin: 'b', n: 1, idempotencyKey: 'k' }), 1)
  t.equal(await client.code('shop.act', { pin: 'a', n: 2, idempotencyKey: 'k' }), 'VALIDATION_ERROR')
})
