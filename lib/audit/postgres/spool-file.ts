import { rmSync } from 'node:fs'
import { dirname } from 'node:path'
import {
  DurableFile, keepTail, LineSplitter, readBytes, scanLines, syncDirectory, textOf, type RawLine
} from '@hamicek/noex-journal'
import { hashOf, parseLine, type ChainHead, type SealedEntry, type TrailLine } from '../chain/chain.js'
import { MAX_LINE_BYTES } from '../file/trail-lines.js'

/** Where the entries of a spool end. All of them are of one stream. */
export interface SpoolEnd extends ChainHead {
  readonly stream: string
}

/** A line of a spool, taken apart. */
interface SpoolLine extends TrailLine {
  readonly stream: string
  readonly entry: SealedEntry
}

/** Lines of a spool, and where the next one begins, in bytes. */
export interface SpoolPart {
  readonly lines: readonly string[]
  readonly next: number
}

/** What is read at a time: much more than a line can have. */
const CHUNK_BYTES = 1_048_576

/** The line of a spool, without line feed: the stream, and the line of a trail. */
export function spoolLine (stream: string, line: string): string {
  return `[${JSON.stringify(stream)},${line}]`
}

/** Reads a line of a spool; `undefined` when it is none. */
export function parseSpoolLine (text: string): SpoolLine | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(value) || value.length !== 2 || typeof value[0] !== 'string') return undefined
  const [stream, entry] = value as [string, SealedEntry]
  const line = parseLine(text.slice(JSON.stringify(stream).length + 2, -1))
  return line && { ...line, stream, entry }
}

/** The file of a spool. Everything is synchronous, so it belongs into a thread of its own. */
export class SpoolFile {
  readonly #path: string
  #file: DurableFile
  #generation = 0
  /** The end of what stood there at the start. */
  readonly end: SpoolEnd | undefined
  /** Bytes of a last write that never ended, which have been cut off at the start. */
  readonly torn: number

  /** Opens or creates it. Throws when it is damaged elsewhere than at its end. */
  constructor (path: string) {
    this.#path = path
    this.#file = new DurableFile(path, true)
    try {
      const { end, size } = this.#scan()
      this.end = end
      this.torn = this.#file.size - size
      // What was read may never have reached the disk.
      this.#file.cut(size)
      syncDirectory(dirname(path))
    } catch (error) {
      this.#file.close()
      throw error
    }
  }

  /** In bytes. */
  get size (): number {
    return this.#file.size
  }

  /**
   * Counts the files that there have been: another one begins when others have removed or cut it, without
   * what it had.
   */
  get generation (): number {
    return this.#generation
  }

  /**
   * Adds lines, each with its line feed. They are on the disk when it returns. Returns whether they begin
   * another file.
   */
  append (lines: string): boolean {
    const begun = this.#beginAnew()
    if (this.#file.poisoned) this.#renew()
    this.#file.append(Buffer.from(lines))
    return begun
  }

  /** The next lines of a generation from a position on, at most `maxLines`; none at its end. */
  read (generation: number, position: number, maxLines: number): SpoolPart {
    this.#beginAnew()
    if (generation !== this.#generation || position >= this.#file.size) return { lines: [], next: position }
    const part = readBytes(this.#path, position, Math.min(position + CHUNK_BYTES, this.#file.size))
    const lines = new LineSplitter(MAX_LINE_BYTES).push(part).slice(0, maxLines)
    let next = position
    const texts = lines.map(raw => {
      const text = textOf(raw)
      if (text === undefined) throw new Error(`${this.#path}: the spool is damaged`)
      next += (raw.bytes as Buffer).length + 1
      return text
    })
    return { lines: texts, next }
  }

  /** Removes everything of a generation, unless there is more than `size` by now. */
  clear (generation: number, size: number): boolean {
    if (this.#beginAnew() || generation !== this.#generation || size < this.#file.size) return false
    this.#file.cut(0)
    return true
  }

  close (): void {
    this.#file.close()
  }

  /**
   * Goes on in another file when others have removed or cut this one; what others have added to it is moved
   * aside. Returns whether it has.
   */
  #beginAnew (): boolean {
    const { change } = this.#file
    if (change === 'longer') {
      keepTail(this.#path, this.#file.size, `${this.#path}.torn`)
      this.#file.cut()
    }
    if (change === undefined || change === 'longer') return false
    const file = new DurableFile(this.#path, true)
    this.#file.close()
    this.#file = file
    // Lines that a cut has left do not join those to come, nor does a file that has been put there.
    keepTail(this.#path, 0, `${this.#path}.torn`)
    file.cut(0)
    syncDirectory(dirname(this.#path))
    this.#generation += 1
    return true
  }

  /** After a failed sync only a new file is as good as its word; what is in the old one is needed still. */
  #renew (): void {
    if (this.#file.size > 0) throw new Error(`${this.#path}: the disk has failed, and the spool is not empty`)
    this.#file.close()
    rmSync(this.#path, { force: true })
    this.#file = new DurableFile(this.#path, true)
    syncDirectory(dirname(this.#path))
  }

  /** Looks at every line: where the last good one ends. */
  #scan (): { readonly end: SpoolEnd | undefined, readonly size: number } {
    let end: SpoolEnd | undefined
    let size = 0
    let number = 0
    let torn: number | undefined
    scanLines(this.#path, 0, MAX_LINE_BYTES, raw => {
      number += 1
      const line = raw.ended ? followingLine(raw, end, torn !== undefined) : undefined
      if (line === undefined) {
        torn ??= number
        return true
      }
      if (torn !== undefined) throw new Error(`${this.#path}:${torn}: the spool is damaged`)
      end = { stream: line.stream, seq: line.seq, hash: line.hash }
      size += (raw.bytes as Buffer).length + 1
      return true
    })
    return { end, size }
  }
}

/** A line, if it follows the one before. After a damaged line, it is enough that it is one. */
function followingLine (
  raw: RawLine,
  previous: SpoolEnd | undefined,
  anywhere: boolean
): SpoolLine | undefined {
  const text = textOf(raw)
  const line = text === undefined ? undefined : parseSpoolLine(text)
  if (line === undefined || previous === undefined || anywhere) return line
  const follows =
    line.stream === previous.stream &&
    line.seq === previous.seq + 1 &&
    hashOf(line.body, previous.hash) === line.hash
  return follows ? line : undefined
}
