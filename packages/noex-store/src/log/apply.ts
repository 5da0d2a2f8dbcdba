import { Bucket } from '../bucket/bucket.js'
import { fill } from '../commit/definitions.js'
import type { Undo } from '../commit/undo-log.js'
import { applyStep, type Engine } from '../engine.js'
import { CommitMismatchError } from '../errors.js'
import type { QueryRegistry } from '../query/query-registry.js'
import { frozenValue } from '../schema/frozen.js'
import type { Change, Commit, DefinitionChange, RecordChange } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import { withFunctionsOf } from '../schema/definition-data.js'
import { definitionFor } from './image.js'

/**
 * Puts in a commit of elsewhere exactly as it is there: versions, times, keys. All of it or nothing.
 * @throws CommitMismatchError when it does not follow what this store has
 */
export function applyCommit (engine: Engine, queries: QueryRegistry, commit: Commit): void {
  if (commit.revision !== engine.revision + 1) {
    throw new CommitMismatchError(
      `A commit of revision ${commit.revision} cannot follow revision ${engine.revision}`
    )
  }
  const undo: Undo[] = []
  try {
    const changes = commit.changes.map(change => applyChange(engine, queries, change, undo))
    for (const [name, counter] of Object.entries(commit.counters ?? {})) {
      const bucket = engine.buckets.get(name)
      if (bucket !== undefined) bucket.counter = counter
    }
    engine.adopt({ ...commit, changes }, undo)
  } catch (error) {
    for (const step of undo.reverse()) step()
    throw error
  }
}

function applyChange (engine: Engine, queries: QueryRegistry, change: Change, undo: Undo[]): Change {
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
      return applyDefinition(engine, change, undo)
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
  const record = type === 'delete' ? undefined : frozenRecord(after)
  if (record !== undefined) bucket.fieldNames.add(Object.keys(record))
  return applyStep({ bucket, key: wanted, row, before: current, after: record }, undo)
}

function frozenRecord (record: StoreRecord | undefined): StoreRecord {
  if (record === undefined || record === null) throw new CommitMismatchError('A change has no record')
  return Object.isFrozen(record) ? record : frozenValue(record) as StoreRecord
}

function applyDefinition (engine: Engine, change: DefinitionChange, undo: Undo[]): DefinitionChange {
  const { type, bucket: name, definition, functions, records } = change
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
  const complete = type === 'define' || former === undefined
    ? definitionFor(engine, name, definition, functions)
    : withFunctionsOf(former.schema.definition, definition)
  const bucket = new Bucket(name, complete, engine.options.maxDeletedKeys)
  bucket.markRecovered(functions)
  // Declared by this process, with all its functions.
  if (former?.isRecovered === false && bucket.missingFunctions.length === 0) bucket.isRecovered = false
  if (former !== undefined) bucket.contents.sequence.startAt(former.contents.sequence.nextPlace)
  if (records !== undefined) {
    fill(bucket, records, 0)
  } else {
    for (const row of former?.contents.sequence.from(0) ?? []) bucket.load(row.record as StoreRecord, row.place)
  }
  if (former !== undefined) bucket.follow(former)
  put(bucket)
  return change
}

function find (engine: Engine, name: string): Bucket {
  const bucket = engine.buckets.get(name)
  if (bucket === undefined) throw new CommitMismatchError(`Bucket "${name}" does not exist`)
  return bucket
}
