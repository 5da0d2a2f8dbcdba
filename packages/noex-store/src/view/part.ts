import type { StoreRecord } from '../types/record.js'
import type { Entry } from './entry.js'
import type { Marks } from './marks.js'
import type { RowSet, RowSetObserver } from './row-set.js'

/** The part of a row set that a view shows; it notes the rows that come into it, go or change. */
export interface Part extends RowSetObserver {
  /** Index of its first row in the row set. */
  readonly start: number
  readonly size: number
  /** Fixes its bounds at the end of a commit. Returns whether these have changed. */
  settle: () => boolean
}

/** A row set as a whole. */
export class Whole implements Part {
  readonly start = 0
  readonly #set: RowSet
  readonly #marks: Marks

  constructor (set: RowSet, marks: Marks) {
    this.#set = set
    this.#marks = marks
  }

  get size (): number {
    return this.#set.list.size
  }

  onRemove (entry: Entry): void {
    this.#marks.leave(entry)
  }

  onInsert (entry: Entry): void {
    this.#marks.enter(entry)
  }

  onMove (entry: Entry): void {
    this.#marks.move(entry)
  }

  onUpdate (entry: Entry, before: StoreRecord): void {
    this.#marks.update(entry, before)
  }

  onClear (): void {
    this.#marks.clear()
  }

  settle (): boolean {
    return false
  }
}

/** The rows of a row set from one index on, up to another one: rows move across its bounds. */
export class Window implements Part {
  readonly #set: RowSet
  readonly #marks: Marks
  readonly #start: number
  readonly #end: number

  constructor (set: RowSet, marks: Marks, offset: number, limit: number) {
    this.#set = set
    this.#marks = marks
    this.#start = offset
    this.#end = limit === 0 ? offset : offset + limit
  }

  get start (): number {
    return this.#start
  }

  get size (): number {
    return Math.max(0, Math.min(this.#end, this.#set.list.size) - this.#start)
  }

  onRemove (entry: Entry, index: number): void {
    if (index >= this.#end || this.#start === this.#end) return
    const { list } = this.#set
    // Rows behind have moved up by one.
    const gone = index < this.#start ? list.at(this.#start - 1) : entry
    if (gone !== undefined) this.#marks.leave(gone)
    const come = list.at(this.#end - 1)
    if (come !== undefined) this.#marks.enter(come)
  }

  onInsert (entry: Entry, index: number): void {
    if (index >= this.#end || this.#start === this.#end) return
    const { list } = this.#set
    // Rows behind have moved down by one.
    const come = index < this.#start ? list.at(this.#start) : entry
    if (come !== undefined) this.#marks.enter(come)
    const gone = list.at(this.#end)
    if (gone !== undefined) this.#marks.leave(gone)
  }

  onMove (entry: Entry): void {
    this.#marks.move(entry)
  }

  onUpdate (entry: Entry, before: StoreRecord): void {
    const index = this.#set.list.indexOf(entry)
    if (index >= this.#start && index < this.#end) this.#marks.update(entry, before)
  }

  onClear (): void {
    this.#marks.clear()
  }

  settle (): boolean {
    return false
  }
}
