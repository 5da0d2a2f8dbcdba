import type { Test } from 'tap'
import type { BucketDefinition } from '@hamicek/noex-store'
import type { TestClient } from './client.js'
import { serve, type Served } from './service.js'

export interface Setting extends Served {
  readonly client: TestClient
}

export const goods: BucketDefinition = {
  key: 'id',
  schema: {
    id: { type: 'string' },
    name: { type: 'string', required: true, minLength: 2 },
    price: { type: 'number', min: 0 },
    code: { type: 'string', unique: true },
    kind: { type: 'string', enum: ['a', 'b'], default: 'a' }
  },
  indexes: ['kind']
}

export async function withBuckets (t: Test, buckets: Readonly<Record<string, BucketDefinition>>): Promise<Setting> {
  const served = await serve(t)
  for (const [name, definition] of Object.entries(buckets)) await served.store.defineBucket(name, definition)
  return { ...served, client: await served.connect() }
}

/** A bucket `goods` with the records a, b and c. */
export async function withGoods (t: Test): Promise<Setting> {
  const setting = await withBuckets(t, { goods })
  await setting.client.ask('store.insertMany', {
    bucket: 'goods',
    data: [
      { id: 'a', name: 'apple', price: 5, tags: null },
      { id: 'b', name: 'Banana', price: 2.5, kind: 'b', code: 'B1' },
      { id: 'c', name: 'cherry', kind: 'b' }
    ]
  })
  return setting
}

export const ids = (records: ReadonlyArray<Readonly<Record<string, unknown>>>) => records.map(record => record['id'])
