import { existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import type { KeyObject } from 'node:crypto'
import { GENESIS, seal, type ChainHead } from './chain.js'
import { checkpointLine, digestOf, signCheckpoint, type Checkpoint } from './checkpoint.js'
import { DurableFile, syncDirectory } from './durable-file.js'
import { sizeOf } from './file-scan.js'
import { MAX_WRITE_BYTES, recoverTrail, type Recovered } from './recovery.js'
import { TrailFiles } from './segments.js'

export interface JournalOptions {
  /** The current segment; ends in `.jsonl`. */
  readonly path: string
  /** A segment is closed before it becomes longer than this; a line that is longer by itself gets one of its own. */
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
 * The files of one trail, with one writer. Everything is synchronous, so it belongs into a thread of its own.
 * When a call throws, what was durable before still is, and the call can be repeated with the rest.
 */
export class Journal {
  readonly #options: JournalOptions
  readonly #files: TrailFiles
  readonly #onCheckpoint: (checkpoint: Checkpoint) => void
  #checkpoints: DurableFile
  /** `undefined` between two segments. */
  #segment: DurableFile | undefined
  #firstSeq: number | undefined
  #openedAt: number
  #head: ChainHead
  #checkpointed: number
  /** The digest of the last checkpoint. */
  #previous: string
  readonly recovered: Recovered['torn']
  /** Entries that were there although no checkpoint states any, where checkpoints are signed: nobody knows who has written them. */
  readonly unsealed: number

  /** Opens the trail and goes on where it ends. Throws when it is damaged or cannot be written. */
  constructor (options: JournalOptions, onCheckpoint: (checkpoint: Checkpoint) => void) {
    this.#options = options
    this.#onCheckpoint = onCheckpoint
    this.#files = new TrailFiles(options.path)
    const { head, firstSeq, torn, lastCheckpoint } = recoverTrail(this.#files)
    this.#openedAt = existsSync(options.path) ? statSync(options.path).birthtimeMs || Date.now() : Date.now()
    this.#segment = new DurableFile(options.path, options.fsync)
    this.#checkpoints = new DurableFile(this.#files.checkpoints, true)
    // What was read may never have reached the disk.
    this.#segment.sync()
    syncDirectory(this.#files.directory)
    this.#head = head
    this.#firstSeq = firstSeq
    this.#checkpointed = lastCheckpoint?.seq ?? 0
    this.#previous = lastCheckpoint === undefined ? GENESIS : digestOf(lastCheckpoint)
    this.recovered = torn
    this.unsealed = options.key !== undefined && lastCheckpoint === undefined ? head.seq : 0
  }

  /** The last entry that is durable. */
  get head (): ChainHead {
    return this.#head
  }

  /**
   * Adds entries, given as the JSON text of each. They are durable when it returns. When it throws, `head` tells how many
   * of them are; the rest can be given again and gets the same numbers and hashes.
   */
  append (entries: readonly string[]): void {
    for (let next = 0; next < entries.length;) next += this.#appendSome(entries, next)
  }

  /** Whether there are so many new entries that a checkpoint is due. */
  get checkpointIsDue (): boolean {
    return this.#head.seq - this.#checkpointed >= this.#options.checkpointEntries
  }

  /** States how far the trail goes, unless the last checkpoint does so already. */
  checkpoint (): void {
    const { seq, hash } = this.#head
    if (seq === this.#checkpointed) return
    const checkpoint = signCheckpoint({ stream: this.#files.stream, seq, hash, timestamp: Date.now(), previous: this.#previous }, this.#options.key)
    // A checkpoint may state only what is on the disk: after a crash, whatever it states must be there.
    if (!this.#options.fsync) this.#segment?.sync()
    if (this.#checkpoints.poisoned) this.#renewCheckpoints()
    this.#checkpoints.append(Buffer.from(`${checkpointLine(checkpoint)}\n`))
    this.#checkpointed = seq
    this.#previous = digestOf(checkpoint)
    this.#onCheckpoint(checkpoint)
  }

  /** Ends with a checkpoint. */
  close (): void {
    try {
      this.checkpoint()
    } finally {
      this.#segment?.close()
      this.#checkpoints.close()
    }
  }

  /** Adds as many entries as the segment, or else a new one, has room for. Returns how many. */
  #appendSome (entries: readonly string[], from: number): number {
    const segment = this.#readySegment()
    const room = Math.min(this.#options.maxBytes - segment.size, MAX_WRITE_BYTES)
    let lines = ''
    let bytes = 0
    let head = this.#head
    let next = from
    for (; next < entries.length; next++) {
      const sealed = seal(entries[next] as string, head)
      const length = Buffer.byteLength(sealed.line) + 1
      if (bytes + length > room && segment.size + bytes > 0) break
      lines += `${sealed.line}\n`
      bytes += length
      head = { seq: sealed.seq, hash: sealed.hash }
    }
    if (next === from) {
      this.#rotate()
      return 0
    }
    segment.append(Buffer.from(lines))
    this.#firstSeq ??= this.#head.seq + 1
    this.#head = head
    return next - from
  }

  /** The segment to write to: a new one after a failed sync, and when the last one is too old. */
  #readySegment (): DurableFile {
    const isOld = this.#firstSeq !== undefined && Date.now() - this.#openedAt > this.#options.maxAgeMs
    if (this.#segment?.isGone === true) {
      this.#abandon()
      throw new Error(`${this.#files.current} has been removed or replaced: what it had is lost to the trail, which goes on in a new file`)
    }
    if (this.#segment === undefined || this.#segment.poisoned || isOld) this.#rotate()
    return this.#segment as DurableFile
  }

  /** Goes on without a segment that somebody has taken away; the checkpoint names what it had. */
  #abandon (): void {
    this.checkpoint()
    this.#segment?.close()
    this.#segment = undefined
    this.#firstSeq = undefined
  }

  /** Closes the segment under its final name and begins a new one. Can be repeated when it throws. */
  #rotate (): void {
    if (this.#segment !== undefined) {
      if (this.#segment.poisoned) this.#segment.cut()
      this.checkpoint()
      this.#segment.close()
      this.#segment = undefined
    }
    if (existsSync(this.#files.current)) {
      if (this.#firstSeq === undefined && sizeOf(this.#files.current) === 0) rmSync(this.#files.current)
      else if (this.#firstSeq === undefined) throw new Error(`${this.#files.current} is not the trail's: move it away`)
      else this.#renameCurrent(this.#files.closed(this.#firstSeq))
    }
    this.#firstSeq = undefined
    const segment = new DurableFile(this.#files.current, this.#options.fsync)
    try {
      syncDirectory(this.#files.directory)
    } catch (error) {
      segment.close()
      throw error
    }
    this.#segment = segment
    this.#openedAt = Date.now()
    this.#prune()
  }

  #renameCurrent (closed: string): void {
    if (existsSync(closed)) throw new Error(`${closed} exists already`)
    renameSync(this.#files.current, closed)
  }

  /** After a failed sync, what is known to be on the disk goes into a new file. */
  #renewCheckpoints (): void {
    const { checkpoints, directory } = this.#files
    const renewed = `${checkpoints}.new`
    rmSync(renewed, { force: true })
    const file = new DurableFile(renewed, true)
    file.append(readFileSync(checkpoints).subarray(0, this.#checkpoints.size))
    renameSync(renewed, checkpoints)
    syncDirectory(directory)
    this.#checkpoints.close()
    this.#checkpoints = file
  }

  #prune (): void {
    const { keep } = this.#options
    if (keep === Infinity) return
    const closed = this.#files.listClosed()
    for (const path of closed.slice(0, Math.max(0, closed.length - keep))) rmSync(path)
  }
}
