import type { Test } from 'tap'
import type { TestClient } from './client.js'
import { serve, type Served } from './service.js'

export interface Setting extends Served {
  readonly client: TestClient
}

export const text = { type: 'string' } as const

export const number = { type: 'number' } as const

export const minimal = { key: 'id', schema: { id: text } }

export async function connected (t: Test): Promise<Setting> {
  const served = await serve(t)
  return { ...served, client: await served.connect() }
}

/** A bucket `kept` with three records. */
export async function withKept (t: Test): Promise<Setting> {
  const setting = await connected(t)
  await setting.client.ask('store.defineBucket', {
    name: 'kept',
    config: { ...minimal, ttl: '1h', indexes: ['id'] }
  })
  await setting.client.ask('store.insertMany', {
    bucket: 'kept',
    data: [{ id: 'a', twin: 1 }, { id: 'b', twin: 1 }, { id: 'c' }]
  })
  return setting
}

/** Checks that everything which tells of the store still answers, and that `kept` has lost nothing. */
export async function isIntact (
  t: Test,
  { client, app }: Setting,
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
