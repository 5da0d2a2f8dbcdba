import { estimateBytes } from '../schema/size.js'
import type { Commit, RecordChange } from '../types/commit.js'
import type { StoreRecord } from '../types/record.js'
import type { Engine } from './engine.js'

/** Bounds of the changed keys that are remembered. */
export interface ChangedKeysBounds {
  /** Keys that are remembered, of all buckets. */
  readonly maxKeys: number
  /** Estimated bytes of them, and of the records that they had before. */
  readonly maxBytes: number
}

/** A key that has changed since a revision. */
export interface ChangedKey {
  /** The record of that revision; `undefined` where there was none. */
  readonly before: StoreRecord | undefined
  /** Whether it was deleted and inserted anew, and so has another place in the order of the bucket. */
  readonly isReplaced: boolean
}

/** Estimated bytes of one entry without its record. */
const ENTRY_BYTES = 64
/** Forgotten entries whose places in a list are given back together. */
const MAX_EMPTY = 1_024

interface Entry {
  readonly revision: number
  readonly key: unknown
  readonly before: StoreRecord | undefined
  readonly bytes: number
}

/** An entry that is forgotten: it lets the record go. */
const FORGOTTEN: Entry = { revision: 0, key: undefined, before: undefined, bytes: 0 }

/** The changes of one bucket, in order; forgotten ones at the beginning of the lists. */
interface BucketChanges {
  entries: Entry[]
  /** Number of forgotten entries. */
  start: number
  /** Every change after this revision is known. */
  floor: number
}

/**
 * Remembers which keys have changed since a revision, as far back as its bounds reach: the oldest are
 * forgotten first. It follows the commits of the process, those that a log has given at the start, and those
 * of another machine, so that each of them can tell a reader that comes back what it has missed.
 */
export class ChangedKeys {
  readonly #engine: Engine
  readonly #buckets = new Map<string, BucketChanges>()
  /** The bucket of each entry, in the order of the commits. */
  #order: BucketChanges[] = []
  #orderStart = 0
  #bounds: ChangedKeysBounds
  #bytes = 0
  /** Revision before the first commit that was followed. */
  #base: number | undefined

  constructor (engine: Engine, bounds: ChangedKeysBounds) {
    this.#engine = engine
    this.#bounds = bounds
    engine.onApplied(commit => { this.#onCommit(commit) })
  }

  /** Number of entries: one for each change of a record that is remembered. */
  get size (): number {
    return this.#order.length - this.#orderStart
  }

  /** Estimated bytes of the entries. */
  get bytes (): number {
    return this.#bytes
  }

  /** Sets other bounds, from now on. */
  bound (bounds: ChangedKeysBounds): void {
    this.#bounds = bounds
    this.#forget()
  }

  /**
   * Returns the keys of a bucket that have changed after a revision; `undefined` where that is not known any
   * more, for a revision that has not come yet, and where there are more than `most` changes.
   */
  since (bucket: string, revision: number, most = Infinity): ReadonlyMap<unknown, ChangedKey> | undefined {
    if (revision > this.#engine.revision) return undefined
    const changes = this.#buckets.get(bucket)
    if (revision < (changes?.floor ?? this.#base ?? this.#engine.revision)) return undefined
    const keys = new Map<unknown, ChangedKey>()
    if (changes === undefined) return keys
    const { entries, start } = changes
    const oldest = entries[entries.length - 1 - most]
    if (entries.length - start > most && oldest !== undefined && oldest.revision > revision) return undefined
    // From the newest one on: the oldest of a key is the last to be set.
    for (let i = entries.length - 1; i >= start; i--) {
      const { revision: at, key, before } = entries[i] as Entry
      if (at <= revision) break
      const later = keys.get(key)
      const isReplaced = later !== undefined && (later.isReplaced || later.before === undefined)
      keys.set(key, { before, isReplaced })
    }
    return keys
  }

  #onCommit ({ revision, changes, undone }: Commit): void {
    this.#base ??= revision - 1
    if (undone === true) {
      this.#takeBack(revision)
      return
    }
    for (const change of changes) {
      if (change.type === 'query') continue
      const of = this.#of(change.bucket)
      if ('key' in change) this.#add(of, revision, change)
      // All its records may be others now.
      else of.floor = revision
    }
    this.#forget()
  }

  #of (bucket: string): BucketChanges {
    let changes = this.#buckets.get(bucket)
    if (changes === undefined) {
      changes = { entries: [], start: 0, floor: this.#base ?? 0 }
      this.#buckets.set(bucket, changes)
    }
    return changes
  }

  #add (of: BucketChanges, revision: number, { key, before }: RecordChange): void {
    const bytes = ENTRY_BYTES + estimateBytes(before ?? key)
    of.entries.push({ revision, key, before, bytes })
    this.#order.push(of)
    this.#bytes += bytes
  }

  /** Takes out the entries of a commit that is taken back: its revision is given again. */
  #takeBack (revision: number): void {
    while (this.size > 0) {
      const of = this.#order[this.#order.length - 1] as BucketChanges
      const last = of.entries[of.entries.length - 1]
      if (last === undefined || last.revision < revision) return
      this.#order.pop()
      of.entries.pop()
      this.#bytes -= last.bytes
    }
  }

  #forget (): void {
    const { maxKeys, maxBytes } = this.#bounds
    while (this.size > maxKeys || this.#bytes > maxBytes) {
      const of = this.#order[this.#orderStart++] as BucketChanges
      const oldest = of.entries[of.start] as Entry
      of.floor = Math.max(of.floor, oldest.revision)
      this.#bytes -= oldest.bytes
      of.entries[of.start++] = FORGOTTEN
      if (of.start > MAX_EMPTY && of.start * 2 > of.entries.length) {
        of.entries = of.entries.slice(of.start)
        of.start = 0
      }
    }
    if (this.#orderStart > MAX_EMPTY && this.#orderStart * 2 > this.#order.length) {
      this.#order = this.#order.slice(this.#orderStart)
      this.#orderStart = 0
    }
  }
}
