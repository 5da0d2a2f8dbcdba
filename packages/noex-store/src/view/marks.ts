import type { StoreRecord } from '../types/record.js'
import type { TouchedRow } from '../types/view.js'
import type { Entry } from './entry.js'

/** How a row of a list has changed since the commit that is put in was begun. */
interface Mark {
  readonly wasIn: boolean
  /** Its record before, where it was in the list. */
  readonly before: StoreRecord
  isIn: boolean
  isMoved: boolean
}

/** Notes which rows of a list a commit touches, and tells them once at its end. */
export class Marks {
  #marks = new Map<Entry, Mark>()

  get isEmpty (): boolean {
    return this.#marks.size === 0
  }

  enter (entry: Entry): void {
    const mark = this.#marks.get(entry)
    if (mark === undefined) this.#add(entry, false, entry.record, true)
    else mark.isIn = true
  }

  leave (entry: Entry): void {
    const mark = this.#marks.get(entry)
    if (mark === undefined) this.#add(entry, true, entry.record, false)
    else mark.isIn = false
  }

  /** Notes a row that has gone and come, and is at another index. */
  move (entry: Entry): void {
    const mark = this.#marks.get(entry)
    if (mark !== undefined) mark.isMoved = true
  }

  /** Notes a row in the list that has another record. */
  update (entry: Entry, before: StoreRecord): void {
    if (!this.#marks.has(entry)) this.#add(entry, true, before, true)
  }

  clear (): void {
    if (this.#marks.size > 0) this.#marks = new Map()
  }

  /**
   * Returns what has changed, and begins anew. A row for which `isSame` holds, and which has not moved, has
   * not changed.
   */
  take (keyField: string, isSame: (before: StoreRecord, after: StoreRecord) => boolean): TouchedRow[] {
    const touches: TouchedRow[] = []
    for (const [entry, { wasIn, before, isIn, isMoved }] of this.#marks) {
      if (!wasIn && !isIn) continue
      const moved = wasIn && isIn && isMoved
      if (wasIn && isIn && !moved && isSame(before, entry.record)) continue
      touches.push({ key: entry.record[keyField], wasIn, moved })
    }
    this.clear()
    return touches
  }

  #add (entry: Entry, wasIn: boolean, before: StoreRecord, isIn: boolean): void {
    this.#marks.set(entry, { wasIn, before, isIn, isMoved: false })
  }
}
