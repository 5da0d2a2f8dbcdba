import type { BackupCall } from './backup-files.js'
import type { CommitNote } from '../types/commit.js'

/** Settings of the thread that writes a store's log. */
export interface LogSettings {
  readonly directory: string
  readonly fsync: boolean
  /** A segment is closed before the next group once it has so many bytes. */
  readonly maxBytes: number
  /** Whether the directory must have a log. */
  readonly isKnown: boolean
}

/** State of a log at its opening. */
export interface LogOpened {
  /** `undefined` for a log that has not begun. */
  readonly epoch: string | undefined
  /** Revision of the last commit; 0 when there is none. */
  readonly revision: number
  /** Part of the last write, which a crash had left half written and which was moved to `store.torn`. */
  readonly torn: { readonly bytes: number, readonly lines: number } | undefined
  /** Snapshots that are damaged; older ones and the log give all that was in them. */
  readonly damaged: readonly string[]
}

/** Parts of what a log has, sent before it counts as open. */
export type LogNotice =
  /** The lines of a snapshot follow; those of another one before it do not count. */
  | { readonly type: 'snapshot-begin', readonly revision: number }
  | { readonly type: 'snapshot', readonly lines: string }
  /** Commits, the first of which has the revision `from`. */
  | { readonly type: 'tail', readonly from: number, readonly lines: string }

/** Calls that the thread carries out in their order. */
export type LogCall =
  /** A new history begins with this revision. */
  | { readonly type: 'begin', readonly epoch: string, readonly revision: number }
  | { readonly type: 'snapshot-begin', readonly revision: number }
  | { readonly type: 'snapshot-part', readonly lines: string }
  | { readonly type: 'snapshot-end' }
  /** Answers with commits from this revision on, as many as go in one message. */
  | { readonly type: 'read', readonly from: number }
  /** Answers with notes of commits before this revision, newest first, as many as go in one message. */
  | { readonly type: 'notes', readonly before: number }
  /** Answers with the room that the log takes and has: `LogFacts`. */
  | { readonly type: 'facts' }
  /** Removes all that is older than a snapshot of the newest revision. */
  | { readonly type: 'compact' }
  | { readonly type: 'backup', readonly call: BackupCall }

/** Answer to `notes`. */
export interface ReadNotes {
  readonly notes: readonly CommitNote[]
  /** Whether there are no earlier ones. */
  readonly isEnd: boolean
}

/** Answer to `read`: texts of commits, one in a line; empty when there are none. */
export interface ReadLines {
  readonly lines: string
  readonly count: number
}
