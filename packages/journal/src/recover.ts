import { basename } from 'node:path'
import {
  cutTail, followLines, isTorn, keepTail, MAX_WRITE_BYTES, type Followed
} from './file-tail.js'
import { sizeOf } from './file-scan.js'
import type { JournalFormat } from './format.js'
import type { JournalStart } from './journal-options.js'
import type { SegmentNames } from './segment-names.js'

/** A journal as it was read. */
export interface ReadJournal<Head> extends JournalStart<Head> {
  /** Number of the oldest line that is there; of the next one, when there is none. */
  readonly oldest: number
  /** How much of each file that was read is good, in order. */
  readonly files: ReadonlyArray<Followed<Head>>
}

/** A journal as it was read and repaired. */
export interface RecoveredJournal<Head> extends ReadJournal<Head> {
  /** Part of the last write, which a crash had left half written: it is in the `.torn` file now. */
  readonly torn: { readonly bytes: number, readonly lines: number } | undefined
}

type Visit<Head> = (line: string, head: Head, path: string) => void

/** The remedy for every damage of a journal. */
const REMEDY = 'bring it back from a backup'

/**
 * Reads all lines of a journal from a number on, and repairs what a crash has left: a last write that is
 * incomplete is moved to `.torn`. `visit` gets each line once, in order, with its head and file.
 * `check` throws where its user misses something in what was read.
 * @throws when anything is wrong that no crash explains, or `check` does; then it has changed nothing
 */
export function recoverJournal<Head> (
  names: SegmentNames, format: JournalFormat<Head>, from: number, visit: Visit<Head>,
  check: (journal: ReadJournal<Head>) => void = () => {}
): RecoveredJournal<Head> {
  const journal = readJournal(names, format, from, visit)
  check(journal)
  let bytes = 0
  let lines = 0
  for (const { path, goodBytes } of journal.files) {
    const kept = keepTail(path, goodBytes, names.torn)
    bytes += kept.bytes
    lines += kept.lines
  }
  for (const file of journal.files) cutTail(file)
  return { ...journal, torn: bytes === 0 ? undefined : { bytes, lines } }
}

/**
 * Reads all lines of a journal from a number on, as `recoverJournal` does, and changes nothing.
 * @throws when anything is wrong that no crash explains
 */
export function readJournal<Head> (
  names: SegmentNames, format: JournalFormat<Head>, from: number, visit: Visit<Head>
): ReadJournal<Head> {
  const closed = names.listClosed()
  const numbers = closed.map(path => names.numberIn(path) as number)
  const files: Array<Followed<Head>> = []
  // Whole segments before the first line that is wanted are not read.
  const begin = Math.max(0, numbers.findLastIndex(number => number <= from))
  let head: Head | undefined
  const read = (path: string, end: number): Followed<Head> => {
    const found = followLines(path, format, {
      before: head,
      visit (line, next) {
        const number = format.numberOf(next)
        if (number >= end) return false
        if (number >= from) visit(line, next, path)
        return true
      }
    })
    if (found.lines > 0) head = found.head
    files.push(found)
    return found
  }
  const first = checkBeginnings(names, closed.slice(begin), format)
  for (let i = begin; i < closed.length; i++) {
    const path = closed[i] as string
    const end = numbers[i + 1] ?? first ?? Infinity
    const found = read(path, end)
    const isLast = i === closed.length - 1
    if (found.lines === 0) throw damagedAtBeginning(path)
    // Behind a failed sync stand lines that were never durable; the segment after it begins where they do.
    const isSuperseded = end !== Infinity && format.numberOf(found.head) === end - 1
    const isExplained = isSuperseded
      ? isShort(found, format.maxLineBytes)
      : isLast && end === Infinity && isTorn(found, format)
    if (isExplained) continue
    if (found.size > found.goodBytes) throw damaged(found)
    throw missing(found, end, closed[i + 1] ?? names.current, format)
  }
  const current = read(names.current, Infinity)
  if (!isTorn(current, format)) throw damaged(current)
  return {
    head: head ?? format.start,
    first: current.lines === 0 ? undefined : first,
    oldest: numbers[0] ?? first ?? format.numberOf(head ?? format.start) + 1,
    files
  }
}

/**
 * Checks that each closed segment begins with the number of its name, and the current one behind them all.
 * Returns the number with which that begins; `undefined` without a good line.
 */
function checkBeginnings<Head> (
  names: SegmentNames, closed: readonly string[], format: JournalFormat<Head>
): number | undefined {
  for (const path of closed) {
    const number = firstNumber(path, format)
    if (number === undefined) throw damagedAtBeginning(path)
    if (number === names.numberIn(path)) continue
    throw new Error(`${path} begins with number ${number}, not with that of its name: ${REMEDY}`)
  }
  const first = firstNumber(names.current, format)
  const newest = closed.at(-1)
  const before = newest === undefined ? undefined : names.numberIn(newest)
  if (first === undefined || newest === undefined || before === undefined || first > before) return first
  throw new Error(`${names.current} begins with number ${first}, but ${basename(newest)} already with ` +
    `${before}: another file is in its place; ${REMEDY}`)
}

/** Returns the number of the first line of a file; `undefined` without a good one. */
function firstNumber<Head> (path: string, format: JournalFormat<Head>): number | undefined {
  let number: number | undefined
  if (sizeOf(path) === undefined) return undefined
  followLines(path, format, {
    visit (_line, head) {
      number = format.numberOf(head)
      return false
    }
  })
  return number
}

/** Returns whether a tail is no longer than what one failed write can leave. */
function isShort ({ size, goodBytes }: Followed<unknown>, maxLineBytes: number): boolean {
  return size - goodBytes <= Math.max(MAX_WRITE_BYTES, maxLineBytes + 1)
}

function missing<Head> (
  { path, head }: Followed<Head>, end: number, next: string, format: JournalFormat<Head>
): Error {
  const last = format.numberOf(head)
  return new Error(`${path} ends with number ${last}, and ${basename(next)} begins with ${end}: ` +
    `lines ${last + 1} to ${end - 1} are missing; bring the files back from a backup`)
}

function damagedAtBeginning (path: string): Error {
  return new Error(`${path} is damaged at its beginning: ${REMEDY}`)
}

function damaged ({ path, lines, goodBytes }: Followed<unknown>): Error {
  return new Error(`${path}, line ${lines + 1} (byte ${goodBytes}): the file is damaged there, and no ` +
    `crash explains that: ${REMEDY}`)
}
