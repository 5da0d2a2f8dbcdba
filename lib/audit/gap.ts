import { recordEntry, type RecordedEntry } from './entry.js'

/** Entries in a row that were left out. */
export class Gap {
  readonly #from: number
  #to: number
  #count = 0

  /** @param from the time of the first of them */
  constructor (from: number) {
    this.#from = from
    this.#to = from
  }

  /** One more has been left out. */
  add (timestamp: number): void {
    this.#count++
    this.#to = timestamp
  }

  get details (): { readonly count: number, readonly from: number, readonly to: number } {
    return { count: this.#count, from: this.#from, to: this.#to }
  }

  /** The entry that stands for them. */
  entry (timestamp: number): RecordedEntry {
    return recordEntry({
      timestamp,
      userId: null,
      sessionId: null,
      operation: 'audit.gap',
      resource: '*',
      result: 'error',
      error: 'entries were left out because too many waited',
      details: this.details,
      remoteAddress: ''
    })
  }
}
