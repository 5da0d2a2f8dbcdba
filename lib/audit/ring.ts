import { isOfUser, type AuditEntry } from './entry.js'

/** Conditions that entries must meet; those that are absent do not filter. */
export interface AuditFilter {
  readonly userId?: string | undefined
  /** The id of the user, or its name. */
  readonly user?: string | undefined
  readonly operation?: string | undefined
  readonly result?: AuditEntry['result'] | undefined
  /** Epoch milliseconds, inclusive. */
  readonly from?: number | undefined
  /** Epoch milliseconds, inclusive. */
  readonly to?: number | undefined
  /** Maximum number of entries. @default unlimited */
  readonly limit?: number | undefined
}

/** Holds the newest entries in memory. */
export class Ring {
  readonly #capacity: number
  readonly #entries: AuditEntry[] = []
  /** Index of the oldest entry, once the ring is full. */
  #oldest = 0

  /** @param capacity maximum number of entries; an integer of at least 1 */
  constructor (capacity: number) {
    this.#capacity = capacity
  }

  add (entry: AuditEntry): void {
    if (this.#entries.length < this.#capacity) {
      this.#entries.push(entry)
      return
    }
    this.#entries[this.#oldest] = entry
    this.#oldest = (this.#oldest + 1) % this.#capacity
  }

  /** Returns the entries that match, newest first. */
  query ({ limit = Infinity, ...filter }: AuditFilter): AuditEntry[] {
    const found: AuditEntry[] = []
    const count = this.#entries.length
    for (let age = 1; age <= count && found.length < limit; age++) {
      const entry = this.#entries[(this.#oldest - age + count) % count] as AuditEntry
      if (matches(entry, filter)) found.push(entry)
    }
    return found
  }
}

function matches (
  entry: AuditEntry,
  { userId, user, operation, result, from = -Infinity, to = Infinity }: AuditFilter
): boolean {
  return (userId === undefined || entry.userId === userId) &&
    (user === undefined || isOfUser(entry, user)) &&
    (operation === undefined || entry.operation === operation) &&
    (result === undefined || entry.result === result) &&
    entry.timestamp >= from && entry.timestamp <= to
}
