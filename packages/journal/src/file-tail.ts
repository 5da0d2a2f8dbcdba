import { DurableFile } from './durable-file.js'
import { readBytes, scanLines, sizeOf } from './file-scan.js'
import type { JournalFormat } from './format.js'
import { LINE_FEED, textOf } from './lines.js'

/** Longest write of several lines, in bytes, and so the longest tail of several that a crash can leave. */
export const MAX_WRITE_BYTES = 4_194_304
const CHUNK_BYTES = 1_048_576

/** How much of a file is good. */
export interface Extent {
  readonly path: string
  /** Bytes of the file. */
  readonly size: number
  readonly goodBytes: number
}

/** The lines of a file that follow one another. */
export interface Followed<Head> extends Extent {
  /** That of the last good line; the one before it where there is none. */
  readonly head: Head
  /** Good lines. */
  readonly lines: number
}

interface FollowOptions<Head> {
  /** Byte of the file at which a line begins. */
  readonly start?: number
  /** Head before the first line; `undefined` takes the first line as it is. */
  readonly before?: Head | undefined
  /** Returns false at a line at which the file counts as ended. */
  readonly visit?: (line: string, head: Head) => boolean
}

/** Follows the lines of a file as far as they follow one another. Holds a chunk and a line at a time. */
export function followLines<Head> (
  path: string, format: JournalFormat<Head>, { start = 0, before, visit }: FollowOptions<Head> = {}
): Followed<Head> {
  let head = before
  let goodBytes = start
  let lines = 0
  scanLines(path, start, format.maxLineBytes, raw => {
    const text = raw.ended ? textOf(raw) : undefined
    const next = text === undefined ? undefined : format.follow(text, head)
    if (text === undefined || next === undefined || visit?.(text, next) === false) return false
    head = next
    goodBytes += (raw.bytes as Buffer).length + 1
    lines++
    return true
  })
  return { path, size: sizeOf(path) ?? 0, goodBytes, head: head ?? format.start, lines }
}

/**
 * Returns whether a crash explains what lies behind the good bytes. A process that is killed leaves the
 * beginning of a write: good lines, and then less than a line. After a loss of power, parts of the last
 * write can be missing: they read as zeros, and good lines may stand behind them. Lines that are whole and
 * do not follow were put there, or the one before them was changed.
 */
export function isTorn<Head> (
  { path, size, goodBytes, head }: Followed<Head>, format: JournalFormat<Head>
): boolean {
  const { judge, maxLineBytes } = format
  const length = size - goodBytes
  if (length > Math.max(MAX_WRITE_BYTES, maxLineBytes + 1)) return false
  const tail = readBytes(path, goodBytes, size)
  const firstEnd = tail.indexOf(LINE_FEED)
  // A longer write than that was one line.
  if (length > MAX_WRITE_BYTES && firstEnd !== -1 && firstEnd < length - 1) return false
  if (judge === undefined) return firstEnd === -1 || tail.includes(0)
  const firstZero = tail.indexOf(0)
  for (let at = 0, end = firstEnd; end !== -1; at = end + 1, end = tail.indexOf(LINE_FEED, at)) {
    const text = textOf({ bytes: tail.subarray(at, end), ended: true })
    const verdict = text === undefined ? 'broken' : judge(text, head)
    const isBehindHole = firstZero !== -1 && firstZero < at
    if (verdict === 'proof' || (verdict === 'whole' && !isBehindHole)) return false
  }
  return true
}

/** Returns whether what is behind the good bytes also begins another file, as after a failed sync. */
export function isRepeated ({ path, size, goodBytes }: Extent, other: string): boolean {
  const length = size - goodBytes
  if (length > (sizeOf(other) ?? 0)) return false
  for (let at = 0; at < length; at += CHUNK_BYTES) {
    const end = Math.min(at + CHUNK_BYTES, length)
    if (!readBytes(path, goodBytes + at, goodBytes + end).equals(readBytes(other, at, end))) return false
  }
  return true
}

/**
 * Copies what lies behind `start` to the end of another file. Returns how many bytes and line feeds. Holds
 * one chunk at a time.
 */
export function keepTail (path: string, start: number, torn: string): { bytes: number, lines: number } {
  const end = sizeOf(path) ?? 0
  let lines = 0
  if (end <= start) return { bytes: 0, lines }
  const file = new DurableFile(torn, true)
  try {
    for (let at = start; at < end; at += CHUNK_BYTES) {
      const chunk = readBytes(path, at, Math.min(at + CHUNK_BYTES, end))
      lines += chunk.filter(byte => byte === LINE_FEED).length
      file.append(chunk)
    }
  } finally {
    file.close()
  }
  return { bytes: end - start, lines }
}

/** Cuts off what lies behind the good bytes of a file. */
export function cutTail ({ path, size, goodBytes }: Extent): void {
  if (size === goodBytes) return
  const file = new DurableFile(path, true)
  try {
    file.cut(goodBytes)
  } finally {
    file.close()
  }
}
