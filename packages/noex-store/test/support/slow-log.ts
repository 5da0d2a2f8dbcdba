import { MemoryLog, type LogEntry } from '../../src/index.js'

/** A log that takes entries only when it is told to. */
export class SlowLog extends MemoryLog {
  fails = false
  #waiting: Array<() => void> = []

  override async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    if (entries.length > 0 && this.revision > 0) {
      await new Promise<void>(resolve => { this.#waiting.push(resolve) })
    }
    if (this.fails) throw new Error('disk full')
    await super.append(entries, previousRevision)
  }

  async release (): Promise<void> {
    while (this.#waiting.length > 0) {
      for (const resolve of this.#waiting.splice(0)) resolve()
      await new Promise(resolve => { setImmediate(resolve) })
    }
  }
}
