import t from 'tap'
import { Store } from '@hamicek/noex-store'
import { turnsDuring } from './support/store.js'

/** Takes milliseconds to match with some dozens of `a`, and matches. */
const pattern = '^(?!a*a*a*a*b)a*$'
const text = 'a'.repeat(60)
const RECORDS = 60
const records = Array.from({ length: RECORDS }, (_, id) => ({ id, text }))

t.test('Records whose texts take long to match are checked in slices, however they are written', async t => {
  const store = await Store.start()
  t.teardown(async () => { await store.stop() })
  const key = { type: 'number' } as const
  await store.defineBucket('targets', { key: 'id', schema: { id: key } })
  await store.defineBucket('slow', {
    key: 'id',
    schema: {
      id: key,
      text: { type: 'string', pattern },
      ref: { type: 'number', ref: 'targets', onDelete: 'set_null' }
    }
  })
  await store.bucket('targets').insert({ id: 1 })
  const slow = store.bucket('slow')
  const writes: Readonly<Record<string, () => Promise<unknown>>> = {
    insertMany: async () => await slow.insertMany(records),
    updateMany: async () => await slow.updateMany({}, { ref: 1 }),
    'a delete of what they refer to': async () => { await store.bucket('targets').delete(1) },
    'insertMany of a transaction': async () => {
      await slow.clear()
      await store.transaction(async tx => await (await tx.bucket('slow')).insertMany(records))
    },
    'updateMany of a transaction': async () => {
      await store.transaction(async tx => await (await tx.bucket('slow')).updateMany({}, { n: 1 }))
    }
  }
  for (const [name, write] of Object.entries(writes)) {
    const turns = await turnsDuring(write)
    t.ok(turns > 2, `${name}: ${turns} turns of others`)
  }
  t.equal(await slow.count({ n: 1 }), RECORDS)
})

t.test('A text that takes too long refuses the batch as a whole', async t => {
  const store = await Store.start()
  t.teardown(async () => { await store.stop() })
  await store.defineBucket('slow', {
    key: 'id', schema: { id: { type: 'number' }, text: { type: 'string', pattern } }
  })
  const bad = [...records.slice(0, 5), { id: 99, text: 'a'.repeat(1_000) }]
  await t.rejects(store.bucket('slow').insertMany(bad), {
    name: 'ValidationError', message: /takes too long/
  })
  t.equal(await store.bucket('slow').count(), 0)
})
