import type { KeyObject } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { DurableFile, entryAt, setAside, syncDirectory } from '@hamicek/noex-journal'
import { GENESIS, type ChainHead } from '../chain/chain.js'
import { checkpointLine, digestOf, signCheckpoint, type Checkpoint } from '../chain/checkpoint.js'
import type { TrailFiles } from './segments.js'

/** Callbacks of the writer of a trail. */
export interface JournalListener {
  readonly onCheckpoint: (checkpoint: Checkpoint) => void
  /** Called when another process has changed files of the trail; the writer continues. */
  readonly onWarning: (message: string) => void
}

/** Writes the checkpoints of one trail to the file beside it. All calls are synchronous. */
export class CheckpointFile {
  readonly #files: TrailFiles
  readonly #key: KeyObject | undefined
  readonly #listener: JournalListener
  #file: DurableFile
  /** The digest of the last checkpoint. */
  #previous: string
  #lastSeq: number
  #first: number

  /**
   * Opens or creates the file, to continue after its `last` checkpoint. `oldestSeq` is the number of the
   * oldest entry, for a trail whose checkpoints do not state which it must be.
   */
  constructor (
    files: TrailFiles,
    key: KeyObject | undefined,
    listener: JournalListener,
    last: Checkpoint | undefined,
    oldestSeq: number
  ) {
    this.#files = files
    this.#key = key
    this.#listener = listener
    this.#file = new DurableFile(files.checkpoints, true)
    this.#previous = last === undefined ? GENESIS : digestOf(last)
    this.#lastSeq = last?.seq ?? -1
    this.#first = last === undefined ? 1 : last.first ?? oldestSeq
  }

  /** The number of the entry that the last checkpoint states; -1 when there is none. */
  get lastSeq (): number {
    return this.#lastSeq
  }

  /** Whether another process has removed checkpoints, perhaps the last one. */
  get isCut (): boolean {
    const { change } = this.#file
    return change === 'gone' || change === 'shorter'
  }

  /** States from the next checkpoint on that entries before this one may be missing. */
  pruneTo (first: number): void {
    this.#first = Math.max(this.#first, first)
  }

  /** Adds a checkpoint for an entry that is on the disk. The checkpoint is durable on return. */
  add ({ seq, hash }: ChainHead): void {
    const { stream } = this.#files
    const unsigned = {
      stream,
      seq,
      hash,
      timestamp: Date.now(),
      previous: this.#previous,
      first: this.#first
    }
    const checkpoint = signCheckpoint(unsigned, this.#key)
    this.#repair()
    this.#file.append(Buffer.from(`${checkpointLine(checkpoint)}\n`))
    this.#lastSeq = seq
    this.#previous = digestOf(checkpoint)
    this.#listener.onCheckpoint(checkpoint)
  }

  close (): void {
    this.#file.close()
  }

  /** Replaces a file that another process has changed, or whose last sync failed. */
  #repair (): void {
    const { checkpoints, directory } = this.#files
    if (this.#file.change !== undefined) {
      // The next line names the digest of a checkpoint that is gone: verification detects that.
      this.#listener.onWarning(
        `${checkpoints} has been removed, replaced, cut or added to: checkpoints are missing or damaged`
      )
      if (entryAt(checkpoints)?.isFile === false) setAside(checkpoints, 'trail')
      const file = new DurableFile(checkpoints, true)
      this.#file.close()
      this.#file = file
      syncDirectory(directory)
    }
    if (this.#file.poisoned) this.#renew()
  }

  /** Copies the bytes that are known to be on the disk to a new file, after a failed sync. */
  #renew (): void {
    const { checkpoints, directory } = this.#files
    const renewed = `${checkpoints}.new`
    rmSync(renewed, { force: true })
    const file = new DurableFile(renewed, true)
    file.append(readFileSync(checkpoints).subarray(0, this.#file.size))
    file.rename(checkpoints)
    syncDirectory(directory)
    this.#file.close()
    this.#file = file
  }
}
