import type { PendingWrite, StoreRecord } from '@hamicek/noex-store'
import { NoexServerError } from '../protocol/errors.js'

/** A record of an ephemeral bucket, as its connection has last written it. */
export interface PresentRecord {
  readonly bucket: string
  readonly key: unknown
  /** Its `_version`: no other record of the key has it. */
  readonly version: number
}

/** The buckets of a store. */
interface Buckets {
  /** Whether the records of a bucket end with the connection that has written them. */
  isEphemeral: (bucket: string) => boolean
}

/**
 * The records of one connection in ephemeral buckets, which end with it. The `PresenceTable` of the store
 * keeps them, by the durable commits: it is the writer that those commits name.
 */
export class Presence {
  /** The id of the connection; `null` for a call. */
  readonly connectionId: string | null
  readonly #buckets: Buckets
  readonly #maxRecords: number
  /** By bucket and key, as keys are compared. */
  readonly #records = new Map<string, Map<unknown, PresentRecord>>()
  #size = 0
  /** The user who has written last; `undefined` for one without a session. */
  user: string | undefined
  /** Called when there is a record more: a commit becomes durable after its connection has ended, too. */
  onGained: () => void = () => {}

  constructor (connectionId: string | null, buckets: Buckets, maxRecords: number) {
    this.connectionId = connectionId
    this.#buckets = buckets
    this.#maxRecords = maxRecords
  }

  /** Number of records. */
  get size (): number {
    return this.#size
  }

  has (bucket: string, key: unknown): boolean {
    return this.#records.get(bucket)?.has(key) ?? false
  }

  /** All records, those of one bucket together. */
  list (): PresentRecord[] {
    return Array.from(this.#records.values(), records => [...records.values()]).flat()
  }

  /** Notes that a record is the connection's; `key` as keys are compared. */
  gain (bucket: string, key: unknown, record: PresentRecord): void {
    let records = this.#records.get(bucket)
    if (records === undefined) this.#records.set(bucket, records = new Map())
    if (!records.has(key)) this.#size++
    records.set(key, record)
    this.onGained()
  }

  /** Notes that a record is the connection's no more. */
  lose (bucket: string, key: unknown): void {
    const records = this.#records.get(bucket)
    if (records?.delete(key) !== true) return
    this.#size--
    if (records.size === 0) this.#records.delete(bucket)
  }

  /**
   * Called in the step that commits, with what it is about to write.
   * @throws `VALIDATION_ERROR` where the connection would have too many records
   */
  assertRoom (writes: Iterable<PendingWrite>): void {
    let size = this.#size
    for (const { bucket, key, isDelete } of writes) {
      if (isDelete || !this.#buckets.isEphemeral(bucket) || this.has(bucket, key)) continue
      if (++size > this.#maxRecords) throw tooManyRecords(bucket, this.#maxRecords)
    }
  }
}

/** Returns the record of a change as a presence keeps it. */
export function presentRecord (bucket: string, key: unknown, record: StoreRecord): PresentRecord {
  return { bucket, key, version: record._version }
}

function tooManyRecords (bucket: string, maxRecords: number): NoexServerError {
  return new NoexServerError(
    'VALIDATION_ERROR',
    `A connection may have no more than ${maxRecords} records in ephemeral buckets such as "${bucket}"`,
    { bucket, maxRecords }
  )
}
