import type { ApplicationListener } from '../application/application-listener.js'
import type { AuditEntry } from './entry.js'

/** Maximum length of a chain of entries, each caused by the call of `onEntry` for the one before. */
const MAX_CHAIN = 8
/** Entries that may wait for their call. */
const MAX_WAITING = 10_000

interface Waiting {
  readonly entry: AuditEntry
  /** Position in the chain; 0 for an entry that the callback has not caused. */
  readonly chain: number
}

/**
 * Calls `onEntry` with every entry, in order. Entries that a call causes follow in a later turn of the event
 * loop, so that the callback is never called recursively.
 */
export class EntryListener {
  readonly #listener: ApplicationListener<AuditEntry>
  /** Position in the chain of the entry that the callback is running for; `undefined` while it does not. */
  #chain: number | undefined
  #waiting: Waiting[] = []

  constructor (listener: ApplicationListener<AuditEntry>) {
    this.#listener = listener
  }

  tell (entry: AuditEntry): void {
    if (this.#chain === undefined && this.#waiting.length === 0) this.#call({ entry, chain: 0 })
    else this.#wait({ entry, chain: this.#chain === undefined ? 0 : this.#chain + 1 })
  }

  /** Calls `onEntry` with all entries that wait. */
  flush (): void {
    while (this.#waiting.length > 0) this.#tellWaiting()
  }

  #wait (waiting: Waiting): void {
    if (waiting.chain > MAX_CHAIN || this.#waiting.length >= MAX_WAITING) {
      this.#listener.complain(new Error('each call causes another entry: it is not called with all of them'))
      return
    }
    if (this.#waiting.push(waiting) === 1) setImmediate(() => { this.#tellWaiting() })
  }

  #tellWaiting (): void {
    const waiting = this.#waiting
    // Entries that these calls cause wait for the next turn.
    this.#waiting = []
    for (const one of waiting) this.#call(one)
  }

  #call ({ entry, chain }: Waiting): void {
    this.#chain = chain
    this.#listener.tell(entry)
    this.#chain = undefined
  }
}
