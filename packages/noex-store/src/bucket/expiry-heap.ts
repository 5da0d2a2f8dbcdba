import type { Row } from '../rows/row.js'

/**
 * The rows of a bucket by the time at which they expire: the next one is found in O(1), entered and removed
 * in O(log n). Each row knows its place in the heap, so that none stays behind when its record goes.
 */
export class ExpiryHeap {
  readonly #times: number[] = []
  readonly #rows: Row[] = []

  get size (): number {
    return this.#rows.length
  }

  /** Enters a row that has no entry. */
  add (row: Row, time: number): void {
    this.#rise(this.#times.length, row, time)
  }

  /** Removes the entry of a row; one without is passed over. */
  remove (row: Row): void {
    const at = row.heapAt
    if (this.#rows[at] !== row) return
    row.heapAt = -1
    const time = this.#times.pop() as number
    const last = this.#rows.pop() as Row
    if (at === this.#rows.length) return
    // The last entry fills the gap: it goes up or down from there.
    if (at > 0 && (this.#times[(at - 1) >>> 1] as number) > time) this.#rise(at, last, time)
    else this.#sink(at, last, time)
  }

  /** The row that expires first, if its time is `now` or before. */
  due (now: number): Row | undefined {
    return this.nextTime <= now ? this.#rows[0] : undefined
  }

  /** Rows whose time is `now` or before, at most `limit`; they keep their entries. */
  allDue (now: number, limit: number): Row[] {
    const due: Row[] = []
    const pending = [0]
    for (let at = pending.pop(); at !== undefined && due.length < limit; at = pending.pop()) {
      const time = this.#times[at]
      if (time === undefined || time > now) continue
      due.push(this.#rows[at] as Row)
      pending.push(2 * at + 2, 2 * at + 1)
    }
    return due
  }

  /** Time of the earliest entry, in epoch milliseconds; `Infinity` when there is none. */
  get nextTime (): number {
    return this.#times[0] ?? Infinity
  }

  #rise (from: number, row: Row, time: number): void {
    let at = from
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if ((this.#times[parent] as number) <= time) break
      this.#set(at, this.#rows[parent] as Row, this.#times[parent] as number)
      at = parent
    }
    this.#set(at, row, time)
  }

  #sink (from: number, row: Row, time: number): void {
    const size = this.#times.length
    let at = from
    for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && (this.#times[child + 1] as number) < (this.#times[child] as number)) child++
      if ((this.#times[child] as number) >= time) break
      this.#set(at, this.#rows[child] as Row, this.#times[child] as number)
      at = child
    }
    this.#set(at, row, time)
  }

  #set (at: number, row: Row, time: number): void {
    this.#times[at] = time
    this.#rows[at] = row
    row.heapAt = at
  }
}
