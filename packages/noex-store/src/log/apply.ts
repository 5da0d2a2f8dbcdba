import { Bucket } from '../bucket/bucket.js'
import { remembering } from '../bucket/remembered.js'
import { fill } from '../commit/definitions.js'
import type { Undo } from '../commit/undo-log.js'
import { applyStep } from '../commit/apply-step.js'
import type { Engine } from '../commit/engine.js'
import { CommitMismatchError } from '../errors.js'
import type { QueryRegistry } from '../query/query-registry.js'
import type { Change, Commit, DefinitionChange, RecordChange } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import { withFunctionsOf } from '../schema/definition-data.js'
import type { LogEntry } from './change-log.js'
import { definitionFor } from './image.js'

/** Buckets that are built already, by the change that puts them in. */
type PreparedBuckets = ReadonlyMap<DefinitionChange, Bucket>

const noneIsPrepared: PreparedBuckets = new Map()

/** Records entered between two looks at the clock. */
const STEP = 64

/**
 * Puts in a commit of elsewhere exactly as it is there: versions, times, keys. All of it or nothing.
 * @throws CommitMismatchError when it does not follow what this store has
 */
export function applyCommit (
  engine: Engine, queries: QueryRegistry, commit: LogEntry, prepared: PreparedBuckets = noneIsPrepared
): void {
  if (commit.revision !== engine.revision + 1) {
    throw new CommitMismatchError(
      `A commit of revision ${commit.revision} cannot follow revision ${engine.revision}`
    )
  }
  const undo: Undo[] = []
  try {
    const changes = commit.changes.map(change => applyChange(engine, queries, change, undo, prepared))
    for (const [name, counter] of Object.entries(commit.counters ?? {})) {
      const bucket = engine.buckets.get(name)
      if (bucket !== undefined) bucket.counter = counter
    }
    engine.adopt({ ...commit, changes }, undo)
    for (const request of commit.requests ?? []) engine.requests.put(request)
  } catch (error) {
    for (const step of undo.reverse()) step()
    throw error
  }
}

/**
 * Builds the big buckets of a commit in slices, so that `applyCommit` has only to put them in. Nothing else
 * may be committed until then.
 */
export async function prepareBuckets (engine: Engine, { changes }: Commit): Promise<PreparedBuckets> {
  const prepared = new Map<DefinitionChange, Bucket>()
  const seen = new Set<string>()
  for (const change of changes) {
    if (!('bucket' in change)) continue
    // Built of what is there before the commit: only the first change of a bucket can be.
    const isFirst = !seen.has(change.bucket)
    seen.add(change.bucket)
    if (!isFirst || (change.type !== 'define' && change.type !== 'redefine')) continue
    const former = engine.buckets.get(change.bucket)
    const bucket = emptyBucket(engine, change, former)
    if (bucket === undefined) continue
    let count = 0
    for (const load of loadsOf(bucket, change, former)) {
      load()
      if (++count % STEP === 0 && engine.slicer.isSpent) await engine.slicer.nextTurn()
    }
    if (former !== undefined) bucket.follow(former, { hasSameKeys: change.records === undefined })
    prepared.set(change, bucket)
  }
  return prepared
}

function applyChange (
  engine: Engine, queries: QueryRegistry, change: Change, undo: Undo[], prepared: PreparedBuckets
): Change {
  switch (change.type) {
    case 'query': {
      const former = queries.info(change.query)?.config
      queries.put(change.query, change.config, true)
      undo.push(() => { queries.put(change.query, former) })
      return change
    }
    case 'define':
    case 'redefine':
    case 'drop':
      return applyDefinition(engine, change, undo, prepared)
    case 'clear': {
      const bucket = find(engine, change.bucket)
      undo.push(bucket.clear())
      return change
    }
    default:
      return applyRecord(find(engine, change.bucket), change, undo)
  }
}

function applyRecord (
  bucket: Bucket, { type, key, before, after }: RecordChange, undo: Undo[]
): RecordChange {
  const wanted = bucket.keyOf(key)
  const row = bucket.contents.rows.get(wanted)
  const current = row?.record
  if ((type === 'insert') !== (current === undefined)) {
    throw new CommitMismatchError(
      `Bucket "${bucket.name}" has ${current === undefined ? 'no' : 'a'} record with key "${String(key)}"`
    )
  }
  if (
    before !== undefined && before !== null && current !== undefined && before._version !== current._version
  ) {
    throw new CommitMismatchError(`The record with key "${String(key)}" of bucket "${bucket.name}" ` +
      `has version ${current._version}, not ${before._version}`)
  }
  const record = type === 'delete' ? undefined : recordIn(bucket, after)
  if (record !== undefined) bucket.fieldNames.expect(Object.keys(record))
  return applyStep({ bucket, key: wanted, row, before: current, after: record, isCaused: false }, undo)
}

function recordIn (bucket: Bucket, record: StoreRecord | undefined): StoreRecord {
  if (record === undefined || record === null) throw new CommitMismatchError('A change has no record')
  return bucket.readRecord(record)
}

function applyDefinition (
  engine: Engine, change: DefinitionChange, undo: Undo[], prepared: PreparedBuckets
): DefinitionChange {
  const { type, bucket: name, definition } = change
  const former = engine.buckets.get(name)
  const isDeclared = type === 'define' && former?.size === 0
  if ((type === 'define') === (former !== undefined) && !isDeclared) {
    throw new CommitMismatchError(
      `Bucket "${name}" ${former === undefined ? 'does not exist' : 'exists already'}`
    )
  }
  const put = (bucket: Bucket | undefined): void => {
    if (bucket === undefined) engine.buckets.delete(name)
    else engine.buckets.set(name, bucket)
  }
  undo.push(() => { put(former) })
  if (type === 'drop' || definition === undefined) {
    put(undefined)
    return change
  }
  let bucket = prepared.get(change)
  if (bucket === undefined) {
    bucket = emptyBucket(engine, change, former) as Bucket
    for (const load of loadsOf(bucket, change, former)) load()
    if (former !== undefined) bucket.follow(former, { hasSameKeys: change.records === undefined })
  }
  put(bucket)
  return change
}

/** The bucket of a definition, without records; `undefined` where there is no definition. */
function emptyBucket (
  engine: Engine, { type, bucket: name, definition, functions }: DefinitionChange, former: Bucket | undefined
): Bucket | undefined {
  if (definition === undefined) return undefined
  const complete = type === 'define' || former === undefined
    ? definitionFor(engine, name, definition, functions)
    : withFunctionsOf(former.schema.definition, definition)
  const bucket = new Bucket(name, complete, engine.options)
  bucket.markRecovered(functions)
  // Declared by this process, with all its functions.
  if (former?.isRecovered === false && bucket.missingFunctions.length === 0) bucket.isRecovered = false
  return bucket
}

/** Records that enter with a definition, one by one: its own, or those of before. */
function * loadsOf (
  bucket: Bucket, { records, remembered }: DefinitionChange, former: Bucket | undefined
): Generator<() => void, undefined> {
  const { sequence } = bucket.contents
  if (former !== undefined && records !== undefined) sequence.startAt(former.contents.sequence.nextPlace)
  for (const record of records ?? []) yield () => { fill(bucket, [record], 0) }
  if (remembered !== undefined) yield * remembering(bucket, remembered)
  if (records !== undefined || former === undefined) return undefined
  for (const row of former.contents.sequence.from(0)) {
    yield () => { bucket.load(row.record as StoreRecord, row.place) }
  }
  return undefined
}

function find (engine: Engine, name: string): Bucket {
  const bucket = engine.buckets.get(name)
  if (bucket === undefined) throw new CommitMismatchError(`Bucket "${name}" does not exist`)
  return bucket
}
