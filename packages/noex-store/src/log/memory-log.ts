import { randomUUID } from 'node:crypto'
import {
  LogRefusedError, type ChangeLog, type LogEntry, type OpenedLog, type StoreImage
} from './change-log.js'

/** A log that lasts as long as the object: for tests, and as the model of the others. */
export class MemoryLog implements ChangeLog {
  readonly #epoch = randomUUID()
  #snapshot: StoreImage | undefined
  #entries: LogEntry[] = []

  /** Revision of the last entry, 0 when there is none. */
  get revision (): number {
    return this.#entries.at(-1)?.revision ?? this.#snapshot?.revision ?? 0
  }

  async open (): Promise<OpenedLog> {
    return { epoch: this.#epoch, snapshot: this.#snapshot, tail: [...this.#entries] }
  }

  async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    if (previousRevision !== this.revision) {
      throw new LogRefusedError(`The log is at revision ${this.revision}, not at ${previousRevision}`)
    }
    for (const [i, { revision }] of entries.entries()) {
      if (i === 0
        ? previousRevision > 0 && revision !== previousRevision + 1
        : revision !== (entries[i - 1] as LogEntry).revision + 1) {
        throw new LogRefusedError(`Revision ${revision} does not follow the one before`)
      }
    }
    for (const entry of entries) this.#entries.push(entry)
  }

  async * tail (from: number): AsyncIterable<LogEntry> {
    for (const entry of this.#entries) if (entry.revision > from) yield entry
  }

  async truncate (snapshot: StoreImage): Promise<void> {
    this.#snapshot = snapshot
    this.#entries = this.#entries.filter(({ revision }) => revision > snapshot.revision)
  }

  async close (): Promise<void> {}
}
