import type { Test } from 'tap'
import { serveBuckets, type ServedClient } from './service.js'

export const textField = { type: 'string' } as const

export const numberField = { type: 'number' } as const

export const minimalBucket = { key: 'id', schema: { id: textField } }

/** A bucket `kept` with three records. */
export async function withKept (t: Test): Promise<ServedClient> {
  const setting = await serveBuckets(t)
  await setting.client.ask('store.defineBucket', {
    name: 'kept',
    config: { ...minimalBucket, ttl: '1h', indexes: ['id'] }
  })
  await setting.client.ask('store.insertMany', {
    bucket: 'kept',
    data: [{ id: 'a', twin: 1 }, { id: 'b', twin: 1 }, { id: 'c' }]
  })
  return setting
}

/** Checks that everything which tells of the store still answers, and that `kept` has lost nothing. */
export async function assertIntact (
  t: Test,
  { client, app }: ServedClient,
  buckets: readonly string[] = ['items', 'kept']
): Promise<void> {
  t.same((await client.ask('store.stats')).buckets.names, buckets)
  t.same((await client.ask('server.stats')).store.buckets.names, buckets)
  t.same((await app.noex.getStats()).store?.buckets.names, buckets)
  t.match(await client.ask('store.all', { bucket: 'kept' }), [
    { id: 'a', _version: 1 },
    { id: 'b', _version: 1 },
    { id: 'c', _version: 1 }
  ])
}
