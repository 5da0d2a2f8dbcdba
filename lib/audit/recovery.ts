import { emptyChain, hashOf, parseLine, type ChainHead } from './chain.js'
import { parseCheckpointLine, type Checkpoint } from './checkpoint.js'
import { DurableFile } from './durable-file.js'
import { readBytes, scanLines, sizeOf } from './file-scan.js'
import { seqInName, type TrailFiles } from './segments.js'
import { MAX_LINE_BYTES, textOf } from './trail-lines.js'

/** The longest write, in bytes, and so the longest tail that a crash can leave half written. */
export const MAX_WRITE_BYTES = 4_194_304
const LF = 0x0a

/** Where a trail goes on. */
export interface Recovered {
  readonly head: ChainHead
  /** The number of the first entry of the current segment; `undefined` when it is empty. */
  readonly firstSeq: number | undefined
  /** What was cut off, because a crash had left it half written. */
  readonly torn: { readonly bytes: number, readonly lines: number } | undefined
  readonly lastCheckpoint: Checkpoint | undefined
}

/** How much of a file is good. */
interface Extent {
  readonly path: string
  readonly size: number
  readonly goodBytes: number
}

interface Chain extends Extent {
  readonly head: ChainHead
  /** Good lines. */
  readonly lines: number
}

/**
 * Reads the end of a trail and repairs what a crash has left: a last write that is incomplete is moved to `.torn`.
 * Throws, and changes nothing, when something is wrong that no crash explains. It reads the current segment whole and
 * of other files the ends, and holds a few MiB at a time.
 */
export function recoverTrail (files: TrailFiles): Recovered {
  const checkpoints = examineCheckpoints(files.checkpoints)
  const lastCheckpoint = checkpoints.last
  const firstSeq = firstSeqOf(files.current)
  refuseMissing(files)
  const closed = examineClosed(files, firstSeq)
  const before = closed?.head ?? headWithoutClosed(files, firstSeq, lastCheckpoint)
  if (firstSeq !== undefined && firstSeq !== before.seq + 1) {
    throw new Error(`${files.current}, line 1: it is entry ${firstSeq}, but what comes before it ends with entry ${before.seq}`)
  }
  const current = followChain(files.current, 0, before, lastCheckpoint)
  refuseUnlessTorn(current, lastCheckpoint)
  if (lastCheckpoint !== undefined && lastCheckpoint.seq > current.head.seq) {
    throw new Error(`${files.current} ends with entry ${current.head.seq}, but a checkpoint names ${lastCheckpoint.seq}: entries are missing`)
  }

  const tails = [current]
  // What the current segment repeats was moved there after a failed sync.
  if (closed !== undefined && !isRepeated(closed, files.current)) {
    if (!isTorn(closed)) throw new Error(`${closed.path}: the closed segment is damaged at its end`)
    tails.unshift(closed)
  }
  const torn = Buffer.concat(tails.map(({ path, size, goodBytes }) => readBytes(path, goodBytes, size)))
  if (torn.length > 0) keepTorn(files.torn, torn)
  for (const extent of [closed, current, checkpoints]) if (extent !== undefined) cutTail(extent)
  return {
    head: current.head,
    firstSeq: current.lines === 0 ? undefined : firstSeq,
    torn: torn.length === 0 ? undefined : { bytes: torn.length, lines: torn.filter(byte => byte === LF).length },
    lastCheckpoint
  }
}

function refuseUnlessTorn (chain: Chain, lastCheckpoint: Checkpoint | undefined): void {
  const { path, head, lines } = chain
  const isOld = lastCheckpoint !== undefined && head.seq < lastCheckpoint.seq
  if (!isTorn(chain) || (isOld && chain.size > chain.goodBytes)) {
    throw new Error(`${path}, line ${lines + 1}: the trail is damaged; move its files away to begin a new one`)
  }
}

/**
 * Whether a crash explains what lies behind the good bytes. A process that is killed leaves the beginning of a write: good
 * lines, and then less than a line. After a loss of power, parts of the last write can be missing: they read as zeros.
 * Lines that are whole and do not fit were put there, or changed, by somebody.
 */
function isTorn ({ path, size, goodBytes }: Extent): boolean {
  if (size - goodBytes > MAX_WRITE_BYTES) return false
  const tail = readBytes(path, goodBytes, size)
  return !tail.includes(LF) || tail.includes(0)
}

/** Finds the last checkpoint. A line that a crash has left incomplete may follow it. */
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

function firstSeqOf (path: string): number | undefined {
  let seq: number | undefined
  scanLines(path, 0, line => {
    seq = line.ended ? parseLine(textOf(line) ?? '')?.seq : undefined
    return false
  })
  return seq
}

/** Throws when a closed segment does not end where the next one begins. Of each, the end is read. */
function refuseMissing (files: TrailFiles): void {
  let previous: string | undefined
  for (const path of files.listClosed()) {
    const before = previous === undefined ? undefined : lastSeqOf(previous)
    const first = seqInName(path) as number
    if (previous !== undefined && (before === undefined || before < first - 1)) {
      throw new Error(`${previous} ends with entry ${before ?? '?'}, but ${path} begins with entry ${first}: entries are missing`)
    }
    previous = path
  }
}

/** The number of the last whole line; a repeated tail may lie behind those that the next segment begins with. */
function lastSeqOf (path: string): number | undefined {
  const size = sizeOf(path) ?? 0
  const tail = readBytes(path, Math.max(0, size - 2 * MAX_LINE_BYTES), size)
  const end = tail.lastIndexOf(LF)
  if (end === -1) return undefined
  return parseLine(tail.subarray(tail.lastIndexOf(LF, end - 1) + 1, end).toString())?.seq
}

/** The end of the last closed segment, up to where the current one begins. */
function examineClosed (files: TrailFiles, firstSeqAfter: number | undefined): Chain | undefined {
  const path = files.listClosed().at(-1)
  if (path === undefined) return undefined
  const size = sizeOf(path) ?? 0
  let start = Math.max(0, size - MAX_WRITE_BYTES - 2 * MAX_LINE_BYTES)
  // From the middle of a file, the first line feed is where lines begin.
  if (start > 0) start += readBytes(path, start, start + MAX_LINE_BYTES + 1).indexOf(LF) + 1
  const chain = followChain(path, start, undefined, undefined, firstSeqAfter)
  if (chain.lines === 0) throw new Error(`${path}: the closed segment is damaged at its end`)
  return chain
}

/** Where the trail stood before the current segment when all before it has been removed: a checkpoint remains. */
function headWithoutClosed (files: TrailFiles, firstSeq: number | undefined, lastCheckpoint: Checkpoint | undefined): ChainHead {
  if (firstSeq === undefined || firstSeq === 1) return emptyChain
  let found: Checkpoint | undefined = lastCheckpoint?.seq === firstSeq - 1 ? lastCheckpoint : undefined
  if (found === undefined) {
    scanLines(files.checkpoints, 0, line => {
      const checkpoint = parseCheckpointLine(textOf(line) ?? '')
      if (checkpoint?.seq === firstSeq - 1) found = checkpoint
      return found === undefined
    })
  }
  if (found === undefined) throw new Error(`${files.current}: the segment before it is missing`)
  return found
}

/**
 * Follows a chain through the lines of a file as far as it holds, and at most up to the entry before `endSeq`.
 * Without `before`, the first line is taken as it is. A checkpoint ends it where it states another hash.
 */
function followChain (path: string, start: number, before: ChainHead | undefined, checkpoint: Checkpoint | undefined, endSeq = Infinity): Chain {
  let head = before
  let goodBytes = start
  let lines = 0
  scanLines(path, start, raw => {
    const line = raw.ended ? parseLine(textOf(raw) ?? '') : undefined
    if (line === undefined || line.seq >= endSeq) return false
    // The very first line of a trail needs nothing before it.
    const previous = head ?? (line.seq === 1 ? emptyChain : undefined)
    if (previous !== undefined && (line.seq !== previous.seq + 1 || hashOf(line.body, previous.hash) !== line.hash)) return false
    if (line.seq === checkpoint?.seq && line.hash !== checkpoint.hash) return false
    head = { seq: line.seq, hash: line.hash }
    goodBytes += (raw.bytes as Buffer).length + 1
    lines++
    return true
  })
  return { path, size: sizeOf(path) ?? 0, goodBytes, head: head ?? emptyChain, lines }
}

/** Whether what is behind the good bytes also begins another file. */
function isRepeated ({ path, size, goodBytes }: Extent, other: string): boolean {
  const tail = readBytes(path, goodBytes, size)
  return tail.equals(readBytes(other, 0, tail.length))
}

function keepTorn (path: string, bytes: Uint8Array): void {
  const file = new DurableFile(path, true)
  try {
    file.append(bytes)
  } finally {
    file.close()
  }
}

function cutTail ({ path, size, goodBytes }: Extent): void {
  if (size === goodBytes) return
  const file = new DurableFile(path, true)
  try {
    file.cut(goodBytes)
  } finally {
    file.close()
  }
}
