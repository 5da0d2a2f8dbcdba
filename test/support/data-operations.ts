import type { Test } from 'tap'
import type { BucketDefinition } from '@hamicek/noex-store'
import { serveBuckets, type ServedClient } from './service.js'

export const goodsBucket: BucketDefinition = {
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

/** A bucket `goods` with the records a, b and c. */
export async function withGoods (t: Test): Promise<ServedClient> {
  const served = await serveBuckets(t, { goods: goodsBucket })
  await served.client.ask('store.insertMany', {
    bucket: 'goods',
    data: [
      { id: 'a', name: 'apple', price: 5, tags: null },
      { id: 'b', name: 'Banana', price: 2.5, kind: 'b', code: 'B1' },
      { id: 'c', name: 'cherry', kind: 'b' }
    ]
  })
  return served
}

export const idsOf = (records: ReadonlyArray<Readonly<Record<string, unknown>>>) =>
  records.map(record => record['id'])
