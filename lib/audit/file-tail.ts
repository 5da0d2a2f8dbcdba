import { emptyChain, hashOf, parseLine, type ChainHead, type TrailLine } from './chain.js'
import type { Checkpoint } from './checkpoint.js'
import { DurableFile } from './durable-file.js'
import { readBytes, scanLines, sizeOf } from './file-scan.js'
import { textOf } from './trail-lines.js'

const CHUNK_BYTES = 1_048_576

/** How much of a file is good. */
export interface Extent {
  readonly path: string
  readonly size: number
  readonly goodBytes: number
}

export interface Chain extends Extent {
  readonly head: ChainHead
  /** Good lines. */
  readonly lines: number
}

/**
 * Follows a chain through the lines of a file as far as it holds, and at most up to the entry before
 * `endSeq`. Without `before`, the first line is taken as it is. A checkpoint ends it where it states another
 * hash.
 */
export function followChain (
  path: string,
  start: number,
  before: ChainHead | undefined,
  checkpoint: Checkpoint | undefined,
  endSeq = Infinity
): Chain {
  let head = before
  let goodBytes = start
  let lines = 0
  scanLines(path, start, raw => {
    const line = raw.ended ? parseLine(textOf(raw) ?? '') : undefined
    if (line === undefined || line.seq >= endSeq) return false
    // The very first line of a trail needs nothing before it.
    const previous = head ?? (line.seq === 1 ? emptyChain : undefined)
    if (previous !== undefined && !follows(line, previous)) {
      return false
    }
    if (line.seq === checkpoint?.seq && line.hash !== checkpoint.hash) return false
    head = { seq: line.seq, hash: line.hash }
    goodBytes += (raw.bytes as Buffer).length + 1
    lines++
    return true
  })
  return { path, size: sizeOf(path) ?? 0, goodBytes, head: head ?? emptyChain, lines }
}

/** Whether a line is the next one of a chain. */
function follows ({ seq, hash, body }: TrailLine, previous: ChainHead): boolean {
  return seq === previous.seq + 1 && hashOf(body, previous.hash) === hash
}

/**
 * Copies what lies behind `start` to the end of another file. Returns how many bytes. Holds one chunk at a
 * time.
 */
export function keepTail (path: string, start: number, torn: string): number {
  const end = sizeOf(path) ?? 0
  if (end <= start) return 0
  const file = new DurableFile(torn, true)
  try {
    for (let at = start; at < end; at += CHUNK_BYTES) {
      file.append(readBytes(path, at, Math.min(at + CHUNK_BYTES, end)))
    }
  } finally {
    file.close()
  }
  return end - start
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
