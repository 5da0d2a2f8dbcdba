import { matchesSegment, type SingleSegment, type SegmentPattern } from './segment-pattern.js'

/** Adjacent segments, with no `**` between them. */
type Block = readonly SingleSegment[]

/** Compiles the segments of a pattern to a test of whole texts, whose segments are joined by `separator`. */
export function compileSequence (
  segments: readonly SegmentPattern[],
  separator: string
): (text: string) => boolean {
  const [head = [], ...later] = splitAtMany(segments)
  const tail = later.pop()
  if (tail === undefined) return text => endOfBlock(head, text, separator) === text.length + 1
  if (later.length === 0 && tail.length === 0) {
    return text => {
      const end = endOfBlock(head, text, separator)
      return end !== -1 && end <= text.length
    }
  }
  return text => matchesBlocks(head, later, tail, text, separator)
}

function splitAtMany (segments: readonly SegmentPattern[]): Block[] {
  const blocks: SingleSegment[][] = [[]]
  for (const segment of segments) {
    if (segment.type === 'many') blocks.push([])
    else blocks.at(-1)!.push(segment)
  }
  return blocks
}

/** Matches a block at the beginning of a text. Returns the index of the next segment; -1 without a match. */
function endOfBlock (block: Block, text: string, separator: string): number {
  let start = 0
  for (const segment of block) {
    if (start > text.length) return -1
    const end = endOfSegment(text, start, separator)
    if (!matchesSegment(segment, text, start, end)) return -1
    start = end + 1
  }
  return start
}

/**
 * Takes the first occurrence of each middle block: a tail that fits after a later one fits after an earlier
 * one.
 */
function matchesBlocks (
  head: Block,
  middles: readonly Block[],
  tail: Block,
  text: string,
  separator: string
): boolean {
  const starts = startsOfSegments(text, separator)
  const tailIndex = starts.length - 1 - tail.length
  if (head.length >= tailIndex) return false
  if (!standsAt(head, text, starts, 0) || !standsAt(tail, text, starts, tailIndex)) return false

  let index = head.length
  for (const block of middles) {
    index++
    while (index + block.length < tailIndex && !standsAt(block, text, starts, index)) index++
    index += block.length
    if (index >= tailIndex) return false
  }
  return true
}

function standsAt (block: Block, text: string, starts: readonly number[], index: number): boolean {
  for (let offset = 0; offset < block.length; offset++) {
    const start = starts[index + offset]!
    const end = starts[index + offset + 1]! - 1
    if (!matchesSegment(block[offset]!, text, start, end)) return false
  }
  return true
}

/** Returns the index at which each segment starts, and one more. */
function startsOfSegments (text: string, separator: string): number[] {
  const starts = [0]
  for (let start = 0; start <= text.length;) {
    start = endOfSegment(text, start, separator) + 1
    starts.push(start)
  }
  return starts
}

function endOfSegment (text: string, start: number, separator: string): number {
  const end = text.indexOf(separator, start)
  return end === -1 ? text.length : end
}
