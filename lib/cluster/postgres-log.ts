import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import {
  lineOfEntry, LogFollowedError, LogRefusedError, type ChangeLog, type LogEntry, type OpenedLog,
  type StoreImage
} from '@hamicek/noex-store/log'
import {
  describe, PostgresConnection, type PostgresSource, type PostgresUser
} from '../postgres/connection.js'
import { withRemedy } from './database-faults.js'
import { readOrMakeLease } from './lease.js'
import { readContents } from './log-contents.js'
import { LogReader } from './log-reader.js'
import { MAX_PAGE_MS, readPage } from './log-rows.js'
import { writeSnapshot } from './snapshot-rows.js'
import { prepareTables } from './tables.js'
import { LogWriter } from './log-writer.js'

const { setTimeout: startTimer, clearTimeout: cancelTimer } = globalThis

const user: PostgresUser = {
  poolOption: 'cluster.postgres',
  connectionOption: 'cluster.postgres',
  applicationName: 'fastify-noex log'
}

/** How long reading a page of commits to follow may take at first, in milliseconds. */
const MIN_PAGE_MS = 5_000
/** Longest body of a row, in characters: about half of what a value of PostgreSQL may have. */
const MAX_BODY_CHARS = 268_435_456

/** Options of a log in PostgreSQL. */
export interface PostgresLogOptions {
  readonly source: PostgresSource
  /** Names the log: the processes that share it give the same one. */
  readonly name: string
  /** Time without contact to the database after which another process may write, in milliseconds. */
  readonly leaseMs: number
  /** Hears how many characters have been read at the start. */
  readonly onProgress?: (chars: number) => void
  /** Hears of snapshots that are damaged and were passed over. */
  readonly onDamaged?: (revisions: readonly number[]) => void
}

/**
 * A log of commits in tables of PostgreSQL, for processes that write it in turn. The one with the lease
 * writes; the others follow, and take over when it is given back, its time is up, or its session has ended.
 * Each group of commits is one statement, which does nothing unless term and revision are those of the lease.
 * It takes two connections for good, and a third one while it writes a snapshot.
 */
export class PostgresLog implements ChangeLog {
  readonly #options: PostgresLogOptions
  readonly #reader: LogReader
  readonly #writer: LogWriter
  #tailBytes = 0
  /** How long reading the next page may take, in milliseconds. */
  #pageMs = MIN_PAGE_MS
  #renewal: NodeJS.Timeout | undefined
  #snapshotConnection: PostgresConnection | undefined
  #isClosed = false
  #onTrouble: (error: Error) => void = () => {}

  constructor (options: PostgresLogOptions) {
    const { source, name, leaseMs } = options
    this.#options = options
    this.#reader = new LogReader(source, user)
    const holder = `${hostname()}:${process.pid}`
    this.#writer = new LogWriter({ source, user, name, leaseMs, holder })
  }

  /** Characters of the entries after the snapshot. */
  get tailBytes (): number {
    return this.#tailBytes
  }

  /** Whether this process writes the log, as far as it knows, and in which term. */
  get term (): number | undefined {
    return this.#writer.lease?.term
  }

  /**
   * Makes the tables where they are missing, takes the lease where it is free, and reads the log; where
   * another process is about to begin it, that is waited for.
   * @throws where the database cannot be reached or used, with what would be right
   */
  async open (): Promise<OpenedLog> {
    const { name, onProgress = () => {}, onDamaged = () => {} } = this.#options
    try {
      const { epoch } = await this.#reader.use(async connection => {
        await prepareTables(connection)
        return await readOrMakeLease(connection, name, randomUUID())
      })
      for (;;) {
        const isFollowed = await this.#isFollowed()
        const { image, damaged, tail, chars } = await this.#reader.use(async connection =>
          await readContents(connection, name, onProgress))
        if (damaged.length > 0) onDamaged(damaged)
        this.#tailBytes = chars
        const opened = { epoch, snapshot: image, tail }
        if (!isFollowed) return opened
        if (image !== undefined || tail.length > 0) return { ...opened, isFollowed: true }
        await this.changed()
      }
    } catch (error) {
      await this.close()
      const told = withRemedy(describe(error))
      throw told.message.startsWith('cluster.postgres')
        ? told
        : new Error(`cluster.postgres: the log cannot be opened: ${told.message}`, { cause: error })
    }
  }

  async append (entries: readonly LogEntry[], previousRevision: number): Promise<void> {
    const last = entries.at(-1)
    if (last === undefined) {
      await this.#writer.renew(previousRevision)
      this.#keepLease()
      return
    }
    assertConsecutive(entries, previousRevision)
    const lines: string[] = []
    for (const entry of entries) {
      const line = lineOfEntry(entry)
      lines.push(typeof line === 'string' ? line : await line)
    }
    const body = lines.join('\n')
    if (body.length > MAX_BODY_CHARS) {
      throw new Error(`cluster.postgres: a commit has ${body.length} characters, and a row of the log may ` +
        `have ${MAX_BODY_CHARS}: write less at once`)
    }
    await this.#writer.append({ revision: last.revision, count: entries.length, body }, previousRevision)
    this.#tailBytes += body.length
    this.#keepLease()
  }

  async * tail (from: number): AsyncIterable<LogEntry> {
    for (let next = from; ;) {
      const timeoutMs = this.#pageMs
      // For the case that it fails: a database that does not answer is given up soon, a slow one is not.
      this.#pageMs = Math.min(2 * timeoutMs, MAX_PAGE_MS)
      const { entries, chars } = await this.#reader.use(async connection =>
        await readPage(connection, this.#options.name, next, timeoutMs))
      this.#pageMs = MIN_PAGE_MS
      if (entries.length === 0) break
      this.#tailBytes += chars
      yield * entries
      next = (entries.at(-1) as LogEntry).revision
    }
  }

  async changed (): Promise<void> {
    await this.#reader.changed()
  }

  onTrouble (listener: (error: Error) => void): void {
    this.#onTrouble = listener
  }

  /** Writes a snapshot in parts, over a connection of its own, and cuts the log behind the one before. */
  async truncate (snapshot: StoreImage): Promise<void> {
    const { tailBytes } = this
    const connection = await PostgresConnection.open(this.#options.source, user)
    this.#snapshotConnection = connection
    try {
      await writeSnapshot(connection, this.#options.name, snapshot)
    } catch (error) {
      throw withRemedy(error)
    } finally {
      await connection.close()
    }
    this.#tailBytes -= tailBytes
  }

  /** Gives the lease back, and ends the connections. */
  async close (): Promise<void> {
    this.#isClosed = true
    cancelTimer(this.#renewal)
    // A snapshot that is being written is given up.
    await this.#snapshotConnection?.close()
    await this.#writer.close()
    await this.#reader.close()
  }

  async #isFollowed (): Promise<boolean> {
    try {
      await this.#writer.lead()
      this.#keepLease()
      return false
    } catch (error) {
      if (error instanceof LogFollowedError) return true
      throw error
    }
  }

  /** Renews the lease where no append has done so for a third of its time. */
  #keepLease (): void {
    cancelTimer(this.#renewal)
    if (this.#isClosed) return
    this.#renewal = startTimer(() => {
      this.#renew().catch((error: unknown) => { this.#onTrouble(withRemedy(describe(error))) })
    }, this.#options.leaseMs / 3).unref()
  }

  /** @throws LogFollowedError when it is lost; where the database is away for as long as it lasts */
  async #renew (): Promise<void> {
    const deadline = performance.now() + this.#options.leaseMs
    for (;;) {
      if (this.#isClosed || !this.#writer.isLeading) return
      try {
        await this.#writer.keep()
        this.#keepLease()
        return
      } catch (error) {
        if (error instanceof LogFollowedError || performance.now() > deadline) throw error
        await new Promise(resolve => { startTimer(resolve, 50) })
      }
    }
  }
}

/** @throws LogRefusedError unless entries follow each other, and a revision that is not 0 */
function assertConsecutive (entries: readonly LogEntry[], previousRevision: number): void {
  let former = previousRevision
  for (const { revision } of entries) {
    if (former > 0 && revision !== former + 1) {
      throw new LogRefusedError(`Revision ${revision} does not follow revision ${former}`)
    }
    former = revision
  }
}
