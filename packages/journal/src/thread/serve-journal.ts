import type { MessagePort } from 'node:worker_threads'
import { Backoff } from '../backoff.js'
import { acquireLock, type FileLock } from '../file-lock.js'
import type { JournalCommand, JournalReport } from './journal-messages.js'

/** Bytes that a disk must take before writes are tried again after a failure. */
const PROBE_BYTES = 65_536

/** The part of a journal that its thread needs; `Journal` has it. */
export interface ServedJournal {
  /** Whether another process has written to the files. */
  readonly isForeign: boolean
  /** Removes from `entries` those that have become durable, also when it throws. */
  append: (entries: string[]) => void
  discard?: () => void
  probe?: (bytes: number) => void
  release: () => void
  close: () => void
}

export interface JournalService<J extends ServedJournal, Opened> {
  readonly lockPath: string
  /** Text of the error when another process has the lock. */
  readonly taken: string
  /** Makes the place of the journal, before its lock is taken. */
  readonly prepare?: () => void
  /** Opens the journal. Runs again when another process has written to its files meanwhile. */
  readonly open: () => J
  /** Returns what the starter of the thread is told. */
  readonly opened: (journal: J) => Opened
  /**
   * Whether a failed write is tried again until it succeeds; otherwise it is refused, with all behind it.
   */
  readonly retries: boolean
  /** Something has become durable. */
  readonly onDurable?: (journal: J) => void
  /** Carries out a call of the starter. */
  readonly onCall?: (journal: J, value: unknown) => unknown
}

/**
 * Serves a journal to the thread that has started this one: writes that wait together become one write and
 * one sync. Resolves when the journal is open, or was refused.
 */
export async function serveJournal<J extends ServedJournal, Opened> (
  port: MessagePort, service: JournalService<J, Opened>
): Promise<JournalServer<J, Opened> | undefined> {
  try {
    service.prepare?.()
    const lock = await acquireLock(service.lockPath, service.taken)
    try {
      return new JournalServer(port, service, lock, service.open())
    } catch (error) {
      await lock.release()
      throw error
    }
  } catch (error) {
    port.postMessage({ type: 'refused', message: (error as Error).message })
    port.close()
    return undefined
  }
}

/** The side of the thread. */
class JournalServer<J extends ServedJournal, Opened> {
  readonly #port: MessagePort
  readonly #service: JournalService<J, Opened>
  readonly #backoff = new Backoff()
  #journal: J
  #lock: FileLock
  /** Entries that are not durable yet. */
  #waiting: string[] = []
  #attempt = 0
  #retry: NodeJS.Timeout | undefined
  #regaining: Promise<void> | undefined
  /** Why this process cannot have the files any more: another one has written to them. */
  #loss: Error | undefined
  #isClosing = false
  #isScheduled = false

  constructor (port: MessagePort, service: JournalService<J, Opened>, lock: FileLock, journal: J) {
    this.#port = port
    this.#service = service
    this.#lock = lock
    this.#journal = journal
    port.on('message', (command: JournalCommand) => { this.#onMessage(command) })
    this.#report({ type: 'open', opened: service.opened(journal) })
  }

  get journal (): J {
    return this.#journal
  }

  /** Whether the lock still has its name. */
  get isHeld (): boolean {
    return this.#lock.isHeld()
  }

  #report (message: JournalReport<Opened, never>): void {
    this.#port.postMessage(message)
  }

  #onMessage (command: JournalCommand): void {
    if (this.#isClosing) return
    if (command.type === 'write') {
      this.#accept(command)
      return
    }
    // All that stands before another command is written before it.
    this.#write()
    this.#carryOut(command)
  }

  #accept ({ attempt, texts }: JournalCommand & { type: 'write' }): void {
    if (attempt < this.#attempt) return
    for (const text of texts) for (const entry of text.split('\n')) this.#waiting.push(entry)
    if (this.#isScheduled) return
    this.#isScheduled = true
    // Behind all messages that are there already, so that they become one group.
    setImmediate(() => {
      this.#isScheduled = false
      this.#write()
    })
  }

  #carryOut (command: Exclude<JournalCommand, { type: 'write' }>): void {
    switch (command.type) {
      case 'probe':
        if (command.attempt >= this.#attempt) this.#probe()
        break
      case 'call':
        this.#call(command.id, command.value)
        break
      case 'close':
        this.#isClosing = true
        this.#close().catch((error: unknown) => { this.#failed(error) })
    }
  }

  /** Writes what waits; tries again later, or drops it, when that fails. */
  #write (): void {
    if (this.#waiting.length === 0 || this.#retry !== undefined || this.#regaining !== undefined) return
    if (!this.#lock.isHeld()) {
      this.#regainLock().then(() => { this.#write() }, (error: unknown) => { this.#failed(error) })
      return
    }
    const before = this.#waiting.length
    let failure: { error: unknown } | undefined
    try {
      this.#journal.append(this.#waiting)
    } catch (error) {
      failure = { error }
    }
    const count = before - this.#waiting.length
    if (count > 0) {
      this.#backoff.reset()
      this.#report({ type: 'durable', count })
      this.#service.onDurable?.(this.#journal)
    }
    if (failure !== undefined) this.#failed(failure.error)
  }

  #failed (error: unknown): void {
    const { message, code } = error as NodeJS.ErrnoException
    if (this.#service.retries) {
      this.#report({ type: 'failing', message, code })
      if (!this.#isClosing) this.#retry = setTimeout(() => { this.#tryAgain() }, this.#backoff.next())
      return
    }
    this.#waiting = []
    this.#attempt += 1
    this.#journal.discard?.()
    this.#report({ type: 'failing', message, code, attempt: this.#attempt })
  }

  #tryAgain (): void {
    this.#retry = undefined
    this.#write()
  }

  #probe (): void {
    const probe = async (): Promise<void> => {
      if (!this.#lock.isHeld()) await this.#regainLock()
      this.#journal.probe?.(PROBE_BYTES)
      this.#report({ type: 'probed' })
    }
    probe().catch((error: unknown) => { this.#failed(error) })
  }

  #call (id: number, value: unknown): void {
    try {
      const answer = this.#service.onCall?.(this.#journal, value)
      this.#report({ type: 'answer', id, value: answer })
    } catch (error) {
      this.#report({ type: 'answer', id, error: (error as Error).message })
    }
  }

  /** Takes the lock anew when others have removed it. Rejects while another process has it. */
  async #regainLock (): Promise<void> {
    if (this.#loss !== undefined) throw this.#loss
    this.#regaining ??= (async () => {
      await this.#lock.release()
      this.#lock = await acquireLock(this.#service.lockPath, this.#service.taken)
      if (!this.#journal.isForeign) return
      try {
        const next = this.#service.open()
        this.#journal.release()
        this.#journal = next
      } catch (error) {
        // It must not keep others from what it cannot write to.
        await this.#lock.release()
        if (!this.#service.retries) this.#loss = error as Error
        throw error
      }
    })().finally(() => { this.#regaining = undefined })
    await this.#regaining
  }

  async #close (): Promise<void> {
    clearTimeout(this.#retry)
    this.#retry = undefined
    try {
      if (!this.#lock.isHeld()) await this.#regainLock()
      this.#write()
      this.#journal.close()
    } catch (error) {
      this.#report({ type: 'warning', message: (error as Error).message })
    }
    await this.#lock.release()
    this.#report({ type: 'closed' })
    this.#port.close()
  }
}

export type { JournalServer }
