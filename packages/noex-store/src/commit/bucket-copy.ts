import { Bucket } from '../bucket/bucket.js'
import type { Contents } from '../bucket/contents.js'
import type { Row } from '../rows/row.js'
import { Snapshot } from '../bucket/snapshot.js'
import { DuplicateKeyError, UniqueConstraintError } from '../errors.js'
import type { FieldIndex } from '../index/field-index.js'
import type { Slicer } from '../scan/slicer.js'
import { isThenable } from '../util/value-kinds.js'
import type { StoreRecord } from '../types/record.js'
import { checkOfImported, checkOfNewFields } from './new-fields.js'
import type { Buckets } from './references.js'

/** Returns the record that one becomes in the rebuilt bucket. */
export type TransformRecord = (record: StoreRecord) => Record<string, unknown>

/** Parts of the store that a copy uses. */
interface Surroundings {
  readonly slicer: Slicer
  readonly buckets: Buckets
  readonly now: number
}

/** Records copied between two looks at the clock. */
const STEP = 64
/** Changed rows up to which a copy is brought up to date in one step. */
const MAX_REST = 128

/**
 * A copy of a bucket under another definition, made in slices beside the bucket while that goes on changing.
 * Rows keep their places.
 */
export class BucketCopy {
  readonly bucket: Bucket
  /** Whether the bucket has lost its contents or got back old ones: then the copy is worth nothing. */
  get isVoid (): boolean {
    return this.#former.contents !== this.#contents || this.#former.takenBack !== this.#takenBack
  }

  readonly #former: Bucket
  readonly #contents: Contents
  readonly #takenBack: number
  readonly #transform: TransformRecord | undefined
  readonly #slicer: Slicer
  readonly #touched = new Set<Row>()
  /** Rows from this place on have not been looked at. */
  #next: number
  readonly #suspects: Array<readonly [FieldIndex, unknown, StoreRecord]> = []
  readonly #check: (record: StoreRecord) => void

  constructor (
    former: Bucket, bucket: Bucket, transform: TransformRecord | undefined,
    { slicer, buckets, now }: Surroundings
  ) {
    this.#former = former
    this.#contents = former.contents
    this.#takenBack = former.takenBack
    this.#transform = transform
    this.#slicer = slicer
    this.bucket = bucket
    this.#next = former.contents.sequence.nextPlace
    this.#check = former.isImported
      ? checkOfImported(former, bucket, transform === undefined)
      : checkOfNewFields(former, bucket, buckets, now)
  }

  /** Hears of rows that change while the copy is made. */
  keep (row: Row): void {
    this.#touched.add(row)
  }

  /**
   * Copies all records in one step.
   * @throws as `fill`
   */
  fillNow (): void {
    for (const row of this.#contents.sequence.from(0)) this.#put(row.record as StoreRecord, row.place)
  }

  /**
   * Copies all records, and what changes meanwhile until little is left.
   * @throws DefinitionError for a record that the new fields do not allow, DuplicateKeyError,
   * UniqueConstraintError, what the transform throws
   */
  async fill (): Promise<void> {
    const snapshot = new Snapshot(this.#contents)
    this.#contents.snapshots.add(this)
    // One record at a time where code of the application runs, which may be slow.
    const step = this.#transform === undefined ? STEP : 1
    try {
      while (!this.isVoid && !snapshot.step((record, row) => { this.#put(record, row.place) }, step)) {
        if (this.#slicer.isSpent) await this.#slicer.nextTurn()
      }
    } finally {
      snapshot.close()
    }
    while (!this.isVoid && this.#rest > MAX_REST) {
      for (const row of this.#takeRest()) {
        this.#follow(row)
        if (this.#slicer.isSpent) await this.#slicer.nextTurn()
      }
    }
  }

  /**
   * Brings the copy up to date in one step. Returns the rows that have changed, by place.
   * @throws as `fill`
   */
  catchUp (): number[] {
    const places: number[] = []
    // Again for what a transform itself has written.
    while (this.#rest > 0 && !this.isVoid) {
      for (const row of this.#takeRest()) {
        this.#follow(row)
        places.push(row.place)
      }
    }
    for (const [index, value, record] of this.#suspects) {
      if (index.hash.size(value) > 1) this.#refuse(index, record)
    }
    return places
  }

  /** Stops hearing of changes. */
  close (): void {
    this.#contents.snapshots.delete(this)
  }

  get #rest (): number {
    return this.#touched.size + this.#contents.sequence.nextPlace - this.#next
  }

  #takeRest (): Row[] {
    const { sequence } = this.#contents
    const rows = [...this.#touched, ...sequence.from(this.#next)]
    this.#touched.clear()
    this.#next = sequence.nextPlace
    return rows
  }

  #follow (row: Row): void {
    const { bucket } = this
    const copy = bucket.contents.sequence.at(row.place)
    if (copy !== undefined) {
      if (copy.record === row.record) return
      bucket.remove(copy)
    }
    if (row.record !== undefined) this.#put(row.record, row.place, true)
  }

  #put (source: StoreRecord, place: number, isLate = false): void {
    const { bucket } = this
    const record = this.#transform === undefined ? source : this.#transformed(source)
    if (bucket.contents.rows.has(bucket.keyIn(record))) {
      throw new DuplicateKeyError(bucket.name, record[bucket.schema.key], bucket.schema.key)
    }
    for (const index of bucket.contents.uniques) {
      const value = index.valueOf(record)
      if (value === null || value === undefined) continue
      // The changes of one commit may exchange values: those are looked at in the end.
      if (isLate) this.#suspects.push([index, value, record])
      else if (index.hash.size(value) > 0) this.#refuse(index, record)
    }
    this.#check(record)
    bucket.load(record, place)
  }

  #transformed (source: StoreRecord): StoreRecord {
    const record: unknown = (this.#transform as TransformRecord)(source)
    if (record === source) return source
    // Copied, so that it is read as what comes from outside, frozen or not.
    if (typeof record === 'object' && record !== null && !isThenable(record)) {
      return { ...record } as StoreRecord
    }
    if (isThenable(record)) Promise.resolve(record).catch(() => {})
    throw new TypeError(`The transform of bucket "${this.bucket.name}" must return a record at once`)
  }

  #refuse ({ options: { field } }: FieldIndex, record: StoreRecord): never {
    throw new UniqueConstraintError(this.bucket.name, field, record[field])
  }
}
