import type { KeyObject } from 'node:crypto'
import { rmSync } from 'node:fs'
import { Journal as LineJournal } from '@hamicek/noex-journal'
import type { ChainHead } from '../chain/chain.js'
import type { Checkpoint } from '../chain/checkpoint.js'
import { CheckpointFile, type JournalListener } from './checkpoint-file.js'
import { recoverTrail, type Recovered } from './recovery.js'
import { TrailFiles } from './segments.js'
import { trailFormat } from './trail-lines.js'
import { lostNote, prunedNote } from './trail-notes.js'

/** Options of `Journal`. */
export interface JournalOptions {
  /** The current segment; ends in `.jsonl`. */
  readonly path: string
  /** Maximum size of a segment in bytes; a longer line gets a segment of its own. */
  readonly maxBytes: number
  /** Maximum age of a segment in milliseconds; an older one is closed before the next line. */
  readonly maxAgeMs: number
  /**
   * Number of closed segments to keep; at least 1, so that the end of the trail is never only in a
   * checkpoint.
   */
  readonly keep: number
  /** Whether to sync each write to the disk. */
  readonly fsync: boolean
  /** Key that signs the checkpoints. */
  readonly key: KeyObject | undefined
  /** Number of entries after which a checkpoint is due. */
  readonly checkpointEntries: number
}

/** Settings that the journal's thread is started with. */
export interface JournalSettings extends Omit<JournalOptions, 'key'> {
  /** PEM; `undefined` without a key. */
  readonly signingKey: string | undefined
  readonly checkpointIntervalMs: number
}

/** The state of a trail when its thread has opened it, see `Journal`. */
export interface OpenedTrail {
  readonly recovered: { readonly bytes: number, readonly lines: number } | undefined
  readonly unsigned: number
  readonly formerName: string | undefined
}

/** Messages of the thread besides the reports of every journal. */
export type TrailNotice =
  | { readonly type: 'checkpoint', readonly checkpoint: Checkpoint }
  /** Another process has changed files of the trail. */
  | { readonly type: 'warning', readonly message: string }

/**
 * Writes the files of one trail, as their only writer: a journal of chained lines, and checkpoints. All calls
 * are synchronous, so it belongs in a thread of its own. When a call throws, the entries that were durable
 * before still are, and the call can be repeated with the rest.
 */
export class Journal {
  readonly #options: JournalOptions
  readonly #journal: LineJournal<ChainHead>
  readonly #checkpoints: CheckpointFile
  /** Incomplete lines that the start has cut off; `undefined` when there were none. */
  readonly recovered: Recovered['cut']
  /**
   * Number of entries that were found without any checkpoint, because the checkpoint file is missing; or 0.
   */
  readonly unsigned: number
  /** The name of the trail in the last checkpoint, when it differs from that of the files. */
  readonly formerName: string | undefined

  /** Opens the trail, to continue at its end. Throws when it is damaged or cannot be written. */
  constructor (options: JournalOptions, listener: JournalListener) {
    this.#options = options
    const names = new TrailFiles(options.path)
    const { head, firstSeq, cut, lastCheckpoint, oldestSeq } = recoverTrail(names)
    this.#checkpoints = new CheckpointFile(names, options.key, listener, lastCheckpoint, oldestSeq)
    this.#journal = new LineJournal({ ...options, names, format: trailFormat }, { head, first: firstSeq }, {
      onClosing: () => { this.checkpoint() },
      onBegun: () => { this.#prune() },
      lostEntry: range => lostNote(range, Date.now()),
      onLostTold: () => { this.checkpoint() }
    })
    this.recovered = cut
    this.unsigned = lastCheckpoint === undefined ? head.seq : 0
    this.formerName = lastCheckpoint?.stream === names.stream ? undefined : lastCheckpoint?.stream
    // From here on, entries without any checkpoint reveal that the checkpoints were removed.
    if (head.seq === 0) this.checkpoint()
  }

  /** The last durable entry. */
  get head (): ChainHead {
    return this.#journal.head
  }

  /** Whether another process has added to the current segment. */
  get isForeign (): boolean {
    return this.#journal.isForeign
  }

  /**
   * Closes the files as they are, without a checkpoint: another journal has written to them, and a new one
   * continues at their end.
   */
  release (): void {
    this.#journal.release()
    this.#checkpoints.close()
  }

  /**
   * Appends entries, given as JSON texts. They are durable on return. When it throws, `entries` holds those
   * that are not: they can be appended again and get the same numbers and hashes.
   */
  append (entries: string[]): void {
    this.#journal.append(entries)
  }

  /** Whether there are enough new entries for a checkpoint. */
  get checkpointIsDue (): boolean {
    return this.head.seq - Math.max(0, this.#checkpoints.lastSeq) >= this.#options.checkpointEntries
  }

  /** Makes a checkpoint of the last entry, unless there is one already. */
  checkpoint (): void {
    if (this.head.seq === this.#checkpoints.lastSeq && !this.#checkpoints.isCut) return
    // The entry of a checkpoint must be on the disk: it must exist after a crash.
    this.#journal.sync()
    this.#checkpoints.add(this.head)
  }

  /** Makes a last checkpoint and closes the files. */
  close (): void {
    try {
      this.#journal.close(() => { this.checkpoint() })
    } finally {
      this.#checkpoints.close()
    }
  }

  /** Removes the oldest segments beyond `keep`, after an entry and a checkpoint have recorded it. */
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
