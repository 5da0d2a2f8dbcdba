import { Bucket } from '../bucket/bucket.js'
import type { Engine } from './engine.js'
import { BucketAlreadyExistsError, TransactionConflictError } from '../errors.js'
import type { Change, DefinitionChange, DefinitionOptions } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import type { BucketDefinition, BucketSchemaUpdate, FieldDefinition } from '../types/schema.js'
import { BucketCopy, type TransformRecord } from './bucket-copy.js'
import { CopiedRecords, recordsInSlices, recordsOf } from './copied-records.js'
import { MAX_AT_ONCE, fill, fillInSlices, functionsOf, replace } from './definitions.js'

/** Times that a bucket is built anew because it was redefined or cleared meanwhile. */
export const MAX_ATTEMPTS = 10

/**
 * Changes a bucket's definition; its records stay as they are.
 * @throws Error naming the member that is wrong
 */
export async function updateBucket (
  engine: Engine, name: string, updates: BucketSchemaUpdate, options: DefinitionOptions = {}
): Promise<void> {
  const definitionOf = (former: BucketDefinition): BucketDefinition => mergeDefinition(name, former, updates)
  await redefine(engine, name, definitionOf, { ...options, keepsFunctions: true })
}

/**
 * Gives an imported bucket its definition, if its records fit; they stay as they are.
 * @throws DefinitionError naming the first record that does not fit, UniqueConstraintError,
 * BucketAlreadyExistsError when another call has defined it meanwhile
 */
export async function adoptBucket (
  engine: Engine, name: string, definition: BucketDefinition, options: DefinitionOptions = {}
): Promise<void> {
  const definitionFor = (): BucketDefinition => {
    if (!requireBucket(engine, name).isImported) throw new BucketAlreadyExistsError(name)
    return definition
  }
  await redefine(engine, name, definitionFor, options)
}

/** Replaces the records of a rebuilt bucket, all together. */
export type TransformRecords =
  (records: ReadonlyArray<readonly [unknown, StoreRecord]>) => Array<[unknown, StoreRecord]>

/** Replaces the records of a rebuilt bucket: all in one call, or each by itself while others go on. */
export type RebuildTransform = TransformRecords | { readonly each: TransformRecord }

/**
 * Gives a bucket another definition and, by `transform`, other records. It is built in slices beside the
 * former one, which goes on taking writes, and replaces it in one commit.
 * @throws DefinitionError, DuplicateKeyError, UniqueConstraintError; then the bucket stays as it was
 */
export async function redefineBucket (
  engine: Engine, name: string, definition: BucketDefinition, transform?: RebuildTransform
): Promise<void> {
  if (typeof transform !== 'function') {
    await redefine(engine, name, () => definition, transform)
    return
  }
  for (let attempt = 1; ; attempt++) {
    const former = requireBucket(engine, name)
    const { edits } = former
    const entries: Array<readonly [unknown, StoreRecord]> = []
    const isSliced = former.size > MAX_AT_ONCE && attempt < MAX_ATTEMPTS
    for (const record of isSliced ? await recordsInSlices(engine, former) : recordsOf(former)) {
      entries.push([record[former.schema.key], record])
    }
    const bucket = new Bucket(name, definition, engine.options)
    bucket.contents.sequence.startAt(former.contents.sequence.nextPlace)
    // New records are copied, so that they are read as input from outside, frozen or not.
    const known = new Set(entries.map(([, record]) => record))
    const records = transform(entries).map(([, record]) => known.has(record) ? record : { ...record })
    if (isSliced) await fillInSlices(engine, bucket, { records, counter: former.counter })
    else fill(bucket, records, former.counter)
    const current = requireBucket(engine, name)
    if ((current !== former || former.edits !== edits) && attempt < MAX_ATTEMPTS) continue
    if (current !== former) throw overtaken(name)
    bucket.follow(former, { hasSameKeys: false })
    replace(engine, redefinition(bucket, { records: recordsOf(bucket) }), bucket)
    await engine.whenPresentIsDurable()
    return
  }
}

interface RedefineOptions extends DefinitionOptions {
  readonly each?: TransformRecord
  /** Whether functions that were missing are so still. */
  readonly keepsFunctions?: true
}

async function redefine (
  engine: Engine, name: string, definitionOf: (former: BucketDefinition) => BucketDefinition,
  { each, keepsFunctions, ...options }: RedefineOptions = {}
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const former = requireBucket(engine, name)
    const definition = definitionOf(former.schema.definition)
    const bucket = new Bucket(name, definition, engine.options)
    const copy = new BucketCopy(former, bucket, each, engine)
    try {
      // The commit of a small bucket is made in the step of the call.
      if (former.size > MAX_AT_ONCE || each !== undefined) await copy.fill()
      else copy.fillNow()
      const records = each === undefined ? undefined : await CopiedRecords.of(engine, bucket)
      const isOvertaken = requireBucket(engine, name) !== former || copy.isVoid
      const places = isOvertaken ? [] : copy.catchUp()
      if (isOvertaken || copy.isVoid || engine.buckets.get(name) !== former) {
        if (attempt >= MAX_ATTEMPTS) throw overtaken(name)
        continue
      }
      bucket.follow(former, { hasSameKeys: each === undefined })
      if (keepsFunctions === true && former.isRecovered) bucket.markRecovered(functionsOf(former).functions)
      const change = redefinition(bucket, records && { records: records.patched(bucket, places) })
      replace(engine, change, bucket, options)
      await engine.whenPresentIsDurable()
      return
    } finally {
      copy.close()
    }
  }
}

/** The change that a bucket has another definition, and other records where `contents` are given. */
export function redefinition (
  bucket: Bucket, contents: Pick<DefinitionChange, 'records' | 'remembered'> | undefined
): Change & { readonly bucket: string } {
  const { definition } = bucket.schema
  return { type: 'redefine', bucket: bucket.name, definition, ...functionsOf(bucket), ...contents }
}

function overtaken (name: string): TransactionConflictError {
  return new TransactionConflictError(
    name, undefined, 'The bucket has been redefined or cleared each time that it was to be rebuilt'
  )
}

/** @throws BucketNotDefinedError, StoreStoppedError, StoreUnavailableError, NotLeaderError */
export function requireBucket (engine: Engine, name: string): Bucket {
  engine.assertWritable()
  return engine.bucket(name)
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
