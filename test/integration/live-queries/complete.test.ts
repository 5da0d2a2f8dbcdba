import t from 'tap'
import { serve } from '../../support/service.js'

const find = { bucket: 'items', sort: { n: 'asc' }, fields: ['id', 'n'] }
const complete = { find, delta: true, complete: true }

t.test('complete results with positions, of one moment with the deltas of others', async t => {
  const { connect, store } = await serve(t)
  const client = await connect()
  const first = await client.ask('store.subscribe', complete)
  t.match(first, { epoch: String, revision: Number, key: 'id', data: [] })
  const other = await client.ask('store.subscribe', { find: { bucket: 'items' }, delta: true })
  await store.bucket('items').insert({ id: 'a', n: 1 })
  const pushes = [await client.push(), await client.push()]
  t.match(pushes.find(push => push['subscriptionId'] === first.subscriptionId), {
    epoch: first.epoch, key: 'id', data: [{ id: 'a', n: 1 }]
  })
  t.match(pushes.find(push => push['subscriptionId'] === other.subscriptionId), { delta: { upsert: [{}] } })
  t.equal(pushes[0]?.['revision'], pushes[1]?.['revision'])
  t.same(pushes.map(push => push['more']), [true, undefined], 'one group')
})

t.test('a client that comes back gets the complete result, unless it has it', async t => {
  const { connect, store } = await serve(t)
  const client = await connect()
  const { epoch, revision } = await client.ask('store.subscribe', complete)
  const since = { epoch, revision }
  const same = await client.ask('store.subscribe', { ...complete, since })
  t.match(same, { epoch, delta: { upsert: [], remove: [] } })
  t.equal(same.data, undefined)
  await store.bucket('items').insert({ id: 'a', n: 1 })
  t.match(await client.ask('store.subscribe', { ...complete, since }), { epoch, data: [{ id: 'a' }] })
})

t.test('a long result, which is encoded in slices, is complete as well', async t => {
  const { connect, store } = await serve(t)
  await store.bucket('items').insertMany(Array.from({ length: 3_000 }, (_, n) => ({ id: String(n), n })))
  const client = await connect()
  t.equal((await client.ask('store.subscribe', complete)).data.length, 3_000)
  await store.bucket('items').insert({ id: 'x', n: -1 })
  const { data, revision } = await client.push()
  t.equal(data.length, 3_001)
  t.match(data[0], { id: 'x' })
  await store.bucket('items').delete('x')
  const next = await client.push()
  t.equal(next['data'].length, 3_000)
  t.ok(next['revision'] > revision)
})

t.test('it belongs to delta, and is a boolean', async t => {
  const { connect } = await serve(t)
  const client = await connect()
  const wrong = await client.request('store.subscribe', { find, complete: true })
  t.match(wrong, { code: 'VALIDATION_ERROR', message: 'complete: needs "delta": true' })
  t.equal(await client.code('store.subscribe', { ...complete, complete: 1 }), 'VALIDATION_ERROR')
  t.match(await client.ask('store.subscribe', { find, complete: false }), { data: [] })
})
