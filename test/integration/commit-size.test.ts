import Fastify from 'fastify'
import t from 'tap'
import { noexPlugin } from '../../lib/index.js'
import { serve, startStore } from '../support/service.js'

const LIMIT = 5

async function setUp (t: Parameters<typeof serve>[0]) {
  const served = await serve(t, { maxCommitChanges: LIMIT })
  const { store } = served
  await store.defineBucket('parents', { key: 'id', schema: { id: { type: 'string' } } })
  await store.defineBucket('children', {
    key: 'id',
    schema: {
      id: { type: 'string' },
      n: { type: 'number' },
      parent: { type: 'string', ref: 'parents', onDelete: 'cascade' }
    }
  })
  await store.bucket('parents').insert({ id: 'p' })
  await store.bucket('children').insertMany(rows(LIMIT + 1, { parent: 'p' }))
  return { ...served, client: await served.connect() }
}

const rows = (count: number, more: object = {}, from = 0) =>
  Array.from({ length: count }, (_, i) => ({ id: `${from + i}`, n: i, ...more }))

t.test('A client changes no more than maxCommitChanges records at once', async t => {
  const { client, store } = await setUp(t)
  const bucket = 'children'
  const steps = rows(LIMIT + 1, {}, 100).map(data => ({ action: 'store.insert', bucket, data }))
  await client.ask('procedures.register', { procedure: { name: 'as a whole', transaction: true, steps } })
  const table: ReadonlyArray<readonly [type: string, fields: object]> = [
    ['store.insertMany', { bucket, data: rows(LIMIT + 1, {}, 100) }],
    ['store.updateMany', { bucket, filter: {}, data: { n: 1 } }],
    ['store.deleteMany', { bucket, filter: {} }],
    // With the records that refer to it.
    ['store.delete', { bucket: 'parents', key: 'p' }],
    ['store.transaction', { operations: [{ op: 'updateMany', bucket, filter: {}, data: { n: 1 } }] }],
    ['store.transaction', {
      operations: rows(LIMIT + 1, {}, 100).map(data => ({ op: 'insert', bucket, data }))
    }],
    ['store.transaction', { operations: [{ op: 'delete', bucket: 'parents', key: 'p' }] }],
    ['procedures.call', { name: 'as a whole' }]
  ]
  const before = store.revision
  for (const [type, fields] of table) {
    t.match(await client.request(type, fields), {
      code: 'VALIDATION_ERROR', message: /maxCommitChanges, 5/, details: { maxCommitChanges: LIMIT }
    }, `${type} ${JSON.stringify(fields)}`)
  }
  t.equal(store.revision, before, 'nothing was written')
  const fields = { bucket, filter: { n: { $lt: LIMIT } }, data: { n: 1 } }
  t.equal(await client.ask('store.updateMany', fields), LIMIT)
  t.equal((await client.ask('store.insertMany', { bucket, data: rows(LIMIT, {}, 200) })).length, LIMIT)
})

t.test('The application does, and so does a client that clears a bucket', async t => {
  const { client, store } = await setUp(t)
  t.equal(await store.bucket('children').updateMany({}, { n: 1 }), LIMIT + 1)
  t.same(await client.ask('store.clear', { bucket: 'children' }), { cleared: true })
  t.equal(await store.bucket('children').count(), 0)
})

t.test('The option is a positive integer', async t => {
  const store = await startStore(t)
  for (const maxCommitChanges of [0, -1, 1.5, NaN, Infinity, '5', null] as number[]) {
    const app = Fastify()
    t.teardown(async () => { await app.close() })
    await t.rejects(
      (async () => { await app.register(noexPlugin, { store, maxCommitChanges }) })(), /maxCommitChanges/
    )
  }
})
