import { test } from 'tap'
import { ReferentialIntegrityError, type BucketDefinition, type Store } from '../src/index.js'
import { startStore } from './support/store.js'

const nodes: BucketDefinition = {
  key: 'id', schema: { id: { type: 'number' }, parent: { type: 'number', ref: 'nodes' } }
}

/** The same write by itself and in a transaction. */
const ways = {
  alone: async (store: Store, write: Write) => await write(store.bucket('nodes')),
  'in a transaction': async (store: Store, write: Write) =>
    await store.transaction(async tx => await write(await tx.bucket('nodes')))
}

type Write = (bucket: Pick<ReturnType<Store['bucket']>, 'insert' | 'insertMany' | 'update' | 'upsert'>)
=> Promise<unknown>

const allowed: Record<string, Write> = {
  'a parent before its child': async bucket => await bucket.insertMany([{ id: 1 }, { id: 2, parent: 1 }]),
  'a child before its parent': async bucket => await bucket.insertMany([{ id: 2, parent: 1 }, { id: 1 }]),
  'records that refer to one another':
    async bucket => await bucket.insertMany([{ id: 1, parent: 2 }, { id: 2, parent: 1 }]),
  'a chain of many': async bucket => await bucket.insertMany(
    Array.from({ length: 2_000 }, (_, id) => ({ id, parent: Math.max(0, id - 1) }))),
  'a record that refers to itself': async bucket => await bucket.insert({ id: 1, parent: 1 }),
  'the same by upsert': async bucket => await bucket.upsert({ id: 1, parent: 1 }),
  'the same by update': async bucket => {
    await bucket.insert({ id: 1 })
    await bucket.update(1, { parent: 1 })
  }
}

const refused: Record<string, Write> = {
  'an insert': async bucket => await bucket.insert({ id: 1, parent: 7 }),
  'a batch': async bucket => await bucket.insertMany([{ id: 1 }, { id: 2, parent: 7 }]),
  'an upsert': async bucket => await bucket.upsert({ id: 1, parent: 7 }),
  'an update': async bucket => {
    await bucket.insert({ id: 1 })
    await bucket.update(1, { parent: 7 })
  }
}

test('references are checked in the state that a write leads to', async t => {
  for (const [way, run] of Object.entries(ways)) {
    for (const [name, write] of Object.entries(allowed)) {
      const store = await startStore(t)
      await store.defineBucket('nodes', nodes)
      await t.resolves(run(store, write), `${name}, ${way}`)
    }
    for (const [name, write] of Object.entries(refused)) {
      const store = await startStore(t)
      await store.defineBucket('nodes', nodes)
      await t.rejects(run(store, write), ReferentialIntegrityError, `${name} that refers to nothing, ${way}`)
    }
  }
})
