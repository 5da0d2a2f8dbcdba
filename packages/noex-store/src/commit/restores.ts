import { isDeepStrictEqual } from 'node:util'
import { Bucket } from '../bucket/bucket.js'
import type { Contents } from '../bucket/contents.js'
import type { Row } from '../rows/row.js'
import type { Engine } from './engine.js'
import type { StoreRecord } from '../types/record.js'
import { CopiedRecords } from './copied-records.js'
import {
  fill, fillInSlices, functionsOf, isBig, replaceAll, type InitialContents, type Replacement
} from './definitions.js'
import { MAX_ATTEMPTS, requireBucket, redefinition } from './redefinitions.js'

/**
 * Replaces all records of some buckets by those of a backup, in one commit. They are built in slices, while
 * others write; when a bucket is cleared or redefined meanwhile it is built again, the last time in one step.
 * Numbers of `autoincrement` and versions do not go back.
 * @throws DuplicateKeyError, UniqueConstraintError, BucketNotDefinedError; then all stay as they were
 */
export async function restoreBuckets (
  engine: Engine, contents: ReadonlyMap<string, InitialContents>
): Promise<void> {
  const built = new Map<string, RestoredBucket>()
  const isCurrent = (name: string): boolean => built.get(name)?.isOf(requireBucket(engine, name)) === true
  try {
    for (let attempt = 1; ![...contents.keys()].every(isCurrent); attempt++) {
      for (const [name, initial] of contents) {
        if (isCurrent(name)) continue
        built.get(name)?.close()
        const restored = new RestoredBucket(engine, requireBucket(engine, name), initial)
        built.set(name, restored)
        if (isBig(initial) && attempt < MAX_ATTEMPTS) await restored.fillInSlices()
        else restored.fillNow()
      }
    }
    replaceAll(engine, [...built.values()].map(restored => restored.finish()))
    await engine.whenPresentIsDurable()
  } finally {
    for (const restored of built.values()) restored.close()
  }
}

/** A bucket with the records of a backup, built beside the one that it is to replace. */
class RestoredBucket {
  readonly #engine: Engine
  readonly #former: Bucket
  readonly #contents: Contents
  readonly #takenBack: number
  readonly #bucket: Bucket
  readonly #initial: InitialContents
  /** Rows of the former bucket that have changed since this was begun; new ones come from `#next` on. */
  readonly #touched = new Set<Row>()
  readonly #next: number
  #copied: CopiedRecords | undefined

  constructor (engine: Engine, former: Bucket, initial: InitialContents) {
    this.#engine = engine
    this.#initial = initial
    this.#former = former
    this.#contents = former.contents
    this.#takenBack = former.takenBack
    this.#next = former.contents.sequence.nextPlace
    this.#bucket = new Bucket(former.name, former.schema.definition, engine.options)
    this.#bucket.contents.sequence.startAt(this.#next)
    this.#contents.snapshots.add(this)
  }

  /** Hears of rows of the former bucket that change. */
  keep (row: Row): void {
    this.#touched.add(row)
  }

  /** Stops hearing of changes. */
  close (): void {
    this.#contents.snapshots.delete(this)
  }

  /** Whether it can replace this bucket. */
  isOf (bucket: Bucket): boolean {
    return bucket === this.#former && bucket.contents === this.#contents &&
      bucket.takenBack === this.#takenBack
  }

  fillNow (): void {
    const { records, counter, remembered } = this.#initial
    fill(this.#bucket, records.map(record => withNewVersion(this.#former, record)), counter, remembered)
    this.#copied = CopiedRecords.now(this.#bucket)
  }

  async fillInSlices (): Promise<void> {
    const prepare = (record: StoreRecord): StoreRecord => withNewVersion(this.#former, record)
    await fillInSlices(this.#engine, this.#bucket, this.#initial, prepare)
    this.#copied = await CopiedRecords.of(this.#engine, this.#bucket)
  }

  /**
   * Raises the versions of the keys that others have written meanwhile, and takes over from the former
   * bucket.
   */
  finish (): Replacement {
    const bucket = this.#bucket
    const former = this.#former
    const places: number[] = []
    for (const { key } of [...this.#touched, ...this.#contents.sequence.from(this.#next)]) {
      const row = bucket.contents.rows.get(key)
      if (row?.record === undefined) continue
      const record = withNewVersion(former, row.record)
      if (record === row.record) continue
      bucket.update(row, record)
      places.push(row.place)
    }
    bucket.follow(former, { hasSameKeys: false })
    if (former.isRecovered) bucket.markRecovered(functionsOf(former).functions)
    const { remembered } = this.#initial
    const records = (this.#copied as CopiedRecords).patched(bucket, places)
    return { change: redefinition(bucket, { records, ...(remembered && { remembered }) }), bucket }
  }
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
