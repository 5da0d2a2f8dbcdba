import type { Commit, CommitNote, RememberedRequest } from '../types/commit.js'
import type { LogFacts } from '../types/durability.js'
import type { BackupInfo } from '../types/persistence.js'
import type { DeclarativeQueryConfig } from '../types/query.js'
import type { StoreRecord } from '../types/record.js'
import type { BucketDefinition } from '../types/schema.js'

/** A commit as a log keeps it. */
export interface LogEntry extends Commit {
  /** Term of the writer, where several may write in turn. */
  readonly term?: number
  /** Of the first entry of a log: the requests that the store remembered before. */
  readonly requests?: readonly RememberedRequest[]
}

/** A bucket at one revision. */
export interface BucketImage {
  readonly name: string
  /** Without functions. */
  readonly definition: BucketDefinition
  /** Paths of the functions that the definition had. */
  readonly functions?: readonly string[]
  readonly counter: number
  /** Highest version of a deleted key that is not remembered. */
  readonly floor: number
  /** Remembered deleted keys, oldest first: key, last version, number of records before it in their order. */
  readonly deleted: ReadonlyArray<readonly [key: unknown, version: number, position: number]>
  /** In the order of their insertion. */
  readonly records: readonly StoreRecord[]
}

/** A store at one revision. */
export interface StoreImage {
  readonly revision: number
  readonly buckets: readonly BucketImage[]
  readonly queries: ReadonlyArray<readonly [name: string, config: DeclarativeQueryConfig]>
  /** Requests that are remembered, in the order of their commits; absent: none. */
  readonly requests?: readonly RememberedRequest[]
}

/** Contents of a log at its opening. */
export interface OpenedLog {
  /** Text that names the history: a new one when earlier revisions may be given again. */
  readonly epoch: string
  readonly snapshot: StoreImage | undefined
  /** Entries after the snapshot, in order. */
  readonly tail: readonly LogEntry[]
  /** Present when another process writes the log: the store follows it, and `append` says when that ends. */
  readonly isFollowed?: true
}

/** Refuses entries that do not continue the log. */
export class LogRefusedError extends Error {
  override readonly name: string = 'LogRefusedError'
}

/** Refuses entries because another process writes the log; nothing of them is in it. */
export class LogFollowedError extends Error {
  override readonly name = 'LogFollowedError'
}

/** Refuses entries because the log has later ones: it takes entries once `tail` has been applied. */
export class LogAheadError extends LogRefusedError {
  override readonly name = 'LogAheadError'
}

/** The log does not answer: the entries may be in it, and `append` of an empty list tells it later. */
export class LogUnansweredError extends Error {
  override readonly name = 'LogUnansweredError'
}

/** Whether an error says that another process writes the log; also one of another copy of the package. */
export function isFollowedError (error: unknown): boolean {
  return error instanceof Error && error.name === 'LogFollowedError'
}

/** An ordered log of commits: in memory, in files, or in a database that several machines share. */
export interface ChangeLog {
  open (): Promise<OpenedLog>
  /**
   * Appends entries that follow `previousRevision`, all or none. Resolves when they are durable; an empty
   * list only asks whether the log takes entries.
   * @throws LogRefusedError when the log is at another revision; LogUnansweredError when it is not known
   * whether it has the entries; of a log that several processes write in turn, LogFollowedError or
   * LogAheadError; any other error means that the log is not available, and has nothing of them
   */
  append (entries: readonly LogEntry[], previousRevision: number): Promise<void>
  /**
   * Resolves when a log that several processes write in turn may have more entries, or may take some; also
   * from time to time without a reason. Absent where one process has the log.
   */
  changed?(): Promise<void>
  /**
   * Has `listener` hear that a log which took entries takes none any more, where that shows between two calls
   * of `append`: with LogFollowedError, or why it is not available.
   */
  onTrouble?(listener: (error: Error) => void): void
  /** Entries after a revision, in order, as far as there are any. */
  tail (from: number): AsyncIterable<LogEntry>
  /**
   * Notes of commits, newest first, as far as the log has them. Absent where the log keeps none for another
   * process.
   */
  notes?(): AsyncIterable<CommitNote>
  /** Whether `append` has the notes on the disk; absent: no. */
  readonly keepsNotes?: boolean
  /** Replaces what is up to the snapshot's revision by the snapshot. */
  truncate (snapshot: StoreImage): Promise<void>
  /**
   * Ends the log; it can be called again.
   * @throws when something that `append` has called durable may not be on the disk
   */
  close (): Promise<void>
  /** Bytes of the entries after the snapshot; absent where they do not count. */
  readonly tailBytes?: number
  /** Room that the log takes and has; absent where that is of no interest. */
  facts?(): Promise<LogFacts>
  /** Backups beside the log; absent where it keeps none. */
  readonly backups?: LogBackups
}

/** The first line of a backup, which says what it is; the lines of an image follow. */
export interface BackupHead {
  readonly format: number
  readonly name: string
  /** Time of the backup, in epoch milliseconds. */
  readonly createdAt: number
  /** History of the store, and its revision in it. */
  readonly epoch: string
  readonly revision: number
  readonly bucketNames: readonly string[]
  readonly totalRecords: number
}

/** Named images of a store that are kept beside its log. */
export interface LogBackups {
  /** Keeps an image, in place of one of the same name. */
  create (image: StoreImage, head: BackupHead): Promise<void>
  /** The oldest first. */
  list (): Promise<BackupInfo[]>
  /** Reads a backup; `undefined` where there is none. */
  read (name: string): Promise<StoreImage | undefined>
  /** Resolves with whether there was one. */
  delete (name: string): Promise<boolean>
}
