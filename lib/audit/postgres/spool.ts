import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { threadFile } from '@hamicek/noex-journal'
import { SinkRefusal } from '../sink-refusal.js'
import type { SpoolEnd, SpoolPart } from './spool-file.js'
import type { SpoolAnswer, SpoolCommand } from './spool-messages.js'

const REASON = 'the spool cannot be used'

interface Waiting {
  readonly resolve: (answer: SpoolAnswer) => void
  readonly reject: (error: Error) => void
}

/**
 * A file in which entries are durable while the database is away. A thread of its own waits for the disk.
 * Calls are carried out one after the other; each rejects when it has failed.
 */
export class Spool {
  readonly #worker: Worker
  readonly #waiting: Waiting[] = []
  #appending = 0
  #size = 0
  #generation = 0
  #closing = false
  #died: Error | undefined
  /** Where the entries ended that were there at the start; `undefined`: there were none. */
  end: SpoolEnd | undefined
  /** Bytes that were cut off at the start. */
  torn = 0

  private constructor (path: string) {
    const file = threadFile('spool-worker.js', import.meta.url)
    this.#worker = new Worker(file, { name: 'noex-audit-spool', workerData: path })
    let cause: unknown
    this.#worker.on('message', (answer: SpoolAnswer) => { this.#hear(answer) })
    this.#worker.on('error', error => { cause = error })
    this.#worker.on('exit', () => {
      this.#died = new SinkRefusal('the thread that writes the spool has ended', REASON, { cause })
      for (const { reject } of this.#waiting.splice(0)) reject(this.#died)
    })
  }

  /** Opens or creates the file. Rejects when it is damaged, or another process has it. */
  static async open (path: string): Promise<Spool> {
    const spool = new Spool(path)
    const answer = await spool.#answer() as SpoolAnswer & { type: 'open' }
    spool.end = answer.end
    spool.torn = answer.torn
    return spool
  }

  /** Whether nothing is in it, and nothing on its way into it. */
  get isEmpty (): boolean {
    return this.#size === 0 && this.#appending === 0
  }

  /** Counts the files that there have been: when it grows, others have taken away what was in it. */
  get generation (): number {
    return this.#generation
  }

  /**
   * Adds lines, each with its line feed. Resolves when they are on the disk, with whether they begin another
   * generation.
   */
  async append (lines: string): Promise<boolean> {
    this.#appending += 1
    try {
      const { begun } = await this.#ask({ type: 'append', lines })
      return begun === true
    } finally {
      this.#appending -= 1
    }
  }

  /** The next lines of a generation from a position on; none at its end. */
  async read (generation: number, position: number, maxLines: number): Promise<SpoolPart> {
    const { part } = await this.#ask({ type: 'read', generation, position, maxLines })
    return part as SpoolPart
  }

  /**
   * Removes everything of a generation, unless there is more than `size` bytes by now; resolves with whether
   * it has.
   */
  async clear (generation: number, size: number): Promise<boolean> {
    const { cleared } = await this.#ask({ type: 'clear', generation, size })
    return cleared === true
  }

  /** Closes the file; what is in it stays. Never rejects. */
  async close (): Promise<void> {
    if (this.#died !== undefined) return
    const ended = once(this.#worker, 'exit')
    this.#closing = true
    this.#ask({ type: 'close' }).catch(() => {})
    await ended
  }

  async #ask (command: SpoolCommand): Promise<SpoolAnswer & { type: 'done' }> {
    if (this.#died !== undefined) throw this.#died
    this.#worker.postMessage(command)
    return await this.#answer() as SpoolAnswer & { type: 'done' }
  }

  async #answer (): Promise<SpoolAnswer> {
    // Alive only as long as somebody waits.
    this.#worker.ref()
    return await new Promise((resolve, reject) => { this.#waiting.push({ resolve, reject }) })
  }

  #hear (answer: SpoolAnswer): void {
    const waiting = this.#waiting.shift()
    if (this.#waiting.length === 0 && !this.#closing) this.#worker.unref()
    if (answer.type === 'failed') {
      waiting?.reject(new SinkRefusal(answer.message, REASON))
      return
    }
    this.#size = answer.size
    if (answer.type === 'done') this.#generation = answer.generation
    waiting?.resolve(answer)
  }
}
