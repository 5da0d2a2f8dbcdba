import { open, type FileHandle } from 'node:fs/promises'
import { LINE_FEED, LineSplitter, type RawLine } from '@hamicek/noex-journal'

/** Longer lines are none of a trail; they are passed over and never held. In bytes, without line feed. */
export const MAX_LINE_BYTES = 65_536

/** Which bytes of a file are read: from `start` up to but without `end`; absent: all. */
export interface ByteRange {
  readonly start?: number
  readonly end?: number
}

/** Reads a file by lines, as many at a time as a chunk has. A handle that is given stays open. */
export async function * readLines (
  file: string | FileHandle,
  { start = 0, end = Infinity }: ByteRange = {}
): AsyncGenerator<RawLine[], void, undefined> {
  const splitter = new LineSplitter(MAX_LINE_BYTES)
  for await (const chunk of readChunks(file, start, end)) yield splitter.push(chunk)
  yield splitter.end()
}

async function * readChunks (
  file: string | FileHandle,
  start: number,
  end: number
): AsyncGenerator<Buffer, void, undefined> {
  const handle = typeof file === 'string' ? await open(file, 'r') : file
  try {
    let position = start
    while (position < end) {
      // Each chunk has its own memory, because the lines are parts of it.
      const buffer = Buffer.allocUnsafeSlow(Math.min(MAX_LINE_BYTES, end - position))
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position)
      if (bytesRead === 0) return
      position += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    if (handle !== file) await handle.close()
  }
}

/**
 * Where the last `count` lines of a file begin, in bytes, and how many there are: fewer only when the file
 * has fewer. Reads from the end, no more than needed.
 */
export async function findLastLines (file: string, count: number): Promise<{ start: number, lines: number }> {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    if (size === 0 || count === 0) return { start: size, lines: 0 }
    let lines = 0
    // The line feed of the last line begins no other line.
    for (let end = size - 1; end > 0;) {
      const start = Math.max(0, end - MAX_LINE_BYTES)
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(end - start), 0, end - start, start)
      for (let at = lastLineFeed(buffer, bytesRead); at !== -1; at = lastLineFeed(buffer, at)) {
        lines += 1
        if (lines === count) return { start: start + at + 1, lines }
      }
      end = start
    }
    return { start: 0, lines: lines + 1 }
  } finally {
    await handle.close()
  }
}

function lastLineFeed (buffer: Buffer, before: number): number {
  return before === 0 ? -1 : buffer.lastIndexOf(LINE_FEED, before - 1)
}
