import { UnknownFieldError } from '../errors.js'
import { compileSchema, type BucketSchema, type Normalize } from '../schema/bucket-schema.js'
import { fillersOf } from '../schema/fillers.js'
import { frozenValue } from '../schema/frozen.js'
import { estimateBytes } from '../schema/size.js'
import { RecordTemplate } from '../schema/template.js'
import type { StoreRecord } from '../types/record.js'
import type { BucketDefinition } from '../types/schema.js'
import { Contents } from './contents.js'
import { DeletedKeys, type DeletedKey } from './deleted-keys.js'
import { deletedSince } from './deleted-since.js'
import { FieldNames } from './field-names.js'
import { Row } from './row.js'

/** Records up to which a `clear` remembers the version of each; above, only the highest one. */
const MAX_REMEMBERED_BY_CLEAR = 10_000

/** A bucket: its compiled definition, its records, and what it remembers of deleted ones. */
export class Bucket {
  readonly name: string
  readonly schema: BucketSchema
  readonly deleted: DeletedKeys
  readonly fieldNames: FieldNames
  contents: Contents
  /** Last given autoincrement number. */
  counter = 0
  /** Whether records whose time is up are still in `contents`, because they are too many for one commit. */
  hasOverdue = false
  /** The removal of such records, while it is under way; resolves with their number. */
  purge: Promise<number> | undefined
  /** Number of changes, to tell whether the bucket is as it was. */
  edits = 0
  readonly #template: RecordTemplate
  readonly #normalizeKey: Normalize | undefined
  #highestVersion = 0

  /** @throws DefinitionError */
  constructor (name: string, definition: BucketDefinition, maxDeletedKeys: number) {
    this.name = name
    this.schema = compileSchema(name, definition)
    this.deleted = new DeletedKeys(maxDeletedKeys)
    this.contents = new Contents(this.schema)
    this.fieldNames = new FieldNames(Object.keys(this.schema.definition.schema))
    this.#normalizeKey = this.schema.normalizeOf(this.schema.key)
    const fillers = fillersOf(name, this.schema.definition, () => this.counter)
    this.#template = new RecordTemplate(fillers, this.schema.ttlMs, names => { this.fieldNames.add(names) })
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

  /** Takes the next autoincrement number; one that becomes a key passes over those that are taken. */
  #takeNumber (isKeyGiven: boolean, isTaken: ((key: unknown) => boolean) | undefined): void {
    this.counter++
    const { key, definition } = this.schema
    if (isKeyGiven || definition.schema[key]?.generated !== 'autoincrement') return
    while (this.contents.rows.has(this.counter) || isTaken?.(this.counter) === true) this.counter++
  }

  /**
   * Makes the record of an insert: takes a number, runs defaults and validators. `isTaken` tells which keys
   * are taken besides those of the bucket.
   *
   * @throws ValidationError, or what a function of the definition throws
   */
  prepareInsert (
    input: Readonly<Record<string, unknown>>, time: number, isTaken?: (key: unknown) => boolean
  ): StoreRecord {
    const known = input[this.schema.key]
    if (this.schema.isNumbered) this.#takeNumber(known !== undefined, isTaken)
    // The version of a key that is made here is corrected below; such a key is nearly always a new one.
    const record = this.#template.build(input, { version: this.deleted.nextVersion(this.keyOf(known)), time })
    const key = this.keyIn(record)
    const version = this.deleted.nextVersion(key)
    const versioned = version === record._version ? record : Object.freeze({ ...record, _version: version })
    this.schema.validate(versioned)
    return versioned
  }

  /**
   * Makes the record that an update replaces `before` with.
   * @throws ValidationError, or what a function of the definition throws
   */
  prepareUpdate (before: StoreRecord, changes: Readonly<Record<string, unknown>>, time: number): StoreRecord {
    const record: Record<string, unknown> = { ...before }
    const { fixed } = this.schema
    for (const name of Object.keys(changes)) {
      if (fixed.has(name)) continue
      const value = changes[name]
      const stored = typeof value === 'object' && value !== before[name] ? frozenValue(value) : value
      if (Object.hasOwn(before, name)) {
        record[name] = stored
      } else {
        this.fieldNames.add([name])
        // Not assigned: a member named __proto__ would become the prototype.
        Object.defineProperty(
          record, name, { value: stored, enumerable: true, writable: true, configurable: true }
        )
      }
    }
    record['_version'] = before._version + 1
    record['_updatedAt'] = time
    const after = Object.freeze(record) as StoreRecord
    this.schema.validate(after)
    return after
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
    this.edits++
    if (after._version > this.#highestVersion) this.#highestVersion = after._version
    for (const index of contents.indexes) index.update(row, before, after)
    const bytes = estimateBytes(after)
    contents.bytes += bytes - row.bytes
    row.bytes = bytes
    if (contents.expiry !== undefined && before._expiresAt !== after._expiresAt) {
      if (typeof before._expiresAt === 'number') contents.expiry.discard()
      if (typeof after._expiresAt === 'number') contents.expiry.add(row, after._expiresAt)
    }
  }

  delete (row: Row): void {
    const record = this.#leave(row)
    this.deleted.add(row.key, { version: record._version, place: row.place })
  }

  /** Takes back an insert; `known` is what the bucket knew of the key before. */
  undoInsert (row: Row, known: DeletedKey | undefined): void {
    this.#leave(row)
    if (known !== undefined) this.deleted.add(row.key, known)
  }

  /** Takes back a delete: the record is where it was. */
  undoDelete (row: Row, record: StoreRecord): void {
    row.record = record
    this.contents.sequence.restore(row)
    this.deleted.take(row.key)
    this.#enter(row, record)
  }

  /** Removes all records at once and returns them. */
  clear (): Contents {
    const former = this.contents
    this.contents = new Contents(this.schema)
    this.contents.sequence.startAt(former.sequence.nextPlace)
    this.hasOverdue = false
    this.edits++
    if (former.rows.size > MAX_REMEMBERED_BY_CLEAR) {
      this.deleted.raiseFloor(this.#highestVersion)
    } else {
      for (const row of former.sequence.from(0)) {
        this.deleted.add(row.key, { version: (row.record as StoreRecord)._version, place: row.place })
      }
    }
    return former
  }

  /** Takes back a `clear`. */
  undoClear (former: Contents): void {
    this.contents = former
    this.edits++
    for (const key of former.rows.keys()) this.deleted.take(key)
  }

  /**
   * Takes over from a bucket of the same name that this one, with its records in it, replaces: versions,
   * numbers and cursors go on, those of records that are here no more too.
   */
  follow (former: Bucket): void {
    this.counter = Math.max(this.counter, former.counter)
    this.#highestVersion = Math.max(this.#highestVersion, former.#highestVersion)
    this.deleted.raiseFloor(former.deleted.floor)
    this.fieldNames.add(former.fieldNames.list())
    for (const [key, deleted] of deletedSince(former, this)) this.deleted.add(key, deleted)
  }

  /** Puts in a record of elsewhere as it is, with all its members. */
  load (record: StoreRecord): void {
    const frozen = Object.isFrozen(record) ? record : frozenValue(record) as StoreRecord
    this.fieldNames.add(Object.keys(frozen))
    this.insert(this.keyIn(frozen), frozen)
  }

  /**
   * Refuses a name that no record of the bucket has or had: a dotted path by its first part.
   * @throws UnknownFieldError
   */
  checkField (path: string): void {
    const [field = path] = path.split('.')
    if (this.fieldNames.has(path) || this.fieldNames.has(field)) return
    throw new UnknownFieldError(this.name, path, this.fieldNames.nearest(field))
  }

  #enter (row: Row, record: StoreRecord): void {
    const { contents } = this
    contents.rows.set(row.key, row)
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
    if (contents.expiry !== undefined && typeof record._expiresAt === 'number') contents.expiry.discard()
    return record
  }
}
