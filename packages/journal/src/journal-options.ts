import type { JournalFormat } from './format.js'
import type { SegmentNames } from './segment-names.js'

/** Numbers of lines, both included. */
export interface LineRange {
  readonly from: number
  readonly to: number
}

export interface JournalOptions<Head> {
  readonly names: SegmentNames
  readonly format: JournalFormat<Head>
  /** A segment is closed before it has more bytes; a line that is longer by itself gets one of its own. */
  readonly maxBytes: number
  /** A segment that is older, in milliseconds, is closed before the next line. */
  readonly maxAgeMs: number
  /** Whether to wait for the disk. */
  readonly fsync: boolean
  /**
   * Whether the entries of one `append` stand or fall together: they stay in one segment, and when one of
   * their writes fails, those before are taken out again.
   */
  readonly wholeGroups?: boolean
}

/** Members by which the user of a journal takes part in its work. All are called synchronously. */
export interface JournalKeeper {
  /** A segment is about to be closed: all lines up to `head` are on the disk. */
  readonly onClosing?: () => void
  /** A new segment has begun. */
  readonly onBegun?: () => void
  /**
   * Returns the entry that says, first in a new segment, which lines others have taken away. Absent: the
   * journal takes no more lines then, because nothing may be missing in it.
   */
  readonly lostEntry?: (range: LineRange) => string
  /** That entry is on the disk. */
  readonly onLostTold?: () => void
}

/** Place at which a journal goes on. */
export interface JournalStart<Head> {
  readonly head: Head
  /** Number of the first line of the current segment; `undefined` when it is empty. */
  readonly first: number | undefined
}
