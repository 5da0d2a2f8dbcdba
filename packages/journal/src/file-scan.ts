import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { LINE_FEED, LineSplitter, type RawLine } from './lines.js'
import { onOpen, withPath } from './system-error.js'

const CHUNK_BYTES = 1_048_576

/** Never through a symbolic link, and without waiting where it is a pipe. */
const readFlags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/**
 * Calls `use` with an open file and its size in bytes; returns `undefined` when there is no file. Throws
 * when it is none.
 */
function withFile<T> (path: string, use: (fd: number, size: number) => T): T | undefined {
  let fd: number
  try {
    fd = onOpen(path, () => openSync(path, readFlags))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw new Error(`${path} is not a file: move it away`)
    return use(fd, stats.size)
  } catch (error) {
    throw (error as NodeJS.ErrnoException).syscall === 'read' ? withPath(path, error) : error
  } finally {
    closeSync(fd)
  }
}

/** Returns the size of a file in bytes; `undefined` when there is none. */
export function sizeOf (path: string): number | undefined {
  return withFile(path, (_fd, size) => size)
}

/** Returns the bytes of a file from `start` up to but without `end`, as far as there are any. */
export function readBytes (path: string, start: number, end: number): Buffer {
  return withFile(path, (fd, size) => readAt(fd, start, Math.min(end, size))) ?? Buffer.alloc(0)
}

/**
 * Calls `visit` for each line of a file until it returns false. Holds one chunk and one line of at most
 * `maxLineBytes` at a time.
 */
export function scanLines (
  path: string, start: number, maxLineBytes: number, visit: (line: RawLine) => boolean
): void {
  withFile(path, (fd, size) => {
    const splitter = new LineSplitter(maxLineBytes)
    for (let at = start; at < size; at += CHUNK_BYTES) {
      const chunk = readAt(fd, at, Math.min(at + CHUNK_BYTES, size))
      for (const line of splitter.push(chunk)) if (!visit(line)) return
    }
    for (const line of splitter.end()) if (!visit(line)) return
  })
}

/**
 * Calls `visit` for each line of a file, the last one first, until it returns false. Holds one chunk and one
 * line of at most `maxLineBytes` at a time.
 */
export function scanLinesBackwards (
  path: string, maxLineBytes: number, visit: (line: RawLine) => boolean
): void {
  withFile(path, (fd, size) => {
    // Of the line that is being gathered, the last part first.
    let parts: Buffer[] = []
    let bytes = 0
    let isLast = true
    const take = (part: Buffer): boolean => {
      bytes += part.length
      const line = bytes > maxLineBytes ? undefined : joined(part, parts)
      const goesOn = (isLast && bytes === 0) || visit({ bytes: line, ended: !isLast })
      isLast = false
      parts = []
      bytes = 0
      return goesOn
    }
    for (let end = size; end > 0; end -= CHUNK_BYTES) {
      const chunk = readAt(fd, Math.max(0, end - CHUNK_BYTES), end)
      let to = chunk.length
      for (let at = lineFeedBefore(chunk, to); at !== -1; at = lineFeedBefore(chunk, to)) {
        if (!take(chunk.subarray(at + 1, to))) return
        to = at
      }
      bytes += to
      if (bytes > maxLineBytes) parts = []
      else parts.push(chunk.subarray(0, to))
    }
    take(Buffer.alloc(0))
  })
}

/** Puts together a line from its beginning and its other parts, the last one first. */
function joined (beginning: Buffer, rest: readonly Buffer[]): Buffer {
  return rest.length === 0 ? beginning : Buffer.concat([beginning, ...rest.toReversed()])
}

function lineFeedBefore (chunk: Buffer, end: number): number {
  return end === 0 ? -1 : chunk.lastIndexOf(LINE_FEED, end - 1)
}

function readAt (fd: number, start: number, end: number): Buffer {
  const buffer = Buffer.alloc(Math.max(0, end - start))
  let read = 0
  while (read < buffer.length) {
    const bytes = readSync(fd, buffer, read, buffer.length - read, start + read)
    if (bytes === 0) break
    read += bytes
  }
  return buffer.subarray(0, read)
}
