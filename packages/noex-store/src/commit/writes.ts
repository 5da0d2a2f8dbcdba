import type { Bucket } from '../bucket/bucket.js'
import type { Engine } from '../engine.js'
import { RecordExistsError, RecordNotFoundError, ValidationError, VersionMismatchError } from '../errors.js'
import type { Changes, UpsertOptions, WriteOptions } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import { changesOf, checkObject, type Input } from './changes.js'
import { expireDue } from './expiry.js'
import { commitCauses } from './commit-causes.js'
import { Plan } from './plan.js'
import { checkInput } from './references.js'
import { WriteAccess } from './write-access.js'

/** Times that a write is planned anew because a function of the application has written in between. */
const MAX_ATTEMPTS = 10

/**
 * Opens a bucket for a write.
 * @throws BucketNotDefinedError, StoreStoppedError, StoreUnavailableError, NotLeaderError
 */
export function openForWrite (engine: Engine, name: string): Bucket {
  const bucket = engine.bucket(name)
  engine.assertWritable()
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

export function insert (
  engine: Engine, name: string, input: Input, options: WriteOptions = {}, access = WriteAccess.unlimited
): StoreRecord {
  const bucket = openForWrite(engine, name)
  checkObject(bucket, input)
  access.takeWrites(1)
  checkInput(engine.buckets, bucket, input, engine.now)
  const record = bucket.prepareInsert(input, engine.now)
  const key = keyOfNew(bucket, record)
  if (bucket.contents.rows.has(key)) {
    throw new RecordExistsError(name, record[bucket.schema.key], bucket.schema.key)
  }
  access.check(bucket, record)
  const plan = new Plan(options.maxChanges)
  plan.add(bucket, key, undefined, record)
  engine.commit(plan, options)
  return record
}

/** Changes a record by what is given, or by what a function makes of it in this step. */
export function update (
  engine: Engine, name: string, key: unknown, changes: Changes, options: WriteOptions = {},
  access = WriteAccess.unlimited
): StoreRecord {
  const bucket = openForWrite(engine, name)
  if (typeof changes !== 'function') checkChanges(engine, bucket, changes)
  for (let attempt = 1; ; attempt++) {
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
    if (made !== changes) checkChanges(engine, bucket, made)
    const after = bucket.prepareUpdate(before, made, engine.now)
    if (row.record !== before && attempt < MAX_ATTEMPTS) continue
    access.check(bucket, after)
    const plan = new Plan(options.maxChanges)
    plan.add(bucket, row.key, row, after)
    engine.commit(plan, options)
    return after
  }
}

/** @throws ValidationError, ReferentialIntegrityError */
export function checkChanges (engine: Engine, bucket: Bucket, changes: unknown): asserts changes is Input {
  checkObject(bucket, changes)
  checkInput(engine.buckets, bucket, changes, engine.now)
}

/**
 * Deletes a record and what its references say; one that does not exist is passed over, unless a version of
 * it is expected. Returns `undefined` when it is done at once.
 */
export function remove (
  engine: Engine, name: string, key: unknown, options: WriteOptions = {}, access = WriteAccess.unlimited
): Promise<unknown> | undefined {
  return commitCauses(engine, () => {
    const bucket = openForWrite(engine, name)
    const row = bucket.row(key)
    const record = row?.record
    if (record !== undefined) access.check(bucket, record)
    checkVersion(bucket, key, record, options.expectedVersion)
    const plan = new Plan(options.maxChanges, access.work)
    if (row === undefined) return plan
    access.takeWrites(1)
    plan.add(bucket, row.key, row, undefined)
    return plan
  }, options)
}

export function upsert (
  engine: Engine, name: string, input: Input, options: UpsertOptions = {}, access = WriteAccess.unlimited
): StoreRecord {
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
): void {
  const bucket = openForWrite(engine, name)
  access.checkWhole(bucket)
  access.takeWrites(1)
  options.beforeCommit?.()
  if (bucket.size === 0) return
  let former: ReturnType<Bucket['clear']>
  engine.commitStructure(
    { type: 'clear', bucket: name }, () => { former = bucket.clear() }, () => { bucket.undoClear(former) },
    options
  )
}

/** @throws VersionMismatchError */
export function checkVersion (
  bucket: Bucket, key: unknown, record: StoreRecord | undefined, expected: number | undefined
): void {
  if (expected === undefined || record?._version === expected) return
  throw new VersionMismatchError(bucket.name, key, expected, record?._version)
}
