import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs'
import { emptyChain, hashOf, parseLine, type ChainHead } from './chain.js'
import { parseCheckpointLine, type Checkpoint } from './checkpoint.js'
import type { TrailFiles } from './segments.js'

/** What is cut off at most: no write is longer. */
const MAX_TORN_BYTES = 8_388_608

/** Where a trail goes on. */
export interface Recovered {
  readonly head: ChainHead
  /** The number of the first entry of the current segment; `undefined` when it is empty. */
  readonly firstSeq: number | undefined
  /** What was cut off, because a crash had left it half written. */
  readonly torn: { readonly bytes: number, readonly lines: number } | undefined
  readonly lastCheckpoint: Checkpoint | undefined
}

interface Scan {
  readonly head: ChainHead
  readonly firstSeq: number | undefined
  /** Bytes of whole, good lines. */
  readonly goodBytes: number
  readonly lines: number
}

const LF = 0x0a

/**
 * Reads the end of a trail and repairs what a crash has left: a last write that is incomplete is moved to `.torn`.
 * Throws, and changes nothing, when something is wrong that no crash explains.
 */
export function recoverTrail (files: TrailFiles): Recovered {
  const lastCheckpoint = recoverCheckpoints(files)
  const content = existsSync(files.current) ? readFileSync(files.current) : Buffer.alloc(0)
  const firstSeq = firstSeqOf(content)
  const before = headBefore(files, firstSeq, lastCheckpoint)
  const scan = scanLines(content, before)
  const tornBytes = content.length - scan.goodBytes
  if (tornBytes > 0) refuseUnlessTorn(files, scan, tornBytes, lastCheckpoint)
  if (lastCheckpoint !== undefined && lastCheckpoint.seq > scan.head.seq) {
    throw new Error(`${files.current} ends with entry ${scan.head.seq}, but a checkpoint names ${lastCheckpoint.seq}: entries are missing`)
  }
  if (tornBytes === 0) return { head: scan.head, firstSeq: scan.firstSeq, torn: undefined, lastCheckpoint }
  const torn = content.subarray(scan.goodBytes)
  appendFileSync(files.torn, torn, { mode: 0o600, flush: true })
  truncateSync(files.current, scan.goodBytes)
  return { head: scan.head, firstSeq: scan.firstSeq, torn: { bytes: tornBytes, lines: torn.filter(byte => byte === LF).length }, lastCheckpoint }
}

function refuseUnlessTorn (files: TrailFiles, { head, lines }: Scan, tornBytes: number, lastCheckpoint: Checkpoint | undefined): void {
  const isOld = lastCheckpoint !== undefined && head.seq < lastCheckpoint.seq
  if (isOld || tornBytes > MAX_TORN_BYTES) {
    throw new Error(`${files.current}, line ${lines + 1}: the trail is damaged; move its files away to begin a new one`)
  }
}

/** The last line of the checkpoints. A line that a crash has left incomplete is cut off. */
function recoverCheckpoints ({ checkpoints }: TrailFiles): Checkpoint | undefined {
  if (!existsSync(checkpoints)) return undefined
  const content = readFileSync(checkpoints)
  const end = content.lastIndexOf(LF) + 1
  if (end < content.length) truncateSync(checkpoints, end)
  if (end === 0) return undefined
  const line = content.subarray(content.lastIndexOf(LF, end - 2) + 1, end - 1).toString()
  const checkpoint = parseCheckpointLine(line)
  if (checkpoint === undefined) throw new Error(`${checkpoints}: the last checkpoint is damaged`)
  return checkpoint
}

function firstSeqOf (content: Buffer): number | undefined {
  const end = content.indexOf(LF)
  return end === -1 ? undefined : parseLine(content.subarray(0, end).toString())?.seq
}

/** Where the trail stood before the current segment. */
function headBefore (files: TrailFiles, firstSeq: number | undefined, lastCheckpoint: Checkpoint | undefined): ChainHead {
  const last = files.listClosed().at(-1)
  if (last !== undefined) return headOfClosed(last, firstSeq)
  // All closed segments have been removed: the checkpoint of the last rotation remains.
  if (lastCheckpoint === undefined || (firstSeq ?? 1) === 1) return emptyChain
  const rotation = readFileSync(files.checkpoints, 'utf8').split('\n').map(parseCheckpointLine).find(checkpoint => checkpoint?.seq === (firstSeq as number) - 1)
  if (rotation === undefined) throw new Error(`${files.current}: the segment before it is missing`)
  return rotation
}

/** The end of a closed segment. What the current segment repeats was moved there after a failed sync, and is cut off. */
function headOfClosed (path: string, firstSeqAfter: number | undefined): ChainHead {
  const content = readFileSync(path)
  let end = content.length
  while (end > 0) {
    const start = content.lastIndexOf(LF, end - 2) + 1
    const line = parseLine(content.subarray(start, end - 1).toString())
    const isRepeated = line === undefined || (firstSeqAfter !== undefined && line.seq >= firstSeqAfter)
    if (content[end - 1] === LF && !isRepeated) {
      if (end < content.length) truncateSync(path, end)
      return line
    }
    if (content.length - start > MAX_TORN_BYTES) break
    end = start
  }
  throw new Error(`${path}: the closed segment is damaged at its end`)
}

/** Follows the chain through the lines as far as it holds. */
function scanLines (content: Buffer, before: ChainHead): Scan {
  let head = before
  let goodBytes = 0
  let lines = 0
  let firstSeq: number | undefined
  for (let end = content.indexOf(LF); end !== -1; end = content.indexOf(LF, goodBytes)) {
    const line = parseLine(content.subarray(goodBytes, end).toString())
    if (line === undefined || line.seq !== head.seq + 1 || hashOf(line.body, head.hash) !== line.hash) break
    firstSeq ??= line.seq
    head = { seq: line.seq, hash: line.hash }
    goodBytes = end + 1
    lines++
  }
  return { head, firstSeq, goodBytes, lines }
}
