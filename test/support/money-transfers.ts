import type { Test } from 'tap'
import type { BucketDefinition } from '@hamicek/noex-store'
import { serve, type Served } from './service.js'

const transferBuckets: Readonly<Record<string, BucketDefinition>> = {
  accounts: {
    key: 'id',
    schema: { id: { type: 'string' }, balance: { type: 'number', min: 0 }, kind: { type: 'string' } },
    indexes: ['kind']
  },
  entries: {
    key: 'id',
    schema: {
      id: { type: 'string', generated: 'uuid' },
      account: { type: 'string', ref: 'accounts' },
      amount: { type: 'number' }
    }
  }
}

export async function serveTransfers (t: Test, accounts: number): Promise<Served> {
  const served = await serve(t)
  for (const [name, definition] of Object.entries(transferBuckets)) {
    await served.store.defineBucket(name, definition)
  }
  const records = Array.from({ length: accounts }, (_, n) => ({
    id: `a${n}`,
    balance: 1_000_000,
    kind: 'open'
  }))
  await served.store.bucket('accounts').insertMany(records)
  return served
}

/** Reads two accounts, computes both balances, and writes them with an entry each. */
export const transfer = {
  name: 'transfer',
  transaction: true,
  steps: [
    { action: 'store.get', bucket: 'accounts', key: '{{ input.from }}', as: 'from' },
    { action: 'store.get', bucket: 'accounts', key: '{{ input.to }}', as: 'to' },
    {
      action: 'compute',
      op: 'subtract',
      left: '{{ from.balance }}',
      right: '{{ input.amount }}',
      as: 'debited'
    },
    { action: 'compute', op: 'add', left: '{{ to.balance }}', right: '{{ input.amount }}', as: 'credited' },
    {
      action: 'store.update',
      bucket: 'accounts',
      key: '{{ input.from }}',
      data: { balance: '{{ debited }}' }
    },
    {
      action: 'store.update',
      bucket: 'accounts',
      key: '{{ input.to }}',
      data: { balance: '{{ credited }}' }
    },
    { action: 'store.insert', bucket: 'entries', data: { account: '{{ input.from }}', amount: -1 } },
    { action: 'store.insert', bucket: 'entries', data: { account: '{{ input.to }}', amount: 1 } }
  ]
}
