import type { Test } from 'tap'
import type { BucketDefinition } from '@hamicek/noex-store'
import type { Frame, TestClient } from './client.js'
import { serveBuckets, type ServedClient } from './service.js'

const buckets: Readonly<Record<string, BucketDefinition>> = {
  accounts: {
    key: 'id',
    schema: {
      id: { type: 'string' },
      balance: { type: 'number', min: 0, required: true },
      code: { type: 'string', unique: true }
    }
  },
  log: {
    key: 'id',
    schema: {
      id: { type: 'number', generated: 'autoincrement' },
      account: { type: 'string', ref: 'accounts' }
    }
  },
  notes: {
    key: 'id',
    schema: {
      id: { type: 'string', generated: 'uuid' },
      log: { type: 'number', ref: 'log', onDelete: 'cascade' },
      seen: { type: 'number', ref: 'log', onDelete: 'set_null' }
    }
  },
  brief: { key: 'id', schema: { id: { type: 'string' } }, ttl: '1h' },
  small: { key: 'id', schema: { id: { type: 'string' } }, maxSize: 2 },
  timed: { key: 'id', schema: { id: { type: 'number', generated: 'timestamp' } } },
  fixed: { key: 'id', schema: { id: { type: 'string', default: 'only' } } }
}

/** Accounts a (5) and b (7, code B), and an entry of the log for b. */
export async function withAccounts (t: Test): Promise<ServedClient> {
  const served = await serveBuckets(t, buckets)
  const { client } = served
  await client.ask('store.insertMany', {
    bucket: 'accounts',
    data: [
      { id: 'a', balance: 5 },
      { id: 'b', balance: 7, code: 'B' }
    ]
  })
  await client.ask('store.insert', { bucket: 'log', data: { account: 'b' } })
  return served
}

/** Runs a transaction and returns the results of its entries. */
export async function transact (client: TestClient, ...operations: readonly object[]): Promise<any[]> {
  const { results } = await client.ask('store.transaction', { operations })
  return results.map(({ data }: Frame) => data)
}

export async function rejectedTransaction (
  client: TestClient,
  ...operations: readonly object[]
): Promise<Frame> {
  return await client.request('store.transaction', { operations })
}

export const readAccounts = async (client: TestClient) =>
  (await client.ask('store.all', { bucket: 'accounts' })).map(({ id, balance, _version }: Frame) => [
    id,
    balance,
    _version
  ])
