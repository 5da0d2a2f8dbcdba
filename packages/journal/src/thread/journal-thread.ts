import { Worker } from 'node:worker_threads'
import type { JournalCommand, JournalReport } from './journal-messages.js'
import { WriteBatch } from './write-batch.js'

export interface JournalThreadOptions<Notice> {
  /** Address of the thread's file, see `threadFile`. */
  readonly file: URL
  readonly name: string
  /** Settings of the thread, as `workerData`. */
  readonly settings: unknown
  /** How an error calls the thread that has died: `the thread that writes the audit trail`. */
  readonly title: string
  readonly onNotice?: (notice: Notice) => void
  /** A write has failed. The thread tries again, where it does. */
  readonly onFailing?: (error: Error, code: string | undefined) => void
  /** A problem that delays no entry. */
  readonly onWarning?: (message: string) => void
  /** The thread has died: no write is tried again, because it cannot tell how far it had come. */
  readonly onDeath?: (error: Error) => void
}

interface Settler {
  readonly resolve: (value?: unknown) => void
  readonly reject: (error: Error) => void
}

interface Opening<Opened> {
  readonly resolve: (opened: Opened) => void
  readonly reject: (error: Error) => void
}

interface Waiter extends Settler {
  /** Entries that must be durable, counted from the start. */
  readonly end: number
}

/**
 * The starter's side of a journal in a thread. Writes of one turn of the event loop go in one message, and
 * what arrives while the disk is busy becomes one group.
 */
export class JournalThread<Opened, Notice = never> {
  readonly #worker: Worker
  readonly #options: JournalThreadOptions<Notice>
  readonly #calls = new Map<number, Settler>()
  #opening: Opening<Opened> | undefined
  /** Waiting writes, in order; those before `#firstWaiter` are settled. */
  #waiters: Waiter[] = []
  #firstWaiter = 0
  #probes: Settler[] = []
  readonly #batch = new WriteBatch()
  #sent = 0
  #durable = 0
  #attempt = 0
  #lastCall = 0
  #isRefused = false
  #isClosed = false
  #death: Error | undefined
  #onEnd: (() => void) | undefined

  private constructor (options: JournalThreadOptions<Notice>) {
    this.#options = options
    this.#worker = new Worker(options.file, { name: options.name, workerData: options.settings })
    this.#worker.on('message', (report: JournalReport<Opened, Notice>) => { this.#onReport(report) })
    let cause: Error | undefined
    this.#worker.on('error', error => { cause = error })
    this.#worker.on('exit', () => { this.#onExit(cause) })
  }

  /** Starts the thread. Rejects when it cannot open the journal. */
  static async open<Opened, Notice = never> (
    options: JournalThreadOptions<Notice>
  ): Promise<{ readonly thread: JournalThread<Opened, Notice>, readonly opened: Opened }> {
    const thread = new JournalThread<Opened, Notice>(options)
    const opened = await new Promise<Opened>((resolve, reject) => { thread.#opening = { resolve, reject } })
    thread.#settleLife()
    return { thread, opened }
  }

  /** Why the thread has ended without being asked to; `undefined` while it lives. */
  get death (): Error | undefined {
    return this.#death
  }

  /**
   * Adds entries, given as text without line feed. Resolves when all of them are durable. Rejects when the
   * thread does not try again and has failed, has died, or is closed before.
   */
  async write (entries: readonly string[]): Promise<void> {
    if (this.#death !== undefined) throw this.#death
    this.#add(entries)
    if (this.#sent + this.#batch.count === this.#durable) return
    await new Promise<unknown>((resolve, reject) => {
      this.#waiters.push({ end: this.#sent + this.#batch.count, resolve, reject })
      if (this.#waiters.length === 1) this.#worker.ref()
    })
  }

  /** Resolves when the disk takes writes again, after a failure. */
  async probe (): Promise<void> {
    if (this.#death !== undefined) throw this.#death
    await new Promise<unknown>((resolve, reject) => {
      this.#probes.push({ resolve, reject })
      this.#worker.ref()
      this.#tell({ type: 'probe', attempt: this.#attempt })
    })
  }

  /** Has the thread carry something out behind all writes so far; resolves with its answer. */
  async call (value: unknown): Promise<unknown> {
    if (this.#death !== undefined) throw this.#death
    this.#flush()
    return await new Promise((resolve, reject) => {
      const id = ++this.#lastCall
      this.#calls.set(id, { resolve, reject })
      this.#worker.ref()
      this.#tell({ type: 'call', id, value })
    })
  }

  /** Writes what waits, once more where that has failed, and ends the thread. Never rejects. */
  async close (): Promise<void> {
    if (this.#death === undefined && !this.#isClosed) {
      this.#flush()
      this.#worker.ref()
      this.#tell({ type: 'close' })
      await new Promise<void>(resolve => { this.#onEnd = resolve })
    }
    this.#rejectAll(new Error('it was closed before they were written'))
  }

  /** Puts the entries of one write into the next message, which is sent at the end of this turn. */
  #add (entries: readonly string[]): void {
    if (this.#batch.isFull) this.#flush()
    // Behind the microtasks of this turn, so that the writes of many callers go together.
    if (this.#batch.count === 0) process.nextTick(() => { this.#flush() })
    this.#batch.add(entries)
  }

  #flush (): void {
    if (this.#batch.count === 0 || this.#death !== undefined) return
    this.#sent += this.#batch.count
    this.#tell({ type: 'write', attempt: this.#attempt, texts: this.#batch.take() })
  }

  #tell (command: JournalCommand): void {
    this.#worker.postMessage(command)
  }

  #onReport (report: JournalReport<Opened, Notice>): void {
    switch (report.type) {
      case 'open':
        this.#opening?.resolve(report.opened)
        this.#opening = undefined
        break
      case 'refused':
        this.#isRefused = true
        this.#opening?.reject(new Error(report.message))
        break
      case 'durable':
        this.#onDurable(report.count)
        break
      case 'failing':
        this.#onFailing(report)
        break
      case 'probed':
        this.#probes.shift()?.resolve()
        this.#settleLife()
        break
      case 'answer':
        this.#onAnswer(report)
        break
      case 'warning':
        this.#options.onWarning?.(report.message)
        break
      case 'notice':
        this.#options.onNotice?.(report.notice)
        break
      case 'closed':
        this.#isClosed = true
        // Everything is given back. Under Deno a thread does not end by itself.
        this.#worker.terminate().catch(() => {})
    }
  }

  #onDurable (count: number): void {
    this.#durable += count
    const waiters = this.#waiters
    let i = this.#firstWaiter
    while (i < waiters.length && (waiters[i] as Waiter).end <= this.#durable) waiters[i++]?.resolve()
    this.#firstWaiter = i
    if (i === waiters.length) {
      this.#waiters = []
      this.#firstWaiter = 0
      this.#settleLife()
    } else if (i > 1_024 && i > waiters.length / 2) {
      this.#waiters = waiters.slice(i)
      this.#firstWaiter = 0
    }
  }

  #onFailing ({ message, code, attempt }: JournalReport<Opened, Notice> & { type: 'failing' }): void {
    const error = Object.assign(new Error(message), code === undefined ? {} : { code })
    if (attempt !== undefined) {
      this.#attempt = attempt
      this.#rejectWaiters(error)
    }
    this.#options.onFailing?.(error, code)
  }

  #onAnswer ({ id, value, error }: JournalReport<Opened, Notice> & { type: 'answer' }): void {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    if (error === undefined) call?.resolve(value)
    else call?.reject(new Error(error))
    this.#settleLife()
  }

  /** Keeps the process alive only as long as something waits. */
  #settleLife (): void {
    const isIdle = this.#waiters.length === 0 && this.#probes.length === 0 && this.#calls.size === 0
    if (isIdle && this.#onEnd === undefined) this.#worker.unref()
  }

  /** Rejects all writes and probes; the writes were dropped by the thread, or are dropped now. */
  #rejectWaiters (error: Error): void {
    const waiters = this.#waiters.slice(this.#firstWaiter)
    const probes = this.#probes
    this.#waiters = []
    this.#firstWaiter = 0
    this.#probes = []
    this.#batch.clear()
    this.#sent = this.#durable
    for (const { reject } of [...waiters, ...probes]) reject(error)
    this.#settleLife()
  }

  #rejectAll (error: Error): void {
    this.#rejectWaiters(error)
    for (const { reject } of this.#calls.values()) reject(error)
    this.#calls.clear()
  }

  #onExit (cause: Error | undefined): void {
    const died = new Error(`${this.#options.title} has died`, { cause })
    this.#death = died
    this.#opening?.reject(died)
    if (!this.#isRefused && !this.#isClosed) {
      this.#options.onDeath?.(died)
      this.#rejectAll(died)
    }
    this.#onEnd?.()
  }
}
