import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { threadFile } from '@hamicek/noex-journal'
import { DatabaseRefusal } from '../../postgres/connection.js'
import type { SpoolEnd, SpoolPart } from './spool-file.js'

/** A command to the thread of a spool. Each gets one answer, in order. */
export type SpoolCommand =
  | { readonly type: 'append', readonly lines: string }
  | {
    readonly type: 'read',
    readonly generation: number,
    readonly position: number,
    readonly maxLines: number
  }
  | { readonly type: 'clear', readonly generation: number, readonly size: number }
  | { readonly type: 'close' }

/**
 * The answer to a command; the first answer is to the start of the thread. `size`: bytes of the spool after
 * the command. `generation`: see `SpoolFile`. `begun`: whether the appended lines begin a generation.
 */
export type SpoolAnswer =
  | {
    readonly type: 'open'
    readonly size: number
    readonly end: SpoolEnd | undefined
    readonly cutBytes: number
  }
  | {
    readonly type: 'done'
    readonly size: number
    readonly generation: number
    readonly begun?: boolean
    readonly part?: SpoolPart
    readonly cleared?: boolean
  }
  | { readonly type: 'failed', readonly message: string }

const REASON = 'the spool cannot be used'

interface Waiting {
  readonly resolve: (answer: SpoolAnswer) => void
  readonly reject: (error: Error) => void
}

/**
 * A file that makes entries durable while the database is away. A thread of its own waits for the disk. Calls
 * are executed in order; each rejects when it fails.
 */
export class Spool {
  readonly #worker: Worker
  readonly #waiting: Waiting[] = []
  #appending = 0
  #size = 0
  #generation = 0
  #closing = false
  #died: Error | undefined
  /** The last entry at the start; `undefined` when the spool was empty. */
  end: SpoolEnd | undefined
  /** Bytes of an incomplete write that were cut off at the start. */
  cutBytes = 0

  private constructor (path: string) {
    const file = threadFile('spool-worker.js', import.meta.url)
    this.#worker = new Worker(file, { name: 'noex-audit-spool', workerData: path })
    let cause: unknown
    this.#worker.on('message', (answer: SpoolAnswer) => { this.#onAnswer(answer) })
    this.#worker.on('error', error => { cause = error })
    this.#worker.on('exit', () => {
      this.#died = new DatabaseRefusal('the thread that writes the spool has ended', REASON, { cause })
      for (const { reject } of this.#waiting.splice(0)) reject(this.#died)
    })
  }

  /** Opens or creates the file. Rejects when it is damaged, or another process has locked it. */
  static async open (path: string): Promise<Spool> {
    const spool = new Spool(path)
    const answer = await spool.#answer() as SpoolAnswer & { type: 'open' }
    spool.end = answer.end
    spool.cutBytes = answer.cutBytes
    return spool
  }

  /** Whether the spool has no entries and none are being appended. */
  get isEmpty (): boolean {
    return this.#size === 0 && this.#appending === 0
  }

  /** Number of the current file, see `SpoolFile.generation`. */
  get generation (): number {
    return this.#generation
  }

  /**
   * Appends lines, each with its line feed. Resolves when they are on the disk, with whether they begin a new
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

  /** Reads at most `maxLines` of a generation from a position in bytes; none at its end. */
  async read (generation: number, position: number, maxLines: number): Promise<SpoolPart> {
    const { part } = await this.#ask({ type: 'read', generation, position, maxLines })
    return part as SpoolPart
  }

  /** Empties a generation unless it has more than `size` bytes; resolves with whether it did. */
  async clear (generation: number, size: number): Promise<boolean> {
    const { cleared } = await this.#ask({ type: 'clear', generation, size })
    return cleared === true
  }

  /** Closes the file and keeps its entries. Never rejects. */
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
    // The thread keeps the process alive only while a call waits.
    this.#worker.ref()
    return await new Promise((resolve, reject) => { this.#waiting.push({ resolve, reject }) })
  }

  #onAnswer (answer: SpoolAnswer): void {
    const waiting = this.#waiting.shift()
    if (this.#waiting.length === 0 && !this.#closing) this.#worker.unref()
    if (answer.type === 'failed') {
      waiting?.reject(new DatabaseRefusal(answer.message, REASON))
      return
    }
    this.#size = answer.size
    if (answer.type === 'done') this.#generation = answer.generation
    waiting?.resolve(answer)
  }
}
