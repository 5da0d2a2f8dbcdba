import {
  cutTail, followLines, isRepeated, isTorn, keepTail, LINE_FEED as LF, MAX_WRITE_BYTES, readBytes, scanLines,
  sizeOf, textOf, type Extent, type Followed
} from '@hamicek/noex-journal'
import {
  emptyChain, MAX_LINE_BYTES, nameEntries, parseLine, type ChainHead, type EntryRange
} from '../chain/chain.js'
import { parseCheckpointLine, type Checkpoint } from '../chain/checkpoint.js'
import { seqInName, type TrailFiles } from './segments.js'
import { trailFormat } from './trail-lines.js'
import { parseNote } from './trail-notes.js'

type Chain = Followed<ChainHead>

/** The end of a trail after its recovery. */
export interface Recovered {
  readonly head: ChainHead
  /** The number of the first entry of the current segment; `undefined` when it is empty. */
  readonly firstSeq: number | undefined
  /** Incomplete lines of a crash that were cut off. */
  readonly cut: { readonly bytes: number, readonly lines: number } | undefined
  readonly lastCheckpoint: Checkpoint | undefined
  /** The number of the oldest entry; of the next one when there is none. */
  readonly oldestSeq: number
}

/**
 * Reads the end of a trail and repairs it after a crash: an incomplete last write is moved to `.torn`. Reads
 * the current segment whole and the ends of other files, and holds a few MiB at a time.
 * @throws when the trail has damage that no crash explains; nothing is changed then
 */
export function recoverTrail (files: TrailFiles): Recovered {
  const checkpoints = examineCheckpoints(files.checkpoints)
  const lastCheckpoint = checkpoints.last
  const { firstSeq, lost } = beginningOf(files.current)
  refuseMissing(files)
  const closed = examineClosed(files, firstSeq)
  refuseUncovered(files, closed, lastCheckpoint)
  const before = headBefore(files, closed?.head, firstSeq, lost, lastCheckpoint)
  if (firstSeq !== undefined && firstSeq !== before.seq + 1) {
    throw new Error(`${files.current}, line 1: it is entry ${firstSeq}, ` +
      `but what comes before it ends with entry ${before.seq}`)
  }
  const current = followLines(files.current, trailFormat, {
    before,
    // A checkpoint with another hash ends the good part.
    visit: (_line, { seq, hash }) => seq !== lastCheckpoint?.seq || hash === lastCheckpoint.hash
  })
  refuseUnlessTorn(current, lastCheckpoint)
  if (lastCheckpoint !== undefined && lastCheckpoint.seq > current.head.seq) {
    throw new Error(`${files.current} ends with entry ${current.head.seq}, ` +
      `but a checkpoint names ${lastCheckpoint.seq}: entries are missing`)
  }

  const tails = [current]
  // Lines that the current segment repeats were moved there after a failed sync.
  if (closed !== undefined && !isRepeated(closed, files.current)) {
    if (!isTorn(closed, trailFormat)) {
      throw new Error(`${closed.path}: the closed segment is damaged at its end`)
    }
    tails.unshift(closed)
  }
  const cut = { bytes: 0, lines: 0 }
  for (const { path, goodBytes } of tails) {
    const { bytes, lines } = keepTail(path, goodBytes, files.torn)
    cut.bytes += bytes
    cut.lines += lines
  }
  for (const extent of [closed, current, checkpoints]) if (extent !== undefined) cutTail(extent)
  return {
    head: current.head,
    firstSeq: current.lines === 0 ? undefined : firstSeq,
    cut: cut.bytes === 0 ? undefined : cut,
    lastCheckpoint,
    oldestSeq: oldestSeq(files) ?? firstSeq ?? current.head.seq + 1
  }
}

function refuseUnlessTorn (chain: Chain, lastCheckpoint: Checkpoint | undefined): void {
  const { path, head, lines } = chain
  const isOld = lastCheckpoint !== undefined && head.seq < lastCheckpoint.seq
  if (!isTorn(chain, trailFormat) || (isOld && chain.size > chain.goodBytes)) {
    throw new Error(
      `${path}, line ${lines + 1}: the trail is damaged; move its files away to begin a new one`
    )
  }
}

/** Finds the last checkpoint. An incomplete line of a crash may follow it. */
function examineCheckpoints (path: string): Extent & { readonly last: Checkpoint | undefined } {
  const size = sizeOf(path) ?? 0
  const start = Math.max(0, size - 2 * MAX_LINE_BYTES)
  const tail = readBytes(path, start, size)
  const end = tail.lastIndexOf(LF) + 1
  if (end === 0) {
    if (start > 0) throw new Error(`${path}: the last checkpoint is damaged`)
    return { path, size, goodBytes: 0, last: undefined }
  }
  const line = tail.subarray(tail.subarray(0, end - 1).lastIndexOf(LF) + 1, end - 1).toString()
  const last = parseCheckpointLine(line)
  if (last === undefined) throw new Error(`${path}: the last checkpoint is damaged`)
  return { path, size, goodBytes: start + end, last }
}

/** The beginning of a segment. */
interface Beginning {
  /** Number of the first entry; `undefined` when there is none. */
  readonly firstSeq: number | undefined
  /** The entries before it that are lost, as the first entry records. */
  readonly lost: EntryRange | undefined
}

function beginningOf (path: string): Beginning {
  let found: Beginning = { firstSeq: undefined, lost: undefined }
  scanLines(path, 0, MAX_LINE_BYTES, raw => {
    const text = raw.ended ? textOf(raw) ?? '' : ''
    const note = parseNote(text)
    found = {
      firstSeq: parseLine(text)?.seq,
      lost: note?.operation === 'audit.lost' ? note.range : undefined
    }
    return false
  })
  return found
}

/** Returns the number of the oldest entry of the closed segments. */
function oldestSeq (files: TrailFiles): number | undefined {
  const [oldest] = files.listClosed()
  return oldest === undefined ? undefined : seqInName(oldest)
}

/**
 * Throws when entries are missing between two closed segments and no entry records that. Reads their ends.
 */
function refuseMissing (files: TrailFiles): void {
  let previous: string | undefined
  for (const path of files.listClosed()) {
    const before = previous === undefined ? undefined : lastSeqOf(previous)
    const first = seqInName(path) as number
    const isGap = previous !== undefined && (before === undefined || before < first - 1)
    if (isGap && !isRecorded(beginningOf(path), before)) {
      const missing = before === undefined ? 'entries' : nameEntries({ from: before + 1, to: first - 1 })
      const ends = `${previous} ends with entry ${before ?? '?'}`
      throw new Error(`${missing} are missing: ${ends}, but ${path} begins with entry ${first}`)
    }
    previous = path
  }
}

/** Returns whether the missing entries before a segment are those that its first entry records as lost. */
function isRecorded ({ firstSeq, lost }: Beginning, before: number | undefined): boolean {
  if (before === undefined || firstSeq === undefined) return false
  return lost?.from === before + 1 && lost.to === firstSeq - 1
}

/** Throws when no checkpoint states the end of the last closed segment: closing makes one. */
function refuseUncovered (files: TrailFiles, closed: Chain | undefined, last: Checkpoint | undefined): void {
  if (closed === undefined || (last !== undefined && last.seq >= closed.head.seq)) return
  const stated = last === undefined ? 'nothing' : `entry ${last.seq} last`
  throw new Error(`${files.checkpoints} states ${stated}, but ${closed.path} ` +
    `was closed with entry ${closed.head.seq}: checkpoints are missing`)
}

/** Returns the number of the last complete line. It may be one that the next segment repeats. */
function lastSeqOf (path: string): number | undefined {
  const size = sizeOf(path) ?? 0
  const tail = readBytes(path, Math.max(0, size - 2 * MAX_LINE_BYTES), size)
  const end = tail.lastIndexOf(LF)
  if (end === -1) return undefined
  return parseLine(tail.subarray(tail.lastIndexOf(LF, end - 1) + 1, end).toString())?.seq
}

/** Reads the end of the last closed segment, up to the beginning of the current one. */
function examineClosed (files: TrailFiles, firstSeqAfter: number | undefined): Chain | undefined {
  const path = files.listClosed().at(-1)
  if (path === undefined) return undefined
  const size = sizeOf(path) ?? 0
  let start = Math.max(0, size - MAX_WRITE_BYTES - 2 * MAX_LINE_BYTES)
  // Starting in the middle of a file, the first line begins after the first line feed.
  if (start > 0) start += readBytes(path, start, start + MAX_LINE_BYTES + 1).indexOf(LF) + 1
  const chain = followLines(path, trailFormat, {
    start,
    visit: (_line, { seq }) => seq < (firstSeqAfter ?? Infinity)
  })
  if (chain.lines === 0) throw new Error(`${path}: the closed segment is damaged at its end`)
  return chain
}

/**
 * Returns the last entry before the current segment: of the segment before it or, when that is gone, of a
 * checkpoint.
 */
function headBefore (
  files: TrailFiles,
  closed: ChainHead | undefined,
  firstSeq: number | undefined,
  lost: EntryRange | undefined,
  lastCheckpoint: Checkpoint | undefined
): ChainHead {
  if (firstSeq === undefined || firstSeq === 1) return closed ?? emptyChain
  if (closed !== undefined && !isRecorded({ firstSeq, lost }, closed.seq)) return closed
  let found: Checkpoint | undefined = lastCheckpoint?.seq === firstSeq - 1 ? lastCheckpoint : undefined
  if (found === undefined) {
    scanLines(files.checkpoints, 0, MAX_LINE_BYTES, line => {
      const checkpoint = parseCheckpointLine(textOf(line) ?? '')
      if (checkpoint?.seq === firstSeq - 1) found = checkpoint
      return found === undefined
    })
  }
  if (found === undefined) throw new Error(`${files.current}: the segment before it is missing`)
  return found
}
