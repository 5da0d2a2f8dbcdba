import { isStoreError, type Store, type TransactionBucketHandle } from '../../src/index.js'
import type { FakeClock } from '../support/store.js'
import { definition, type Operation } from './arbitraries.js'

/** Does an operation on the store; one that is refused is passed over. */
export async function perform (store: Store, clock: FakeClock, operation: Operation): Promise<void> {
  try {
    await performOn(store, clock, operation)
  } catch (error) {
    if (!isStoreError(error)) throw error
  }
}

async function performOn (store: Store, clock: FakeClock, operation: Operation): Promise<void> {
  switch (operation.kind) {
    case 'transaction':
      await store.transaction(async tx => {
        const bucket = await tx.bucket('records')
        for (const step of operation.steps) await writeTo(bucket, step)
      })
      break
    case 'clear':
      await store.bucket('records').clear()
      break
    case 'redefine':
      await store.updateBucket('records', { ttl: '1s' })
      break
    case 'rebuild': {
      const each = (record: Record<string, unknown>): Record<string, unknown> => ({ ...record, n: 1 })
      await store.rebuildBucket('records', definition, operation.isOneByOne
        ? { each }
        : records => records.slice(1).map(([key, record]) => [key, { ...record, s: 'b' }]))
      break
    }
    case 'drop':
      await store.dropBucket('records')
      await store.defineBucket('records', definition)
      break
    case 'advance':
      clock.time += operation.ms
      break
    case 'reopen':
    case 'refuse':
      break
    default:
      await writeTo(store.bucket('records'), operation)
  }
}

type Writes = Pick<
  TransactionBucketHandle,
  'get' | 'insert' | 'insertMany' | 'upsert' | 'update' | 'updateMany' | 'delete' | 'deleteMany'
>

/** Inserts the records whose keys are free. */
async function insertMissing (
  bucket: Writes, inputs: ReadonlyArray<Record<string, unknown>>
): Promise<void> {
  const missing = new Map<unknown, Record<string, unknown>>()
  for (const input of inputs) if (await bucket.get(input['id']) === undefined) missing.set(input['id'], input)
  if (missing.size > 0) await bucket.insertMany([...missing.values()])
}

async function writeTo (bucket: Writes, operation: Operation): Promise<void> {
  switch (operation.kind) {
    case 'insert':
    case 'upsert':
      await bucket[operation.kind](operation.input)
      break
    case 'insertMany':
      await insertMissing(bucket, operation.inputs)
      break
    case 'update':
      await bucket.update(operation.key, operation.members)
      break
    case 'delete':
      await bucket.delete(operation.key)
      break
    case 'updateMany':
      await bucket.updateMany(operation.filter, operation.members)
      break
    case 'deleteMany':
      await bucket.deleteMany(operation.filter)
      break
    default:
      throw new Error(`${operation.kind} is no write`)
  }
}
