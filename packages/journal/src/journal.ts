import { existsSync, renameSync, rmSync, statSync } from 'node:fs'
import { DurableFile, syncDirectory } from './durable-file.js'
import { cutTail, followLines, keepTail, MAX_WRITE_BYTES } from './file-tail.js'
import { entryAt, freeName, setAside } from './foreign-file.js'
import type { JournalFormat } from './format.js'
import type { JournalKeeper, JournalOptions, JournalStart, LineRange } from './journal-options.js'
import type { SegmentNames } from './segment-names.js'

/**
 * The files of one journal, with one writer. Everything is synchronous, so it belongs into a thread of its
 * own. When a call throws, what was durable before still is, and the call can be repeated with the rest.
 */
export class Journal<Head> {
  readonly #options: JournalOptions<Head>
  readonly #names: SegmentNames
  readonly #format: JournalFormat<Head>
  readonly #keeper: JournalKeeper
  /** `undefined` between two segments. */
  #segment: DurableFile | undefined
  #first: number | undefined
  #openedAt: number
  /**
   * Bytes of the segment that are notes of the journal's user. A segment has room for one entry besides.
   */
  #noteBytes = 0
  #head: Head
  /** Lines that others have taken away, until the journal says so. */
  #lost: LineRange | undefined
  /** Message about them, of a journal that takes no more lines. */
  #lossText = ''

  /** Opens or creates the current segment, and makes sure of what was recovered. */
  constructor (
    options: JournalOptions<Head>, { head, first }: JournalStart<Head>, keeper: JournalKeeper = {}
  ) {
    const { names, format, fsync } = options
    this.#options = options
    this.#names = names
    this.#format = format
    this.#keeper = keeper
    this.#head = head
    this.#first = first
    this.#openedAt = existsSync(names.current)
      ? statSync(names.current).birthtimeMs || Date.now()
      : Date.now()
    this.#segment = new DurableFile(names.current, fsync)
    // Lines that were read may never have reached the disk.
    this.#segment.sync()
    syncDirectory(names.directory)
  }

  /** The head of the last line that is durable. */
  get head (): Head {
    return this.#head
  }

  /** Number of the first line of the current segment; `undefined` when it is empty. */
  get first (): number | undefined {
    return this.#first
  }

  /** Bytes of the current segment. */
  get segmentBytes (): number {
    return this.#segment?.size ?? 0
  }

  /** Whether something has been added to the current segment that this journal has not written. */
  get isForeign (): boolean {
    return this.#segment?.change === 'longer'
  }

  /** Lets go of the files as they are: another journal has written to them. */
  release (): void {
    this.#segment?.close()
    this.#segment = undefined
  }

  /**
   * Adds entries. They are durable when it returns. When it throws, `entries` keeps those that are not:
   * they can be given again and get the same lines.
   */
  append (entries: string[]): void {
    if (this.#options.wholeGroups === true) this.#appendWhole(entries)
    else while (entries.length > 0) entries.splice(0, this.#appendSome(entries))
  }

  /** Adds an entry of the journal's user to the current segment, without regard to its size. */
  note (entry: string): void {
    const { line, head } = this.#format.seal(entry, this.#head, this.#head)
    const bytes = Buffer.from(`${line}\n`)
    this.#write(this.#segment as DurableFile, bytes, head)
    this.#noteBytes += bytes.length
  }

  /** Waits until the disk has all lines, also where the options do not ask for that. */
  sync (): void {
    if (!this.#options.fsync) this.#segment?.sync()
  }

  /** Throws unless the disk takes `bytes` more; they are not kept. */
  probe (bytes: number): void {
    this.#readySegment().probe(bytes)
  }

  /** Takes out what a failed `append` may have left, so that its lines are not found after a crash. */
  discard (): void {
    this.#segment?.discard()
  }

  /** Closes the current segment under its final name, unless it is empty, and begins a new one. */
  rotate (): void {
    if (this.#segment?.change !== undefined) throw new Error(this.#leaveSegment(this.#segment))
    if (this.#first !== undefined) this.#rotate()
  }

  /** Finishes what others' changes ask for, and closes the files. `last` runs before that. */
  close (last: () => void = () => {}): void {
    try {
      // A loss is told in the journal, as before an entry.
      if (this.#segment?.change !== undefined) this.#leaveSegment(this.#segment)
      if (this.#lost !== undefined) this.#readySegment()
      last()
    } finally {
      this.release()
    }
  }

  /**
   * Returns the closed segments that are more than `keep`, oldest first, and the number of the first line
   * that stays.
   */
  surplus (keep: number): { readonly paths: readonly string[], readonly range: LineRange } | undefined {
    const closed = this.#names.listClosed()
    const paths = closed.slice(0, Math.max(0, closed.length - keep))
    if (paths.length === 0) return undefined
    const firstLeft = closed[paths.length]
    const next = firstLeft === undefined ? this.#first : this.#names.numberIn(firstLeft)
    const from = this.#names.numberIn(paths[0] as string) as number
    return { paths, range: { from, to: (next ?? this.#nextNumber) - 1 } }
  }

  /** Removes the closed segments whose lines all have numbers below `number`. */
  pruneBelow (number: number): void {
    const closed = this.#names.listClosed()
    for (const [i, path] of closed.entries()) {
      const after = closed[i + 1]
      const next = after === undefined ? this.#first ?? this.#nextNumber : this.#names.numberIn(after)
      if (next === undefined || next > number) return
      rmSync(path)
    }
  }

  get #nextNumber (): number {
    return this.#format.numberOf(this.#head) + 1
  }

  #appendWhole (entries: string[]): void {
    if (entries.length === 0) return
    if (this.#readySegment().size >= this.#options.maxBytes) this.#rotate()
    const segment = this.#segment as DurableFile
    const [size, head, first] = [segment.size, this.#head, this.#first]
    try {
      for (let done = 0; done < entries.length;) {
        done += this.#writeSome(segment, entries, done, MAX_WRITE_BYTES, false)
      }
    } catch (error) {
      segment.takeBack(size)
      this.#head = head
      this.#first = first
      throw error
    }
    entries.length = 0
  }

  /** Adds as many entries as the segment, or else a new one, has room for. Returns how many. */
  #appendSome (entries: readonly string[]): number {
    const segment = this.#readySegment()
    const room = Math.min(this.#options.maxBytes - segment.size, MAX_WRITE_BYTES)
    const count = this.#writeSome(segment, entries, 0, room, segment.size > this.#noteBytes)
    if (count === 0) this.#rotate()
    return count
  }

  /**
   * Adds the entries from `from` on that have room, in one write. Returns how many: none when the first one
   * has no room in a segment that is in use.
   */
  #writeSome (
    segment: DurableFile, entries: readonly string[], from: number, room: number, isInUse: boolean
  ): number {
    let lines = ''
    let bytes = 0
    let head = this.#head
    let count = 0
    for (; from + count < entries.length; count++) {
      const sealed = this.#format.seal(entries[from + count] as string, head, this.#head)
      const length = Buffer.byteLength(sealed.line) + 1
      if (length > this.#format.maxLineBytes + 1) {
        throw new RangeError(`a line of ${length} bytes is too long for the ${this.#names.title}`)
      }
      // A single line may be longer than a write; it is written in parts.
      const fits = bytes + length <= room || (bytes === 0 && segment.size + length <= this.#options.maxBytes)
      if (!fits && (isInUse || bytes > 0)) break
      lines += `${sealed.line}\n`
      bytes += length
      head = sealed.head
    }
    if (count > 0) this.#write(segment, Buffer.from(lines), head)
    return count
  }

  #write (segment: DurableFile, bytes: Uint8Array, head: Head): void {
    segment.append(bytes)
    this.#first ??= this.#nextNumber
    this.#head = head
  }

  /** Returns the segment to write to: a new one after a failed sync, and when the last one is too old. */
  #readySegment (): DurableFile {
    const isOld = this.#first !== undefined && Date.now() - this.#openedAt > this.#options.maxAgeMs
    if (this.#segment?.change !== undefined) throw new Error(this.#leaveSegment(this.#segment))
    if (this.#lost !== undefined && this.#keeper.lostEntry === undefined) throw new Error(this.#lossText)
    if (this.#segment === undefined || this.#segment.poisoned || isOld) this.#rotate()
    this.#tellLost()
    return this.#segment as DurableFile
  }

  /** Goes on after others have changed the segment. Returns a text that says what they have done. */
  #leaveSegment (segment: DurableFile): string {
    const { current, torn, title } = this.#names
    if (segment.change === 'longer') {
      const { bytes } = keepTail(current, segment.size, torn)
      segment.cut()
      return `${current} had ${bytes} bytes that are not of this ${title}: they are in ${torn}`
    }
    this.#keeper.onClosing?.()
    const isCut = segment.change === 'shorter'
    const kept = isCut ? this.#keepBeginning() : undefined
    const from = kept === undefined ? this.#first : kept + 1
    const to = this.#nextNumber - 1
    if (from !== undefined && from <= to) this.#lost = { from: this.#lost?.from ?? from, to }
    segment.close()
    this.#segment = undefined
    this.#first = undefined
    const changed = `${current} has been ${isCut ? 'cut' : 'removed or replaced'}`
    const lost = this.#lost === undefined ? '' : `: ${this.#lostText()}`
    const isEnd = this.#lost !== undefined && this.#keeper.lostEntry === undefined
    this.#lossText = `${changed}${lost}; ${freeName(current, title, isEnd)}`
    return this.#lossText
  }

  #lostText (): string {
    const { from, to } = this.#lost as LineRange
    return `lost to the ${this.#names.title}: ${from === to ? `entry ${from}` : `entries ${from} to ${to}`}`
  }

  /**
   * Closes what is left of a segment that was cut. Returns the number of its last line; `undefined` when
   * there is none.
   */
  #keepBeginning (): number | undefined {
    const { current, torn } = this.#names
    const { numberOf } = this.#format
    const kept = followLines(current, this.#format, {
      visit: (_line, head) => numberOf(head) < this.#nextNumber
    })
    const last = numberOf(kept.head)
    const first = last - kept.lines + 1
    // A file that begins with lines of another journal is none of this one.
    if (kept.lines > 0 && first !== this.#first) return undefined
    keepTail(current, kept.goodBytes, torn)
    cutTail(kept)
    if (kept.lines === 0) return undefined
    this.#renameCurrent(this.#names.closed(first))
    return last
  }

  /** States, first in a new segment, which lines others have taken away. */
  #tellLost (): void {
    if (this.#lost === undefined || this.#keeper.lostEntry === undefined) return
    this.note(this.#keeper.lostEntry(this.#lost))
    this.#lost = undefined
    this.#keeper.onLostTold?.()
  }

  /** Closes the segment under its final name and begins a new one. Can be repeated when it throws. */
  #rotate (): void {
    const { current, directory, title } = this.#names
    if (this.#segment !== undefined) {
      if (this.#segment.poisoned) this.#segment.cut()
      this.#keeper.onClosing?.()
      this.#segment.close()
      this.#segment = undefined
    }
    if (this.#first === undefined) setAside(current, title)
    else if (entryAt(current) !== undefined) this.#renameCurrent(this.#names.closed(this.#first))
    this.#first = undefined
    const segment = new DurableFile(current, this.#options.fsync)
    try {
      syncDirectory(directory)
    } catch (error) {
      segment.close()
      throw error
    }
    this.#segment = segment
    this.#noteBytes = 0
    this.#openedAt = Date.now()
    this.#tellLost()
    this.#keeper.onBegun?.()
  }

  #renameCurrent (closed: string): void {
    if (entryAt(closed) !== undefined) throw new Error(`${closed} exists already: move it away`)
    renameSync(this.#names.current, closed)
  }
}
