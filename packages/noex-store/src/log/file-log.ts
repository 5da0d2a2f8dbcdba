import { randomUUID } from 'node:crypto'
import { JournalThread, threadFile } from '@hamicek/noex-journal'
import type { CommitNote } from '../types/commit.js'
import type { LogFacts, RecoveryProgress } from '../types/durability.js'
import {
  LogRefusedError, type ChangeLog, type LogEntry, type OpenedLog, type StoreImage
} from './change-log.js'
import { entryOfLine, lineOfEntry } from './entry-lines.js'
import { FileBackups } from './file-backups.js'
import { ImageReader, linesOfImage } from './image-lines.js'
import { inSlices, sendLines } from './line-slices.js'
import { withRemedy } from './remedy.js'
import type { LogCall, LogNotice, LogOpened, ReadLines, ReadNotes } from './log-messages.js'

/** Options of a log in files. */
export interface FileLogOptions {
  /** Folder of the log's files; made if it is missing. For its owner only. */
  readonly directory: string
  /** Whether there must be a log, so that none is begun. @default false */
  readonly isKnown?: boolean
  /** Whether a commit counts as durable only when the disk has it. @default true */
  readonly fsync?: boolean
  /** Bytes after which a segment of the log is closed. @default 67_108_864 */
  readonly segmentBytes?: number
  /** Hears how much of the files has been read. */
  readonly onProgress?: (progress: RecoveryProgress) => void
}

/**
 * A log of commits in files of one directory, written in a thread; see log-directory.ts for the files.
 * @example
 * await store.attachLog(new FileLog({ directory: '/var/lib/shop' }))
 */
export class FileLog implements ChangeLog {
  /** Backups of the store beside the log. */
  readonly backups = new FileBackups(async call => await this.#call({ type: 'backup', call }))
  readonly #options: FileLogOptions
  #thread: JournalThread<LogOpened, LogNotice> | undefined
  #epoch: string = randomUUID()
  #hasBegun = false
  #revision = 0
  #snapshotRevision = -1
  #isAppending = false
  #isFailing = false
  #tailBytes = 0
  #isClosing = false
  /** Warnings of the thread while the log is closed. */
  readonly #warnings: string[] = []
  #recovered: Pick<LogOpened, 'torn' | 'damaged'> = { torn: undefined, damaged: [] }

  constructor (options: FileLogOptions) {
    this.#options = options
  }

  /** Revision of the last durable entry, 0 when there is none. */
  get revision (): number {
    return this.#revision
  }

  /** Characters of the entries after the snapshot. */
  get tailBytes (): number {
    return this.#tailBytes
  }

  /** Faults of the files that the opening has found and got over. */
  get recovered (): Pick<LogOpened, 'torn' | 'damaged'> {
    return this.#recovered
  }

  /**
   * Reads the whole log and opens it for writing.
   * @throws when another process has it, or anything in it is wrong: with the file and the remedy
   */
  async open (): Promise<OpenedLog & Pick<LogOpened, 'torn' | 'damaged'>> {
    const { directory, fsync = true, segmentBytes = 67_108_864, isKnown = false, onProgress } = this.#options
    let snapshots: string[] = []
    let done = 0
    const tails: string[] = []
    const { thread, opened } = await JournalThread.open<LogOpened, LogNotice>({
      file: threadFile('log-worker.js', import.meta.url),
      name: 'noex-store-log',
      settings: { directory, fsync, maxBytes: segmentBytes, isKnown },
      title: 'the thread that writes the log of the store',
      onNotice (notice) {
        if ('lines' in notice) onProgress?.({ phase: 'read', done: done += notice.lines.length })
        if (notice.type === 'snapshot-begin') snapshots = []
        else if (notice.type === 'snapshot') snapshots.push(notice.lines)
        else tails.push(notice.lines)
      },
      onWarning: message => { if (this.#isClosing) this.#warnings.push(message) }
    })
    this.#thread = thread
    const { epoch, revision, torn, damaged } = opened
    const snapshot = await readImage(snapshots, directory)
    // Without flushing there is no telling what a crash has taken: the revisions may be given anew.
    if (epoch !== undefined && fsync) this.#epoch = epoch
    this.#hasBegun = epoch !== undefined
    this.#revision = revision
    this.#recovered = { torn, damaged }
    this.#tailBytes = tails.reduce((sum, { length }) => sum + length, 0)
    this.#snapshotRevision = snapshot?.revision ?? -1
    const first = snapshot === undefined ? revision - count(tails) + 1 : snapshot.revision + 1
    const tail = await readEntries(tails, first, directory)
    return { epoch: this.#epoch, snapshot, tail, torn, damaged }
  }

  async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    // Before the check of the revision, which holds only until the next write.
    if (this.#isAppending) throw new LogRefusedError('The log is taking other entries')
    this.#isAppending = true
    try {
      await this.#append(entries, previousRevision)
    } finally {
      this.#isAppending = false
    }
  }

  async #append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    const [first] = entries
    if (first === undefined || this.#isFailing) {
      await this.#attempt(async thread => { await thread.probe() })
      this.#isFailing = false
    }
    if (first === undefined) return
    if (!this.#hasBegun) {
      await this.#call({ type: 'begin', epoch: this.#epoch, revision: first.revision })
      this.#hasBegun = true
      this.#revision = first.revision - 1
    } else if (previousRevision !== this.#revision) {
      throw new LogRefusedError(`The log is at revision ${this.#revision}, not at ${previousRevision}`)
    }
    for (const [i, { revision }] of entries.entries()) {
      if (revision !== this.#revision + i + 1) {
        throw new LogRefusedError(`Revision ${revision} does not follow revision ${this.#revision + i}`)
      }
    }
    const lines: string[] = []
    for (const entry of entries) {
      const line = lineOfEntry(entry)
      lines.push(typeof line === 'string' ? line : await line)
    }
    try {
      await this.#attempt(async thread => { await thread.write(lines) })
    } catch (error) {
      this.#isFailing = true
      throw error
    }
    this.#revision += entries.length
    for (const { length } of lines) this.#tailBytes += length
  }

  async * tail (from: number): AsyncIterable<LogEntry> {
    for (let next = from + 1; ;) {
      const { lines, count } = await this.#call({ type: 'read', from: next }) as ReadLines
      if (count === 0) return
      yield * await readEntries([lines], next, this.#options.directory)
      next += count
    }
  }

  get keepsNotes (): boolean {
    return this.#options.fsync ?? true
  }

  async * notes (): AsyncIterable<CommitNote> {
    for (let before = Infinity; ;) {
      const { notes, isEnd } = await this.#call({ type: 'notes', before }) as ReadNotes
      yield * notes
      if (isEnd) return
      before = notes.at(-1)?.revision ?? 0
    }
  }

  /**
   * Writes a snapshot in parts, none of which holds up the event loop, and cuts the log behind the one
   * before.
   */
  async truncate (snapshot: StoreImage): Promise<void> {
    if (snapshot.revision !== this.#snapshotRevision) await this.#write(snapshot)
  }

  async #write (snapshot: StoreImage): Promise<void> {
    const { tailBytes } = this
    await this.#call({ type: 'snapshot-begin', revision: snapshot.revision })
    await sendLines(linesOfImage(snapshot), async lines => {
      await this.#call({ type: 'snapshot-part', lines })
    })
    await this.#call({ type: 'snapshot-end' })
    this.#snapshotRevision = snapshot.revision
    this.#tailBytes -= tailBytes
  }

  /**
   * Writes a snapshot of the newest revision and removes everything that is older, so that records which
   * were deleted are nowhere in the files. The requests that are remembered lose their answers, which may
   * have such records.
   */
  async compact (snapshot: StoreImage): Promise<void> {
    const requests = snapshot.requests?.map(({ answer: _answer, ...request }) => request) ?? []
    await this.#write({ ...snapshot, requests })
    await this.#call({ type: 'compact' })
  }

  async facts (): Promise<LogFacts> {
    return await this.#call({ type: 'facts' }) as LogFacts
  }

  /**
   * Closes the files and gives the lock back.
   * @throws when the disk may not have everything
   */
  async close (): Promise<void> {
    this.#isClosing = true
    await this.#thread?.close()
    if (this.#warnings.length === 0) return
    throw withRemedy(this.#options.directory, new Error(this.#warnings.splice(0).join('; ')))
  }

  async #call (call: LogCall): Promise<unknown> {
    return await this.#attempt(async thread => await thread.call(call))
  }

  /** Does something with the thread. An error has the file and the remedy. */
  async #attempt<T> (work: (thread: JournalThread<LogOpened, LogNotice>) => Promise<T>): Promise<T> {
    const thread = this.#opened()
    try {
      return await work(thread)
    } catch (error) {
      const measure = thread.death === undefined ? '' : 'start the service again'
      throw withRemedy(this.#options.directory, error, measure)
    }
  }

  #opened (): JournalThread<LogOpened, LogNotice> {
    if (this.#thread === undefined) throw new Error('The log is not open')
    return this.#thread
  }
}

function count (texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.split('\n').length, 0)
}

/** Parses entries in slices. @throws naming the directory, the revision and the remedy */
async function readEntries (texts: readonly string[], first: number, directory: string): Promise<LogEntry[]> {
  const entries: LogEntry[] = []
  await inSlices(linesIn(texts), line => {
    const revision = first + entries.length
    try {
      entries.push(entryOfLine(line, revision))
    } catch (error) {
      throw unreadable(`${directory}: revision ${revision} of the log`, error)
    }
  })
  return entries
}

/** @throws naming the directory and the remedy */
async function readImage (texts: readonly string[], directory: string): Promise<StoreImage | undefined> {
  if (texts.length === 0) return undefined
  const reader = new ImageReader()
  try {
    await inSlices(linesIn(texts), line => { reader.add(line) })
    return reader.end()
  } catch (error) {
    throw unreadable(`${directory}: its newest snapshot`, error)
  }
}

/** Its bytes are those that were written, so that another version has written them. */
function unreadable (subject: string, error: unknown): Error {
  const { message } = error as Error
  return new Error(`${subject} cannot be read (${message}): run the version of the package that wrote it, ` +
    'or bring the directory back from a backup', { cause: error })
}

function * linesIn (texts: readonly string[]): Generator<string> {
  for (const text of texts) yield * text.split('\n')
}
