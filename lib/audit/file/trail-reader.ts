import { scanLinesBackwards, textOf, type RawLine } from '@hamicek/noex-journal'
import { MAX_LINE_BYTES, parseEntry, type SealedEntry } from '../chain/chain.js'
import type { FoundCommits, WantedCommits } from '../sink.js'
import { findSegments, type TrailFiles } from './segments.js'
import { readLines, type ByteRange } from './trail-lines.js'

/** A line of a trail, as it was read. */
export interface TrailItem {
  readonly file: string
  /** Counted from 1, or from where the reading of the file began. */
  readonly line: number
  /** The stored line without line feed; `undefined` when it is too long or not UTF-8. */
  readonly text: string | undefined
  /** `undefined` when the line is not an entry. The hash is not checked. */
  readonly entry: SealedEntry | undefined
}

/** Options of `readTrail`. */
interface ReadOptions {
  /** Selects entries; lines that are not entries are always included. @default all entries */
  readonly filter?: (entry: SealedEntry) => boolean
}

/**
 * Reads a trail line by line, in the order of its entries; `files` as for `findSegments`. Rejects when a file
 * cannot be read; bad lines are items without entry.
 */
export async function * readTrail (
  files: readonly string[],
  { filter = () => true }: ReadOptions = {}
): AsyncGenerator<TrailItem, void, undefined> {
  for (const { file } of await findSegments(files)) {
    for await (const item of readItems(file)) {
      if (item.entry === undefined || filter(item.entry)) yield item
    }
  }
}

/** Reads the lines of one file, or of a part of it that begins with a line. */
export async function * readItems (
  file: string,
  range: ByteRange = {}
): AsyncGenerator<TrailItem, void, undefined> {
  let line = 0
  for await (const lines of readLines(file, range)) {
    for (const raw of lines) yield toItem(file, ++line, raw)
  }
}

/** Makes the item of a line; `line` is its number. */
export function toItem (file: string, line: number, raw: RawLine): TrailItem {
  const text = textOf(raw)
  return { file, line, text, entry: text === undefined ? undefined : parseEntry(text) }
}

/**
 * Finds commits that the entries of a trail name. Reads backwards from the end, no further than needed, and
 * synchronously: it belongs in a thread of its own.
 */
export function findCommits (
  files: TrailFiles, { epoch, revisions, told, since }: WantedCommits
): FoundCommits {
  const wanted = new Set(revisions)
  const found: number[] = []
  let oldest: SealedEntry | undefined
  let isOver = false
  for (const path of [files.current, ...files.listClosed().reverse()]) {
    scanLinesBackwards(path, MAX_LINE_BYTES, raw => {
      const entry = parseEntry(textOf(raw) ?? '')
      if (entry === undefined) return true
      const { revision } = entry
      oldest = entry
      if (entry.epoch === epoch && revision !== undefined) {
        found.push(revision)
        wanted.delete(revision)
        isOver = wanted.size === 0 || revision <= told
      }
      isOver ||= entry.timestamp < since
      return !isOver
    })
    if (isOver) break
  }
  const isCut = !isOver && oldest !== undefined && oldest.seq > 1
  return { revisions: found, ...(isCut && { removedUntil: (oldest as SealedEntry).timestamp }) }
}
