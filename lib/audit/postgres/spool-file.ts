import { rmSync } from 'node:fs'
import { dirname } from 'node:path'
import {
  DurableFile, keepTail, LineSplitter, readBytes, scanLines, syncDirectory, textOf, type RawLine
} from '@hamicek/noex-journal'
import {
  hashOf, MAX_LINE_BYTES, parseLine, type ChainHead, type SealedEntry, type TrailLine
} from '../chain/chain.js'

/** The last entry of a spool. All its entries are of one stream. */
export interface SpoolEnd extends ChainHead {
  readonly stream: string
}

/** A parsed line of a spool. */
interface SpoolLine extends TrailLine {
  readonly stream: string
  readonly entry: SealedEntry
}

/** Lines of a spool, and the position of the next one in bytes. */
export interface SpoolPart {
  readonly lines: readonly string[]
  readonly next: number
}

/** Bytes that are read at a time: much more than a line can have. */
const CHUNK_BYTES = 1_048_576

/** Returns a line of a spool without line feed: the stream and the line of a trail. */
export function spoolLine (stream: string, line: string): string {
  return `[${JSON.stringify(stream)},${line}]`
}

/** Parses a line of a spool; returns `undefined` when it is not one. */
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

/** The file of a spool. All calls are synchronous, so it belongs in a thread of its own. */
export class SpoolFile {
  readonly #path: string
  #file: DurableFile
  #generation = 0
  /** The last entry at the start; `undefined` when the file was empty. */
  readonly end: SpoolEnd | undefined
  /** Bytes of an incomplete write that were cut off at the start. */
  readonly cutBytes: number

  /** Opens or creates the file. Throws when it is damaged elsewhere than at its end. */
  constructor (path: string) {
    this.#path = path
    this.#file = new DurableFile(path, true)
    try {
      const { end, size } = this.#scan()
      this.end = end
      this.cutBytes = this.#file.size - size
      // The lines may have been read from the cache and not be on the disk yet.
      this.#file.cut(size)
      syncDirectory(dirname(path))
    } catch (error) {
      this.#file.close()
      throw error
    }
  }

  /** Size in bytes. */
  get size (): number {
    return this.#file.size
  }

  /**
   * Number of the current file: a new one begins, empty, when another process has removed or cut the last.
   */
  get generation (): number {
    return this.#generation
  }

  /**
   * Appends lines, each with its line feed; on return they are on the disk. Returns whether they begin a new
   * file.
   */
  append (lines: string): boolean {
    const begun = this.#beginAnew()
    if (this.#file.poisoned) this.#renew()
    this.#file.append(Buffer.from(lines))
    return begun
  }

  /** Reads at most `maxLines` of a generation from a position in bytes; none at its end. */
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

  /** Empties a generation unless it has more than `size` bytes. Returns whether it did. */
  clear (generation: number, size: number): boolean {
    if (this.#beginAnew() || generation !== this.#generation || size < this.#file.size) return false
    this.#file.cut(0)
    return true
  }

  close (): void {
    this.#file.close()
  }

  /**
   * Begins a new file when another process has removed or cut this one, and returns whether it did. Bytes
   * that another process has added are moved to `.torn`.
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
    // Lines that are left after a cut, or of a file that replaced this one, do not precede new lines.
    keepTail(this.#path, 0, `${this.#path}.torn`)
    file.cut(0)
    syncDirectory(dirname(this.#path))
    this.#generation += 1
    return true
  }

  /** Replaces an empty file after a failed sync. Throws when the file still has entries. */
  #renew (): void {
    if (this.#file.size > 0) throw new Error(`${this.#path}: the disk has failed, and the spool is not empty`)
    this.#file.close()
    rmSync(this.#path, { force: true })
    this.#file = new DurableFile(this.#path, true)
    syncDirectory(dirname(this.#path))
  }

  /** Reads every line and returns the end of the last good one. */
  #scan (): { readonly end: SpoolEnd | undefined, readonly size: number } {
    let end: SpoolEnd | undefined
    let size = 0
    let number = 0
    let bad: number | undefined
    scanLines(this.#path, 0, MAX_LINE_BYTES, raw => {
      number += 1
      const line = raw.ended ? followingLine(raw, end, bad !== undefined) : undefined
      if (line === undefined) {
        bad ??= number
        return true
      }
      if (bad !== undefined) throw new Error(`${this.#path}:${bad}: the spool is damaged`)
      end = { stream: line.stream, seq: line.seq, hash: line.hash }
      size += (raw.bytes as Buffer).length + 1
      return true
    })
    return { end, size }
  }
}

/**
 * Returns a line if it follows the one before; after a damaged line (`anywhere`), if it is a line of a spool.
 */
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
