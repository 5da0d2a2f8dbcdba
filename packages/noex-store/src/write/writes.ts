import type { Bucket } from '../bucket/bucket.js'
import type { Engine } from '../commit/engine.js'
import { RecordExistsError, RecordNotFoundError, ValidationError, VersionMismatchError } from '../errors.js'
import type { PendingCheck } from '../schema/pending-checks.js'
import type { Changes, UpsertOptions, WriteOptions } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import { changesOf, checkObject, type Input } from './changes.js'
import { expireDue } from '../commit/expiry.js'
import { commitCauses } from '../commit/commit-causes.js'
import { Plan } from '../commit/plan.js'
import { WriteAccess } from './write-access.js'

/** Times that a write is planned anew because another one has come in between. */
export const MAX_ATTEMPTS = 10

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

/** Inserts a record; a promise only where asynchronous validators, or the log, are waited for. */
export function insert (
  engine: Engine, name: string, input: Input, options: WriteOptions = {}, access = WriteAccess.unlimited,
  attempt = 1
): StoreRecord | Promise<StoreRecord> {
  const bucket = openForWrite(engine, name)
  checkObject(bucket, input)
  if (attempt === 1) access.takeWrites(1)
  const { edits } = bucket
  const pending: PendingCheck[] | undefined = bucket.schema.hasFunctions ? [] : undefined
  const record = bucket.maker.insert(input, engine.now, undefined, pending)
  const key = keyOfNew(bucket, record)
  const { key: field } = bucket.schema
  if (bucket.contents.rows.has(key)) throw new RecordExistsError(name, record[field], field)
  access.check(bucket, record)
  const plan = new Plan(options.maxChanges, undefined, edits)
  plan.add(bucket, key, undefined, record)
  plan.result = record
  if (pending === undefined || pending.length === 0) {
    engine.commit(plan, options)
    return engine.durably(record)
  }
  return engine.checks.settle(name, pending).then(() => {
    if (openForWrite(engine, name).contents.rows.has(key)) {
      throw new RecordExistsError(name, record[field], field)
    }
    const isStale = engine.buckets.get(name) !== bucket || record._version !== bucket.deleted.nextVersion(key)
    if (isStale && attempt < MAX_ATTEMPTS) return insert(engine, name, input, options, access, attempt + 1)
    engine.commit(plan, options)
    return engine.durably(record)
  })
}

/**
 * Changes a record by what is given, or by what a function makes of it; a promise only where asynchronous
 * validators, or the log, are waited for.
 */
export function update (
  engine: Engine, name: string, key: unknown, changes: Changes, options: WriteOptions = {},
  access = WriteAccess.unlimited, first = 1
): StoreRecord | Promise<StoreRecord> {
  const bucket = openForWrite(engine, name)
  if (typeof changes !== 'function') checkObject(bucket, changes)
  for (let attempt = first; ; attempt++) {
    const { edits } = bucket
    const row = bucket.row(key)
    const before = row?.record
    if (row === undefined || before === undefined) {
      checkVersion(bucket, key, undefined, options.expectedVersion)
      throw new RecordNotFoundError(name, key)
    }
    access.check(bucket, before)
    checkVersion(bucket, key, before, options.expectedVersion)
    if (attempt === 1) access.takeWrites(1)
    const made = changesOf(bucket, changes, before)
    if (made !== changes) checkObject(bucket, made)
    const pending: PendingCheck[] | undefined = bucket.schema.hasFunctions ? [] : undefined
    const after = bucket.maker.update(before, made, engine.now, pending, row.bytes)
    access.check(bucket, after)
    const plan = new Plan(options.maxChanges, undefined, edits)
    plan.add(bucket, row.key, row, after, before)
    plan.result = after
    if (pending !== undefined && pending.length > 0) {
      const next = attempt + 1
      return engine.checks.settle(name, pending).then(() => {
        const isStale = row.record !== before || engine.buckets.get(name) !== bucket
        if (isStale && next <= MAX_ATTEMPTS) return update(engine, name, key, changes, options, access, next)
        engine.commit(plan, options)
        return engine.durably(after)
      })
    }
    if (row.record !== before && attempt < MAX_ATTEMPTS) continue
    engine.commit(plan, options)
    return engine.durably(after)
  }
}

/**
 * Deletes a record and what its references say; one that does not exist is passed over, unless a version of
 * it is expected. Returns `undefined` when it is done at once.
 */
export function remove (
  engine: Engine, name: string, key: unknown, options: WriteOptions = {}, access = WriteAccess.unlimited
): Promise<unknown> | undefined {
  const bucket = openForWrite(engine, name)
  if (engine.inboundOf(bucket).length === 0) {
    engine.commit(planOfRemoval(bucket, key, options, access), options)
    return engine.whenPresentIsDurable()
  }
  return commitCauses(
    engine, () => planOfRemoval(openForWrite(engine, name), key, options, access), options
  )
}

function planOfRemoval (bucket: Bucket, key: unknown, options: WriteOptions, access: WriteAccess): Plan {
  const row = bucket.row(key)
  const record = row?.record
  if (record !== undefined) access.check(bucket, record)
  checkVersion(bucket, key, record, options.expectedVersion)
  const plan = new Plan(options.maxChanges, access.work, bucket.edits)
  if (row === undefined) return plan
  access.takeWrites(1)
  plan.add(bucket, row.key, row, undefined)
  return plan
}

export function upsert (
  engine: Engine, name: string, input: Input, options: UpsertOptions = {}, access = WriteAccess.unlimited
): StoreRecord | Promise<StoreRecord> {
  const bucket = openForWrite(engine, name)
  checkObject(bucket, input)
  const key = input[bucket.schema.key]
  if (key !== undefined && bucket.row(key) !== undefined) {
    return update(engine, name, key, options.update ?? input, options, access)
  }
  checkVersion(bucket, key, undefined, options.expectedVersion)
  return insert(engine, name, input, options, access)
}

/**
 * Removes all records of a bucket at once; records that refer to them stay as they are.
 * @throws OutOfScopeError for a writer who is confined to a part of it
 */
export function clear (
  engine: Engine, name: string, options: WriteOptions = {}, access = WriteAccess.unlimited
): Promise<void> | undefined {
  const bucket = openForWrite(engine, name)
  access.checkWhole(bucket)
  access.takeWrites(1)
  options.beforeCommit?.([])
  if (options.idempotency !== undefined) engine.requests.assertNew(options.idempotency.key, options.user)
  if (bucket.size > 0 || options.idempotency !== undefined) {
    let undo: ReturnType<Bucket['clear']>
    engine.commitStructure(
      { type: 'clear', bucket: name }, () => { undo = bucket.clear() }, () => { undo() }, options
    )
  }
  return engine.whenPresentIsDurable()
}

/** @throws VersionMismatchError */
export function checkVersion (
  bucket: Bucket, key: unknown, record: StoreRecord | undefined, expected: number | undefined
): void {
  if (expected === undefined || record?._version === expected) return
  throw new VersionMismatchError(bucket.name, key, expected, record?._version)
}
