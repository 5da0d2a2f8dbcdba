import type { Test } from 'tap'
import { FileAdapter, Store, type BucketDefinition, type StoreImage } from '../../src/index.js'
import { temporaryDirectory } from './temporary-directory.js'

/** Starts a durable store that ends with the test. */
export async function startOn (t: Test, directory: string): Promise<Store> {
  const store = await Store.start({ ttlCheckIntervalMs: 0, durability: { directory, onNotice () {} } })
  t.teardown(async () => { await store.stop().catch(() => {}) })
  return store
}

export const orders: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'number', generated: 'autoincrement' },
    total: { type: 'number', required: true },
    due: { type: 'date' },
    customer: { type: 'string', ref: 'customers' }
  },
  indexes: ['customer']
}
export const customers: BucketDefinition = {
  key: 'name', schema: { name: { type: 'string' }, nick: { type: 'string', unique: true } }
}

/** Makes the folder that a store with `persistence` leaves. Returns the state of its buckets, too. */
export async function adapterFolder (t: Test): Promise<{ directory: string, before: StoreImage }> {
  const directory = temporaryDirectory(t)
  const before = await Store.start({ name: 'shop', persistence: { adapter: new FileAdapter({ directory }) } })
  await before.defineBucket('customers', customers)
  await before.defineBucket('orders', orders)
  await before.bucket('customers').insertMany([{ name: 'a', nick: 'x' }, { name: 'b' }])
  for (let i = 1; i <= 5; i++) {
    await before.bucket('orders').insert({ total: i, due: new Date(1.7e12 + i), customer: 'a' })
  }
  await before.bucket('orders').update(2, { total: 22, list: [{ $noex: 'date' }] })
  await before.bucket('orders').delete(5)
  await before.bucket('orders').delete(1)
  const image = before.image()
  await before.stop()
  return { directory, before: image }
}
