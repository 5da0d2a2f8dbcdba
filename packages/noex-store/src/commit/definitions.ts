import { Bucket } from '../bucket/bucket.js'
import type { Engine } from '../engine.js'
import {
  BucketAlreadyExistsError, BucketNotDefinedError, DuplicateKeyError, UniqueConstraintError
} from '../errors.js'
import type { Change, WriteOptions } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import type { BucketDefinition, BucketSchemaUpdate, FieldDefinition } from '../types/schema.js'

/** Contents that a new bucket starts with. */
export interface InitialContents {
  readonly records: readonly StoreRecord[]
  readonly counter: number
}

/** @throws BucketAlreadyExistsError, DefinitionError */
export function defineBucket (
  engine: Engine, name: string, definition: BucketDefinition, initial?: InitialContents
): void {
  engine.assertWritable()
  if (engine.buckets.has(name)) throw new BucketAlreadyExistsError(name)
  const bucket = new Bucket(name, definition, engine.options.maxDeletedKeys)
  if (initial !== undefined) fill(bucket, initial.records, initial.counter)
  const change: Change = {
    type: 'define',
    bucket: name,
    definition: bucket.schema.definition,
    ...(initial && { records: recordsOf(bucket) })
  }
  replace(engine, change, bucket)
}

/** Removes a bucket with its records. Returns whether there was one. */
export function dropBucket (engine: Engine, name: string): boolean {
  engine.assertWritable()
  if (!engine.buckets.has(name)) return false
  replace(engine, { type: 'drop', bucket: name, definition: undefined }, undefined)
  return true
}

/**
 * Changes a bucket's definition; its records stay as they are.
 * @throws Error naming the member that is wrong
 */
export function updateBucket (engine: Engine, name: string, updates: BucketSchemaUpdate): void {
  const { definition } = existing(engine, name).schema
  redefineBucket(engine, name, mergeDefinition(name, definition, updates))
}

/** Replaces the records of a rebuilt bucket. */
export type TransformRecords =
  (records: ReadonlyArray<readonly [unknown, StoreRecord]>) => Array<[unknown, StoreRecord]>

/**
 * Gives a bucket another definition and, by `transform`, other records. Takes time with the number of
 * records, in one step.
 * @throws DefinitionError, DuplicateKeyError, UniqueConstraintError; then the bucket stays as it was
 */
export function redefineBucket (
  engine: Engine, name: string, definition: BucketDefinition, transform?: TransformRecords
): void {
  const former = existing(engine, name)
  const bucket = new Bucket(name, definition, engine.options.maxDeletedKeys)
  bucket.follow(former)
  const records = transform === undefined
    ? recordsOf(former)
    : transform(entriesOf(former)).map(([, record]) => record)
  fill(bucket, records, former.counter)
  const change: Change = {
    type: 'redefine',
    bucket: name,
    definition: bucket.schema.definition,
    ...(transform && { records: recordsOf(bucket) })
  }
  if (existing(engine, name) !== former) throw new BucketNotDefinedError(name)
  replace(engine, change, bucket)
}

/** Replaces all records of a bucket by those of a backup. Numbers of `autoincrement` do not go back. */
export function restoreBucket (engine: Engine, name: string, { records, counter }: InitialContents): void {
  const former = existing(engine, name)
  const bucket = new Bucket(name, former.schema.definition, engine.options.maxDeletedKeys)
  bucket.follow(former)
  fill(bucket, records, Math.max(counter, former.counter))
  replace(
    engine,
    { type: 'redefine', bucket: name, definition: bucket.schema.definition, records: recordsOf(bucket) },
    bucket
  )
}

/** All records of a bucket in the order of their insertion. */
export function recordsOf ({ contents }: Bucket): StoreRecord[] {
  return Array.from(contents.sequence.from(0), row => row.record as StoreRecord)
}

function entriesOf (bucket: Bucket): Array<readonly [unknown, StoreRecord]> {
  return recordsOf(bucket).map(record => [record[bucket.schema.key], record])
}

function existing (engine: Engine, name: string): Bucket {
  engine.assertWritable()
  return engine.bucket(name)
}

function replace (
  engine: Engine, change: Change & { readonly bucket: string }, bucket: Bucket | undefined,
  options: WriteOptions = {}
): void {
  const former = engine.buckets.get(change.bucket)
  engine.commitStructure(
    change, () => { put(engine, change.bucket, bucket) }, () => { put(engine, change.bucket, former) },
    options
  )
}

function put (engine: Engine, name: string, bucket: Bucket | undefined): void {
  if (bucket === undefined) engine.buckets.delete(name)
  else engine.buckets.set(name, bucket)
}

/** @throws DuplicateKeyError, UniqueConstraintError */
export function fill (bucket: Bucket, records: readonly StoreRecord[], counter: number): void {
  bucket.counter = counter
  for (const record of records) {
    if (bucket.contents.rows.has(bucket.keyIn(record))) {
      throw new DuplicateKeyError(bucket.name, record[bucket.schema.key], bucket.schema.key)
    }
    for (const index of bucket.contents.uniques) {
      const value = index.valueOf(record)
      if (value !== null && value !== undefined && index.hash.size(value) > 0) {
        throw new UniqueConstraintError(bucket.name, index.options.field, record[index.options.field])
      }
    }
    bucket.load(record)
  }
}

function mergeDefinition (
  name: string, { indexes = [], ttl, ...rest }: BucketDefinition, updates: BucketSchemaUpdate
): BucketDefinition {
  const schema: Record<string, FieldDefinition> = { ...rest.schema }
  for (const [field, definition] of Object.entries(updates.addFields ?? {})) {
    if (Object.hasOwn(schema, field)) throw new Error(`Field "${field}" already exists in bucket "${name}"`)
    schema[field] = definition
  }
  for (const index of updates.addIndexes ?? []) {
    if (!Object.hasOwn(schema, index)) {
      throw new Error(`Index field "${index}" does not exist in schema for bucket "${name}"`)
    }
  }
  const merged = [...new Set([...indexes, ...(updates.addIndexes ?? [])])]
  const lifetime = updates.ttl === undefined ? ttl : updates.ttl ?? undefined
  return {
    ...rest,
    schema,
    ...(merged.length > 0 && { indexes: merged }),
    ...(lifetime !== undefined && { ttl: lifetime })
  }
}
