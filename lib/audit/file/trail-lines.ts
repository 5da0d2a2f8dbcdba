import { open, type FileHandle } from 'node:fs/promises'
import { LINE_FEED, LineSplitter, type JournalFormat, type RawLine } from '@hamicek/noex-journal'
import { emptyChain, hashOf, MAX_LINE_BYTES, parseLine, seal, type ChainHead } from '../chain/chain.js'

/** A range of bytes, `end` excluded. Absent bounds are those of the file. */
export interface ByteRange {
  readonly start?: number
  readonly end?: number
}

/** Reads a file by lines, all lines of a chunk at a time. A handle stays open. */
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
      // Each chunk has its own memory: the lines refer to it.
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
 * Finds the position of the last `count` lines of a file, in bytes, and their number, which is lower when the
 * file has fewer. Reads backwards from the end, no more than needed.
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

/**
 * The format of a trail for its journal: each line has the number and the hash that chain it to the one
 * before.
 */
export const trailFormat: JournalFormat<ChainHead> = {
  start: emptyChain,
  maxLineBytes: MAX_LINE_BYTES,
  numberOf: ({ seq }) => seq,
  seal (json, previous) {
    const { line, seq, hash } = seal(json, previous)
    return { line, head: { seq, hash } }
  },
  follow (text, before) {
    const line = parseLine(text)
    if (line === undefined) return undefined
    const { seq, hash, body } = line
    // The first line of a trail has no line before it.
    const previous = before ?? (seq === 1 ? emptyChain : undefined)
    const follows = previous === undefined ||
      (seq === previous.seq + 1 && hashOf(body, previous.hash) === hash)
    return follows ? { seq, hash } : undefined
  }
}
