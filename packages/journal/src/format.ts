/** How the user of a journal makes its lines, and knows them again. */
export interface JournalFormat<Head> {
  /** The head before the first line. */
  readonly start: Head
  /** Returns the number of the line that a head names, 0 for `start`. */
  readonly numberOf: (head: Head) => number
  /**
   * Makes the line of an entry that follows `head`, without line feed, which it must not contain. `durable`
   * is the last head that is on the disk: lines between the two are written together with this one.
   */
  readonly seal: (entry: string, head: Head, durable: Head) => { readonly line: string, readonly head: Head }
  /**
   * Returns the head that a line leads to; `undefined` when the line is broken, or not the one after
   * `head`. Without a head, the first line of a file is taken as it is.
   */
  readonly follow: (line: string, head: Head | undefined) => Head | undefined
  /**
   * Judges a line behind the last one that follows, where lines have a check of their own: `broken` fails
   * it, `whole` passes it, and `proof` passes it and says that the line after `head` was on the disk
   * before. Without this member, only a tail without line feed, or one with zero bytes, counts as half
   * written.
   */
  readonly judge?: (line: string, head: Head) => 'broken' | 'whole' | 'proof'
  /** Longest line, in bytes without line feed; a longer one is broken. */
  readonly maxLineBytes: number
}
