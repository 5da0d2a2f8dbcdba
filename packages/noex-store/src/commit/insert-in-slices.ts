import type { Engine } from '../engine.js'
import { OperationBudget } from '../schema/size.js'
import type { PendingCheck } from '../schema/pending-checks.js'
import type { WriteOptions } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import { checkInput } from './references.js'
import { checkObject, commitNew, insertMany, openForWrite, withNextVersions, type Input } from './writes.js'

/** Records up to which a batch is prepared at once. */
const MAX_AT_ONCE = 1_000
/** Records prepared between two looks at the clock. */
const STEP = 128

/**
 * Inserts all records or none. Those of a long batch are made and checked in slices; the step that commits
 * looks at what has changed meanwhile.
 */
export function insertBatch (
  engine: Engine, name: string, inputs: readonly Input[], options: WriteOptions = {}
): StoreRecord[] | Promise<StoreRecord[]> {
  if (inputs.length <= MAX_AT_ONCE) return insertMany(engine, name, inputs, options)
  return insertInSlices(engine, name, [...inputs], options)
}

async function insertInSlices (
  engine: Engine, name: string, inputs: readonly Input[], options: WriteOptions
): Promise<StoreRecord[]> {
  const bucket = openForWrite(engine, name)
  const time = engine.now
  const given = new Set(inputs.map(input => input?.[bucket.schema.key]))
  for (const input of inputs) {
    checkObject(bucket, input)
    checkInput(engine.buckets, bucket, input, engine.now)
  }
  const records: StoreRecord[] = []
  const budget = new OperationBudget(engine.options.maxOperationBytes)
  let pending: PendingCheck[] = []
  for (const input of inputs) {
    records.push(bucket.prepareInsert(input, time, number => given.has(number), pending))
    budget.add(name, bucket.inputBytes)
    if (pending.length >= STEP || (pending.length > 0 && records.length === inputs.length)) {
      await engine.checks.settle(name, pending)
      pending = []
    }
    if (records.length % STEP === 0 && engine.slicer.isSpent) await engine.slicer.nextTurn()
  }
  const current = openForWrite(engine, name)
  // Another definition makes other records.
  if (current !== bucket) return await insertInSlices(engine, name, inputs, options)
  return commitNew(engine, bucket, withNextVersions(bucket, records), options)
}
