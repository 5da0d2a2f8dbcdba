import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'tap'
import { CommitTooLargeError, type BucketDefinition } from '../../src/index.js'
import { repetitions } from '../support/campaign.js'
import { rejection, startStore } from '../support/store.js'

const COUNT = repetitions(1_000_000, 50_000)
const TIMEOUT = 600_000

test('records of 1 MB', async t => {
  const store = await startStore(t)
  await store.defineBucket('a', {
    key: 'id',
    schema: { id: { type: 'string' }, text: { type: 'string' } },
    indexes: ['text'],
    maxBytes: 20_000_000
  })
  const text = (i: number): string => `${i}${'x'.repeat(1 << 20)}`
  const bucket = store.bucket('a')
  await bucket.insertMany(Array.from({ length: 10 }, (_, i) => ({ id: `k${i}`, text: text(i) })))
  t.equal(await bucket.count({ text: text(3) }), 1)
  t.equal((await bucket.where({ text: { $startsWith: '7x' } })).length, 1)
  t.equal(await bucket.updateMany({ text: { $endsWith: 'xx' } }, { text: 'short' }), 10)
  const fields = Array.from({ length: 50_000 }, (_, i) => [`field${i}`, 'a text of 20 letters'])
  const wide = Object.fromEntries(fields) as Record<string, unknown>
  await bucket.insert({ id: 'wide', ...wide })
  t.match(await bucket.update('wide', { field49999: 'b' }), { field49999: 'b', _version: 2 })
  const more = Array.from({ length: 20 }, (_, i) => ({ id: `n${i}`, text: text(i) }))
  await t.rejects(bucket.insertMany(more), /maxBytes/)
  let deep: Record<string, unknown> = {}
  for (let i = 0; i < 99; i++) deep = { deep }
  await bucket.insert({ id: 'deep', deep })
  t.equal(await bucket.count({ 'deep.deep.deep': { $exists: true } }), 1)
})

test('a record nested without end', async t => {
  const store = await startStore(t)
  await store.defineBucket('a', { key: 'id', schema: { id: { type: 'string' } } })
  let deep: unknown[] = []
  for (let i = 0; i < 1_000_000; i++) deep = [deep]
  const failure = await rejection(store.bucket('a').insert({ id: 'x', deep }))
  t.match(failure, { name: 'ValidationError', message: /got more than 100 levels/ })
  // From a transform, which is code of the application.
  const transform = (record: object): Record<string, unknown> => ({ ...record, deep })
  await store.bucket('a').insert({ id: 'y' })
  const definition = store.getBucketSchema('a') as BucketDefinition
  const failed = await rejection(store.rebuildBucket('a', definition, { each: transform }))
  t.match(failed, { name: 'ValidationError', message: /got more than 100 levels/ })
  await store.bucket('a').delete('y')
  t.equal(await store.bucket('a').count(), 0)
  t.equal(store.revision, 3)
})

test('a cascade over very many records', { timeout: TIMEOUT }, async t => {
  t.test('side by side', { timeout: TIMEOUT }, async t => {
    const store = await startStore(t)
    await store.defineBucket('things', { key: 'id', schema: { id: { type: 'number' } } })
    await store.defineBucket('notes', {
      key: 'id',
      schema: { id: { type: 'number' }, of: { type: 'number', ref: 'things', onDelete: 'cascade' } }
    })
    await store.bucket('things').insert({ id: 1 })
    await store.bucket('notes').insertMany(Array.from({ length: COUNT }, (_, id) => ({ id, of: 1 })))
    let units = 0
    const work = { take: (more: number): void => { units += more } }
    const refused = store.bucket('things', { work }).delete(1, { maxChanges: 10_000 })
    t.ok(await rejection(refused) instanceof CommitTooLargeError)
    const transaction = store.transaction(async tx => {
      await (await tx.bucket('things', { work })).delete(1)
    }, { maxChanges: 10_000 })
    t.ok(await rejection(transaction) instanceof CommitTooLargeError)
    t.ok(units < 1_000, 'none of the records has been looked at')
    t.equal(await store.bucket('notes').count(), COUNT)
    const start = performance.now()
    await store.bucket('things').delete(1)
    t.comment(`${COUNT} records: ${Math.round(performance.now() - start)} ms`)
    t.equal(await store.bucket('notes').count(), 0)
  })

  t.test('one after the other', { timeout: TIMEOUT }, async t => {
    const store = await startStore(t)
    await store.defineBucket('chain', {
      key: 'id', schema: { id: { type: 'number' }, to: { type: 'number', ref: 'chain', onDelete: 'cascade' } }
    })
    await store.transaction(async tx => {
      const links = Array.from({ length: COUNT }, (_, id) => ({ id, to: id === 0 ? null : id - 1 }))
      await (await tx.bucket('chain')).insertMany(links)
    })
    // In proportion: quadratic would take minutes.
    await t.rejects(store.transaction(async tx => {
      const bucket = await tx.bucket('chain')
      await bucket.delete(0)
      t.equal(await bucket.count(), 0)
      throw new Error('as planned')
    }), /as planned/)
    t.equal(await store.bucket('chain').count(), COUNT)
    await store.bucket('chain').delete(0)
    t.equal(await store.bucket('chain').count(), 0)
  })
})

test('a transaction that touches everything', { timeout: TIMEOUT }, async t => {
  const store = await startStore(t)
  const count = COUNT / 10
  for (const name of ['a', 'b', 'c']) {
    await store.defineBucket(name, {
      key: 'id', schema: { id: { type: 'number' }, u: { type: 'number', unique: true } }, indexes: ['u']
    })
    await store.bucket(name).insertMany(Array.from({ length: count }, (_, id) => ({ id, u: id })))
  }
  let turns = 0
  const ended = new AbortController()
  const others = (async () => {
    for (; !ended.signal.aborted; turns++) await turn()
  })()
  await store.transaction(async tx => {
    for (const name of ['a', 'b', 'c']) {
      const bucket = await tx.bucket(name)
      t.equal((await bucket.all()).length, count)
      // Every unique value moves on by one.
      for (let id = 0; id < count; id++) await bucket.update(id, { u: (id + 1) % count })
      t.equal(await bucket.count({ u: 1 }), 1)
      await bucket.deleteMany({ u: { $lt: 10 } })
    }
  })
  ended.abort()
  await others
  t.ok(turns > 1, 'others have had their turns')
  t.equal(await store.bucket('c').count(), count - 10)
  t.equal(store.revision, 7)
})
