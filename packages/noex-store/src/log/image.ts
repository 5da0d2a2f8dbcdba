import { Bucket } from '../bucket/bucket.js'
import { countBefore, deletedOf, remembering } from '../bucket/remembered.js'
import { CopiedRecords, recordsOf } from '../commit/copied-records.js'
import { functionsOf } from '../commit/definitions.js'
import type { Engine } from '../commit/engine.js'
import { CommitMismatchError } from '../errors.js'
import { differenceOf, withoutFunctions } from '../schema/definition-data.js'
import type { QueryRegistry } from '../query/query-registry.js'
import type { Change } from '../types/commit.js'
import { WHOLE_DEFINITION, type BucketDefinition } from '../types/schema.js'
import type { BucketImage, LogEntry, StoreImage } from './change-log.js'

/** Records between two looks at the clock. */
const STEP = 64

/** Takes the image of a store at its present revision, in one step. */
export function imageOf (engine: Engine, queries: QueryRegistry): StoreImage {
  return {
    revision: engine.revision,
    buckets: Array.from(engine.buckets.values(), bucket => {
      const { contents: { sequence } } = bucket
      const places = Array.from(sequence.from(0), row => row.place)
      const deleted = deletedOf(bucket, places)
      return { ...imageWithoutRecords(bucket), deleted, records: recordsOf(bucket) }
    }),
    queries: queries.configs,
    requests: engine.requests.list()
  }
}

/** Takes the image of a store at the revision of the call, in slices: commits go on meanwhile. */
export async function imageInSlices (engine: Engine, queries: QueryRegistry): Promise<StoreImage> {
  const { revision } = engine
  const { configs } = queries
  const requests = engine.requests.list()
  // All in this step; the records are gathered later, as they are now.
  const begun = Array.from(engine.buckets.values(), bucket => ({
    image: imageWithoutRecords(bucket),
    deleted: bucket.deleted.list(),
    copied: CopiedRecords.of(engine, bucket)
  }))
  const buckets: BucketImage[] = []
  for (const { image, deleted, copied } of begun) {
    const { records, places } = await copied
    const entries: Array<BucketImage['deleted'][number]> = []
    for (const { key, version, place } of deleted) {
      entries.push([key, version, countBefore(places, place)])
      if (entries.length % STEP === 0 && engine.slicer.isSpent) await engine.slicer.nextTurn()
    }
    buckets.push({ ...image, deleted: entries, records })
  }
  return { revision, buckets, queries: configs, requests }
}

function imageWithoutRecords (bucket: Bucket): Omit<BucketImage, 'deleted' | 'records'> {
  return {
    name: bucket.name,
    definition: withoutFunctions(bucket.schema.definition),
    ...functionsOf(bucket),
    counter: bucket.counter,
    floor: bucket.deleted.floor
  }
}

/**
 * Loads an image into a store without records, in slices; its buckets are there all together in the end. A
 * bucket that is declared already keeps its functions.
 * @throws CommitMismatchError for one that is declared differently
 */
export async function loadImage (
  engine: Engine, queries: QueryRegistry, { buckets, queries: configs, requests = [] }: StoreImage,
  onProgress: (done: number, total: number) => void = () => {}
): Promise<void> {
  const loaded: Bucket[] = []
  let count = 0
  const total = buckets.reduce((sum, { records, deleted }) => sum + records.length + deleted.length, 0)
  const pause = async (): Promise<void> => {
    onProgress(count, total)
    await engine.slicer.nextTurn()
  }
  for (const image of buckets) {
    const definition = definitionFor(engine, image.name, image.definition, image.functions)
    const bucket = new Bucket(image.name, definition, engine.options)
    if (!engine.buckets.has(image.name)) bucket.markRecovered(image.functions)
    bucket.counter = image.counter
    for (const record of image.records) {
      bucket.load(record)
      if (++count % STEP === 0 && engine.slicer.isSpent) await pause()
    }
    for (const remember of remembering(bucket, image)) {
      remember()
      if (++count % STEP === 0 && engine.slicer.isSpent) await pause()
    }
    loaded.push(bucket)
  }
  for (const bucket of loaded) engine.buckets.set(bucket.name, bucket)
  for (const [name, config] of configs) queries.put(name, config, true)
  for (const request of requests) engine.requests.put(request)
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
  if (functions.includes(WHOLE_DEFINITION)) {
    throw new CommitMismatchError(`Bucket "${name}" was imported: define it after the log has been attached`)
  }
  const difference = differenceOf(declared, definition, functions)
  if (difference === undefined) return declared
  throw new CommitMismatchError(`Bucket "${name}" is defined differently in the log: ${difference}. ` +
    'Change it by updateBucket or a migration')
}

/** Returns the whole store as one commit. */
export function firstEntry (
  { revision, buckets, queries, requests = [] }: StoreImage, time: number
): LogEntry {
  const changes: Change[] = []
  const counters: Record<string, number> = {}
  for (const { name: bucket, definition, functions, records, counter, floor, deleted } of buckets) {
    changes.push({
      type: 'define',
      bucket,
      definition,
      ...(functions && { functions }),
      ...(records.length > 0 && { records }),
      ...(floor + deleted.length > 0 && { remembered: { floor, deleted } })
    })
    if (counter > 0) counters[bucket] = counter
  }
  for (const [query, config] of queries) changes.push({ type: 'query', query, config })
  return { revision, time, changes, counters, ...(requests.length > 0 && { requests }) }
}
