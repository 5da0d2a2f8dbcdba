/** Options of a store whose commits are kept in files. */
export interface DurabilityOptions {
  /**
   * Folder of the files, for this store alone; made if it is missing. Its mode becomes 0700, that of its
   * files is 0600.
   */
  readonly directory: string
  /**
   * Whether a commit counts as durable only when the disk has it. Without, a loss of power takes the last
   * commits, and a store that was not stopped begins a new `epoch`.
   * @default true
   */
  readonly fsync?: boolean
  /**
   * Bytes of commits after which a snapshot is written, in the background, and the log is cut behind the
   * snapshot before it. At least 4,096.
   * @default 67108864
   */
  readonly snapshotBytes?: number
  /**
   * Bytes after which a file of the log is closed and the next one begun. At least 4,096.
   * @default 67108864
   */
  readonly segmentBytes?: number
  /**
   * Hears what an operator should know. By default it becomes a warning of the process, without the end of a
   * trouble.
   */
  readonly onNotice?: (notice: DurabilityNotice) => void
}

/** Something that an operator should know about the files of a store. */
export interface DurabilityNotice {
  /**
   * - `progress`: the start takes longer than a second; once a second
   * - `torn`: a crash had left the last write half written; it was never acknowledged, and was moved aside
   * - `damaged`: snapshots are damaged; older ones and the log have given all that was in them
   * - `unavailable`: the disk does not take commits; writes are refused
   * - `available`: it takes them again
   * - `snapshot_failed`: a snapshot could not be written; the log grows until the next attempt
   * - `disk_low`: the disk has less room left than two snapshots and two lengths of the log until the next
   *   one
   * - `disk_ok`: it has that room again
   * - `following`: another process writes the log, and the store follows it; writes are refused
   * - `leading`: this process writes the log from now on; writes are taken
   */
  readonly type:
  | 'progress' | 'torn' | 'damaged' | 'unavailable' | 'available' | 'snapshot_failed' | 'disk_low' | 'disk_ok'
  | 'following' | 'leading'
  /** One sentence, in lower case like a line of a log. */
  readonly message: string
  readonly error?: Error
}

/** State of a start from a log. */
export interface RecoveryProgress {
  /** Files are read, records of the snapshot are loaded, commits after it are applied. */
  readonly phase: 'read' | 'load' | 'apply'
  /** Characters read, records loaded, commits applied. */
  readonly done: number
  /** Of how many; `undefined` while that is not known. */
  readonly total?: number
}

/** A snapshot in the files of a log. */
export interface SnapshotInfo {
  readonly revision: number
  readonly bytes: number
}

/** Room that a log takes and has. */
export interface LogFacts {
  /** Bytes of the commits. */
  readonly logBytes: number
  /** Bytes that are free on the disk. */
  readonly freeBytes: number
  /** Oldest first. */
  readonly snapshots: readonly SnapshotInfo[]
}

/** How far a store is durable, and whether it can be. */
export interface DurabilityStatus {
  /** `adapter`: whole buckets are saved a while after the reply; `log`: each commit is kept before it. */
  readonly mode: 'memory' | 'adapter' | 'log'
  /**
   * `recovering`: the log is read; `unavailable`: it takes no commits, and writes are refused; `following`:
   * another process writes it, the store takes its commits over, and writes are refused.
   */
  readonly state: 'ok' | 'recovering' | 'unavailable' | 'following'
  /** Revision up to which all commits are durable; with `memory` and `adapter` that of the last commit. */
  readonly durableRevision: number
  /** Commits that are not durable yet, and the age of the oldest of them in milliseconds. */
  readonly lag: { readonly commits: number, readonly ms: number }
  /** The last failure, also when it is over. */
  readonly lastError: { readonly message: string, readonly time: number } | undefined
  /** As they were at most 10 s ago; `undefined` where the log has no files. */
  readonly files: LogFacts | undefined
  /**
   * Whether the disk has less room left than two snapshots and two lengths of the log until the next one:
   * room should be made before commits are refused.
   */
  readonly isDiskLow: boolean
}
