import { Bucket } from '../bucket/bucket.js'
import { remembering } from '../bucket/remembered.js'
import type { Engine } from './engine.js'
import {
  BucketAlreadyExistsError, DefinitionMismatchError, DuplicateKeyError, UniqueConstraintError
} from '../errors.js'
import { compileSchema } from '../schema/bucket-schema.js'
import { differenceOf } from '../schema/definition-data.js'
import type { Change, DefinitionOptions, RememberedKeys } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import type { BucketDefinition } from '../types/schema.js'
import { recordsOf } from './copied-records.js'

/** Contents that a new bucket starts with. */
export interface InitialContents {
  readonly records: readonly StoreRecord[]
  readonly counter: number
  readonly remembered?: RememberedKeys | undefined
}

/** Records up to which a bucket is built in one step. */
export const MAX_AT_ONCE = 1_000
/** Records entered between two looks at the clock. */
const STEP = 64

/**
 * Defines a bucket. One that came from a log is taken over by the same definition.
 * @throws BucketAlreadyExistsError, DefinitionError, DefinitionMismatchError
 */
export async function defineBucket (
  engine: Engine, name: string, definition: BucketDefinition, initial?: InitialContents,
  options: DefinitionOptions = {}
): Promise<void> {
  engine.assertWritable()
  const known = engine.buckets.get(name)
  if (known?.isRecovered === true) {
    takeOver(engine, known, definition, options)
    await engine.whenPresentIsDurable()
    return
  }
  if (known !== undefined) throw new BucketAlreadyExistsError(name)
  const bucket = new Bucket(name, definition, engine.options)
  if (initial !== undefined) {
    if (isBig(initial)) await fillInSlices(engine, bucket, initial)
    else fill(bucket, initial.records, initial.counter, initial.remembered)
    if (engine.buckets.has(name)) throw new BucketAlreadyExistsError(name)
  }
  const change: Change = {
    type: 'define',
    bucket: name,
    definition: bucket.schema.definition,
    ...functionsOf(bucket),
    ...(initial && { records: recordsOf(bucket) }),
    ...(initial?.remembered && { remembered: initial.remembered })
  }
  replace(engine, change, bucket, options)
  await engine.whenPresentIsDurable()
}

/**
 * Hands the functions of a definition to a bucket that came from a log.
 * @throws DefinitionMismatchError for another definition
 */
function takeOver (
  engine: Engine, bucket: Bucket, definition: BucketDefinition, options: DefinitionOptions
): void {
  const schema = compileSchema(bucket.name, definition)
  const former = bucket.schema.definition
  const logged = [...bucket.schema.functionPaths, ...bucket.missingFunctions]
  const difference = differenceOf(schema.definition, former, logged)
  if (difference !== undefined) throw new DefinitionMismatchError(bucket.name, difference)
  options.beforeCommit?.([])
  bucket.takeOver(schema)
  if (schema.functionPaths.length === logged.length) return
  // The log learns of the functions that have been added.
  const change: Change = {
    type: 'redefine', bucket: bucket.name, definition: schema.definition, ...functionsOf(bucket)
  }
  engine.commitStructure(change, () => {}, () => {}, options)
}

/** The member of a change that names the functions of a definition; none where there are none. */
export function functionsOf (
  { schema, missingFunctions }: Bucket
): { readonly functions?: readonly string[] } {
  const functions = [...schema.functionPaths, ...missingFunctions]
  return functions.length === 0 ? {} : { functions }
}

/** Removes a bucket with its records. Returns whether there was one. */
export function dropBucket (engine: Engine, name: string, options: DefinitionOptions = {}): boolean {
  engine.assertWritable()
  if (!engine.buckets.has(name)) return false
  replace(engine, { type: 'drop', bucket: name, definition: undefined }, undefined, options)
  return true
}

/**
 * Commits that a bucket is another one now, or gone.
 * @throws StoreStoppedError, StoreUnavailableError, NotLeaderError, what `beforeCommit` throws
 */
export function replace (
  engine: Engine, change: Change & { readonly bucket: string }, bucket: Bucket | undefined,
  options: DefinitionOptions = {}
): void {
  replaceAll(engine, [{ change, bucket }], options)
}

/** A bucket that becomes another one; `bucket` is `undefined` where it goes. */
export interface Replacement {
  readonly change: Change & { readonly bucket: string }
  readonly bucket: Bucket | undefined
}

/** Does `replace` for several buckets in one commit; none commit nothing. @throws as `replace` */
export function replaceAll (
  engine: Engine, replacements: readonly Replacement[], options: DefinitionOptions = {}
): void {
  engine.assertWritable()
  options.beforeCommit?.([])
  if (replacements.length === 0) return
  const formers = replacements.map(({ change }) => engine.buckets.get(change.bucket))
  engine.commitStructure(
    replacements.map(({ change }) => change),
    () => { for (const { change, bucket } of replacements) put(engine, change.bucket, bucket) },
    () => { replacements.forEach(({ change }, i) => { put(engine, change.bucket, formers[i]) }) },
    options
  )
}

function put (engine: Engine, name: string, bucket: Bucket | undefined): void {
  if (bucket === undefined) engine.buckets.delete(name)
  else engine.buckets.set(name, bucket)
}

/** Fills a new bucket in slices, with what `prepare` makes of the records. @throws as `fill` */
export async function fillInSlices (
  engine: Engine, bucket: Bucket, { records, counter, remembered }: InitialContents,
  prepare: (record: StoreRecord) => StoreRecord = record => record
): Promise<void> {
  bucket.counter = counter
  for (let i = 0; i < records.length; i += STEP) {
    fill(bucket, records.slice(i, i + STEP).map(prepare), counter)
    if (engine.slicer.isSpent) await engine.slicer.nextTurn()
  }
  if (remembered === undefined) return
  for (const remember of remembering(bucket, remembered)) {
    remember()
    if (engine.slicer.isSpent) await engine.slicer.nextTurn()
  }
}

/** Whether a bucket of these contents is built in slices. */
export function isBig ({ records, remembered }: InitialContents): boolean {
  return records.length + (remembered?.deleted.length ?? 0) > MAX_AT_ONCE
}

/**
 * Fills a bucket.
 * @throws DuplicateKeyError, UniqueConstraintError
 */
export function fill (
  bucket: Bucket, records: readonly StoreRecord[], counter: number, remembered?: RememberedKeys
): void {
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
  if (remembered !== undefined) for (const remember of remembering(bucket, remembered)) remember()
}
