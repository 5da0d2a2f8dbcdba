import type { Bucket } from '../bucket/bucket.js'
import type { RecordChange } from '../types/commit.js'
import { PredicateIndex } from './predicate-index.js'
import type { ViewSource } from './view-source.js'

/** A change of a bucket that a fill has to take in once it has read the state before. */
export type Note = RecordChange | 'clear'

/** A first read of a source that is under way. */
export interface Fill {
  /** Revision that it reads; `notes` has what came after. */
  readonly revision: number
  readonly notes: Note[]
  /** Whether the bucket has been redefined or dropped since: what is read is worth nothing. */
  isVoid: boolean
}

/** The sources over one bucket, and those that are being filled. */
export class BucketViews {
  index: PredicateIndex<ViewSource>
  readonly fills = new Set<Fill>()

  constructor (bucket: Bucket) {
    this.index = new PredicateIndex(bucket.schema.normalizeOf)
  }

  get isEmpty (): boolean {
    return this.index.size === 0 && this.fills.size === 0
  }

  /** Notes a change for the fills that have read the state before it. */
  note (note: Note, revision: number): void {
    for (const fill of this.fills) if (revision > fill.revision) fill.notes.push(note)
  }

  /** Ends the fills that have read the bucket as it was before a revision. */
  voidFills (revision: number): void {
    for (const fill of this.fills) if (revision > fill.revision) fill.isVoid = true
  }
}
