import type { Bucket } from '../bucket/bucket.js'
import type { Row } from '../bucket/row.js'
import type { Engine } from '../engine.js'
import {
  DuplicateKeyError, RecordExistsError, RecordNotFoundError, TransactionConflictError, ValidationError
} from '../errors.js'
import type { WriteOptions } from '../types/commit.js'
import type { WhereFilter } from '../types/filter.js'
import type { StoreRecord } from '../types/record.js'
import { OperationBudget } from '../schema/size.js'
import type { PendingCheck } from '../schema/pending-checks.js'
import { expireDue } from './expiry.js'
import { Plan } from './plan.js'
import { checkInput } from './references.js'
import { selectForWrite } from './select-for-write.js'

/** Times that a write is planned anew because another one has come in between. */
export const MAX_ATTEMPTS = 10

export type Input = Readonly<Record<string, unknown>>

/**
 * Opens a bucket for a write.
 * @throws BucketNotDefinedError, StoreStoppedError, StoreUnavailableError, NotLeaderError
 */
export function openForWrite (engine: Engine, name: string): Bucket {
  const bucket = engine.bucket(name)
  engine.assertWritable()
  bucket.assertComplete()
  if (bucket.schema.hasFunctions) engine.checks.assertRoom(name)
  expireDue(engine, bucket)
  return bucket
}

/**
 * Checks the key of a new record.
 * @throws ValidationError
 */
export function keyOfNew (bucket: Bucket, record: StoreRecord): unknown {
  const key = bucket.keyIn(record)
  if (key !== undefined && key !== null) return key
  throw new ValidationError(
    bucket.name, [{ field: bucket.schema.key, message: 'Field is required', code: 'required' }]
  )
}

/**
 * Checks that input is an object.
 * @throws ValidationError
 */
export function checkObject (bucket: Bucket, input: unknown): asserts input is Input {
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) return
  throw new ValidationError(
    bucket.name, [{ field: '_record', message: 'A record must be an object', code: 'type' }]
  )
}

/** Inserts a record; a promise only where asynchronous validators are waited for. */
export function insert (
  engine: Engine, name: string, input: Input, options: WriteOptions = {}, attempt = 1
): StoreRecord | Promise<StoreRecord> {
  const bucket = openForWrite(engine, name)
  checkObject(bucket, input)
  checkInput(engine.buckets, bucket, input, engine.now)
  const pending: PendingCheck[] | undefined = bucket.schema.hasFunctions ? [] : undefined
  const record = bucket.prepareInsert(input, engine.now, undefined, pending)
  const key = keyOfNew(bucket, record)
  if (bucket.contents.rows.has(key)) throw new RecordExistsError(name, record[bucket.schema.key])
  const plan = new Plan(options.maxChanges)
  plan.add(bucket, key, undefined, record)
  if (pending === undefined || pending.length === 0) {
    engine.commit(plan, options)
    return record
  }
  return engine.checks.settle(name, pending).then(() => {
    if (openForWrite(engine, name).contents.rows.has(key)) {
      throw new RecordExistsError(name, record[bucket.schema.key])
    }
    const isStale = engine.buckets.get(name) !== bucket || record._version !== bucket.deleted.nextVersion(key)
    if (isStale && attempt < MAX_ATTEMPTS) return insert(engine, name, input, options, attempt + 1)
    engine.commit(plan, options)
    return record
  })
}

/** Inserts all records or none; a promise only where asynchronous validators are waited for. */
export function insertMany (
  engine: Engine, name: string, inputs: readonly Input[], options: WriteOptions = {}, attempt = 1
): StoreRecord[] | Promise<StoreRecord[]> {
  const bucket = openForWrite(engine, name)
  for (const input of inputs) {
    checkObject(bucket, input)
    checkInput(engine.buckets, bucket, input, engine.now)
  }
  const counter = bucket.counter
  try {
    const time = engine.now
    const given = new Set(inputs.map(input => input[bucket.schema.key]))
    const pending: PendingCheck[] = []
    const budget = new OperationBudget(engine.options.maxOperationBytes)
    const records = inputs.map(input => {
      const record = bucket.prepareInsert(input, time, number => given.has(number), pending)
      budget.add(name, bucket.inputBytes)
      return record
    })
    if (pending.length === 0) return commitNew(engine, bucket, records, options)
    const copies = [...inputs]
    return engine.checks.settle(name, pending).then(() => {
      const isStale = openForWrite(engine, name) !== bucket && attempt < MAX_ATTEMPTS
      if (isStale) return insertMany(engine, name, copies, options, attempt + 1)
      return commitNew(engine, bucket, withNextVersions(bucket, records), options)
    })
  } catch (error) {
    // None of the numbers has been seen, unless functions of the definition have taken further ones.
    if (bucket.counter <= counter + inputs.length && !bucket.schema.hasFunctions) bucket.counter = counter
    throw error
  }
}

/** Returns new records with versions that follow those of keys which have come and gone meanwhile. */
export function withNextVersions (bucket: Bucket, records: readonly StoreRecord[]): StoreRecord[] {
  return records.map(record => {
    const version = bucket.deleted.nextVersion(bucket.keyIn(record))
    return version <= record._version ? record : Object.freeze({ ...record, _version: version })
  })
}

/**
 * Commits new records of a bucket.
 * @throws RecordExistsError, DuplicateKeyError
 */
export function commitNew (
  engine: Engine, bucket: Bucket, records: readonly StoreRecord[], options: WriteOptions
): StoreRecord[] {
  const plan = new Plan(options.maxChanges)
  const keys = new Set<unknown>()
  for (const record of records) {
    const key = keyOfNew(bucket, record)
    if (bucket.contents.rows.has(key)) throw new RecordExistsError(bucket.name, record[bucket.schema.key])
    if (keys.has(key)) throw new DuplicateKeyError(bucket.name, record[bucket.schema.key])
    keys.add(key)
    plan.add(bucket, key, undefined, record)
  }
  engine.commit(plan, options)
  return [...records]
}

/** Updates a record; a promise only where asynchronous validators are waited for. */
export function update (
  engine: Engine, name: string, key: unknown, changes: Input, options: WriteOptions = {}, first = 1
): StoreRecord | Promise<StoreRecord> {
  const bucket = openForWrite(engine, name)
  checkObject(bucket, changes)
  checkInput(engine.buckets, bucket, changes, engine.now)
  for (let attempt = first; ; attempt++) {
    const row = bucket.row(key)
    const before = row?.record
    if (row === undefined || before === undefined) throw new RecordNotFoundError(name, key)
    checkVersion(bucket, key, before, options.expectedVersion)
    const pending: PendingCheck[] | undefined = bucket.schema.hasFunctions ? [] : undefined
    const after = bucket.prepareUpdate(before, changes, engine.now, pending)
    const plan = new Plan(options.maxChanges)
    plan.add(bucket, row.key, row, after, before)
    if (pending !== undefined && pending.length > 0) {
      return engine.checks.settle(name, pending).then(() => {
        const isStale = row.record !== before || engine.buckets.get(name) !== bucket
        if (isStale && attempt < MAX_ATTEMPTS) return update(engine, name, key, changes, options, attempt + 1)
        engine.commit(plan, options)
        return after
      })
    }
    if (row.record !== before && attempt < MAX_ATTEMPTS) continue
    engine.commit(plan, options)
    return after
  }
}

/** Deletes a record; one that does not exist is passed over, unless a version of it is expected. */
export function remove (engine: Engine, name: string, key: unknown, options: WriteOptions = {}): void {
  const bucket = openForWrite(engine, name)
  const row = bucket.row(key)
  checkVersion(bucket, key, row?.record, options.expectedVersion)
  if (row === undefined) return
  const plan = new Plan(options.maxChanges)
  plan.add(bucket, row.key, row, undefined)
  engine.commit(plan, options)
}

export function upsert (
  engine: Engine, name: string, input: Input, options: WriteOptions = {}
): StoreRecord | Promise<StoreRecord> {
  const bucket = openForWrite(engine, name)
  checkObject(bucket, input)
  const key = input[bucket.schema.key]
  return key !== undefined && bucket.row(key) !== undefined
    ? update(engine, name, key, input, options)
    : insert(engine, name, input, options)
}

/** Changes all records that match, in one commit. Resolves with their number. */
export async function updateMany (
  engine: Engine, name: string, filter: WhereFilter, changes: Input, options: WriteOptions = {}
): Promise<number> {
  const bucket = openForWrite(engine, name)
  checkObject(bucket, changes)
  checkInput(engine.buckets, bucket, changes, engine.now)
  // The records made so far, by those that they replace: none is made and checked twice.
  const made = new Map<StoreRecord, StoreRecord>()
  for (let attempt = 1; ; attempt++) {
    const selected = selectForWrite(engine, engine.bucket(name), filter)
    const rows = Array.isArray(selected) ? selected : await selected
    const current = openForWrite(engine, name)
    if (current !== bucket) return await updateMany(engine, name, filter, changes, options)
    const plan = new Plan(options.maxChanges)
    const pending: PendingCheck[] = []
    const time = engine.now
    for (const row of rows) {
      const before = row.record as StoreRecord
      let after = made.get(before)
      if (after === undefined) {
        after = bucket.prepareUpdate(before, changes, time, pending)
        if (bucket.schema.hasFunctions) made.set(before, after)
      }
      plan.add(bucket, row.key, row, after, before)
    }
    if (pending.length === 0) {
      engine.commit(plan, options)
      return plan.steps.length
    }
    if (attempt === MAX_ATTEMPTS) {
      throw new TransactionConflictError(name, undefined, 'Other writers are faster than its validators')
    }
    await engine.checks.settle(name, pending)
  }
}

/** Deletes all records that match, in one commit. Resolves with their number. */
export async function deleteMany (
  engine: Engine, name: string, filter: WhereFilter, options: WriteOptions = {}
): Promise<number> {
  const bucket = openForWrite(engine, name)
  const commitRows = (rows: readonly Row[]): number => {
    const plan = new Plan(options.maxChanges)
    for (const row of rows) plan.add(bucket, row.key, row, undefined)
    engine.commit(plan, options)
    return rows.length
  }
  const rows = selectForWrite(engine, bucket, filter)
  return commitRows(Array.isArray(rows) ? rows : await rows)
}

/** Removes all records of a bucket at once; records that refer to them stay as they are. */
export function clear (engine: Engine, name: string, options: WriteOptions = {}): void {
  const bucket = openForWrite(engine, name)
  clearBucket(engine, bucket, options)
}

/** Does `clear` for a bucket that may take no other writes. */
export function clearBucket (engine: Engine, bucket: Bucket, options: WriteOptions = {}): void {
  if (bucket.size === 0) return
  let undo: ReturnType<Bucket['clear']>
  engine.commitStructure(
    { type: 'clear', bucket: bucket.name }, () => { undo = bucket.clear() }, () => { undo() },
    options
  )
}

/** @throws TransactionConflictError */
export function checkVersion (
  bucket: Bucket, key: unknown, record: StoreRecord | undefined, expected: number | undefined
): void {
  if (expected === undefined || record?._version === expected) return
  const found = record === undefined ? 'the record does not exist' : `got ${record._version}`
  throw new TransactionConflictError(bucket.name, key, `Version mismatch: expected ${expected}, ${found}`)
}
