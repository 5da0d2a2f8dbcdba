import type { Row } from './row.js'

/** Entries of rows that have changed or gone, beyond which the heap is built anew. */
const MAX_STALE = 1_000

/**
 * The rows of a bucket by the time at which they expire: the next one is found in O(1), entered in O(log n).
 * A row that is deleted, or expires at another time now, leaves a stale entry behind, which is passed over.
 */
export class ExpiryHeap {
  #times: number[] = []
  #rows: Row[] = []
  #live = 0

  add (row: Row, time: number): void {
    if (this.#times.length > 2 * this.#live + MAX_STALE) this.#rebuild()
    this.#live++
    this.#push(row, time)
  }

  /** Notes that a row with an entry has been deleted or expires at another time. */
  discard (): void {
    this.#live--
  }

  /** The row that expires first, if its time is `now` or before. */
  due (now: number): Row | undefined {
    while (this.#times.length > 0) {
      const row = this.#rows[0] as Row
      if (!isCurrent(row, this.#times[0] as number)) {
        this.#pop()
        continue
      }
      return (this.#times[0] as number) <= now ? row : undefined
    }
    return undefined
  }

  /** Rows whose time is `now` or before, at most `limit`; they keep their entries. */
  allDue (now: number, limit: number): Row[] {
    // A set, because a row whose time went to and fro has an entry for each.
    const due = new Set<Row>()
    const pending = [0]
    for (let at = pending.pop(); at !== undefined && due.size < limit; at = pending.pop()) {
      const time = this.#times[at]
      if (time === undefined || time > now) continue
      const row = this.#rows[at] as Row
      if (isCurrent(row, time)) due.add(row)
      pending.push(2 * at + 2, 2 * at + 1)
    }
    return [...due]
  }

  /** Time of the earliest entry, in epoch milliseconds, which may be stale; `Infinity` when there is none. */
  get nextTime (): number {
    return this.#times[0] ?? Infinity
  }

  #push (row: Row, time: number): void {
    let at = this.#times.length
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if ((this.#times[parent] as number) <= time) break
      this.#move(parent, at)
      at = parent
    }
    this.#times[at] = time
    this.#rows[at] = row
  }

  #pop (): void {
    const time = this.#times.pop() as number
    const row = this.#rows.pop() as Row
    const size = this.#times.length
    if (size === 0) return
    let at = 0
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && (this.#times[child + 1] as number) < (this.#times[child] as number)) child++
      if ((this.#times[child] as number) >= time) break
      this.#move(child, at)
      at = child
    }
    this.#times[at] = time
    this.#rows[at] = row
  }

  #move (from: number, to: number): void {
    this.#times[to] = this.#times[from] as number
    this.#rows[to] = this.#rows[from] as Row
  }

  #rebuild (): void {
    const times = this.#times
    const rows = this.#rows
    this.#times = []
    this.#rows = []
    const seen = new Set<Row>()
    rows.forEach((row, i) => {
      const time = times[i] as number
      if (!isCurrent(row, time) || seen.has(row)) return
      seen.add(row)
      this.#push(row, time)
    })
    this.#live = seen.size
  }
}

function isCurrent (row: Row, time: number): boolean {
  return row.record?._expiresAt === time
}
