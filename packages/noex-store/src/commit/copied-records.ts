import type { Bucket } from '../bucket/bucket.js'
import type { Row } from '../rows/row.js'
import { Snapshot } from '../bucket/snapshot.js'
import type { Engine } from './engine.js'
import type { StoreRecord } from '../types/record.js'

/** Places looked at between two looks at the clock. */
const STEP = 128

/** All records of a bucket in the order of their insertion. */
export function recordsOf ({ contents }: Bucket): StoreRecord[] {
  return Array.from(contents.sequence.from(0), row => row.record as StoreRecord)
}

/** All records that a bucket has at the moment of the call, gathered in slices. */
export async function recordsInSlices (engine: Engine, bucket: Bucket): Promise<StoreRecord[]> {
  return (await CopiedRecords.of(engine, bucket)).records
}

/** The records of a bucket in the order of their insertion, with their places. */
export class CopiedRecords {
  readonly records: StoreRecord[]
  readonly places: number[]
  #count = 0

  /** `size`: records that there are. Lists that grow are copied, which takes long with a million. */
  private constructor (size: number) {
    this.records = new Array<StoreRecord>(size)
    this.places = new Array<number>(size)
  }

  /** Gathers them in one step. */
  static now (bucket: Bucket): CopiedRecords {
    const copied = new CopiedRecords(bucket.size)
    for (const row of bucket.contents.sequence.from(0)) copied.#add(row.record as StoreRecord, row)
    return copied
  }

  /** Gathers them in slices, as they are at the moment of the call. */
  static async of (engine: Engine, bucket: Bucket): Promise<CopiedRecords> {
    const copied = new CopiedRecords(bucket.size)
    const snapshot = new Snapshot(bucket.contents)
    try {
      do {
        if (engine.slicer.isSpent) await engine.slicer.nextTurn()
      } while (!snapshot.step((record, row) => { copied.#add(record, row) }, STEP))
    } finally {
      snapshot.close()
    }
    return copied
  }

  #add (record: StoreRecord, { place }: Row): undefined {
    this.records[this.#count] = record
    this.places[this.#count++] = place
  }

  /** Returns the records, brought up to date at a few places. */
  patched (bucket: Bucket, places: readonly number[]): StoreRecord[] {
    for (const place of places) {
      const at = this.#indexOf(place)
      const isKnown = this.places[at] === place
      const record = bucket.contents.sequence.at(place)?.record
      if (record !== undefined && isKnown) {
        this.records[at] = record
      } else if (record !== undefined) {
        this.records.splice(at, 0, record)
        this.places.splice(at, 0, place)
      } else if (isKnown) {
        this.records.splice(at, 1)
        this.places.splice(at, 1)
      }
    }
    return this.records
  }

  #indexOf (place: number): number {
    let low = 0
    let high = this.places.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.places[middle] as number) < place) low = middle + 1
      else high = middle
    }
    return low
  }
}
