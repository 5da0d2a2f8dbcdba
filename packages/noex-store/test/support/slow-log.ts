import { EventEmitter, once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { MemoryLog, type LogEntry } from '../../src/index.js'

/** A log whose appends wait until they are released, and that fails them while `fails` is set. */
export class SlowLog extends MemoryLog {
  fails = false
  #waiting: Array<() => void> = []
  readonly #appends = new EventEmitter()

  override async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    if (entries.length > 0 && this.revision > 0) {
      await new Promise<void>(resolve => {
        this.#waiting.push(resolve)
        this.#appends.emit('append')
      })
    }
    if (this.fails) throw new Error('disk full')
    await super.append(entries, previousRevision)
  }

  /** Lets the appends go on that wait, and those that follow them; without any, waits for the first. */
  async release (): Promise<void> {
    if (this.#waiting.length === 0) await once(this.#appends, 'append')
    while (this.#waiting.length > 0) {
      for (const resolve of this.#waiting.splice(0)) resolve()
      await nextTurn()
    }
  }
}
