import { existsSync, renameSync, rmSync, statSync } from 'node:fs'
import type { KeyObject } from 'node:crypto'
import { seal, type ChainHead } from './chain.js'
import { CheckpointFile, type JournalListener } from './checkpoint-file.js'
import { DurableFile, syncDirectory } from './durable-file.js'
import { cutTail, followChain, keepTail } from './file-tail.js'
import { entryAt, setAside } from './foreign-file.js'
import { MAX_WRITE_BYTES, recoverTrail, type Recovered } from './recovery.js'
import { seqInName, TrailFiles } from './segments.js'
import { lostNote, nameEntries, prunedNote, type EntryRange } from './trail-notes.js'

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
  readonly #checkpoints: CheckpointFile
  /** `undefined` between two segments. */
  #segment: DurableFile | undefined
  #firstSeq: number | undefined
  #openedAt: number
  /**
   * Bytes of the segment that the journal has written about itself. A segment has room for one entry besides.
   */
  #noteBytes = 0
  #head: ChainHead
  /** Entries that others have taken away, until the trail says so. */
  #lost: EntryRange | undefined
  readonly recovered: Recovered['torn']
  /** Entries that were there although no checkpoint states any: the file of checkpoints is missing. */
  readonly unsealed: number
  /** The name that the last checkpoint gives to the trail, when it is another one. */
  readonly formerName: string | undefined

  /** Opens the trail and goes on where it ends. Throws when it is damaged or cannot be written. */
  constructor (options: JournalOptions, listener: JournalListener) {
    this.#options = options
    this.#files = new TrailFiles(options.path)
    const { head, firstSeq, torn, lastCheckpoint, oldestSeq } = recoverTrail(this.#files)
    this.#openedAt = existsSync(options.path) ? statSync(options.path).birthtimeMs || Date.now() : Date.now()
    this.#segment = new DurableFile(options.path, options.fsync)
    this.#checkpoints = new CheckpointFile(this.#files, options.key, listener, lastCheckpoint, oldestSeq)
    // What was read may never have reached the disk.
    this.#segment.sync()
    syncDirectory(this.#files.directory)
    this.#head = head
    this.#firstSeq = firstSeq
    this.recovered = torn
    this.unsealed = lastCheckpoint === undefined ? head.seq : 0
    this.formerName = lastCheckpoint?.stream === this.#files.stream ? undefined : lastCheckpoint?.stream
    // From here on, entries without any checkpoint show that others have taken the checkpoints away.
    if (head.seq === 0) this.checkpoint()
  }

  /** The last entry that is durable. */
  get head (): ChainHead {
    return this.#head
  }

  /** Whether something has been added to the current segment that this journal has not written. */
  get isForeign (): boolean {
    return this.#segment?.change === 'longer'
  }

  /**
   * Lets go of the files as they are: another journal has written to them, and a new one begins where it has
   * ended.
   */
  release (): void {
    this.#segment?.close()
    this.#checkpoints.close()
  }

  /**
   * Adds entries, given as the JSON text of each. They are durable when it returns. When it throws, `entries`
   * keeps those that are not: they can be given again and get the same numbers and hashes.
   */
  append (entries: string[]): void {
    while (entries.length > 0) entries.splice(0, this.#appendSome(entries))
  }

  /** Whether there are so many new entries that a checkpoint is due. */
  get checkpointIsDue (): boolean {
    return this.#head.seq - Math.max(0, this.#checkpoints.lastSeq) >= this.#options.checkpointEntries
  }

  /** States how far the trail goes, unless the last checkpoint does so already. */
  checkpoint (): void {
    if (this.#head.seq === this.#checkpoints.lastSeq && !this.#checkpoints.isCut) return
    // A checkpoint may state only what is on the disk: after a crash, all that it states must be there.
    if (!this.#options.fsync) this.#segment?.sync()
    this.#checkpoints.add(this.#head)
  }

  /** Ends with a checkpoint. */
  close (): void {
    try {
      // What is gone is told in the trail, as before an entry.
      if (this.#segment?.change !== undefined) this.#leaveSegment(this.#segment)
      if (this.#lost !== undefined) this.#readySegment()
      this.checkpoint()
    } finally {
      this.#segment?.close()
      this.#checkpoints.close()
    }
  }

  /** Adds as many entries as the segment, or else a new one, has room for. Returns how many. */
  #appendSome (entries: readonly string[]): number {
    const segment = this.#readySegment()
    const room = Math.min(this.#options.maxBytes - segment.size, MAX_WRITE_BYTES)
    const isFull = segment.size > this.#noteBytes
    let lines = ''
    let bytes = 0
    let head = this.#head
    let count = 0
    for (; count < entries.length; count++) {
      const sealed = seal(entries[count] as string, head)
      const length = Buffer.byteLength(sealed.line) + 1
      if (bytes + length > room && (isFull || bytes > 0)) break
      lines += `${sealed.line}\n`
      bytes += length
      head = { seq: sealed.seq, hash: sealed.hash }
    }
    if (count === 0) this.#rotate()
    else this.#write(segment, lines, head)
    return count
  }

  #write (segment: DurableFile, lines: string, head: ChainHead): void {
    segment.append(Buffer.from(lines))
    this.#firstSeq ??= this.#head.seq + 1
    this.#head = head
  }

  /** Adds an entry of the journal's own. */
  #writeNote (segment: DurableFile, json: string): void {
    const { line, ...head } = seal(json, this.#head)
    this.#write(segment, `${line}\n`, head)
    this.#noteBytes += Buffer.byteLength(line) + 1
  }

  /** The segment to write to: a new one after a failed sync, and when the last one is too old. */
  #readySegment (): DurableFile {
    const isOld = this.#firstSeq !== undefined && Date.now() - this.#openedAt > this.#options.maxAgeMs
    if (this.#segment?.change !== undefined) throw new Error(this.#leaveSegment(this.#segment))
    if (this.#segment === undefined || this.#segment.poisoned || isOld) this.#rotate()
    this.#tellLost()
    return this.#segment as DurableFile
  }

  /** Goes on after others have changed the segment. Returns a text that says what they have done. */
  #leaveSegment (segment: DurableFile): string {
    const { current, torn } = this.#files
    if (segment.change === 'longer') {
      const bytes = keepTail(current, segment.size, torn)
      segment.cut()
      return `${current} had ${bytes} bytes that are not of this trail: they are in ${torn}`
    }
    // The checkpoint names what is gone.
    this.checkpoint()
    const isCut = segment.change === 'shorter'
    const keptSeq = isCut ? this.#keepBeginning() : undefined
    const from = keptSeq === undefined ? this.#firstSeq : keptSeq + 1
    if (from !== undefined && from <= this.#head.seq) {
      this.#lost = { from: this.#lost?.from ?? from, to: this.#head.seq }
    }
    segment.close()
    this.#segment = undefined
    this.#firstSeq = undefined
    const what = `${current} has been ${isCut ? 'cut' : 'removed or replaced'}`
    const lost = this.#lost === undefined ? '' : `: lost to the trail: ${nameEntries(this.#lost)}`
    return `${what}${lost}; ${this.#freeName()}`
  }

  /**
   * Makes room for a new segment. Returns a text that says how the trail goes on, or what must be done first.
   */
  #freeName (): string {
    try {
      const aside = setAside(this.#files.current)
      const rest = aside === undefined ? '' : `what was in its place is now ${aside}, and `
      return `${rest}the next entry begins a new file`
    } catch (error) {
      return (error as Error).message
    }
  }

  /**
   * Closes what is left of a segment that was cut. Returns the number of its last entry; `undefined` when
   * there is none.
   */
  #keepBeginning (): number | undefined {
    const { current, torn } = this.#files
    const kept = followChain(current, 0, undefined, undefined, this.#head.seq + 1)
    const firstSeq = kept.head.seq - kept.lines + 1
    // A file that begins with entries of another trail is none of this one.
    if (kept.lines > 0 && firstSeq !== this.#firstSeq) return undefined
    keepTail(current, kept.goodBytes, torn)
    cutTail(kept)
    if (kept.lines === 0) return undefined
    this.#renameCurrent(this.#files.closed(firstSeq))
    return kept.head.seq
  }

  /** States, first in a new segment, which entries others have taken away. */
  #tellLost (): void {
    if (this.#lost === undefined) return
    this.#writeNote(this.#segment as DurableFile, lostNote(this.#lost, Date.now()))
    this.#lost = undefined
    this.checkpoint()
  }

  /** Closes the segment under its final name and begins a new one. Can be repeated when it throws. */
  #rotate (): void {
    if (this.#segment !== undefined) {
      if (this.#segment.poisoned) this.#segment.cut()
      this.checkpoint()
      this.#segment.close()
      this.#segment = undefined
    }
    if (this.#firstSeq === undefined) setAside(this.#files.current)
    else if (entryAt(this.#files.current) !== undefined) {
      this.#renameCurrent(this.#files.closed(this.#firstSeq))
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
    this.#noteBytes = 0
    this.#openedAt = Date.now()
    this.#tellLost()
    this.#prune()
  }

  #renameCurrent (closed: string): void {
    if (entryAt(closed) !== undefined) throw new Error(`${closed} exists already: move it away`)
    renameSync(this.#files.current, closed)
  }

  /**
   * Removes the oldest segments, of which `keep` is enough. The trail says so before, and a checkpoint does.
   */
  #prune (): void {
    const closed = this.#files.listClosed()
    const [oldest, ...others] = closed.slice(0, Math.max(0, closed.length - this.#options.keep))
    if (oldest === undefined) return
    const first = seqInName(closed[others.length + 1] as string) as number
    const range = { from: seqInName(oldest) as number, to: first - 1 }
    this.#writeNote(this.#segment as DurableFile, prunedNote(range, Date.now()))
    this.#checkpoints.pruneTo(first)
    this.checkpoint()
    for (const path of [oldest, ...others]) rmSync(path)
  }
}
