import { isDeepStrictEqual } from 'node:util'
import { Bucket } from '../bucket/bucket.js'
import type { Engine } from '../engine.js'
import type { StoreRecord } from '../types/record.js'
import { recordsInSlices, recordsOf } from './copied-records.js'
import {
  MAX_AT_ONCE, fill, fillInSlices, functionsOf, replaceAll, type InitialContents
} from './definitions.js'
import { MAX_ATTEMPTS, existing, redefinition } from './redefinitions.js'

/** A bucket with the records of a backup, built beside the one that it is to replace. */
interface Restored {
  readonly bucket: Bucket
  readonly records: readonly StoreRecord[]
  readonly former: Bucket
  /** Changes that `former` had had when this was begun. */
  readonly edits: number
}

/**
 * Replaces all records of some buckets by those of a backup, in one commit. They are built in slices, while
 * others write; the last of several attempts is made in one step. Numbers of `autoincrement` and versions do
 * not go back.
 * @throws DuplicateKeyError, UniqueConstraintError, BucketNotDefinedError; then all stay as they were
 */
export async function restoreBuckets (
  engine: Engine, contents: ReadonlyMap<string, InitialContents>
): Promise<void> {
  const built = new Map<string, Restored>()
  const isCurrent = (name: string): boolean => {
    const restored = built.get(name)
    return restored !== undefined && restored.former === existing(engine, name) &&
      restored.former.edits === restored.edits
  }
  const names = [...contents.keys()]
  for (let attempt = 1; !names.every(isCurrent); attempt++) {
    for (const [name, initial] of contents) {
      if (isCurrent(name)) continue
      const isSliced = initial.records.length > MAX_AT_ONCE && attempt < MAX_ATTEMPTS
      built.set(name, isSliced ? await buildInSlices(engine, name, initial) : buildNow(engine, name, initial))
    }
  }
  replaceAll(engine, [...built.values()].map(({ bucket, records, former }) => {
    bucket.follow(former, { hasSameKeys: false })
    if (former.isRecovered) bucket.markRecovered(functionsOf(former).functions)
    return { change: redefinition(bucket, { records }), bucket }
  }))
}

function buildNow (engine: Engine, name: string, { records, counter }: InitialContents): Restored {
  const begun = begin(engine, name)
  fill(begun.bucket, records.map(record => withNewVersion(begun.former, record)), counter)
  return { ...begun, records: recordsOf(begun.bucket) }
}

async function buildInSlices (
  engine: Engine, name: string, { records, counter }: InitialContents
): Promise<Restored> {
  const begun = begin(engine, name)
  await fillInSlices(engine, begun.bucket, records, counter, record => withNewVersion(begun.former, record))
  return { ...begun, records: await recordsInSlices(engine, begun.bucket) }
}

function begin (engine: Engine, name: string): Omit<Restored, 'records'> {
  const former = existing(engine, name)
  const bucket = new Bucket(name, former.schema.definition, engine.options)
  bucket.contents.sequence.startAt(former.contents.sequence.nextPlace)
  return { bucket, former, edits: former.edits }
}

/**
 * Returns a record of a backup with a version above that of the record which it replaces: no version of a key
 * stands for two records.
 */
function withNewVersion (former: Bucket, record: StoreRecord): StoreRecord {
  const key = former.keyIn(record)
  const current = former.contents.rows.get(key)?.record
  const version = current === undefined ? former.deleted.nextVersion(key) : current._version + 1
  if (record._version >= version || isDeepStrictEqual(record, current)) return record
  return Object.freeze({ ...record, _version: version })
}
