import type { TouchedRow } from '@hamicek/noex-store'

/** The change of a row over several commits. */
export interface NetChange {
  /** Whether the row was in the list before. */
  readonly wasIn: boolean
  /** Whether its place among the other rows may be another one. */
  readonly hasMoved: boolean
}

/** The changes of rows over several commits, by key. */
export type NetChanges = ReadonlyMap<unknown, NetChange>

/** Entries that are kept of the shortest list. */
const MIN_ENTRIES = 256

/** Estimated bytes of an entry. */
const ENTRY_BYTES = 64

interface Entry extends TouchedRow {
  readonly revision: number
}

/** The changes of the rows of one result, in order, as far back as they are fewer than the rows. */
export class ChangeHistory {
  #entries: Entry[] = []
  /** Number of forgotten entries at the beginning of the list. */
  #start = 0
  #floor: number

  /** `revision` is that of the first result. */
  constructor (revision: number) {
    this.#floor = revision
  }

  /** Every change after this revision is known. */
  get floor (): number {
    return this.#floor
  }

  /** Estimated bytes of the entries. */
  get bytes (): number {
    return (this.#entries.length - this.#start) * ENTRY_BYTES
  }

  /** Adds the changes of a commit to a list that has `rows` rows now. */
  add (revision: number, touches: readonly TouchedRow[], rows: number): void {
    for (const { key, wasIn, moved } of touches) this.#entries.push({ revision, key, wasIn, moved })
    const most = Math.max(MIN_ENTRIES, rows)
    while (this.#entries.length - this.#start > most) {
      this.#floor = (this.#entries[this.#start++] as Entry).revision
    }
    // Of a commit that is forgotten in part, the rest is of no use.
    while (this.#entries[this.#start]?.revision === this.#floor) this.#start++
    if (this.#start * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start)
      this.#start = 0
    }
  }

  /** Forgets everything: the result of this revision has nothing to do with the one before. */
  reset (revision: number): void {
    this.#entries = []
    this.#start = 0
    this.#floor = revision
  }

  /** Returns the revision of the first known change after this one; Infinity where there is none. */
  firstAfter (revision: number): number {
    return this.#entries[this.#indexAfter(revision)]?.revision ?? Infinity
  }

  /** Returns the changes after a revision; `undefined` where they are not known. */
  since (revision: number): NetChanges | undefined {
    if (revision < this.#floor) return undefined
    const first = this.#indexAfter(revision)
    const net = new Map<unknown, NetChange>()
    for (let i = first; i < this.#entries.length; i++) {
      const { key, wasIn, moved } = this.#entries[i] as Entry
      const known = net.get(key)
      if (known === undefined) net.set(key, { wasIn, hasMoved: moved })
      // A row that has left and come back comes to another place.
      else if (!known.hasMoved && (moved || !wasIn)) net.set(key, { wasIn: known.wasIn, hasMoved: true })
    }
    return net
  }

  /** Index of the first entry after a revision. */
  #indexAfter (revision: number): number {
    let low = this.#start
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#entries[middle] as Entry).revision <= revision) low = middle + 1
      else high = middle
    }
    return low
  }
}
