import { DefinitionMissingError } from '../errors.js'
import { compileSchema, type BucketSchema, type Normalize } from '../schema/bucket-schema.js'
import { InputReader } from '../schema/input-reader.js'
import { estimateBytes } from '../schema/size.js'
import type { StoreRecord } from '../types/record.js'
import { WHOLE_DEFINITION, type BucketDefinition } from '../types/schema.js'
import { Contents } from './contents.js'
import { DeletedKeys, deletedSince, type DeletedEntry, type Forgotten } from './deleted-keys.js'
import { FieldNames } from './field-names.js'
import { RecordMaker } from './record-maker.js'
import { Row } from '../rows/row.js'

/** Records up to which a `clear` remembers the version of each; above, only the highest one. */
const MAX_REMEMBERED_BY_CLEAR = 10_000

/** Bounds that a store sets to its buckets. */
interface BucketLimits {
  readonly maxDeletedKeys: number
  readonly maxRecordBytes: number
}

/** A bucket: its compiled definition, its records, and what it remembers of deleted ones. */
export class Bucket {
  readonly name: string
  schema: BucketSchema
  deleted: DeletedKeys
  readonly fieldNames = new FieldNames()
  contents: Contents
  /** Last given autoincrement number. */
  counter = 0
  /** Whether records whose time is up are still in `contents`, because they are too many for one commit. */
  hasOverdue = false
  /**
   * The moment as which it is read, in epoch milliseconds: that up to which records whose time is up were
   * last removed, or have been hidden since.
   */
  readAt = 0
  /** The removal of such records, while it is under way; resolves with their number. */
  purge: Promise<number> | undefined
  /** Whether it came from a log, and no definition of this process has taken it over. */
  isRecovered = false
  /** Paths of what its definition had there and this process has not handed in: functions, or all of it. */
  missingFunctions: readonly string[] = []
  /** Number of inserts and deletes that were taken back. */
  takenBack = 0
  /** Number of changes, to tell whether the bucket is as it was. */
  edits = 0
  /** Makes the records that are written. */
  readonly maker: RecordMaker
  readonly #normalizeKey: Normalize | undefined
  #highestVersion = 0

  /** @throws DefinitionError */
  constructor (name: string, definition: BucketDefinition, { maxDeletedKeys, maxRecordBytes }: BucketLimits) {
    this.name = name
    this.schema = compileSchema(name, definition)
    this.deleted = new DeletedKeys(maxDeletedKeys)
    this.contents = new Contents(this.schema)
    this.#normalizeKey = this.schema.normalizeOf(this.schema.key)
    this.maker = new RecordMaker(this, maxRecordBytes)
  }

  /** Takes over a definition that differs from the present one in its functions only. */
  takeOver (schema: BucketSchema): void {
    this.schema = schema
    this.maker.renew()
    this.isRecovered = false
    this.missingFunctions = []
  }

  /** Whether it was imported, and no process has defined it since. */
  get isImported (): boolean {
    return this.missingFunctions.includes(WHOLE_DEFINITION)
  }

  /** Marks a bucket of a log, where its definition had functions at these paths. */
  markRecovered (functions: readonly string[] = []): void {
    this.isRecovered = true
    const known = new Set(this.schema.functionPaths)
    this.missingFunctions = functions.filter(path => !known.has(path))
  }

  /**
   * Refuses writes while functions of the definition, or all of it, are missing.
   * @throws DefinitionMissingError
   */
  assertComplete (): void {
    if (this.missingFunctions.length > 0) throw new DefinitionMissingError(this.name, this.missingFunctions)
  }

  get size (): number {
    return this.contents.rows.size
  }

  /** Returns a key as it is compared: dates as instants. */
  keyOf (key: unknown): unknown {
    return this.#normalizeKey === undefined ? key : this.#normalizeKey(key)
  }

  /** The key of a record, as it is compared. */
  keyIn (record: Readonly<Record<string, unknown>>): unknown {
    return this.keyOf(record[this.schema.key])
  }

  row (key: unknown): Row | undefined {
    return this.contents.rows.get(this.keyOf(key))
  }

  /** Whether there is a record and its time is not up at `now`, in epoch milliseconds. */
  isLive (record: StoreRecord | undefined, now: number): boolean {
    if (record === undefined) return false
    return this.schema.ttlMs === undefined || typeof record._expiresAt !== 'number' || record._expiresAt > now
  }

  insert (key: unknown, record: StoreRecord): Row {
    const row = new Row(key, record)
    this.contents.sequence.append(row)
    this.deleted.take(key)
    this.#enter(row, record)
    return row
  }

  update (row: Row, after: StoreRecord): void {
    const { contents } = this
    const before = row.record as StoreRecord
    for (const snapshot of contents.snapshots) snapshot.keep(row)
    row.record = after
    this.fieldNames.learn(after)
    this.edits++
    if (after._version > this.#highestVersion) this.#highestVersion = after._version
    for (const index of contents.indexes) index.update(row, before, after)
    const bytes = estimateBytes(after)
    contents.bytes += bytes - row.bytes
    row.bytes = bytes
    if (contents.expiry !== undefined && before._expiresAt !== after._expiresAt) {
      contents.expiry.remove(row)
      if (typeof after._expiresAt === 'number') contents.expiry.add(row, after._expiresAt)
    }
  }

  /** Deletes a record. Returns what is forgotten of former ones for it. */
  delete (row: Row): Forgotten | undefined {
    const record = this.#leave(row)
    return this.deleted.add(row.key, record._version, row.place)
  }

  /** Takes back an insert; `known` is what the bucket knew of the key before. */
  undoInsert (row: Row, known: DeletedEntry | undefined): void {
    this.takenBack++
    this.#leave(row)
    if (known !== undefined) this.deleted.restore(known)
  }

  /** Takes back a delete: the record is where it was, and what was forgotten for it is known again. */
  undoDelete (row: Row, record: StoreRecord, forgotten: Forgotten | undefined): void {
    this.takenBack++
    row.record = record
    this.contents.sequence.restore(row)
    this.deleted.undoAdd(row.key, forgotten)
    this.#enter(row, record)
  }

  /** Removes all records at once and returns what takes that back. */
  clear (): () => void {
    const former = this.contents
    this.contents = new Contents(this.schema)
    this.contents.sequence.startAt(former.sequence.nextPlace)
    this.hasOverdue = false
    this.edits++
    const { floor } = this.deleted
    const forgotten: Array<readonly [unknown, Forgotten | undefined]> = []
    if (former.rows.size > MAX_REMEMBERED_BY_CLEAR) {
      this.deleted.raiseFloor(this.#highestVersion)
    } else {
      for (const row of former.sequence.from(0)) {
        const { _version: version } = row.record as StoreRecord
        forgotten.push([row.key, this.deleted.add(row.key, version, row.place)])
      }
    }
    return () => {
      this.contents = former
      this.edits++
      for (const [key, entry] of forgotten.reverse()) this.deleted.undoAdd(key, entry)
      this.deleted.lowerFloor(floor)
    }
  }

  /**
   * Takes over from a bucket of the same name that this one, with its records in it, replaces: versions and
   * numbers go on, and so do cursors. With `hasSameKeys` all records are here, in their places: then the two
   * share their deleted keys from now on, if they compare keys in the same way. Otherwise the keys that are
   * here no more are deleted ones, which takes time with the number of records.
   */
  follow (former: Bucket, { hasSameKeys }: { readonly hasSameKeys: boolean }): void {
    this.counter = Math.max(this.counter, former.counter)
    this.#highestVersion = Math.max(this.#highestVersion, former.#highestVersion)
    const { sequence } = this.contents
    sequence.startAt(Math.max(sequence.nextPlace, former.contents.sequence.nextPlace))
    this.fieldNames.follow(former.fieldNames)
    if (hasSameKeys && this.#normalizeKey === former.#normalizeKey) {
      this.deleted = former.deleted
      return
    }
    this.deleted.raiseFloor(former.deleted.floor)
    for (const [key, { version, place }] of deletedSince(former, this)) {
      this.deleted.add(key, Math.max(version, this.deleted.get(key)?.version ?? 0), place)
    }
  }

  /**
   * Returns a record of elsewhere as the bucket keeps it, with all its members; one of a store is kept as
   * it is.
   * @throws ValidationError naming what JSON cannot hold
   */
  readRecord (record: StoreRecord): StoreRecord {
    return InputReader.isStored(record) ? record : InputReader.readRecord(this.name, record) as StoreRecord
  }

  /**
   * Puts in a record of elsewhere, at a place or as the last one.
   * @throws as `readRecord`
   */
  load (record: StoreRecord, place?: number): void {
    const frozen = this.readRecord(record)
    this.fieldNames.expect(Object.keys(frozen))
    const key = this.keyIn(frozen)
    if (place === undefined) {
      this.insert(key, frozen)
      return
    }
    const row = new Row(key, frozen)
    row.place = place
    this.contents.sequence.put(row)
    this.#enter(row, frozen)
  }

  /** Removes a record without remembering its key. */
  remove (row: Row): void {
    this.#leave(row)
  }

  #enter (row: Row, record: StoreRecord): void {
    const { contents } = this
    contents.rows.set(row.key, row)
    this.fieldNames.learn(record)
    this.edits++
    if (record._version > this.#highestVersion) this.#highestVersion = record._version
    for (const index of contents.indexes) index.add(row, record)
    contents.byKey?.add(row.key as string, row)
    row.bytes = estimateBytes(record)
    contents.bytes += row.bytes
    if (contents.expiry !== undefined && typeof record._expiresAt === 'number') {
      contents.expiry.add(row, record._expiresAt)
    }
  }

  #leave (row: Row): StoreRecord {
    const { contents } = this
    const record = row.record as StoreRecord
    for (const snapshot of contents.snapshots) snapshot.keep(row)
    this.edits++
    contents.rows.delete(row.key)
    contents.sequence.remove(row)
    for (const index of contents.indexes) index.remove(row, record)
    contents.byKey?.remove(row.key as string, row)
    contents.bytes -= row.bytes
    row.record = undefined
    contents.expiry?.remove(row)
    return record
  }
}
