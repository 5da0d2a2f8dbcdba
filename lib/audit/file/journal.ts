import type { KeyObject } from 'node:crypto'
import { rmSync } from 'node:fs'
import { Journal as LineJournal } from '@hamicek/noex-journal'
import type { ChainHead } from '../chain/chain.js'
import { CheckpointFile, type JournalListener } from './checkpoint-file.js'
import { recoverTrail, type Recovered } from './recovery.js'
import { TrailFiles } from './segments.js'
import { trailFormat } from './trail-format.js'
import { lostNote, prunedNote } from './trail-notes.js'

export interface JournalOptions {
  /** The current segment; ends in `.jsonl`. */
  readonly path: string
  /**
   * A segment is closed before it becomes longer than this; a line that is longer by itself gets one of its
   * own.
   */
  readonly maxBytes: number
  /** A segment that is older is closed before the next line. */
  readonly maxAgeMs: number
  /** Closed segments that stay; at least 1, so that the end of the trail is never only in a checkpoint. */
  readonly keep: number
  /** Whether to wait for the disk. */
  readonly fsync: boolean
  /** Signs the checkpoints. */
  readonly key: KeyObject | undefined
  readonly checkpointEntries: number
}

/**
 * The files of one trail, with one writer: a journal of chained lines, and checkpoints. Everything is
 * synchronous, so it belongs into a thread of its own. When a call throws, what was durable before still
 * is, and the call can be repeated with the rest.
 */
export class Journal {
  readonly #options: JournalOptions
  readonly #journal: LineJournal<ChainHead>
  readonly #checkpoints: CheckpointFile
  readonly recovered: Recovered['torn']
  /** Entries that were there although no checkpoint states any: the file of checkpoints is missing. */
  readonly unsigned: number
  /** The name that the last checkpoint gives to the trail, when it is another one. */
  readonly formerName: string | undefined

  /** Opens the trail and goes on where it ends. Throws when it is damaged or cannot be written. */
  constructor (options: JournalOptions, listener: JournalListener) {
    this.#options = options
    const names = new TrailFiles(options.path)
    const { head, firstSeq, torn, lastCheckpoint, oldestSeq } = recoverTrail(names)
    this.#checkpoints = new CheckpointFile(names, options.key, listener, lastCheckpoint, oldestSeq)
    this.#journal = new LineJournal({ ...options, names, format: trailFormat }, { head, first: firstSeq }, {
      onClosing: () => { this.checkpoint() },
      onBegun: () => { this.#prune() },
      lostEntry: range => lostNote(range, Date.now()),
      onLostTold: () => { this.checkpoint() }
    })
    this.recovered = torn
    this.unsigned = lastCheckpoint === undefined ? head.seq : 0
    this.formerName = lastCheckpoint?.stream === names.stream ? undefined : lastCheckpoint?.stream
    // From here on, entries without any checkpoint show that others have taken the checkpoints away.
    if (head.seq === 0) this.checkpoint()
  }

  /** The last entry that is durable. */
  get head (): ChainHead {
    return this.#journal.head
  }

  /** Whether something has been added to the current segment that this journal has not written. */
  get isForeign (): boolean {
    return this.#journal.isForeign
  }

  /**
   * Lets go of the files as they are: another journal has written to them, and a new one begins where it
   * has ended.
   */
  release (): void {
    this.#journal.release()
    this.#checkpoints.close()
  }

  /**
   * Adds entries, given as the JSON text of each. They are durable when it returns. When it throws,
   * `entries` keeps those that are not: they can be given again and get the same numbers and hashes.
   */
  append (entries: string[]): void {
    this.#journal.append(entries)
  }

  /** Whether there are so many new entries that a checkpoint is due. */
  get checkpointIsDue (): boolean {
    return this.head.seq - Math.max(0, this.#checkpoints.lastSeq) >= this.#options.checkpointEntries
  }

  /** States how far the trail goes, unless the last checkpoint does so already. */
  checkpoint (): void {
    if (this.head.seq === this.#checkpoints.lastSeq && !this.#checkpoints.isCut) return
    // A checkpoint may state only what is on the disk: after a crash, all that it states must be there.
    this.#journal.sync()
    this.#checkpoints.add(this.head)
  }

  /** Ends with a checkpoint. */
  close (): void {
    try {
      this.#journal.close(() => { this.checkpoint() })
    } finally {
      this.#checkpoints.close()
    }
  }

  /**
   * Removes the oldest segments, of which `keep` is enough. The trail says so before, and a checkpoint
   * does.
   */
  #prune (): void {
    const surplus = this.#journal.surplus(this.#options.keep)
    if (surplus === undefined) return
    const { paths, range } = surplus
    this.#journal.note(prunedNote(range, Date.now()))
    this.#checkpoints.pruneTo(range.to + 1)
    this.checkpoint()
    for (const path of paths) rmSync(path)
  }
}
