import { InputTooLargeError, ValidatorError } from '../errors.js'
import type { BucketSchema } from '../schema/bucket-schema.js'
import { fillersOf } from '../schema/fillers.js'
import { InputReader } from '../schema/input-reader.js'
import type { PendingCheck } from '../schema/pending-checks.js'
import { estimateBytes } from '../schema/size.js'
import { RecordTemplate } from '../schema/template.js'
import type { StoreRecord } from '../types/record.js'
import type { Contents } from './contents.js'
import type { DeletedKeys } from './deleted-keys.js'
import type { FieldNames } from './field-names.js'

/** The bucket that records are made for. */
interface RecordOwner {
  readonly name: string
  readonly schema: BucketSchema
  readonly contents: Contents
  readonly deleted: DeletedKeys
  readonly fieldNames: FieldNames
  /** Last given autoincrement number. */
  counter: number
  keyOf: (key: unknown) => unknown
  keyIn: (record: StoreRecord) => unknown
}

/** Makes the records that are written to a bucket: reads what is given, fills in, checks. */
export class RecordMaker {
  readonly #bucket: RecordOwner
  readonly #maxBytes: number
  readonly #reader: InputReader
  #template: RecordTemplate

  /** A record of more than `maxBytes` estimated bytes is refused. */
  constructor (bucket: RecordOwner, maxBytes: number) {
    this.#bucket = bucket
    this.#maxBytes = maxBytes
    this.#reader = new InputReader(bucket.name, maxBytes)
    this.#template = this.#makeTemplate()
  }

  /** Works by the definition that the bucket has now. */
  renew (): void {
    this.#template = this.#makeTemplate()
  }

  /** Estimated bytes of the members that the last prepared record has got from its input. */
  get inputBytes (): number {
    return this.#reader.bytes
  }

  /** Takes the next autoincrement number; one that becomes a key passes over those that are taken. */
  #takeNumber (isKeyGiven: boolean, isTaken: ((key: unknown) => boolean) | undefined): void {
    const bucket = this.#bucket
    bucket.counter++
    const { key, definition } = bucket.schema
    if (isKeyGiven || definition.schema[key]?.generated !== 'autoincrement') return
    while (bucket.contents.rows.has(bucket.counter) || isTaken?.(bucket.counter) === true) bucket.counter++
  }

  /**
   * Makes the record of an insert: takes a number, runs defaults and validators. `isTaken` tells which keys
   * are taken besides those of the bucket. Checks whose answer is still to come are added to `pending`;
   * without it they are refused.
   *
   * @throws ValidationError, or what a function of the definition throws
   */
  insert (
    input: Readonly<Record<string, unknown>>, time: number, isTaken?: (key: unknown) => boolean,
    pending?: PendingCheck[]
  ): StoreRecord {
    const bucket = this.#bucket
    const { schema, deleted } = bucket
    const known = input[schema.key]
    if (schema.isNumbered) this.#takeNumber(known !== undefined, isTaken)
    // The version of a key that is made here is corrected below; such a key is nearly always a new one.
    const record = this.#template.build(input, { version: deleted.nextVersion(bucket.keyOf(known)), time })
    const version = deleted.nextVersion(bucket.keyIn(record))
    const versioned = version === record._version ? record : Object.freeze({ ...record, _version: version })
    const checks = schema.validate(versioned)
    if (checks !== undefined) this.#defer(checks, pending)
    return versioned
  }

  /**
   * Makes the record that an update replaces `before` with; `bytes` are those of `before`. Checks whose
   * answer is still to come are added to `pending`; without it they are refused.
   * @throws ValidationError, InputTooLargeError, or what a function of the definition throws
   */
  update (
    before: StoreRecord, changes: Readonly<Record<string, unknown>>, time: number, pending?: PendingCheck[],
    bytes = estimateBytes(before)
  ): StoreRecord {
    const record: Record<string, unknown> = { ...before }
    this.#reader.begin()
    const { schema: { fixed, validate }, fieldNames } = this.#bucket
    for (const name of Object.keys(changes)) {
      if (fixed.has(name)) continue
      const value = changes[name]
      const stored = value === before[name] ? value : this.#reader.read(name, value)
      if (Object.hasOwn(before, name)) {
        record[name] = stored
      } else {
        fieldNames.expect([name])
        // Not assigned: a member named __proto__ would become the prototype.
        Object.defineProperty(
          record, name, { value: stored, enumerable: true, writable: true, configurable: true }
        )
      }
    }
    if (bytes + this.#reader.bytes > this.#maxBytes && estimateBytes(record) > this.#maxBytes) {
      throw new InputTooLargeError(this.#bucket.name, 'record', this.#maxBytes)
    }
    record['_version'] = before._version + 1
    record['_updatedAt'] = time
    const after = Object.freeze(record) as StoreRecord
    const checks = validate(after)
    if (checks !== undefined) this.#defer(checks, pending)
    return after
  }

  #defer (checks: readonly PendingCheck[], pending: PendingCheck[] | undefined): void {
    if (pending === undefined) {
      throw new ValidatorError(
        this.#bucket.name, (checks[0] as PendingCheck).subject,
        'is asynchronous; here it must return its answer at once'
      )
    }
    pending.push(...checks)
  }

  #makeTemplate (): RecordTemplate {
    const bucket = this.#bucket
    const fillers = fillersOf(bucket.name, bucket.schema.definition, () => bucket.counter)
    return new RecordTemplate(
      fillers, bucket.schema.ttlMs, this.#reader, names => { bucket.fieldNames.expect(names) }
    )
  }
}
