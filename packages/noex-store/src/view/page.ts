import type { StoreRecord } from '../types/record.js'
import type { Entry, Position } from './entry.js'
import type { Marks } from './marks.js'
import type { Part } from './part.js'
import type { RowSet } from './row-set.js'

/** A position with the key of the record that is or was there. */
export interface KeyedPosition extends Position {
  readonly key: unknown
}

/**
 * The rows of a row set between two positions in its order: behind one, up to and with the other, which is
 * fixed as soon as there are as many rows as wanted. Rows that move do not move the bounds.
 */
export class Page implements Part {
  readonly #set: RowSet
  readonly #marks: Marks
  readonly #limit: number
  readonly #after: Position | undefined
  /** `undefined` while the page is open at its end. */
  #end: KeyedPosition | undefined
  #hasMore = false
  #last: Entry | undefined

  /**
   * Begins behind `after`; at the first row where that is `undefined`. `end`: where a former page of the same
   * bounds ends.
   */
  constructor (
    set: RowSet, marks: Marks, limit: number, after: Position | undefined, end?: KeyedPosition
  ) {
    this.#set = set
    this.#marks = marks
    this.#limit = limit
    this.#after = after
    this.#end = end
    this.settle()
    marks.clear()
  }

  /** Its last place; `undefined` while it is open at its end. */
  get end (): KeyedPosition | undefined {
    return this.#end
  }

  get start (): number {
    const after = this.#after
    return after === undefined ? 0 : this.#countTo(after)
  }

  get size (): number {
    return (this.#end === undefined ? this.#set.list.size : this.#countTo(this.#end)) - this.start
  }

  /** Whether there are rows behind it. */
  get hasMore (): boolean {
    return this.#hasMore
  }

  /** Where the next page begins; `undefined` for a page that is open at its end and empty. */
  get next (): KeyedPosition | undefined {
    if (this.#end !== undefined) return this.#end
    return this.#last === undefined ? undefined : this.#positionOf(this.#last)
  }

  onRemove (entry: Entry): void {
    if (this.#has(entry)) this.#marks.leave(entry)
  }

  onInsert (entry: Entry): void {
    if (this.#has(entry)) this.#marks.enter(entry)
  }

  onMove (entry: Entry): void {
    this.#marks.move(entry)
  }

  onUpdate (entry: Entry, before: StoreRecord): void {
    if (this.#has(entry)) this.#marks.update(entry, before)
  }

  onClear (): void {
    this.#marks.clear()
  }

  settle (): boolean {
    const { list } = this.#set
    const { start } = this
    if (this.#end === undefined && list.size - start >= this.#limit) {
      const end = start + this.#limit
      for (const entry of list.slice(end, list.size)) this.#marks.leave(entry)
      this.#end = this.#positionOf(list.at(end - 1) as Entry)
    }
    const hadMore = this.#hasMore
    const last = this.#last
    this.#hasMore = this.#end !== undefined && this.#countTo(this.#end) < list.size
    this.#last = this.#end === undefined && list.size > start ? list.at(list.size - 1) : undefined
    return this.#hasMore !== hadMore || this.#last !== last
  }

  #has (entry: Entry): boolean {
    const { order } = this.#set
    const position = order.positionOf(entry)
    if (this.#after !== undefined && order.comparePositions(position, this.#after) <= 0) return false
    return this.#end === undefined || order.comparePositions(position, this.#end) <= 0
  }

  /** Number of rows up to a position, with one that is there. */
  #countTo (position: Position): number {
    const { list, order } = this.#set
    return list.countWhile(entry => order.comparePositions(order.positionOf(entry), position) <= 0)
  }

  #positionOf (entry: Entry): KeyedPosition {
    return { ...this.#set.order.positionOf(entry), key: this.#set.keyOf(entry.record) }
  }
}
