import { Bucket } from '../bucket/bucket.js'
import { recordsOf } from '../commit/copied-records.js'
import { functionsOf } from '../commit/definitions.js'
import type { Engine } from '../engine.js'
import { CommitMismatchError } from '../errors.js'
import { differenceOf, withoutFunctions } from '../schema/definition-data.js'
import type { QueryRegistry } from '../query/query-registry.js'
import type { BucketDefinition } from '../types/schema.js'
import type { BucketImage, StoreImage } from './change-log.js'

/** Takes the image of a store at its present revision. */
export function imageOf (engine: Engine, queries: QueryRegistry): StoreImage {
  return {
    revision: engine.revision,
    buckets: Array.from(engine.buckets.values(), imageOfBucket),
    queries: queries.configs
  }
}

function imageOfBucket (bucket: Bucket): BucketImage {
  const places = Array.from(bucket.contents.sequence.from(0), row => row.place)
  return {
    name: bucket.name,
    definition: withoutFunctions(bucket.schema.definition),
    ...functionsOf(bucket),
    counter: bucket.counter,
    floor: bucket.deleted.floor,
    deleted: Array.from(
      bucket.deleted.entries(),
      ([key, { version, place }]) => [key, version, countBefore(places, place)] as const
    ),
    records: recordsOf(bucket)
  }
}

/** Counts the places up to `place`, which itself may be that of the record before a deleted one. */
function countBefore (places: readonly number[], place: number): number {
  let low = 0
  let high = places.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((places[middle] as number) <= place) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Loads an image into a store without records. A bucket that is declared already keeps its functions.
 * @throws CommitMismatchError for one that is declared differently
 */
export function loadImage (
  engine: Engine, queries: QueryRegistry, { buckets, queries: configs }: StoreImage
): void {
  for (const image of buckets) {
    const bucket = new Bucket(
      image.name, definitionFor(engine, image.name, image.definition, image.functions),
      engine.options.maxDeletedKeys
    )
    if (!engine.buckets.has(image.name)) bucket.markRecovered(image.functions)
    bucket.counter = image.counter
    bucket.deleted.raiseFloor(image.floor)
    for (const record of image.records) bucket.load(record)
    // A cursor from a deleted key goes on with the record that comes next: its place is just before that one.
    for (const [key, version, position] of image.deleted) {
      bucket.deleted.add(
        bucket.keyOf(key), { version, place: position - 1 }
      )
    }
    engine.buckets.set(image.name, bucket)
  }
  for (const [name, config] of configs) queries.put(name, config, true)
}

/**
 * The declared definition of a bucket, with its functions, if it is the same one; else the one of the log.
 * @throws CommitMismatchError for one that is declared differently
 */
export function definitionFor (
  engine: Engine, name: string, definition: BucketDefinition, functions: readonly string[] = []
): BucketDefinition {
  const declared = engine.buckets.get(name)?.schema.definition
  if (declared === undefined) return definition
  const difference = differenceOf(declared, definition, functions)
  if (difference === undefined) return declared
  throw new CommitMismatchError(`Bucket "${name}" is defined differently in the log: ${difference}. ` +
    'Change it by updateBucket or a migration')
}
