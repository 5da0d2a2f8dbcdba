import type { ApplicationListener } from '../application/application-listener.js'
import type { AuditEntry } from './entry.js'

/** How far entries that `onEntry` causes may lead to others that it causes, before it hears of no more. */
const MAX_CHAIN = 8
const MAX_WAITING = 10_000

interface Waiting {
  readonly entry: AuditEntry
  /** 0 for an entry that the callback has not caused. */
  readonly chain: number
}

/**
 * Tells `onEntry` of every entry, in order. Entries that it causes itself come in a later turn of the event
 * loop, so that it is never called within its own call.
 */
export class EntryListener {
  readonly #listener: ApplicationListener<AuditEntry>
  /** The chain of the entry that it is told of; `undefined` while it does not run. */
  #chain: number | undefined
  #waiting: Waiting[] = []

  constructor (listener: ApplicationListener<AuditEntry>) {
    this.#listener = listener
  }

  tell (entry: AuditEntry): void {
    if (this.#chain === undefined && this.#waiting.length === 0) this.#call({ entry, chain: 0 })
    else this.#wait({ entry, chain: this.#chain === undefined ? 0 : this.#chain + 1 })
  }

  /** Tells what waits. */
  flush (): void {
    while (this.#waiting.length > 0) this.#tellWaiting()
  }

  #wait (waiting: Waiting): void {
    if (waiting.chain > MAX_CHAIN || this.#waiting.length >= MAX_WAITING) {
      this.#listener.complain(new Error('each call causes another entry: it does not hear of all of them'))
      return
    }
    if (this.#waiting.push(waiting) === 1) setImmediate(() => { this.#tellWaiting() })
  }

  #tellWaiting (): void {
    const waiting = this.#waiting
    // What comes meanwhile waits behind them, for the next turn.
    this.#waiting = []
    for (const one of waiting) this.#call(one)
  }

  #call ({ entry, chain }: Waiting): void {
    this.#chain = chain
    this.#listener.tell(entry)
    this.#chain = undefined
  }
}
